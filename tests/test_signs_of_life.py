"""
Two kinds of silence: nothing comes, or nothing but signs of life. And answers
in one piece, which have neither.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
import trio
import trio.testing

from odd_streams_chat import DONE, chunk
from odd_streams_chat_calls import CALLED
from scenes import configured, stage, with_target
from trooper.testing import (
    ANSWERS,
    DEFAULT_ANSWER,
    End,
    Hang,
    Head,
    KeepAlive,
    Pause,
    Script,
    ScriptedProvider,
    Send,
    Status,
    chat_events,
)
from trooper.testing.script import Step

EVENTS = chat_events(DEFAULT_ANSWER)


def plays(*steps: Step) -> ScriptedProvider:
    return ScriptedProvider(script=Script(steps))


EMPTY_DELTA = re.sub(rb'"delta":\{[^}]*\}', b'"delta":{}', EVENTS[1])
SIGNS = {
    "comments": KeepAlive(1.0),
    "empty deltas": KeepAlive(1.0, data=EMPTY_DELTA),
    "blank lines": KeepAlive(1.0, data=b"\n"),
    "an event that never ends": KeepAlive(1.0, data=b" "),
}


@pytest.mark.parametrize("sign", [*SIGNS])
async def test_two_kinds_of_silence(autojump_clock: Any, sign: str) -> None:
    """Nothing at all is borne for 20 s, and signs of life in the middle of a text for 120, however many come."""
    for steps, borne_s in (((Hang(),), 20.0), ((SIGNS[sign],), 120.0)):
        async with stage(plays(Head(), *map(Send, EVENTS[:6]), *steps)) as s:
            x = await s.ask()
            assert x.chat().text == DEFAULT_ANSWER
            assert x.legs[0] == ("openai", "stall")
            assert x.report["legs"][0]["ended_s"] == pytest.approx(borne_s, abs=1.1)


@pytest.mark.parametrize(
    ("budgets", "begun", "kind"),
    [
        ({"alive_timeout_s": 30.0}, 6, "stall"),
        ({"alive_timeout_s": 30.0, "ttft_timeout_s": 30.0}, 1, "timeout_ttft"),
        ({"total_timeout_s": 25.0}, 6, "timeout_total"),
        ({"total_timeout_s": 25.0}, 1, "timeout_total"),
    ],
)
async def test_a_flood_of_signs_of_life_is_no_life(
    mock_clock: trio.testing.MockClock, budgets: dict[str, float], begun: int, kind: str
) -> None:
    """Faster than it is read, so that there is always something waiting; here the clock runs on by itself."""
    mock_clock.rate = 100.0
    flood = KeepAlive(0.0, data=EMPTY_DELTA * 100)
    config = with_target(configured(commit_after_s=1), "openai", **budgets)
    async with stage(plays(Head(), *map(Send, EVENTS[:begun]), flood), config=config) as s:
        with trio.fail_after(1000):
            x = await s.ask()
        assert x.legs[0] == ("openai", kind)
        assert x.chat().text == DEFAULT_ANSWER


async def test_a_flood_of_content_ends_with_the_leg(mock_clock: trio.testing.MockClock) -> None:
    mock_clock.rate = 100.0
    flood = KeepAlive(0.0, data=EVENTS[1] * 100)
    config = with_target(configured(transcript_bytes=100), "openai", total_timeout_s=30.0)
    async with stage(plays(Head(), Send(EVENTS[0]), flood), config=config) as s:
        with trio.fail_after(1000):
            x = await s.ask()
        assert x.legs == [("openai", "timeout_total")]


async def test_a_tool_call_may_be_written_for_minutes(autojump_clock: Any) -> None:
    """Measured at healthy providers: up to 330 s of pings inside one call."""
    events = ANSWERS["tools"].events()
    begun, rest = events[:3], events[3:]
    silence = KeepAlive(25.0 / 2, 26, EMPTY_DELTA)
    async with stage(plays(Head(), *map(Send, begun), silence, *map(Send, rest), End())) as s:
        x = await s.ask()
        assert x.legs == [("openai", "completed")]


BEGUN = {"index": 0, "id": "call_1", "function": {"name": "look", "arguments": "{"}}
NOTHING_MORE = {
    "no arguments": {"index": 0, "function": {"arguments": ""}},
    "the name once more": {"index": 0, "id": "call_1", "function": {"name": "look", "arguments": ""}},
    "another id": {"index": 0, "id": "call_2"},
    "an index": {"index": 0, "function": None},
}


@pytest.mark.parametrize("name", NOTHING_MORE)
async def test_a_piece_that_says_nothing_of_its_call_is_a_sign_of_life(
    autojump_clock: Any, name: str
) -> None:
    """It counted as content, so that patience never ended."""
    sign = KeepAlive(5.0, 200, chunk({"tool_calls": [NOTHING_MORE[name]]}))
    async with stage(plays(Head(), Send(EVENTS[0]), Send(chunk({"tool_calls": [BEGUN]})), sign, Hang())) as s:
        x = await s.ask()
        assert x.legs[0] == ("openai", "stall")
        assert x.report["legs"][0]["ended_s"] == pytest.approx(400.0, abs=1.1)


async def test_a_sealed_thought_takes_as_long_as_any(autojump_clock: Any) -> None:
    sealed = chunk({"content": "", "reasoning_details": [{"type": "reasoning.encrypted", "data": "QUJD"}]})
    silence = KeepAlive(25.0 / 2, 26, EMPTY_DELTA)
    async with stage(
        plays(Head(), Send(EVENTS[0]), Send(sealed), silence, *map(Send, EVENTS[1:]), End())
    ) as s:
        assert (await s.ask()).legs == [("openai", "completed")]


async def test_words_beside_a_call_do_not_hide_it(autojump_clock: Any) -> None:
    both = chunk({"content": "Let me look. ", "tool_calls": [BEGUN]})
    rest = chunk({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]})
    silence = KeepAlive(25.0 / 2, 26, EMPTY_DELTA)
    steps = (Head(), Send(EVENTS[0]), Send(both), silence, Send(rest), Send(CALLED), Send(DONE), End())
    async with stage(plays(*steps)) as s:
        assert (await s.ask()).legs == [("openai", "completed")]


@pytest.mark.parametrize("blanks", [False, True])
async def test_a_whole_answer_has_one_budget(autojump_clock: Any, blanks: bool) -> None:
    """It has no first content: a model that thinks for minutes is no silent one."""
    body = ANSWERS["text"].body()
    for borne_s, outcome in ((299.0, "completed"), (301.0, "timeout_whole")):
        late: tuple[Step, ...] = (Pause(borne_s), Status(200, body))
        if blanks:
            wait = KeepAlive(borne_s / 10, 10, b"\n")
            late = (Head(content_type="application/json"), wait, Send(body), End())
        async with stage(plays(*late)) as s:
            x = await s.ask(stream=False)
            assert x.legs[0] == ("openai", outcome)
            assert x.report["legs"][0]["ended_s"] == pytest.approx(min(borne_s, 300.0))
            assert x.told_whole().text == DEFAULT_ANSWER
