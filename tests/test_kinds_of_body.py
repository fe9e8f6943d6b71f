"""
What kind of body a provider answers with, and what stands behind its end:
whole requests, in all three wires.
"""

from __future__ import annotations

from typing import Any

import pytest

from scenes import WIRES, stage
from trooper.testing import (
    ANSWERS,
    End,
    Fin,
    Hang,
    Head,
    KeepAlive,
    Pause,
    Reset,
    Script,
    ScriptedProvider,
    Send,
)
from trooper.testing.provider import WIRES as SPOKEN
from trooper.testing.script import Step

NAMES = sorted(WIRES)
KINDS = ["text/event-stream", "application/json", "text/html; charset=utf-8", "text/plain"]
ANSWER = ANSWERS["text"]
SAID = "".join(ANSWER.tokens)


def events(name: str) -> bytes:
    return b"".join(SPOKEN[WIRES[name].path].events(ANSWER))


def whole(name: str) -> bytes:
    return SPOKEN[WIRES[name].path].body(ANSWER)


def sends(kind: str, *steps: Step) -> ScriptedProvider:
    """A cloud that answers every request with these steps, whatever was asked for."""
    return ScriptedProvider(script=Script((Head(content_type=kind), *steps)))


def halves(data: bytes) -> tuple[Step, ...]:
    at = len(data) // 2
    return Send(data[:at]), Pause(0.5), Send(data[at:]), End()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
async def test_an_event_stream_under_any_name(autojump_clock: Any, name: str, kind: str) -> None:
    async with stage(sends(kind, *halves(events(name)))) as s:
        x = await s.ask(wire=name)
        assert bytes(x.body) == events(name)
        assert x.headers[b"content-type"].startswith(b"text/event-stream")
        x = await s.ask(wire=name, stream=False)
        assert x.told_whole().text == SAID
        assert x.headers[b"content-type"] == b"application/json"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("behind", [b"", b"data: [DONE]", b"\n\ndata: [DONE]\n\n"])
async def test_one_value_under_any_name(autojump_clock: Any, name: str, kind: str, behind: bytes) -> None:
    body = whole(name) + behind
    async with stage(sends(kind, *halves(body))) as s:
        x = await s.ask(wire=name, stream=False)
        assert bytes(x.body) == body
        x = await s.ask(wire=name)
        assert x.told().text == SAID
        assert [outcome for _, outcome in x.legs] == ["completed"]


@pytest.mark.parametrize("name", NAMES)
async def test_a_stream_of_a_whole_answer_needs_no_end_of_the_connection(
    autojump_clock: Any, name: str
) -> None:
    async with stage(sends("application/json", Send(whole(name)), Hang())) as s:
        x = await s.ask(wire=name)
        assert x.told().text == SAID
        assert x.report["duration_s"] < 1


@pytest.mark.parametrize("name", NAMES)
async def test_a_stream_that_nobody_asked_for_may_break_like_any(autojump_clock: Any, name: str) -> None:
    """Nothing of it was sent, and what it said is not lost."""
    sent = events(name)
    async with stage(sends("text/event-stream", Send(sent[: len(sent) // 2]), Reset())) as s:
        x = await s.ask(wire=name, stream=False)
        told = x.told_whole()
        assert [outcome for _, outcome in x.legs] == ["conn_reset", "completed"]
        assert told.text.startswith(SAID[:40])
        assert told.trooper is not None


async def test_an_error_in_a_stream_that_nobody_asked_for_is_an_http_error(autojump_clock: Any) -> None:
    error = b'data: {"error": {"message": "theirs", "code": "invalid_api_key"}}\n\n'
    async with stage(sends("text/event-stream", Send(error), End())) as s:
        x = await s.ask(stream=False)
        assert x.status == 401
        assert x.whole()["error"]
        assert [outcome for _, outcome in x.legs] == ["auth"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", NAMES)
async def test_a_page_starts_another_target(autojump_clock: Any, name: str, stream: bool) -> None:
    page = sends("text/html", Send(b"\n"), Pause(0.2), Send(b"<!doctype html>"), End())
    async with stage(page) as s:
        x = await s.ask(wire=name, stream=stream)
        assert x.status == 200
        assert x.legs == [(WIRES[name].target, "bad_frame"), ("ollama", "completed")]
        assert b"doctype" not in x.body


@pytest.mark.parametrize(
    "tail",
    [
        b": cost 0.01\n\n",
        b"data: {}\n\n",
        b'event: usage\ndata: {"cost": 1}\n\n',
        b"data: [DONE]\n\n",
        b"\n",
        b"\xff no line end",
    ],
)
@pytest.mark.parametrize("name", NAMES)
async def test_bytes_behind_the_terminator(autojump_clock: Any, name: str, tail: bytes) -> None:
    """In the same piece, a little later, and before a connection that fails or stays open."""
    ends: tuple[tuple[Step, ...], ...] = (
        (Send(events(name) + tail), End()),
        (Send(events(name)), Send(tail), End()),
        (Send(events(name)), Pause(0.2), Send(tail), Reset()),
        (Send(events(name) + tail), Fin()),
        (Send(events(name)), Pause(0.1), Send(tail), Hang()),
    )
    for steps in ends:
        async with stage(sends("text/event-stream", *steps)) as s:
            x = await s.ask(wire=name)
            assert bytes(x.body) == events(name) + tail
            assert [outcome for _, outcome in x.legs] == ["completed"]
            assert x.report["duration_s"] < 1


async def test_who_floods_behind_the_terminator_is_cut_off(autojump_clock: Any) -> None:
    async with stage(sends("text/event-stream", Send(events("chat")), KeepAlive(0.01))) as s:
        x = await s.ask()
        assert bytes(x.body).startswith(events("chat") + b": keep-alive\n\n")
        assert x.report["duration_s"] < 1
