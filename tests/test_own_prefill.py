"""
A prefill of the client's own and a document: what is checked is what the client
will have when it has put both together.
"""

from __future__ import annotations

from typing import Any

import pytest

from clouds import going_on
from scenes import QUESTION, WIRES, configured, stage, with_second
from test_structured_answers import ANY_JSON, ASKED, DOCUMENT, dies
from trooper.testing import ChatAnswer, FakeOllama, ScriptedProvider, tokens
from trooper.testing.ollama import Model as OllamaModel

#: What a client has put in front, and the document behind its words.
PREFILLS = {
    "a bracket": ("{", ""),
    "a blank and a bracket": (" {", ""),
    "a field": ('{"city": "Zürich 🇨🇭",', ""),
    "in a string": ('{"city": "Zü', ""),
    "behind a colon": ('{"city":', ""),
    "a fence": ("```json\n{", "```json\n"),
    "a fence alone": ("```json\n", "```json\n"),
    "words": ("Here is the JSON:\n", "Here is the JSON:\n"),
    "words with brackets": ('As in [1], {"a": 2}:\n{', 'As in [1], {"a": 2}:\n'),
    "words with a quote": ('The 5" display:\n{"ci', 'The 5" display:\n'),
    "a whole document": ('{"city": "x", "days": []}\n', '{"city": "x", "days": []}\n'),
    "nothing": ("", ""),
    "white space": ("\n", "\n"),
}


def asks(wire: str, prefill: str, **last: Any) -> dict[str, Any]:
    turns = "input" if wire == "responses" else "messages"
    return {turns: [QUESTION, {"role": "assistant", "content": prefill, **last}], **ASKED[wire]}


def joined_of(name: str) -> tuple[str, str]:
    """A prefill, and what the client will have with the answer behind it."""
    prefill, words = PREFILLS[name]
    blanks = prefill[: len(prefill) - len(prefill.lstrip())]
    return prefill, (words or blanks) + DOCUMENT


@pytest.mark.parametrize("position", ["start", 1, "middle", "end"])
@pytest.mark.parametrize("name", PREFILLS)
@pytest.mark.parametrize("wire", WIRES)
async def test_the_local_model_goes_on_from_it(
    autojump_clock: Any, wire: str, name: str, position: int | str
) -> None:
    prefill, joined = joined_of(name)
    cloud = dies(position, joined.removeprefix(prefill))
    async with stage(cloud, FakeOllama(answer=joined + "\n```", json_answer=DOCUMENT)) as s:
        x = await s.ask(wire=wire, **asks(wire, prefill))
        result = x.told()
        assert (result.error, result.finish_reason) == (None, "stop")
        assert (prefill + result.text).strip() == joined.strip()
        assert x.legs[-1] == ("ollama", "completed")


@pytest.mark.parametrize("position", ["start", "middle"])
@pytest.mark.parametrize("wire", WIRES)
async def test_in_one_piece(autojump_clock: Any, wire: str, position: str) -> None:
    prefill, joined = joined_of("in a string")
    cloud = dies(position, joined.removeprefix(prefill))
    async with stage(cloud, FakeOllama(answer=joined)) as s:
        x = await s.ask(wire=wire, stream=False, **asks(wire, prefill))
        assert prefill + x.told_whole().text == joined


@pytest.mark.parametrize("wire", ANY_JSON)
@pytest.mark.parametrize("position", ["start", "middle"])
async def test_any_json(autojump_clock: Any, wire: str, position: str) -> None:
    prefill, joined = joined_of("a bracket")
    fields = asks(wire, prefill) | ANY_JSON[wire]
    async with stage(dies(position, joined.removeprefix(prefill)), FakeOllama(answer=joined)) as s:
        x = await s.ask(wire=wire, **fields)
        assert (prefill + x.told().text, x.told().error) == (joined, None)


@pytest.mark.parametrize("structured", ["continue", "hold"])
@pytest.mark.parametrize("name", PREFILLS)
@pytest.mark.parametrize("wire", WIRES)
async def test_a_healthy_answer_is_untouched(
    autojump_clock: Any, wire: str, name: str, structured: str
) -> None:
    prefill, joined = joined_of(name)
    cloud = ScriptedProvider(ChatAnswer(tokens=tuple(tokens(joined.removeprefix(prefill) + "\n```", 4))))
    async with stage(cloud, config=configured(structured=structured)) as s:
        x = await s.ask(wire=wire, **asks(wire, prefill))
        assert prefill + x.told().text == joined + "\n```"
        assert x.legs == [(WIRES[wire].target, "completed")]


