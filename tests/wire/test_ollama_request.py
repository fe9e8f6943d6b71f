"""Requests as Ollama's strict decoder takes them (`wire.ollama_chat.ask`)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ollama_requests import ASKING, LOADING, MODEL, Q, asked, calling, sent
from trooper.core.conversation import Sampling, Tool, ToolCall
from trooper.wire.ollama_chat.ask import (
    Loading,
    OllamaAsking,
    echo_probe,
    generation_probe,
    load,
    render_probe,
)
from trooper.wire.target_side import Post

# Asking


PLAIN = {
    "model": "qwen2.5:3b",
    "keep_alive": "30m",
    "messages": [{"role": "user", "content": "Q"}],
    "stream": True,
    "think": False,
    "truncate": False,
    "options": {"num_ctx": 4096},
}


def test_a_plain_chat() -> None:
    assert sent(ASKING.chat(asked())) == PLAIN


def test_the_half_answer_is_the_last_message() -> None:
    prefill = "1, 2, 3,"
    half = {"role": "assistant", "content": prefill}
    assert sent(ASKING.chat(asked(), prefill=prefill)) == PLAIN | {
        "messages": [{"role": "user", "content": "Q"}, half]
    }
    # Two assistant messages at the end are refused, but a call is not merged with.
    call = calling(ToolCall("c", "f", "{}"))
    roles = [m["role"] for m in sent(ASKING.chat(asked(Q, call), prefill=prefill))["messages"]]
    assert roles == ["user", "assistant", "assistant"]


ALL = Sampling(
    max_tokens=99,
    temperature=0.0,
    top_p=0.5,
    seed=7,
    frequency_penalty=0.1,
    presence_penalty=-0.1,
    stop=("END", "\n"),
)


def test_options() -> None:
    body = sent(ASKING.chat(asked(sampling=ALL), max_tokens=12, seed_offset=2))
    assert body["options"] == {
        "num_ctx": 4096,
        "temperature": 0.0,
        "top_p": 0.5,
        "seed": 9,
        "frequency_penalty": 0.1,
        "presence_penalty": -0.1,
        "num_predict": 12,
        # A request's list replaces the model's own, so both are sent.
        "stop": ["END", "\n", "<|im_end|>"],
    }


@pytest.mark.parametrize(("left", "sent_as"), [(5, 5), (1, 1), (0, 1), (-3, 1)])
def test_never_a_limit_of_nothing(left: int, sent_as: int) -> None:
    """0 means "without end" on two of three paths."""
    assert sent(ASKING.chat(asked(), max_tokens=left))["options"]["num_predict"] == sent_as
    body = sent(ASKING.raw("P", asked(), prefill="", max_tokens=left), "/api/generate")
    assert body["options"]["num_predict"] == sent_as


def test_a_seed_that_was_not_given_is_not_made_up() -> None:
    assert "seed" not in sent(ASKING.chat(asked(), seed_offset=3))["options"]
    assert sent(ASKING.chat(asked(sampling=Sampling(seed=0))))["options"]["seed"] == 0


def test_tools() -> None:
    tools = (Tool("f", "does f", {"type": "object", "properties": {}}), Tool("g"))
    assert sent(ASKING.chat(asked(tools=tools)))["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "f",
                "description": "does f",
                "parameters": {"type": "object", "properties": {}},
            },
        },
        {"type": "function", "function": {"name": "g", "description": "", "parameters": {}}},
    ]
    assert sent(ASKING.chat(asked(tools=tools, tool_choice="none"))) == PLAIN


@pytest.mark.parametrize(
    ("fields", "format_"),
    [
        ({"json_mode": True}, "json"),
        ({"json_schema": {"type": "object"}}, {"type": "object"}),
        ({"json_schema": {"type": "object"}, "json_mode": True}, {"type": "object"}),
        ({"json_schema": {}}, "json"),
    ],
)
def test_format(fields: dict[str, Any], format_: object) -> None:
    """Never "text": that is a 500."""
    assert sent(ASKING.chat(asked(**fields))) == PLAIN | {"format": format_}


@pytest.mark.parametrize(
    ("keep_alive", "sent_as"), [("30m", "30m"), ("300", 300), ("-1", -1), ("0", 0), ("-1s", "-1s")]
)
def test_a_number_of_seconds_is_a_number(keep_alive: str, sent_as: object) -> None:
    """ "300" in quotes is a 400."""
    body = sent(OllamaAsking(MODEL, Loading(None, keep_alive)).chat(asked()))
    assert body == PLAIN | {"keep_alive": sent_as, "options": {}}


def posts(loading: Loading) -> list[Post]:
    conversation, asking = asked(sampling=ALL), OllamaAsking(MODEL, loading)
    return [
        load(MODEL, loading),
        render_probe(MODEL, loading),
        echo_probe(MODEL, loading),
        generation_probe(MODEL, loading),
        asking.chat(conversation, prefill="x", max_tokens=5),
        asking.render(conversation),
        asking.raw("P", conversation, prefill="x"),
    ]


@pytest.mark.parametrize("num_ctx", [None, 4096])
def test_the_load_time_options_are_the_same_everywhere(num_ctx: int | None) -> None:
    """Another value in one request loads the model anew; so does `shift`."""
    for post in posts(Loading(num_ctx, "5m")):
        body = json.loads(post.body)
        assert body["model"] == MODEL.name
        assert body["keep_alive"] == "5m"
        assert body["options"].get("num_ctx") == num_ctx
        assert ("num_ctx" in body["options"]) is (num_ctx is not None)
        assert "shift" not in body
        assert body.get("truncate", False) is False


def test_all_but_loading_forbid_to_drop_the_question_and_to_think() -> None:
    for post in posts(LOADING)[1:]:
        body = json.loads(post.body)
        assert body["truncate"] is False
        assert body.get("think") is (None if post.path == "/api/generate" else False)


# Raw


@pytest.mark.parametrize(
    ("rendered", "prompt"),
    [
        ("<|im_start|>assistant\n", "<|im_start|>assistant\nhalf"),
        ("assistant\n<think>\n", "assistant\n<think>\n\n</think>\n\nhalf"),
        ("assistant\n<thinking>", "assistant\n<thinking>\n</thinking>\n\nhalf"),
        ("assistant\n<think>\n\n</think>\n\n", "assistant\n<think>\n\n</think>\n\nhalf"),
        ("<think>x", "<think>xhalf"),
        ("<thinks>", "<thinks>half"),
        ("", "half"),
    ],
)
def test_the_prompt_goes_on_behind_an_open_think_tag(rendered: str, prompt: str) -> None:
    body = sent(ASKING.raw(rendered, asked(), prefill="half"), "/api/generate")
    assert body == {
        "model": "qwen2.5:3b",
        "keep_alive": "30m",
        "prompt": prompt,
        "raw": True,
        "stream": True,
        "truncate": False,
        "options": {"num_ctx": 4096},
    }


def test_raw_has_the_options_of_a_chat() -> None:
    body = sent(ASKING.raw("P", asked(sampling=ALL), prefill="x", max_tokens=3), "/api/generate")
    assert body["options"] == sent(ASKING.chat(asked(sampling=ALL), max_tokens=3))["options"]


def test_stop_of_the_model_alone_stays_the_models() -> None:
    assert "stop" not in sent(ASKING.raw("P", asked(), prefill=""), "/api/generate")["options"]


def test_what_is_rendered_is_what_would_be_asked() -> None:
    """It is counted: whatever makes the prompt longer has to be in it."""
    conversation = asked(Q, tools=(Tool("f", "text", {"type": "object"}),))
    rendered = sent(ASKING.render(conversation, prefill="Half"))
    chat = sent(ASKING.chat(conversation, prefill="Half"))
    for name in ("messages", "tools", "think", "truncate"):
        assert rendered[name] == chat[name]
    assert rendered["messages"][-1] == {"role": "assistant", "content": "Half"}
    assert "tools" not in sent(ASKING.render(asked(Q, tools=(Tool("f"),), tool_choice="none")))
    assert ASKING.count("a prompt") is None
    assert ASKING.read_count(b'{"tokens": [1]}') is None
