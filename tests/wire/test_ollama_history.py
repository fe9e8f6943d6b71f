"""Histories as Ollama's strict decoder takes them (`wire.ollama_chat.ask`)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_requests import ASKING, Q, asked, calling, sent, text
from trooper.core.conversation import ImagePart, Message, Part, Role, TextPart, ToolCall, UnknownPart
from trooper.wire.ollama_chat.ask import native_messages


def natives(*messages: Message) -> list[dict[str, object]]:
    return native_messages(asked(*messages))


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
