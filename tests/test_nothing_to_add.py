"""
An answer that was cut behind its last word, and a target that has nothing to
add to it: by its own word, or without one.
"""

from __future__ import annotations

from typing import Any

import pytest

from scenes import WIRES, configured, stage, with_second
from trooper.testing import ANSWERS, DEFAULT_ANSWER, End, Head, Reset, Script, ScriptedProvider, Send
from trooper.testing.provider import WIRES as SPOKEN


def said(wire: str, answer: str) -> list[bytes]:
    return SPOKEN[WIRES[wire].path].events(ANSWERS[answer])


def cut_behind_its_words(wire: str) -> ScriptedProvider:
    events = said(wire, "text")
    last = max(at for at, event in enumerate(events) if b"map." in event and b"delta" in event)
    return ScriptedProvider(script=Script((Head(), *map(Send, events[: last + 1]), Reset())))


@pytest.mark.parametrize("second", [*WIRES])
@pytest.mark.parametrize("wire", [*WIRES])
async def test_whoever_says_that_it_is_the_end_ends_it(autojump_clock: Any, wire: str, second: str) -> None:
    """In some wires the finish comes in the very event that shows that nothing was said."""
    config = with_second(configured(gate=False), second)
    async with stage(cut_behind_its_words(wire), config=config) as s:
        s.second.script = Script((Head(), *map(Send, said(second, "empty")), End()))
        x = await s.ask(wire=wire)
        assert x.told().text == DEFAULT_ANSWER
        assert [leg["outcome"] for leg in x.report["legs"]] == ["conn_reset", "completed"]
        assert x.told().finish_reason


@pytest.mark.parametrize("second", [*WIRES])
@pytest.mark.parametrize("wire", [*WIRES])
async def test_who_says_nothing_at_all_ends_nothing(autojump_clock: Any, wire: str, second: str) -> None:
    config = with_second(configured(gate=False), second)
    async with stage(cut_behind_its_words(wire), config=config) as s:
        s.second.script = Script((Head(), End()))
        x = await s.ask(wire=wire)
        assert x.report["legs"][1]["outcome"] == "empty_200"
        assert x.report["outcome"] == "failed"
