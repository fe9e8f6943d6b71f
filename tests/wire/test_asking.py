"""
A conversation, asked on a wire and read back from it, is the same; and what
cannot be said there is said to be so (`ask`, `read_request` of the three wires).
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from scenes import WIRES
from trooper.core.continuing import CloudWay, Half
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
from trooper.core.unfit import Unfit
from trooper.wire.client_side import Routing, Unreadable
from trooper.wires import SURFACES, BothSides

NAMES = tuple(WIRES)
PNG = ImagePart(media_type="image/png", base64="iVBORw0KGgo=")
WEB = ImagePart(url="https://example.com/a.png")


def wire_of(name: str) -> BothSides:
    return SURFACES[WIRES[name].path].spoken


def read_back(name: str, conversation: Conversation, **how: Any) -> Conversation:
    body = wire_of(name).ask(conversation, model="m", **how)
    read = wire_of(name).read_conversation(body)
    assert not isinstance(read, Unreadable), read
    return read


letters = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip)
objects = st.dictionaries(letters, st.none() | st.booleans() | st.integers(-9, 9) | words, max_size=3)


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """As an agent has them: a user's turns, answers, and calls with their results right behind them."""
    messages: list[Message] = []
    if draw(st.booleans()):
        messages.append(Message(Role.SYSTEM, (TextPart(draw(words)),)))
    number = 0
    for _ in range(draw(st.integers(1, 3))):
        parts: list[Part] = [TextPart(draw(words))]
        if draw(st.booleans()):
            parts.append(draw(st.sampled_from([PNG, WEB])))
        messages.append(Message(Role.USER, tuple(parts)))
        calls = []
        for _ in range(draw(st.integers(0, 2))):
            number += 1
            arguments = json.dumps(draw(objects), ensure_ascii=False, separators=(",", ":"))
            calls.append(
                ToolCall(f"call_{number}", draw(st.from_regex(r"[a-z_]{1,9}", fullmatch=True)), arguments)
            )
        said = (TextPart(draw(words)),) if draw(st.booleans()) or not calls else ()
        messages.append(Message(Role.ASSISTANT, said, tuple(calls)))
        messages += [Message(Role.TOOL, (TextPart(draw(words)),), tool_call_id=c.id) for c in calls]
    if messages[-1].role is Role.ASSISTANT:
        messages.append(Message(Role.USER, (TextPart(draw(words)),)))
    tools = tuple(
        Tool(f"tool_{n}", draw(words), {"type": "object", "properties": draw(st.just({}))})
        for n in range(draw(st.integers(0, 2)))
    )
    sampling = Sampling(
        max_tokens=draw(st.integers(16, 9999)),
        temperature=draw(st.none() | st.sampled_from([0.0, 0.5, 1.0])),
        top_p=draw(st.none() | st.just(0.9)),
    )
    choice = draw(st.sampled_from(["auto", "none", "required", "tool:tool_0"])) if tools else "auto"
    return Conversation(tuple(messages), tools, choice, sampling)


def shape(conversation: Conversation) -> Any:
    """What must survive: who says what, calls and results, tools, limits."""
    turns = [
        (
            m.role,
            m.parts,
            tuple((c.id, c.name, json.loads(c.arguments)) for c in m.tool_calls),
            m.tool_call_id,
        )
        for m in conversation.messages
    ]
    tools = [(t.name, t.description, dict(t.parameters)) for t in conversation.tools]
    wanted = conversation.sampling
    return turns, tools, conversation.tool_choice, wanted.max_tokens, wanted.temperature, wanted.top_p


@pytest.mark.parametrize("name", NAMES)
@given(conversation=conversations())
def test_what_is_asked_reads_as_the_same(name: str, conversation: Conversation) -> None:
    assert wire_of(name).unfit(conversation) is None
    limit = conversation.sampling.max_tokens
    read = read_back(name, conversation, max_tokens=limit)
    assert shape(read) == shape(conversation)
    assert read.unsaid == ()
    body = wire_of(name).ask(conversation, model="m", max_tokens=limit)
    assert wire_of(name).read_routing(body) == Routing("m", stream=True, include_usage=name == "chat")


@pytest.mark.parametrize("name", NAMES)
def test_results_with_images(name: str) -> None:
    """Where a result cannot show an image, the user does, behind all results of the turn."""
    call = ToolCall("call_1", "look", "{}")
    messages = (
        Message(Role.USER, (TextPart("Look."),)),
        Message(Role.ASSISTANT, (), (call,)),
        Message(Role.TOOL, (TextPart("Here:"), PNG), tool_call_id="call_1"),
        Message(Role.USER, (TextPart("And?"),)),
    )
    read = read_back(name, Conversation(messages))
    assert PNG in [part for message in read.messages for part in message.parts]
    assert [m.text for m in read.messages if m.role is Role.TOOL] == ["Here:"]
    assert read.messages[-1].text == "And?"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"unsaid": (Unfit.AUDIO,)}, dict.fromkeys(NAMES, Unfit.AUDIO)),
        ({"choices": 2}, {"chat": None, "messages": Unfit.CHOICES, "responses": Unfit.CHOICES}),
        ({"json_mode": True}, {"chat": None, "messages": Unfit.JSON_MODE, "responses": None}),
        ({"json_schema": {"type": "object"}}, {"chat": None, "messages": None, "responses": None}),
        ({"sampling": Sampling(stop=("END",))}, {"chat": None, "messages": None, "responses": Unfit.STOP}),
        (
            {"messages": (Message(Role.USER, (UnknownPart("input_audio"),)),)},
            dict.fromkeys(NAMES, Unfit.CONTENT_PART),
        ),
    ],
)
def test_what_cannot_be_said(name: str, changes: dict[str, Any], reasons: dict[str, Unfit | None]) -> None:
    conversation = evolve(Conversation((Message(Role.USER, (TextPart("Hi"),)),)), **changes)
    assert wire_of(name).unfit(conversation) is reasons[name]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("strict", [True, False])
