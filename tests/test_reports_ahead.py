"""
Reports that are written ahead, in whole requests: by the local model while a cloud answers, and by a function of the user's.
"""

from __future__ import annotations

import re
import sys
import threading
import types
from typing import Any

import pytest
import trio

from scenes import Exchange, Stage, configured, dies, stage, with_target
from trooper.config import Config
from trooper.testing import DEFAULT_ANSWER, FAULTS, FaultAt, ScriptedProvider
from written_reports import REPORT, asked_for, history, shown, writing

PACE_S = 0.5


def with_report(report: str = "model") -> Config:
    return with_target(configured(report=report), "ollama", num_ctx=4096)


def told(s: Stage, event: str) -> list[Any]:
    return [line for line in s.log if line["event"] == event]


def slow(fault: str = "reset", position: int = 30) -> ScriptedProvider:
    return ScriptedProvider(script=FaultAt(FAULTS[fault], position), pace_s=PACE_S)


def written_at(s: Stage) -> float:
    (one,) = [one for one in asked_for(s.ollama) if one.ending == "stop"]
    assert one.ended_at is not None
    return float(one.ended_at)


async def test_the_model_writes_while_the_cloud_answers_and_is_used_at_the_failure(
    autojump_clock: Any,
) -> None:
    async with stage(slow(), writing(), with_report()) as s:
        exchange = await s.ask(messages=history())
        assert exchange.chat().text == DEFAULT_ANSWER
        assert exchange.legs == [("openai", "conn_reset"), ("ollama", "completed")]
        assert written_at(s) < exchange.arrivals[-1][0] - 5.0
        assert shown(s.ollama).count(REPORT) == 1
        (line,) = told(s, "report_written")
        assert (line["by"], line["target"], line["model"]) == ("model", "ollama", "qwen2.5:3b")
        assert 0.5 < line["share"] < 1
        assert line["lines_of_rules"] >= 1
        # No content.
        assert not any(word in str(s.log) for word in ("HAR-2214", "harbour", "lamp"))
        assert s.ollama.truncations == []


async def test_behind_it_the_rules_speak_of_what_has_gone_since(autojump_clock: Any) -> None:
    async with stage(slow(), writing(), with_report()) as s:
        await s.ask(messages=history())
        first = asked_for(s.ollama)
        before, last = history()[:-1], history()[-1]
        more = [
            {"role": "user", "content": f"Now take HAR-9{n:03}. " + "So he says. " * 30} for n in range(20)
        ]
        # It fails at once: nobody had time to write.
        s.cloud.script = FaultAt(FAULTS["status-529"], "start")
        exchange = await s.ask(messages=[*before, *more, last])
        assert exchange.chat().text == DEFAULT_ANSWER
        assert asked_for(s.ollama) == first
        report = shown(s.ollama).partition(REPORT)[2].partition("<|im_end|>")[0]
        assert "HAR-9000" in report
        assert "5433" not in report


async def test_the_next_turns_do_not_ask_again_until_more_has_gone(autojump_clock: Any) -> None:
    async with stage(ScriptedProvider(pace_s=PACE_S), writing(), with_report()) as s:
        turns = history()
        counts = []
        for number in range(12):
            await s.ask(messages=turns)
            await trio.sleep(30)
            counts.append(len(asked_for(s.ollama)))
            told_turn = {"role": "assistant", "content": DEFAULT_ANSWER}
            turns = [*turns[:-1], turns[-1], told_turn, {"role": "user", "content": f"And {number}?"}]
        # A mark is an eighth of the window.
        assert counts[:2] == [1, 1]
        assert 1 < counts[-1] < 6
        assert {one.ending for one in asked_for(s.ollama)} == {"stop"}


async def test_it_is_given_up_when_a_leg_wants_the_slot(autojump_clock: Any) -> None:
    """The client does not wait for it, and the server is hung up on."""
    async with stage(slow(), writing("word " * 100_000, token_s=0.5), with_report()) as s:
        exchange = await s.ask(messages=history())
        assert exchange.chat().text == DEFAULT_ANSWER
        (one,) = asked_for(s.ollama)
        assert one.ending != "stop"
        assert exchange.report["gap_s"] < 2 * PACE_S + 0.5 + 0.1
        # In its place the rules' report stands.
        assert "5433" in shown(s.ollama)
        assert told(s, "report_written") == []


async def test_one_that_invents_is_refused_and_not_asked_for_again(autojump_clock: Any) -> None:
    async with stage(slow(), writing("The port is 5434."), with_report()) as s:
        for _ in range(3):
            exchange = await s.ask(messages=history())
            assert exchange.chat().text == DEFAULT_ANSWER
            assert "5434" not in shown(s.ollama)
            assert "5433" in shown(s.ollama)
        assert len(asked_for(s.ollama)) == 1
        (line,) = told(s, "report_refused")
        assert line["reason"] == "invented"


async def test_nobody_is_asked_while_the_server_is_needed(autojump_clock: Any) -> None:
    async with (
        stage(ScriptedProvider(pace_s=PACE_S), writing(), with_report()) as s,
        trio.open_nursery() as nursery,
    ):
        with s.services.standbys["ollama"].idle.needed():
            exchange = Exchange()

            async def ask() -> None:
                await s.play(exchange, messages=history())

            nursery.start_soon(ask)
            await trio.sleep(10)
            assert asked_for(s.ollama) == []
        await trio.sleep(5)
        assert len(asked_for(s.ollama)) == 1
        nursery.cancel_scope.cancel()


