"""
What a scripted server does, step by step, and how it is played.
"""

from __future__ import annotations

from typing import TypeAlias, assert_never

import trio
from attrs import frozen

from trooper.testing.http import Framing, Response

Pairs: TypeAlias = tuple[tuple[str, str], ...]


@frozen
class Status:
    """A whole answer with a status."""

    code: int
    body: bytes = b""
    headers: Pairs = ()
    content_type: str = "application/json"


@frozen
class Head:
    """Status line and headers of a streamed answer; an integer `framing` is the content length."""

    status: int = 200
    content_type: str = "text/event-stream; charset=utf-8"
    headers: Pairs = ()
    framing: Framing | int = Framing.CHUNKED


@frozen
class Send:
    """A piece of the body."""

    data: bytes


@frozen
class Raw:
    """Bytes that ignore the framing."""

    data: bytes


@frozen
class Pause:
    """Silence."""

    duration_s: float


@frozen
class KeepAlive:
    """The same piece again and again, after each interval; for ever when `count` is `None`."""

    interval_s: float = 5.0
    count: int | None = None
    data: bytes = b": keep-alive\n\n"


@frozen
class Reset:
    """Reset the connection."""


@frozen
class Fin:
    """Close the connection, whatever is missing."""


@frozen
class RefuseNoHeaders:
    """Close the connection without a word: what a stale pooled connection looks like."""


@frozen
class End:
    """End the body as its framing says."""


@frozen
class Hang:
    """Say nothing more."""


Step: TypeAlias = Status | Head | Send | Raw | Pause | KeepAlive | Reset | Fin | RefuseNoHeaders | End | Hang


@frozen
class Script:
    """All steps of one answer. After the last one the connection closes if the body is not at its end."""

    steps: tuple[Step, ...]


async def play(script: Script, response: Response, *, pace_s: float = 0.0) -> None:
    """Carry out `script`, with `pace_s` of silence after each `Send`."""
    for step in script.steps:
        await _take(step, response)
        if pace_s and isinstance(step, Send):
            await trio.sleep(pace_s)


async def _take(step: Step, response: Response) -> None:
    match step:
        case Status(code, body, headers, content_type):
            await response.whole(code, [("content-type", content_type), *headers], body)
        case Head(status, content_type, headers, framing):
            await response.head(status, [("content-type", content_type), *headers], framing=framing)
        case Send(data):
            await response.send(data)
        case Raw(data):
            await response.send_raw(data)
        case Pause(duration_s):
            await trio.sleep(duration_s)
        case KeepAlive(interval_s, count, data):
            while count is None or count > 0:
                await trio.sleep(interval_s)
                await response.send(data)
                count = None if count is None else count - 1
        case Reset():
            await response.reset()
        case Fin() | RefuseNoHeaders():
            await response.fin()
        case End():
            await response.end()
        case Hang():
            await response.hang()
        case _:
            assert_never(step)