def test_the_form_of_an_answer(name: str, strict: bool) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    asked = Conversation((Message(Role.USER, (TextPart("Hi"),)),), json_schema=schema, json_strict=strict)
    read = read_back(name, asked)
    assert read.json_schema == schema
    assert read.is_structured
    # Behind a half answer it would describe the rest alone.
    half = Half('{"city": ', CloudWay.INSTRUCTION, "Go on.")
    assert not read_back(name, asked, half=half).is_structured


@pytest.mark.parametrize("name", ["chat", "responses"])
def test_any_json(name: str) -> None:
    assert read_back(name, Conversation((Message(Role.USER, (TextPart("Hi"),)),), json_mode=True)).json_mode


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("parallel", [True, False, None])
def test_parallel_calls(name: str, parallel: bool | None) -> None:
    asked = Conversation((Message(Role.USER, (TextPart("Hi"),)),), (Tool("f"),), parallel_tool_calls=parallel)
    read = read_back(name, asked).parallel_tool_calls
    # Anthropic can only be told to make one at a time.
    assert read == (None if name == "messages" and parallel else parallel)


@pytest.mark.parametrize(
    ("name", "way", "marks"),
    [
        ("chat", CloudWay.PREFILL, {}),
        ("chat", CloudWay.PREFIX, {}),
        ("chat", CloudWay.CONTINUE_FINAL, {"continue_final_message": True, "add_generation_prompt": False}),
        ("messages", CloudWay.PREFILL, {}),
        ("responses", CloudWay.PREFILL, {}),
    ],
)
def test_the_half_answer_comes_last(name: str, way: CloudWay, marks: dict[str, bool]) -> None:
    asked = Conversation((Message(Role.USER, (TextPart("Hi"),)),))
    body = json.loads(wire_of(name).ask(asked, model="m", half=Half("Half of", way), max_tokens=99))
    last = (body.get("messages") or body["input"])[-1]
    assert last["role"] == "assistant"
    assert "Half of" in json.dumps(last)
    assert bool(last.get("prefix")) is (way is CloudWay.PREFIX)
    assert {key: body[key] for key in marks} == marks
    assert "stream_options" not in body or way is not CloudWay.PREFIX
    read = wire_of(name).read_conversation(json.dumps(body).encode())
    assert not isinstance(read, Unreadable)
    assert read.sampling.max_tokens == 99


@pytest.mark.parametrize(
    ("name", "way"),
    [("messages", CloudWay.PREFIX), ("responses", CloudWay.PREFIX), ("chat", CloudWay.NONE)],
)
def test_a_way_that_the_wire_has_not(name: str, way: CloudWay) -> None:
    asked = Conversation((Message(Role.USER, (TextPart("Hi"),)),))
    with pytest.raises(ValueError, match=way.name):
        wire_of(name).ask(asked, model="m", half=Half("x", way))


def test_limits_of_the_wires() -> None:
    asked = Conversation((Message(Role.USER, (TextPart("Hi"),)),))
    body = json.loads(wire_of("chat").ask(asked, model="o4-mini", max_tokens=0))
    assert body["max_completion_tokens"] == 1
    body = json.loads(wire_of("messages").ask(asked, model="m"))
    assert body["max_tokens"] == 8192
    body = json.loads(wire_of("responses").ask(asked, model="m", max_tokens=3))
    assert body["max_output_tokens"] == 16
    hot = evolve(asked, sampling=Sampling(temperature=1.7, top_k=5, stop=("\n", "END")))
    body = json.loads(wire_of("messages").ask(hot, model="m"))
    assert (body["temperature"], body["top_k"], body["stop_sequences"]) == (1.0, 5, ["END"])


def test_what_the_api_of_anthropic_refuses_is_not_asked() -> None:
    """No empty text, no odd id, nobody twice in a row, and the user begins."""
    messages = (
        Message(Role.ASSISTANT, (TextPart("Hello."),)),
        Message(Role.USER, (TextPart("  "), TextPart("Hi"))),
        Message(Role.USER, (TextPart("there"),)),
        Message(Role.ASSISTANT, (), (ToolCall("call:1/ä", "f", ""),)),
        Message(Role.TOOL, (), tool_call_id="call:1/ä"),
    )
    turns = json.loads(wire_of("messages").ask(Conversation(messages), model="m"))["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user", "assistant", "user"]
    assert [block["text"] for block in turns[2]["content"]] == ["Hi", "there"]
    assert turns[3]["content"][0]["id"] == turns[4]["content"][0]["tool_use_id"] == "call_1__"
    assert turns[4]["content"][0] == {"type": "tool_result", "tool_use_id": "call_1__"}
