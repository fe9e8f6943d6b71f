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


@frozen
class Places:
    """
    Where in a script's steps the content is, and where it stops being a healthy answer.

    Attributes:
        content: the steps that say something.
        fault: the first step that the healthy answer does not have.
    """

    content: range = range(0)
    fault: int | None = None

    @classmethod
    def of(cls, script: Script, healthy: Script, content: range) -> Places:
        """Compare a script with the healthy answer that it spoils, whose content is at `content`."""
        pairs = zip(script.steps, healthy.steps, strict=False)
        # Another framing is not yet a fault.
        heads = Head, Head
        differs = (one != other and (type(one), type(other)) != heads for one, other in pairs)
        fault = next((at for at, strange in enumerate(differs) if strange), None)
        return cls(content if fault is None else range(content.start, min(content.stop, fault)), fault)


_NOWHERE = Places()


async def play(script: Script, response: Response, *, pace_s: float = 0.0, places: Places = _NOWHERE) -> None:
    """Carry out `script`, with `pace_s` of silence after each `Send`; `places` are marked as they are passed."""
    for at, step in enumerate(script.steps):
        if response.mark is not None:
            if at in places.content:
                response.mark.content()
            elif at == places.fault:
                response.mark.fault()
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
