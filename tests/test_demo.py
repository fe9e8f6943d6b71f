"""
The demo: it shows what happened, its proof finds what is wrong, and its exit
status says so.
"""

from __future__ import annotations

import io
import json
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
import trio
from attrs import evolve
from rich.console import Console

from trooper import demo as package
from trooper.commands.terminal import open_console
from trooper.config import Target
from trooper.demo import demo
from trooper.demo.local import NAME, NoModel, RealModel, find_ollama
from trooper.demo.proof import Claim, prove, split_at_seam, text_of
from trooper.demo.screen import Screen
from trooper.demo.stage import Act, NotPerformed, Performance, Records, perform, recording
from trooper.demo.times import gap, moments
from trooper.testing import DEFAULT_ANSWER, FAULTS, FakeOllama, Model, OllamaFault, chat_events, serve_tcp
from trooper.testing.client import Heard, Splitter, ask
from trooper.wires import OLLAMA_CHAT

EVENTS = chat_events(DEFAULT_ANSWER)
SEAM = b": trooper seam from=cloud to=local reason=conn_reset phase=text\n\n"
GOOD = [*EVENTS[:20], SEAM, *EVENTS[20:]]


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def heard(*events: bytes) -> list[Heard]:
    return [Heard(raw, float(at)) for at, raw in enumerate(events)]


def act(fault: str = "reset", position: int | str = "middle", **fields: Any) -> Act:
    return Act(FAULTS[fault], position, pace_s=0.0, silence_s=0.05, **fields)


def wish(fault: str = "reset", position: int | str = "middle", seed: int | None = None) -> package._Wish:
    return package._Wish(FAULTS[fault], position, seed, pace_s=0.0)


def ignore(_: Heard) -> None:
    pass


def failing(claims: list[Claim]) -> list[str]:
    return [claim.name for claim in claims if not claim.holds]


# -- the client ------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_events_are_the_same_however_the_network_cuts_them(end: bytes) -> None:
    body = b"".join(event.replace(b"\n", end) for event in GOOD[:4])
    for at in range(len(body)):
        splitter = Splitter()
        events = [*splitter.feed(body[:at]), *splitter.feed(body[at:]), *splitter.end()]

        assert b"".join(events) == body
        assert [Heard(raw).data for raw in events] == [Heard(raw).data for raw in GOOD[:4]]


def test_a_comment_says_nothing_of_the_answer() -> None:
    event = Heard(SEAM)

    assert event.comment == SEAM[1:].decode().strip()
    assert (event.data, event.text, event.chunk) == ("", "", {})


# -- the proof -------------------------------------------------------------------


def test_the_proof_holds_for_one_answer() -> None:
    claims = prove(heard(*GOOD), b"".join(EVENTS[:20]), DEFAULT_ANSWER)

    assert failing(claims) == []
    assert claims[-1].found == f"all {len(DEFAULT_ANSWER)} characters of the answer"


def with_text(event: bytes, text: str) -> bytes:
    return re.sub(rb'"content":"[^"]*"', f'"content":"{text}"'.encode(), event)


