"""
A llama.cpp server: what it says of itself, how it is asked, and how its answers are read.

The bodies are those of a real server (October 2026), shortened.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from trooper.core.conversation import (
    Conversation,
    ImagePart,
    Message,
    Role,
    Sampling,
    TextPart,
    Tool,
    ToolCall,
    UnknownPart,
)
from trooper.core.local_model import PROBE_BLANK, PROBE_TEXT, LocalModel
from trooper.wire.llama_server.ask import LlamaAsking, echo_probe, render_probe
from trooper.wire.llama_server.models import read_props, read_render, read_trained, read_version
from trooper.wire.target_side import Post

MODEL = LocalModel("smol")
ASKING = LlamaAsking(MODEL)
Q = Message(Role.USER, (TextPart("Q"),))
PROPS: dict[str, Any] = {
    "default_generation_settings": {"n_ctx": 4096},
    "total_slots": 1,
    "model_alias": "smol",
    "model_path": "m/SmolLM2.gguf",
    "modalities": {"vision": False, "audio": False},
    "chat_template": "{% for message in messages %}",
    "chat_template_caps": {"supports_tools": False},
    "build_info": "b0-unknown",
}


def dumps(value: object) -> bytes:
    return json.dumps(value).encode()


def sent(post: Post, path: str) -> dict[str, Any]:
    assert post.path == path
    body: dict[str, Any] = json.loads(post.body)
    return body


def asked(*messages: Message, **fields: Any) -> Conversation:
    return Conversation(messages or (Q,), **fields)


# What it says of itself


def test_props() -> None:
    model = read_props(dumps(PROPS))

    assert (model.name, model.window_tokens) == ("smol", 4096)
    assert model.capabilities == {"completion"}
    assert read_version(dumps(PROPS)) == "b0-unknown"


@pytest.mark.parametrize(
    ("changed", "capabilities"),
    [
        ({"chat_template_caps": {"supports_tools": True}}, {"completion", "tools"}),
        ({"modalities": {"vision": True}}, {"completion", "vision"}),
        ({"chat_template_caps": None, "chat_template": "{% if tools %}"}, {"completion", "tools"}),
        ({"chat_template_caps": {"supports_tools": "yes"}}, {"completion"}),
    ],
)
def test_capabilities(changed: dict[str, Any], capabilities: set[str]) -> None:
    assert read_props(dumps(PROPS | changed)).capabilities == capabilities


@pytest.mark.parametrize(
    ("changed", "name"),
    [({"model_alias": None}, "SmolLM2.gguf"), ({"model_alias": "", "model_path": None}, "model")],
)
def test_a_model_without_an_alias_is_called_by_its_file(changed: dict[str, Any], name: str) -> None:
    assert read_props(dumps(PROPS | changed)).name == name


def test_another_template_is_another_model() -> None:
    other = read_props(dumps(PROPS | {"chat_template": "{{ x }}"}))

    assert other.digest != read_props(dumps(PROPS)).digest


def test_the_window_it_was_trained_for() -> None:
    assert read_trained(dumps({"data": [{"id": "smol", "meta": {"n_ctx_train": 8192}}]})) == 8192
    for body in (b"", b"{}", dumps({"data": []}), dumps({"data": ["x"]}), dumps({"data": [{"meta": 7}]})):
        assert read_trained(body) == 0


def test_a_rendered_prompt() -> None:
    assert read_render(b'{"prompt": "<|im_start|>"}') == "<|im_start|>"
    assert read_render(b'{"prompt": 7}') is None


# Asking


def test_a_plain_chat() -> None:
    assert sent(ASKING.chat(asked()), "/v1/chat/completions") == {
        "model": "smol",
        "messages": [{"role": "user", "content": "Q"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_progress": True,
        "chat_template_kwargs": {"enable_thinking": False},
    }


def test_a_half_answer_is_a_trailing_message() -> None:
    body = sent(ASKING.chat(asked(), prefill="half", max_tokens=0), "/v1/chat/completions")

    assert body["messages"][-1] == {"role": "assistant", "content": "half"}
    # 0 would be one token anyway, and a negative one "without end".
    assert body["max_tokens"] == 1


def test_the_raw_way() -> None:
    sampling = Sampling(temperature=0.5, seed=3, stop=("END",), frequency_penalty=1.0)
    body = sent(
        ASKING.raw("P<think>\n", asked(sampling=sampling), prefill="half", max_tokens=9), "/completion"
    )

    assert body == {
        "prompt": "P<think>\n\n</think>\n\nhalf",
        "stream": True,
        "return_progress": True,
        "n_predict": 9,
        "temperature": 0.5,
        "seed": 3,
        "frequency_penalty": 1.0,
        "stop": ["END"],
    }


def test_history_with_tools_and_images() -> None:
    call = ToolCall("c1", "f", '{"a": 1}')
    conversation = asked(
        Message(Role.USER, (TextPart("look"), ImagePart("image/png", "QUJD"))),
        Message(Role.ASSISTANT, (), (call,)),
        Message(Role.TOOL, (TextPart("seen"),), tool_call_id="c1"),
        tools=(Tool("f", "d", {"type": "object"}),),
    )
    function = {"name": "f", "arguments": '{"a": 1}'}

    for post, path in (
        (ASKING.chat(conversation), "/v1/chat/completions"),
        (ASKING.render(conversation), "/apply-template"),
    ):
        body = sent(post, path)
        assert body["messages"] == [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "look"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
                ],
            },
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "c1", "type": "function", "function": function}],
            },
            {"role": "tool", "content": "seen", "tool_call_id": "c1"},
        ]
        assert body["tools"] == [
            {
                "type": "function",
                "function": {"name": "f", "description": "d", "parameters": {"type": "object"}},
            }
        ]
    unused = Conversation((Q,), tools=conversation.tools, tool_choice="none")
    assert "tools" not in sent(ASKING.chat(unused), "/v1/chat/completions")


def test_what_no_local_server_takes_is_never_written() -> None:
    with pytest.raises(ValueError, match="input_audio"):
        ASKING.chat(asked(Message(Role.USER, (ImagePart("image/png", "QUJD"), UnknownPart("input_audio")))))


@pytest.mark.parametrize(
    ("fields", "form"),
    [
        ({"json_mode": True}, {"type": "json_object"}),
        ({"json_schema": {}}, {"type": "json_object"}),
        (
            {"json_schema": {"type": "object"}},
            {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}},
        ),
    ],
)
def test_structured_output(fields: dict[str, Any], form: dict[str, Any]) -> None:
    assert sent(ASKING.chat(asked(**fields)), "/v1/chat/completions")["response_format"] == form


def test_probes_ask_for_what_a_template_may_change() -> None:
    rendered = sent(render_probe(), "/apply-template")
    echoed = sent(echo_probe(MODEL), "/v1/chat/completions")

    assert rendered["messages"][-1]["content"] == PROBE_TEXT + PROBE_BLANK
    assert echoed["messages"][-1]["content"] == PROBE_TEXT
    assert (echoed["max_tokens"], echoed["stream"]) == (1, True)


# Reading
