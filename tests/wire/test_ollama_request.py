"""Requests as Ollama's strict decoder takes them (`wire.ollama_chat.request`)."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.conversation import (
    Conversation,
    ImagePart,
    Message,
    Part,
    Role,
    Sampling,
    TextPart,
    Tool,
    ToolCall,
    UnknownPart,
)
from trooper.core.local_model import PROBE_BLANK, PROBE_TEXT, LocalModel
from trooper.wire.ollama_chat.ask import (
    Loading,
    OllamaAsking,
    echo_probe,
    generation_probe,
    load,
    native_messages,
    render_probe,
    show,
)
from trooper.wire.target_side import Post

MODEL = LocalModel("qwen2.5:3b", stop=("<|im_end|>",))
LOADING = Loading(4096, "30m")
ASKING = OllamaAsking(MODEL, LOADING)
Q = Message(Role.USER, (TextPart("Q"),))


def sent(post: Post, path: str = "/api/chat") -> dict[str, Any]:
    assert post.path == path
    body: dict[str, Any] = json.loads(post.body)
    return body


def asked(*messages: Message, **fields: Any) -> Conversation:
    return Conversation(messages or (Q,), **fields)


def text(role: Role, *parts: str, **fields: Any) -> Message:
    return Message(role, tuple(map(TextPart, parts)), **fields)


def natives(*messages: Message) -> list[dict[str, object]]:
    return native_messages(asked(*messages))


# The history


def test_one_system_message_in_front() -> None:
    """Some templates keep only one, and some print a `developer` as he stands."""
    assert natives(
        text(Role.SYSTEM, "Be ", "brief."),
        text(Role.USER, "Q"),
        text(Role.SYSTEM, "Be kind."),
        text(Role.SYSTEM),
        text(Role.ASSISTANT, "A"),
    ) == [
        {"role": "system", "content": "Be brief.\n\nBe kind."},
        {"role": "user", "content": "Q"},
        {"role": "assistant", "content": "A"},
    ]


def test_no_system_message_where_nobody_says_one() -> None:
    assert natives(text(Role.SYSTEM), Q) == [{"role": "user", "content": "Q"}]


def test_parts_become_one_string() -> None:
    assert natives(text(Role.USER, "a", "b")) == [{"role": "user", "content": "ab"}]
    assert natives(Message(Role.USER, ())) == [{"role": "user", "content": ""}]


def test_neighbours_of_one_role_are_merged() -> None:
    assert natives(
        text(Role.USER, "a"),
        text(Role.SYSTEM, "s"),
        text(Role.USER, "b"),
        text(Role.ASSISTANT, "c"),
        text(Role.ASSISTANT),
        text(Role.ASSISTANT, "d"),
        text(Role.USER),
        text(Role.USER, "e"),
    ) == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "a\n\nb"},
        {"role": "assistant", "content": "c\n\nd"},
        {"role": "user", "content": "e"},
    ]


def image(data: str) -> ImagePart:
    return ImagePart("image/png", data)


def test_images_are_bare_base64() -> None:
    elsewhere = ImagePart(url="https://x/y.png")
    assert natives(
        Message(Role.USER, (TextPart("a"), image("QUJD"), elsewhere, UnknownPart("file"), TextPart("b"))),
        Message(Role.USER, (image("REVG"),)),
        Message(Role.USER, (TextPart("c"),)),
        Message(Role.USER, (image("R0hJ"), image("SktM"))),
    ) == [{"role": "user", "content": "ab\n\nc", "images": ["QUJD", "REVG", "R0hJ", "SktM"]}]
    assert natives(Q, Message(Role.USER, (image("QUJD"),))) == [
        {"role": "user", "content": "Q", "images": ["QUJD"]}
    ]


def calling(*calls: ToolCall, say: str = "") -> Message:
    return Message(Role.ASSISTANT, (TextPart(say),) if say else (), calls)


def test_arguments_are_objects_and_calls_are_numbered() -> None:
    """A string is a 400."""
    calls = (
        ToolCall("c1", "f", '{"a": [1, {"b": "é"}]}'),
        ToolCall("c2", "g", ""),
        ToolCall("", "h", " {} "),
    )
    assert natives(calling(*calls, say="Let me look.")) == [
        {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": [
                {"id": "c1", "function": {"index": 0, "name": "f", "arguments": {"a": [1, {"b": "é"}]}}},
                {"id": "c2", "function": {"index": 1, "name": "g", "arguments": {}}},
                {"id": "", "function": {"index": 2, "name": "h", "arguments": {}}},
            ],
        }
    ]


@pytest.mark.parametrize("arguments", ['{"a": ', "[1]", '"x"', "7", "null", "  ", "{}{}", '{"a": "\ud83d"}'])
def test_arguments_that_are_no_object_become_words(arguments: str) -> None:
    bad, good = ToolCall("c1", "f", arguments), ToolCall("c2", "g", "{}")
    words = f"f({arguments})"
    assert natives(calling(bad)) == [{"role": "assistant", "content": words}]
    (native,) = natives(calling(bad, good, bad, say="Hm."))
    assert native["content"] == f"Hm.\n{words}\n{words}"
    assert native["tool_calls"] == [{"id": "c2", "function": {"index": 0, "name": "g", "arguments": {}}}]


def test_results_are_named_by_their_calls() -> None:
    """Templates use the name or the id, never both."""
    messages = (
        Q,
        calling(ToolCall("c1", "f", "{}"), ToolCall("c2", "g", "{}")),
        text(Role.TOOL, "1", tool_call_id="c1"),
        text(Role.TOOL, "2", tool_call_id="c2"),
        text(Role.TOOL, "3", tool_call_id="lost"),
        text(Role.TOOL),
    )
    assert natives(*messages)[2:] == [
        {"role": "tool", "content": "1", "tool_call_id": "c1", "tool_name": "f"},
        {"role": "tool", "content": "2", "tool_call_id": "c2", "tool_name": "g"},
        {"role": "tool", "content": "3", "tool_call_id": "lost", "tool_name": "tool"},
        {"role": "tool", "content": "", "tool_call_id": "", "tool_name": "tool"},
    ]


def test_nothing_is_merged_into_a_call_or_a_result() -> None:
    call = ToolCall("c1", "f", "{}")
    roles = [
        (m["role"], m["content"], "tool_calls" in m)
        for m in natives(
            text(Role.ASSISTANT, "a"),
            calling(call, say="b"),
            text(Role.ASSISTANT, "c"),
            text(Role.TOOL, "1", tool_call_id="c1"),
            text(Role.TOOL, "2", tool_call_id="c1"),
        )
    ]
    assert roles == [
        ("assistant", "a\n\nb", True),
        ("assistant", "c", False),
        ("tool", "1", False),
        ("tool", "2", False),
    ]


parts: st.SearchStrategy[Part] = (
    st.builds(TextPart, st.text(max_size=5))
    | st.builds(ImagePart, st.just("image/png"), st.sampled_from(["", "QUJD"]))
    | st.builds(UnknownPart, st.just("file"))
)
calls = st.builds(
    ToolCall,
    st.sampled_from(["", "c1", "c2"]),
    st.text(max_size=5),
    st.sampled_from(["", "{}", '{"a": 1}', "{", "[]"]) | st.text(max_size=5),
)
contents = st.lists(parts, max_size=3).map(tuple)
messages = (
    st.builds(Message, st.sampled_from([Role.SYSTEM, Role.USER]), contents)
    | st.builds(Message, st.just(Role.ASSISTANT), contents, st.lists(calls, max_size=2).map(tuple))
    | st.builds(Message, st.just(Role.TOOL), contents, tool_call_id=st.sampled_from(["", "c1", "c2"]))
)


@given(st.lists(messages, max_size=8))
def test_whatever_the_history_it_is_strict(history: list[Message]) -> None:
    body = sent(ASKING.chat(asked(*history), prefill="half"))
    roles = [m["role"] for m in body["messages"]]
    assert "system" not in roles[1:]
    assert set(roles) <= {"system", "user", "assistant", "tool"}
    assert ("user", "user") not in list(pairwise(roles))
    for message in body["messages"]:
        assert isinstance(message["content"], str)
        assert all(isinstance(i, str) and i for i in message.get("images", ["x"]))
        for at, call in enumerate(message.get("tool_calls", [])):
            assert call["function"]["index"] == at
            assert isinstance(call["function"]["arguments"], dict)
        assert ("tool_name" in message) is (message["role"] == "tool")
    assert body["messages"][-1] == {"role": "assistant", "content": "half"}
    said = "".join(m["content"] for m in body["messages"])
    assert all(m.text in said for m in history)


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


# Loading and finding out


def test_loading() -> None:
    assert sent(load(MODEL, LOADING)) == {
        "model": "qwen2.5:3b",
        "keep_alive": "30m",
        "messages": [],
        "options": {"num_ctx": 4096},
    }


def test_show() -> None:
    assert sent(show("a:b"), "/api/show") == {"model": "a:b"}


def probed(post: Post) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is asked, and all else."""
    body = sent(post)
    question, half = body.pop("messages")
    assert question == {"role": "user", "content": "Q"}
    assert body.pop("stream") is False
    return half, body


