"""The demo: it shows what happened, and its exit status says so."""

from __future__ import annotations

import io
import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
import trio
from attrs import evolve

from trooper import demo as package
from trooper.config import Target
from trooper.demo import demo
from trooper.demo.local import NAME, NoModel, RealModel, find_ollama
from trooper.demo.proof import Claim, prove, split_at_seam, text_of
from trooper.demo.stage import Act, NotPerformed, Performance, Records, perform, recording
from trooper.demo.times import gap, moments
from trooper.testing import DEFAULT_ANSWER, FAULTS, FakeOllama, Model, OllamaFault, serve_tcp
from trooper.testing.client import Heard
from trooper.wires import OLLAMA_CHAT


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def act(fault: str = "reset", position: int | str = "middle", **fields: Any) -> Act:
    return Act(FAULTS[fault], position, pace_s=0.0, silence_s=1.0, **fields)


def wish(fault: str = "reset", position: int | str = "middle", seed: int | None = None) -> package._Wish:
    return package._Wish(FAULTS[fault], position, seed, pace_s=0.0)


def ignore(_: Heard) -> None:
    pass


def failing(claims: list[Claim]) -> list[str]:
    return [claim.name for claim in claims if not claim.holds]


async def performed(wanted: Act) -> Performance:
    records = Records()
    with recording(records, log=False):
        outcome = await perform(wanted, ignore, records)
    assert isinstance(outcome, Performance), outcome
    return outcome


@pytest.mark.parametrize(
    ("fault", "position", "kind"),
    [
        ("reset", "middle", "conn_reset"),
        ("reset", "start", "conn_reset"),
        ("cut-inside-last-crlf", 7, "eof_early"),
        ("error-flat", "end", "server_error"),
        ("silence-comments", 3, "stall"),
        ("garbage-lines", "b2000", "bad_frame"),
    ],
)
async def test_the_answer_goes_on(fault: str, position: int | str, kind: str) -> None:
    wanted = act(fault, position)
    done = await performed(wanted)

    assert failing(prove(done.stream, wanted.sent_by_cloud, DEFAULT_ANSWER)) == []
    assert [leg["outcome"] for leg in done.report["legs"]] == [kind, "completed"]
    times = [moment.at_s for moment in moments(done)]
    assert times == sorted(times)
    whole, *parts = gap(done)
    assert whole.lasted_s == pytest.approx(sum(part.lasted_s for part in parts))
    assert min(part.lasted_s for part in parts) >= 0


async def test_it_shows_everything_and_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert await package._run(wish(), stand_in=True, log=False) == 0

    out, err = capsys.readouterr()
    assert "\x1b" not in out
    assert err == ""
    assert max(map(len, out.splitlines())) <= 80
    for words in (
        "no model",
        "cloud │ 2. The lens",
        "local │ 3. The keeper",
        "conn_reset",
        "gap:",
        "✓ one id",
    ):
        assert words in out
    assert out.endswith("The proof holds.\n")


@pytest.mark.parametrize("seed", range(20))
def test_a_seed_is_a_place_where_somebody_can_go_on(seed: int) -> None:
    first, again = (wish(seed=seed).act(None) for _ in range(2))

    assert isinstance(first, Act)
    assert first == again
    assert first.could_go_on
    assert str(first.position).startswith("b")


def test_seeds_are_different_places() -> None:
    places = {played.position for n in range(20) if isinstance(played := wish(seed=n).act(None), Act)}

    assert len(places) > 15


async def test_json_stands_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert await package._run(wish(seed=5), stand_in=True, log=False, as_json=True) == 0

    told = json.loads(capsys.readouterr().out)
    assert told["text"]["cloud"] + told["text"]["local"] == DEFAULT_ANSWER
    assert told["local"] == {"kind": "stand_in"}
    assert (told["seed"], told["holds"], told["fault"]) == (5, True, "reset")
    assert {claim["name"] for claim in told["proof"]} >= {"one id", "one [DONE]"}
    assert told["spans"][0]["lasted_s"] > 0