async def test_it_is_finished_when_the_answer_has_ended(autojump_clock: Any) -> None:
    """The next turn will need it. The answer was healthy, and nothing else was asked of the local model."""
    async with stage(ScriptedProvider(pace_s=0.1), writing(token_s=2.0), with_report()) as s:
        exchange = await s.ask(messages=history())
        assert [one.ending for one in asked_for(s.ollama)] != ["stop"]
        await trio.sleep(120)
        assert written_at(s) > exchange.arrivals[-1][0]
        # The standby's own probe, and the report.
        assert len(s.ollama.generations) == 2


async def test_nobody_writes_for_a_client_that_has_left(autojump_clock: Any) -> None:
    async with (
        stage(ScriptedProvider(pace_s=PACE_S), writing(token_s=2.0), with_report()) as s,
        trio.open_nursery() as nursery,
    ):
        exchange = Exchange()

        async def ask() -> None:
            await s.play(exchange, messages=history())

        nursery.start_soon(ask)
        await trio.sleep(5)
        (one,) = asked_for(s.ollama)
        exchange.leave()
        await trio.sleep(60)
        assert one.ending != "stop"
        assert told(s, "report_written") == []
        assert s.services.standbys["ollama"].slots.borrowed_tokens == 0


@pytest.mark.parametrize("report", ["rules", "none", "model"])
async def test_a_healthy_stream_is_the_same_whoever_writes(report: str, autojump_clock: Any) -> None:
    async with stage(ScriptedProvider(pace_s=PACE_S), writing(), with_report("none")) as s:
        began = trio.current_time()
        plain = await s.ask(messages=history())
        expected = [(at - began, body) for at, body in plain.arrivals]
    async with stage(ScriptedProvider(pace_s=PACE_S), writing(), with_report(report)) as s:
        began = trio.current_time()
        exchange = await s.ask(messages=history())
        seen = [(at - began, body) for at, body in exchange.arrivals]
        assert [body for _, body in seen] == [body for _, body in expected]
        assert [at for at, _ in seen] == pytest.approx([at for at, _ in expected])
        asked = [one for one in s.ollama.requests if one.method == "POST"]
        assert bool(asked) is (report == "model")


async def test_a_conversation_that_fits_needs_none(autojump_clock: Any) -> None:
    async with stage(slow(), writing(), with_report()) as s:
        await s.ask(messages=history(4))
        assert asked_for(s.ollama) == []


# -- a function of the user's ----------------------------------------------------------
# It runs in a thread, which virtual time does not know of: these are on the real clock.


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module of the user's, whose function is `report`."""
    module = types.ModuleType("users_reports")
    monkeypatch.setitem(sys.modules, "users_reports", module)
    return module


HOOK = "users_reports:report"


async def test_the_function_writes_at_the_switch(users: Any) -> None:
    users.report = lambda turns, _: f"Mine, of {len(turns)} turns, the first: {turns[0]['text']}"
    async with stage(dies(), config=with_report(HOOK)) as s:
        exchange = await s.ask(messages=history())
        assert exchange.chat().text == DEFAULT_ANSWER
        found = re.search(r"Mine, of (\d+) turns, the first: I keep it\.", shown(s.ollama))
        assert found
        assert int(found[1]) == exchange.report["legs"][1]["shortened"]["turns"]
        (line,) = told(s, "report_written")
        assert line["by"] == "hook"
        # The rules are not asked for what it speaks of.
        assert "5433" not in shown(s.ollama)


async def test_the_function_writes_ahead_and_is_not_called_again(users: Any) -> None:
    calls: list[bool] = []

    def report(turns: Any, room: int) -> str:
        calls.append(threading.current_thread() is threading.main_thread())
        return "Mine."

    users.report = report
    cloud = ScriptedProvider(pace_s=0.03, script=FaultAt(FAULTS["reset"], 30))
    async with stage(cloud, config=with_report(HOOK)) as s:
        for _ in range(2):
            exchange = await s.ask(messages=history())
            assert exchange.chat().text == DEFAULT_ANSWER
            assert "Mine." in shown(s.ollama)
        assert calls == [False]
        events = [line["event"] for line in s.log if line["event"] in ("report_written", "request")]
        assert events == ["report_written", "request", "request"]


def raises(turns: Any, room: int) -> str:
    raise ZeroDivisionError(turns[0]["text"])


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (raises, "raised"),
        (lambda *_: 5, "no_text"),
        (lambda *_: "word " * 4000, "too_long"),
        (lambda *_: "", None),
    ],
)
async def test_whatever_the_function_does_the_answer_goes_on(function: Any, reason: str, users: Any) -> None:
    users.report = function
    async with stage(dies(), config=with_report(HOOK)) as s:
        for _ in range(2):
            exchange = await s.ask(messages=history())
            assert exchange.chat().text == DEFAULT_ANSWER
            assert "5433" in shown(s.ollama)
        # Once: the same turns are not tried again.
        assert [line["reason"] for line in told(s, "report_not_written")] == ([reason] if reason else [])
        assert "harbour" not in str(s.log)


async def test_nobody_waits_long_for_the_function(users: Any) -> None:
    hangs = threading.Event()
    users.report = lambda *_: str(hangs.wait(60))
    try:
        async with stage(dies(), config=with_report(HOOK)) as s:
            s.services.reports.switch_s = 0.2
            exchange = await s.ask(messages=history())
            assert exchange.chat().text == DEFAULT_ANSWER
            assert "5433" in shown(s.ollama)
            (line,) = told(s, "report_not_written")
            assert line["reason"] == "timeout"
    finally:
        hangs.set()


async def test_the_function_is_not_called_for_what_fits(users: Any) -> None:
    users.report = raises
    async with stage(dies(), config=with_report(HOOK)) as s:
        assert (await s.ask(messages=history(4))).chat().text == DEFAULT_ANSWER
        assert told(s, "report_not_written") == []
