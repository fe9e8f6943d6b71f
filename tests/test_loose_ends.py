"""
Answers whose provider leaves blocks, parts and items open, or never begins them: who speaks behind a cut
ends them as it should.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from odd_stream import data, objects_in
from scenes import configured, stage, with_second
from trooper.testing import End, FakeOllama, Head, Pause, Reset, Script, ScriptedProvider, Send

TEXT = "A lighthouse keeps its light."
STARTED = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
BEGUN = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "status": "in_progress",
    "output": [],
}


async def told(wire: str, *pieces: bytes) -> list[dict[str, Any]]:
    """All events that the client of a stream has that was cut behind `pieces`."""
    script = Script((Head(), *map(Send, pieces), Pause(0.1), Reset()))
    async with stage(ScriptedProvider(script=script), FakeOllama(answer=TEXT), configured(gate=False)) as s:
        x = await s.ask(wire=wire)
        assert x.legs[0][1] == "conn_reset"
        assert bytes(x.body).startswith(b"".join(pieces))
        return objects_in(bytes(x.body))


def event(kind: str, **fields: Any) -> bytes:
    return data({"type": kind, **fields}, kind)


def block(index: int, kind: str, said: str) -> list[bytes]:
    names = {"thinking": ("thinking", "thinking_delta"), "text": ("text", "text_delta")}
    key, delta = names[kind]
    return [
        event("content_block_start", index=index, content_block={"type": kind, key: ""}),
        event("content_block_delta", index=index, delta={"type": delta, key: said}),
    ]


def stop(index: int) -> bytes:
    return event("content_block_stop", index=index)


@pytest.mark.parametrize("stopped", [(), (0,), (1,), (0, 1)])
async def test_every_block_is_stopped_once(autojump_clock: Any, stopped: tuple[int, ...]) -> None:
    """Some servers begin a block while another is open, and stop them at the end, or in any order."""
    begun = [
        event("message_start", message=STARTED),
        *block(0, "thinking", "Hm"),
        *block(1, "text", "A lighthouse keeps"),
    ]
    events = await told("messages", *begun, *map(stop, stopped))
    stops = [value["index"] for value in events if value["type"] == "content_block_stop"]
    assert sorted(stops)[:2] == [0, 1]
    assert len(stops) == len(set(stops))


async def test_a_block_that_is_stopped_twice_ends_no_other(autojump_clock: Any) -> None:
    begun = event("message_start", message=STARTED)
    twice = (*block(0, "text", "A light"), stop(0), *block(1, "thinking", "Hm"), stop(0))
    events = await told("messages", begun, *twice)
    stops = [value["index"] for value in events if value["type"] == "content_block_stop"]
    assert stops == [0, 0, 1, 2]


def item(kind: str, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"output_index": index, "item": {"id": f"{kind}_1", "type": kind, **fields}}


def of(kind: str, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"item_id": f"{kind}_1", "output_index": index, **fields}


REASONING = event("response.output_item.added", **item("reasoning", summary=[]))
TALK = event("response.output_item.added", **item("message", role="assistant", content=[]))
PART = {"type": "output_text", "text": ""}


def thinks(name: str, part: str, *, begins: bool) -> list[bytes]:
    around = "response.content_part" if part == "reasoning_text" else "response.reasoning_summary_part"
    place = {"content_index" if part == "reasoning_text" else "summary_index": 0}
    first = event(f"{around}.added", **of("reasoning", **place), part={"type": part, "text": ""})
    return [*([first] if begins else []), event(f"{name}.delta", **of("reasoning", **place), delta="Hm.")]


@pytest.mark.parametrize("begins", [True, False])
@pytest.mark.parametrize(
    ("name", "part", "key"),
    [
        ("response.reasoning_text", "reasoning_text", "content"),
        ("response.reasoning_summary_text", "summary_text", "summary"),
    ],
)
async def test_half_a_thought_is_ended_as_what_it_is(
    autojump_clock: Any, name: str, part: str, key: str, begins: bool
) -> None:
    """Also where nobody has begun the part: it holds what its deltas said."""
    events = await told(
        "responses", event("response.created", response=BEGUN), REASONING, *thinks(name, part, begins=begins)
    )
    kinds = [value["type"] for value in events]
    ends = [kind for kind in kinds if kind.endswith(".done")][:3]
    assert ends[0] == f"{name}.done"
    assert ends[1] == (
        "response.content_part.done" if key == "content" else "response.reasoning_summary_part.done"
    )
    output = events[-1]["response"]["output"]
    assert [one["type"] for one in output] == ["reasoning", "message"]
    assert output[0][key] == [{"type": part, "text": "Hm."}]
    assert all(not output[0].get(other) for other in {"content", "summary"} - {key})


async def test_an_item_that_was_left_open_is_in_the_answer(autojump_clock: Any) -> None:
    """Ollama begins a call while its message is open, and gives both one index."""
    call: dict[str, Any] = {"call_id": "call_1", "name": "f", "arguments": ""}
    events = await told(
        "responses",
        event("response.created", response=BEGUN),
        TALK,
        event("response.content_part.added", **of("message", content_index=0), part=PART),
        event("response.output_text.delta", **of("message", content_index=0), delta="Let me look."),
        event("response.output_item.added", **item("function_call", **call)),
        event("response.function_call_arguments.done", **of("function_call"), arguments="{}"),
        b": more\n\n",
    )
    output = events[-1]["response"]["output"]
    assert [one["type"] for one in output] == ["message", "function_call"]
    assert output[0]["content"][0]["text"] == "Let me look."
    ended = [value["item"]["id"] for value in events if value["type"] == "response.output_item.done"]
    assert sorted(ended) == ["function_call_1", "message_1"]


def calls_of_one_index() -> list[bytes]:
    pieces = [event("response.created", response=BEGUN)]
    for number in (1, 2):
        told = {"id": f"fc_{number}", "type": "function_call", "call_id": f"call_{number}", "name": "f"}
        place, arguments = {"item_id": f"fc_{number}", "output_index": 0}, json.dumps({"n": number})
        pieces += [
            event("response.output_item.added", output_index=0, item={**told, "arguments": ""}),
            event("response.function_call_arguments.delta", **place, delta=arguments),
            event("response.function_call_arguments.done", **place, arguments=arguments),
            event("response.output_item.done", output_index=0, item={**told, "arguments": arguments}),
        ]
    return pieces


async def test_calls_of_one_index_are_all_there(autojump_clock: Any) -> None:
    events = await told("responses", *calls_of_one_index(), b": more\n\n")
    calls = [one["arguments"] for one in events[-1]["response"]["output"]]
    assert [json.loads(said)["n"] for said in calls] == [1, 2]


@pytest.mark.parametrize("client", ["chat", "messages"])
async def test_calls_of_one_index_are_told_apart(autojump_clock: Any, client: str) -> None:
    pieces = calls_of_one_index()
    output = [value["item"] for value in objects_in(b"".join(pieces)) if value["type"].endswith("item.done")]
    ended = event("response.completed", response={**BEGUN, "status": "completed", "output": output})
    script = Script((Head(), *map(Send, (*pieces, ended)), End()))
    config = with_second(configured(), "responses", alone=True)
    async with stage(config=config, second=ScriptedProvider(script=script)) as s:
        result = (await s.ask(wire=client)).told()
        assert [json.loads(call.arguments) for call in result.tool_calls] == [{"n": 1}, {"n": 2}]
        assert result.finish_reason == "tool_calls"


@pytest.mark.parametrize("place", [of("message", 4, content_index=0), {}])
async def test_an_item_that_nobody_began_is_in_the_answer(autojump_clock: Any, place: dict[str, Any]) -> None:
    """A stream that begins in the middle, or has no items at all."""
    events = await told("responses", event("response.output_text.delta", **place, delta="A lighthouse keeps"))
    (output,) = events[-1]["response"]["output"]
    assert output["content"][0]["text"] == TEXT
    ids = {value["item_id"] for value in events if "item_id" in value}
    assert ids == {output["id"]}
    assert {value["output_index"] for value in events if "output_index" in value} == {
        place.get("output_index", 0)
    }


@pytest.mark.parametrize("around", ["content_part", "reasoning_part", "reasoning_summary_part"])
async def test_a_part_by_any_name_is_known(autojump_clock: Any, around: str) -> None:
    """vLLM has a name of its own for the parts of a thought."""
    part = {"type": "reasoning_text", "text": ""}
    place = of("reasoning", content_index=0)
    pieces = [
        event("response.created", response=BEGUN),
        REASONING,
        event(f"response.{around}.added", **place, part=part),
        event("response.reasoning_text.delta", **place, delta="Hm."),
        event("response.reasoning_text.done", **place, text="Hm."),
        event(f"response.{around}.done", **place, part={**part, "text": "Hm."}),
    ]
    events = await told("responses", *pieces)
    assert [one["type"] for one in events[-1]["response"]["output"]] == ["reasoning", "message"]
    assert events[-1]["response"]["output"][0]["content"] == [{**part, "text": "Hm."}]