async def test_its_log_is_shown_where_it_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    assert await package._run(wish(), stand_in=True, log=True) == 0

    assert '"event": "request"' in capsys.readouterr().err


async def test_a_line_of_the_log_stands_on_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    # A terminal: both streams end in one place.
    terminal = io.StringIO()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setattr("sys.stderr", terminal)
    assert await package._run(wish(), stand_in=True, log=True) == 0
    lines = terminal.getvalue().splitlines()

    logged = [line for line in lines if '"event"' in line]
    assert {json.loads(line)["event"] for line in logged} >= {"standby_ready", "request"}


async def test_it_fails_when_the_answer_is_lost(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    local = FakeOllama(fault=OllamaFault("error_line", 3))
    async with trio.open_nursery() as nursery:
        port = await serve_tcp(local, nursery)
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{port}")
        assert await package._run(wish(), stand_in=False, log=False) == 1
        nursery.cancel_scope.cancel()

    out = capsys.readouterr().out
    assert "✗ one finish: none" not in out
    assert "✗ one finish: " in out
    assert "✗ one [DONE]: 0" in out
    assert "The proof does not hold." in out


async def test_a_signal_ends_it_at_once() -> None:
    pressed = iter([signal.SIGINT])

    def interrupt(_: Heard) -> None:
        for number in pressed:
            signal.raise_signal(number)

    with recording(Records(), log=False):
        assert await perform(act("silence"), interrupt, Records()) == NotPerformed()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"fault": "nonsense"}, "--fault nonsense is not known. There are:\n  reset, "),
        ({"fault": "status-503"}, "is not a way to die in the middle of a stream"),
        ({"position": "late"}, "--position late: use start, middle, end"),
        ({"position": "b999999", "stand_in": True}, "the answer is whole by then"),
        ({"position": "end", "seed": 1}, "use one of them"),
    ],
)
def test_a_wish_that_cannot_be_granted(
    arguments: dict[str, Any], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo(**arguments) == 2
    assert says in capsys.readouterr().err


def test_a_place_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "not a host")

    assert demo() == 2
    assert "OLLAMA_HOST" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ollama", "words"),
    [
        (FakeOllama(), ""),
        (FakeOllama(models=()), "no usable model (not_found)"),
        (FakeOllama(models=(Model(turn="closes", renders=False),)), "cannot go on from a half answer"),
        (FakeOllama(load_fault=OllamaFault("status")), "no usable model (server_error)"),
    ],
)
async def test_a_real_ollama_is_used_if_it_can_go_on(ollama: FakeOllama, words: str) -> None:
    said: list[str] = []
    with recording(Records(), log=False):
        async with trio.open_nursery() as nursery:
            port = await serve_tcp(ollama, nursery)
            found = await find_ollama({"OLLAMA_HOST": f"127.0.0.1:{port}"}, said.append)
            nursery.cancel_scope.cancel()

    assert words in found.words
    assert isinstance(found, NoModel if words else RealModel)
    assert len(said) == 1


async def test_no_ollama_is_no_trouble() -> None:
    found = await find_ollama({"OLLAMA_HOST": "127.0.0.1:9"}, pytest.fail)

    assert found == NoModel("no Ollama answers at http://127.0.0.1:9")


async def test_another_status_is_no_performance() -> None:
    target = Target(NAME, OLLAMA_CHAT.wire, "http://127.0.0.1:9")
    wanted = act("error-object", "start", real=RealModel("ollama", target, "m", "w"))

    with recording(Records(), log=False):
        outcome = await perform(wanted, ignore, Records())

    assert outcome == NotPerformed("the local model is not ready: connect")


async def test_the_gap_of_a_stream_that_nobody_went_on_with() -> None:
    done = await performed(act())
    alone = evolve(done, report={**done.report, "legs": done.report["legs"][:1]})

    assert gap(alone) == []
    assert text_of(split_at_seam(done.stream)[0]) + text_of(split_at_seam(done.stream)[1]) == DEFAULT_ANSWER
