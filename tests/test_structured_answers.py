"""
Answers that have to be JSON: begun anew under the target's own constraint, gone
on with where somebody can, and checked against the client's schema.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from clouds import going_on
from scenes import WIRES, configured, stage, with_second
from trooper.testing import FAULTS, ChatAnswer, FakeOllama, FaultAt, ScriptedProvider, tokens

SCHEMA = {
    "type": "object",
    "required": ["city", "days"],
    "properties": {"city": {"type": "string"}, "days": {"type": "array", "items": {"type": "integer"}}},
}
DOCUMENT = '{"city": "Zürich 🇨🇭", "days": [1, 2, 3]}'
STRICT = {"name": "a", "schema": SCHEMA, "strict": True}
ASKED: dict[str, dict[str, Any]] = {
    "chat": {"response_format": {"type": "json_schema", "json_schema": STRICT}},
    "messages": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    "responses": {"text": {"format": {"type": "json_schema", **STRICT}}},
}
ANY_JSON: dict[str, dict[str, Any]] = {
    "chat": {"response_format": {"type": "json_object"}},
    "responses": {"text": {"format": {"type": "json_object"}}},
}


def dies(position: int | str, text: str = DOCUMENT) -> ScriptedProvider:
    answer = ChatAnswer(tokens=tuple(tokens(text, 4)))
    return ScriptedProvider(script=FaultAt(FAULTS["reset"], position, answer))


def asked_of(s: Any) -> dict[str, Any]:
    body = s.ollama.requests[-1].json()
    assert isinstance(body, dict)
    return body


@pytest.mark.parametrize("wire", WIRES)
async def test_from_the_beginning_under_the_targets_own_constraint(autojump_clock: Any, wire: str) -> None:
    async with stage(dies("start"), FakeOllama(json_answer=DOCUMENT)) as s:
        x = await s.ask(wire=wire, **ASKED[wire])
        assert x.told().text == DOCUMENT
        assert asked_of(s)["format"] == SCHEMA


@pytest.mark.parametrize("wire", ANY_JSON)
async def test_any_json(autojump_clock: Any, wire: str) -> None:
    async with stage(dies("start"), FakeOllama(json_answer=DOCUMENT)) as s:
        x = await s.ask(wire=wire, **ANY_JSON[wire])
        assert x.told().text == DOCUMENT
        assert asked_of(s)["format"] == "json"


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("position", [1, 3, "middle", 7, "end"])
async def test_in_the_middle_it_goes_on(autojump_clock: Any, wire: str, position: int | str) -> None:
    """Never together with a constraint: that would begin at the beginning."""
    ollama = FakeOllama(answer=DOCUMENT, json_answer=DOCUMENT)
    async with stage(dies(position), ollama) as s:
        x = await s.ask(wire=wire, **ASKED[wire])
        assert (x.told().text, x.told().finish_reason) == (DOCUMENT, "stop")
        if x.report["legs"][-1]["how"] == "continue":
            assert "format" not in asked_of(s)


@pytest.mark.parametrize("wire", WIRES)
async def test_what_follows_the_document_is_dropped(autojump_clock: Any, wire: str) -> None:
    async with stage(dies("middle"), FakeOllama(answer=DOCUMENT + "\n\nI hope this helps!")) as s:
        x = await s.ask(wire=wire, **ASKED[wire])
        assert (x.told().text, x.told().error, x.told().done) == (DOCUMENT, None, True)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    "joined",
    [
        '{"city": "Zürich 🇨🇭", "days": ["one"]}',
        '{"city": "Zürich 🇨🇭", "hours": []}',
        '{"city": "Zürich 🇨🇭", days: [1]}',
        '{"city": "Zürich 🇨🇭", "days": [1',
    ],
)
async def test_what_does_not_hold_is_an_error(autojump_clock: Any, wire: str, joined: str) -> None:
    """The client has a part of it, so nobody can make it right."""
    async with stage(dies("middle"), FakeOllama(answer=joined)) as s:
        x = await s.ask(wire=wire, **ASKED[wire])
        result = x.told()
        assert result.error is not None
        assert (result.done, result.finish_reason) == (False, None)
        assert x.legs[-1] == ("ollama", "unfit")
        assert x.report["legs"][-1]["unfit_reason"] == "schema"


async def test_a_document_that_was_cut_by_the_limit_is_not_judged(autojump_clock: Any) -> None:
    """`length` says that it is no whole document; clients know that from their provider."""
    async with stage(dies("middle"), FakeOllama(answer=DOCUMENT)) as s:
        x = await s.ask(max_tokens=9, **ASKED["chat"])
        assert (x.chat().finish_reason, x.chat().error) == ("length", None)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("position", [1, "middle", "end"])
async def test_held_as_a_whole(autojump_clock: Any, wire: str, position: int | str) -> None:
    """`structured = "hold"`: nothing of the document is shown before it is whole, so it can begin anew."""
    config = configured(structured="hold")
    async with stage(dies(position), FakeOllama(json_answer=DOCUMENT), config) as s:
        x = await s.ask(wire=wire, **ASKED[wire])
        assert x.told().text == DOCUMENT
        assert x.report["legs"][-1]["how"] == "restart"
        assert asked_of(s)["format"] == SCHEMA


@pytest.mark.parametrize("wire", WIRES)
async def test_held_and_healthy(autojump_clock: Any, wire: str) -> None:
    cloud = ScriptedProvider(ChatAnswer(tokens=tuple(tokens(DOCUMENT, 4))))
    async with stage(cloud, config=configured(structured="hold")) as s:
        x = await s.ask(wire=wire, **ASKED[wire])
        assert x.told().text == DOCUMENT
        assert x.legs == [(WIRES[wire].target, "completed")]


@pytest.mark.parametrize(("target", "way"), [("chat", "prefix"), ("messages", "prefill")])
async def test_a_cloud_goes_on(autojump_clock: Any, target: str, way: str) -> None:
    config = with_second(configured(), target, continues=way)
    async with stage(dies("middle"), config=config, second=going_on(DOCUMENT)) as s:
        x = await s.ask(**ASKED["chat"])
        assert (x.chat().text, x.legs[-1]) == (DOCUMENT, ("second", "completed"))
        sent = json.loads(s.second.chats[-1].body)
        assert "response_format" not in sent
        assert "output_config" not in sent


async def test_an_instruction_is_no_way_to_go_on_with_a_document(autojump_clock: Any) -> None:
    config = with_second(configured(), "responses", continues="instruction")
    async with stage(dies("middle"), config=config, second=going_on(DOCUMENT)) as s:
        x = await s.ask(**ASKED["chat"])
        assert x.chat().error is not None
        assert s.second.requests == []


@pytest.mark.parametrize(
    "fields",
    [{"n": 2}, {"logprobs": True}, {"modalities": ["text", "audio"], "audio": {"voice": "a"}}],
)
async def test_what_is_taken_over_before_content_only(autojump_clock: Any, fields: dict[str, Any]) -> None:
    """`n`, log probabilities, audio: never in the middle."""
    async with stage(dies("middle", "Some text that breaks off somewhere.")) as s:
        x = await s.ask(**fields)
        assert x.chat().error is not None
        assert s.ollama.requests == []