def test_the_render_probe_generates_nothing() -> None:
    half, rest = probed(render_probe(MODEL, LOADING))
    assert half == {"role": "assistant", "content": PROBE_TEXT + PROBE_BLANK}
    assert rest["_debug_render_only"] is True
    assert rest["options"] == {"num_ctx": 4096}


def test_the_echo_probe_generates_one_token() -> None:
    half, rest = probed(echo_probe(MODEL, LOADING))
    assert half == {"role": "assistant", "content": PROBE_TEXT}
    assert "_debug_render_only" not in rest
    assert rest["options"] == {"num_ctx": 4096, "num_predict": 1, "temperature": 0}


def test_the_generation_probe_counts_on() -> None:
    half, rest = probed(generation_probe(MODEL, LOADING))
    assert half == {"role": "assistant", "content": "1, 2, 3, 4,"}
    assert rest["options"] == {"num_ctx": 4096, "num_predict": 8, "temperature": 0}


def test_rendering_says_nothing_of_the_half_answer() -> None:
    assert sent(ASKING.render(asked(text(Role.SYSTEM, "S"), Q))) == {
        "model": "qwen2.5:3b",
        "keep_alive": "30m",
        "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}],
        "think": False,
        "truncate": False,
        "options": {"num_ctx": 4096},
        "_debug_render_only": True,
    }


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