@pytest.mark.parametrize("name", ["a bracket", "a field", "in a string", "behind a colon"])
@pytest.mark.parametrize("wire", ["chat", "responses"])
async def test_a_provider_that_answers_a_prefill_anew(autojump_clock: Any, wire: str, name: str) -> None:
    """OpenAI's own API takes it for a turn that is over: the answer alone is the document."""
    prefill, _ = PREFILLS[name]
    async with stage(dies("middle"), FakeOllama(answer=DOCUMENT + " I hope this helps!")) as s:
        x = await s.ask(wire=wire, **asks(wire, prefill))
        assert (x.told().text, x.told().error, x.told().finish_reason) == (DOCUMENT, None, "stop")


@pytest.mark.parametrize(
    ("wire", "more"),
    [("messages", {}), ("chat", {"prefix": True}), ("chat", {"continue_final_message": True})],
)
async def test_where_the_client_will_join_them_the_answer_alone_is_not_enough(
    autojump_clock: Any, wire: str, more: dict[str, Any]
) -> None:
    """A document of its own inside of another one that nobody has closed."""
    prefill = '{"a":'
    last = more if "prefix" in more else {}
    fields = asks(wire, prefill, **last) | ({} if last else more)
    async with stage(dies("middle"), FakeOllama(answer=prefill + DOCUMENT)) as s:
        x = await s.ask(wire=wire, **fields)
        assert (x.told().error is None, x.legs[-1]) == (False, ("ollama", "unfit"))
        assert x.report["legs"][-1]["unfit_reason"] == "schema"


@pytest.mark.parametrize("position", ["start", "middle"])
@pytest.mark.parametrize("wire", WIRES)
async def test_what_does_not_hold_is_an_error(autojump_clock: Any, wire: str, position: str) -> None:
    prefill = '{"city": "Zürich'
    joined = prefill + ' 🇨🇭", "days": ["one"]}'
    async with stage(dies(position, joined.removeprefix(prefill)), FakeOllama(answer=joined)) as s:
        x = await s.ask(wire=wire, **asks(wire, prefill))
        assert x.told().error is not None
        assert x.report["legs"][-1]["unfit_reason"] == "schema"


@pytest.mark.parametrize(("target", "way"), [("chat", "prefix"), ("messages", "prefill")])
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("name", ["a bracket", "in a string", "words"])
async def test_a_cloud_goes_on_from_it(
    autojump_clock: Any, wire: str, target: str, way: str, name: str
) -> None:
    prefill, joined = joined_of(name)
    config = with_second(configured(), target, continues=way)
    cloud = dies("middle", joined.removeprefix(prefill))
    async with stage(cloud, config=config, second=going_on(joined)) as s:
        x = await s.ask(wire=wire, **asks(wire, prefill))
        assert (prefill + x.told().text, x.legs[-1]) == (joined, ("second", "completed"))


@pytest.mark.parametrize("position", ["start", "middle"])
@pytest.mark.parametrize("wire", WIRES)
async def test_a_model_that_says_the_prefill_again(autojump_clock: Any, wire: str, position: str) -> None:
    """Which a client of none of the wires would put in front a second time."""
    prefill, joined = joined_of("a field")
    ollama = FakeOllama(models=(OllamaModel(echoes=True),), answer=joined)
    async with stage(dies(position, joined.removeprefix(prefill)), ollama) as s:
        x = await s.ask(wire=wire, **asks(wire, prefill))
        assert (prefill + x.told().text, x.told().error) == (joined, None)


@pytest.mark.parametrize("wire", ["chat", "responses"])
async def test_a_cloud_goes_on_with_an_answer_that_began_anew(autojump_clock: Any, wire: str) -> None:
    config = with_second(configured(), "messages", continues="prefill")
    async with stage(dies("middle"), config=config, second=going_on(DOCUMENT)) as s:
        x = await s.ask(wire=wire, **asks(wire, "{"))
        assert (x.told().text, x.legs[-1]) == (DOCUMENT, ("second", "completed"))