BROKEN = {
    "another id": (
        [*GOOD[:30], GOOD[30].replace(b"chatcmpl-", b"chatcmpl-other-"), *GOOD[31:]],
        ["one id"],
    ),
    "another model": ([*GOOD[:30], GOOD[30].replace(b"gpt-4o", b"qwen"), *GOOD[31:]], ["one id"]),
    "the role again": (
        [*GOOD[:30], GOOD[30].replace(b'"delta":{', b'"delta":{"role":"assistant",'), *GOOD[31:]],
        ["one role"],
    ),
    "no seam": (EVENTS, ["one seam", "untouched"]),
    "two seams": ([*GOOD[:40], SEAM, *GOOD[40:]], ["one seam"]),
    "no finish": ([*GOOD[:-2], GOOD[-1]], ["one finish"]),
    "two finishes": ([*GOOD[:-1], GOOD[-2], GOOD[-1]], ["one finish"]),
    "a finish that is an error": (
        [*GOOD[:-2], GOOD[-2].replace(b'"stop"', b'"error"'), GOOD[-1]],
        ["one finish"],
    ),
    "no terminator": (GOOD[:-1], ["one [DONE]"]),
    "something behind the terminator": ([*GOOD, SEAM.replace(b"seam", b"keep-alive")], ["one [DONE]"]),
    "an error": ([*GOOD[:-2], b'data: {"error":{"message":"lost"}}\n\n'], ["one finish", "one [DONE]"]),
    "a word twice": ([*GOOD[:30], GOOD[30], *GOOD[30:]], ["nothing lost, nothing twice"]),
    "a word lost": ([*GOOD[:30], *GOOD[31:]], ["nothing lost, nothing twice"]),
    "a changed event before the seam": (
        [*GOOD[:5], GOOD[5].replace(b'"logprobs":null,', b""), *GOOD[6:]],
        ["untouched"],
    ),
    "a changed word before the seam": (
        [*GOOD[:5], with_text(GOOD[5], " other"), *GOOD[6:]],
        ["untouched", "nothing lost, nothing twice"],
    ),
    "nothing": (
        [],
        ["one id", "one role", "one seam", "one finish", "one [DONE]", "nothing lost, nothing twice"],
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_the_proof_finds_what_is_wrong(case: str) -> None:
    events, wrong = BROKEN[case]

    assert failing(prove(heard(*events), b"".join(EVENTS[:20]), DEFAULT_ANSWER)) == wrong


def test_a_model_of_its_own_words_is_judged_by_form_alone() -> None:
    own = [with_text(event, " own") if b'"content":"' in event else event for event in GOOD[21:]]

    assert failing(prove(heard(*GOOD[:21], *own), b"".join(EVENTS[:20]), None)) == []
    assert failing(prove(heard(*GOOD[:21], *GOOD[-2:]), b"".join(EVENTS[:20]), None)) == ["goes on"]


# -- the screen ------------------------------------------------------------------


def shown(*said: tuple[str, str], color: bool = False) -> str:
    out = io.StringIO()
    screen = Screen(
        Console(file=out, width=80, color_system="standard" if color else None, force_terminal=color)
    )
    for speaker, text in said:
        screen.say(speaker, text, 1.5)
    screen.line()
    return out.getvalue()


def test_the_other_speaker_goes_on_below_where_the_first_stopped() -> None:
    assert shown(("cloud", "One two"), ("local", " three\nfour")) == (
        "  1.50 cloud │ One two\n"
        "  1.50 local │         three\n"
        "  1.50 local │ four\n"
        "\n"
    )  # fmt: skip


def test_a_seam_at_the_start_of_a_line_needs_no_indent() -> None:
    assert shown(("cloud", "One\n"), ("local", "two")) == "  1.50 cloud │ One\n  1.50 local │ two\n\n"


def test_an_empty_line_has_no_blank_at_its_end() -> None:
    assert shown(("cloud", "One\n\ntwo")) == ("  1.50 cloud │ One\n  1.50 cloud │\n  1.50 cloud │ two\n\n")


def test_no_line_is_longer_than_the_screen() -> None:
    text = shown(("cloud", "word " * 40), ("local", "and " * 40))

    assert max(map(len, text.splitlines())) <= 80
    assert text.count("word") == text.count("and") == 40


def test_a_model_cannot_steer_the_terminal() -> None:
    assert shown(("local", "a\x1b[2Jb\x07\x9bc")) == "  1.50 local │ a[2Jbc\n\n"


def test_colours_tell_the_speakers_apart() -> None:
    text = shown(("cloud", "One"), ("local", " two"), color=True)

    assert "\x1b[36mcloud │" in text
    assert "\x1b[32mlocal │" in text


def test_no_color_means_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")

    assert open_console().color_system is None


# -- the whole -------------------------------------------------------------------


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


def test_a_seam_stands_between_the_speakers() -> None:
    out = io.StringIO()
    screen = Screen(Console(file=out, width=80))
    screen.say("cloud", "One two", 0.25)
    screen.seam(1.0, "conn_reset: gone")
    screen.say("local", " three", 1.5)
    screen.line()

    assert out.getvalue() == (
        "  0.25 cloud │ One two\n"
        "  1.00   ┄┄┄ │ conn_reset: gone\n"
        "  1.50 local │         three\n"
        "\n"
    )  # fmt: skip


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


async def test_a_connection_that_breaks_ends_the_stream() -> None:
    async def break_off(stream: trio.abc.Stream) -> None:
        await stream.receive_some(65536)
        await stream.send_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n: a\n\n\r\nzz")
        await stream.aclose()

    events: list[Heard] = []
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, break_off, listeners)
        status = await ask(listeners[0].socket.getsockname()[1], {}, events.append)
        nursery.cancel_scope.cancel()

    assert status == 200
    assert [event.comment for event in events] == ["a"]


async def test_the_gap_of_a_stream_that_nobody_went_on_with() -> None:
    done = await performed(act())
    alone = evolve(done, report={**done.report, "legs": done.report["legs"][:1]})

    assert gap(alone) == []
    assert text_of(split_at_seam(done.stream)[0]) + text_of(split_at_seam(done.stream)[1]) == DEFAULT_ANSWER
