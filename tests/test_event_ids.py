"""
Where a provider's events have ids, no line of ours ends an event that has no data: SDKs keep the last id, take
each empty line behind one for the end of an event, and fail on an event without data.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from odd_streams_chat import BEGIN, END, say
from scenes import stage
from trooper.testing import End, Head, Pause, Reset, Script, Send
from trooper.testing.dialects import DIALECTS

HALF = b"".join(
    b"id: %d\n" % at + piece for at, piece in enumerate((BEGIN, say("The light"), say("house keeps")))
)


def dispatched(body: bytes) -> list[bytes]:
    """The data of each event, as SDKs dispatch them that keep the last id."""
    events, last_id, data = [], b"", list[bytes]()
    for line in re.split(rb"\r\n|\n|\r", body)[:-1]:
        name, _, value = line.partition(b":")
        match name:
            case b"id":
                last_id = value.strip()
            case b"data":
                data.append(value.strip())
            case b"" if not line and (data or last_id):
                events.append(b"\n".join(data))
                data = []
            case _:
                pass
    return events


async def test_a_seam_is_no_event(autojump_clock: Any) -> None:
    async with stage() as s:
        s.ollama.answer = "The lighthouse keeps its watch."
        s.cloud.script = Script((Head(), Send(HALF), Pause(0.1), Reset()))
        x = await s.ask(wire="chat")

    assert x.legs[-1] == ("ollama", "completed")
    assert b": trooper seam" in bytes(x.body)
    assert all(dispatched(bytes(x.body)))


#: A text of each wire.
TEXTS = {"chat": "openai-chat", "messages": "anthropic", "responses": "openai-responses"}


@pytest.mark.parametrize("wire", TEXTS)
async def test_on_no_wire_is_a_line_of_ours_an_event(autojump_clock: Any, wire: str) -> None:
    """Neither a seam nor, before the first words, a sign of life."""
    pieces = DIALECTS[TEXTS[wire]].goldens["text"].pieces
    numbered = [b"id: %d\n" % at + piece for at, piece in enumerate(pieces)]
    half = len(pieces) // 2
    async with stage() as s:
        s.cloud.script = Script(
            (Head(), Send(b"id: a\n: waits\n\n"), Pause(15.0), *map(Send, numbered[:half]), Reset())
        )
        x = await s.ask(wire=wire)

    body = bytes(x.body)
    assert x.legs[0][1] == "conn_reset"
    assert b": trooper seam" in body
    assert b": trooper keep-alive" in body
    # What the provider itself ended with an empty line, is its own.
    assert not [one for one in dispatched(body.replace(b"id: a\n: waits\n\n", b"id: a\n")) if not one]


async def test_a_sign_of_life_is_no_event(autojump_clock: Any) -> None:
    async with stage() as s:
        s.cloud.script = Script((Head(), Send(HALF), Pause(15.0), Send(b"id: 9\n" + END), End()))
        x = await s.ask(wire="chat")

    # Nor does it forget the provider's id.
    assert re.search(rb": trooper keep-alive\nid: \d\n", bytes(x.body))
    assert all(dispatched(bytes(x.body)))


async def test_without_ids_a_comment_has_a_line_to_itself(autojump_clock: Any) -> None:
    async with stage() as s:
        s.ollama.answer = "The lighthouse keeps its watch."
        s.cloud.script = Script((Head(), Send(BEGIN + say("The light")), Pause(0.1), Reset()))
        x = await s.ask(wire="chat")

    assert re.search(rb": trooper seam [^\n]*\n\n", bytes(x.body))


@pytest.mark.parametrize("kind", DIALECTS["watsonx"].goldens)
async def test_a_dialect_with_ids(autojump_clock: Any, kind: str) -> None:
    golden = DIALECTS["watsonx"].goldens[kind]
    half = b"".join(golden.pieces[: len(golden.pieces) // 2])
    async with stage() as s:
        s.cloud.script = Script((Head(), Send(half), Pause(0.1), Reset()))
        x = await s.ask(wire="chat")

    assert all(dispatched(bytes(x.body)))
