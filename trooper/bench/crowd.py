"""
Many clients at once, as cheap as they can be: they count, and judge nothing but wholeness.

A client that parsed each event would cost more than the proxies that it
measures. Whether streams are exact is the switchover bench's business.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import trio
from attrs import define, field, frozen

_READ_BYTES: Final = 65_536
REQUEST_BYTES: Final = 4096


@frozen
class Spoken:
    """What a client of one wire asks, and what it counts."""

    path: str
    #: The key of the conversation, and what else a request must have.
    turns: str
    more: Mapping[str, object]
    #: An event with a piece of text in it.
    content: re.Pattern[bytes]
    end: bytes


CHAT: Final = Spoken(
    "/v1/chat/completions", "messages", {}, re.compile(rb'"content":"(?!")'), b"data: [DONE]"
)
MESSAGES: Final = Spoken(
    "/v1/messages",
    "messages",
    {"max_tokens": 9999},
    re.compile(rb'"text_delta","text":"(?!")'),
    b'data: {"type":"message_stop"',
)
RESPONSES: Final = Spoken(
    "/v1/responses",
    "input",
    {},
    re.compile(rb'"delta":"(?!")'),
    b'data: {"type":"response.completed"',
)


@define
class Crowd:
    """
    Clients of one server.

    Attributes:
        headers: what each request has beside its own.
        tokens: how many pieces of text all of them have got so far.
        first_s: the time to the first content of each, from its request on.
        broken: streams that did not come to their end.
    """

    port: int
    streams: int
    arrival_s: float
    spoken: Spoken = CHAT
    host: str = "127.0.0.1"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    tokens: int = field(default=0, init=False)
    begun: int = field(default=0, init=False)
    ended: int = field(default=0, init=False)
    first_s: list[float] = field(factory=list, init=False)
    broken: int = field(default=0, init=False)
    all_begun: trio.Event = field(factory=trio.Event, init=False)

    async def run(self) -> None:
        """Let one after the other come, and wait for the end of all."""
        async with trio.open_nursery() as nursery:
            for _ in range(self.streams):
                nursery.start_soon(self._client)
                # Not all in one moment: a burst measures the burst.
                await trio.sleep(self.arrival_s)

    async def _client(self) -> None:
        whole = False
        # Who is gone in the middle of a bench breaks streams like any other.
        with suppress(OSError, trio.BrokenResourceError):
            whole = await self._heard_whole()
        self.ended += 1
        self.broken += not whole

    async def _heard_whole(self) -> bool:
        async with await trio.open_tcp_stream(self.host, self.port) as stream:
            asked = time.monotonic()
            await stream.send_all(request(self.spoken, self.host, self.headers))
            tail, first = b"", True
            while data := bytes(await stream.receive_some(_READ_BYTES)):
                tail += data
                found = self.spoken.content.findall(tail)
                if found:
                    if first:
                        first = False
                        self._note_first(time.monotonic() - asked)
                    self.tokens += len(found)
                if self.spoken.end in tail:
                    return True
                # What may be half of a pattern is looked at again; nothing is counted twice.
                tail = tail[tail.rfind(b"\n") + 1 :]
        return False

    def _note_first(self, after_s: float) -> None:
        self.first_s.append(after_s)
        self.begun += 1
        if self.begun == self.streams:
            self.all_begun.set()


def request(
    spoken: Spoken = CHAT, host: str = "127.0.0.1", headers: tuple[tuple[str, str], ...] = ()
) -> bytes:
    """A request of exactly `REQUEST_BYTES` in its body, and nothing that a cache could know."""
    turn = {"role": "user", "content": ""}
    asked: dict[str, object] = {"model": "gpt-4o", "stream": True, spoken.turns: [turn], **spoken.more}
    turn["content"] = "x" * (REQUEST_BYTES - len(json.dumps(asked)))
    body = json.dumps(asked).encode()
    fields = (
        ("host", host),
        *headers,
        ("content-type", "application/json"),
        ("content-length", str(len(body))),
        ("connection", "close"),
    )
    lines = (f"POST {spoken.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields))
    return "\r\n".join((*lines, "\r\n")).encode() + body
