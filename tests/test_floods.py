"""
No answer holds up the others: how much is done between two checkpoints, counted
in calls, and that a client gets all of it all the same.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing

from floods import END, FLOODS, HARD_TEXTS, HELLO, Flood, call, chunk, hard, in_pieces
from scenes import TOOLS, Exchange, at_llama, configured, stage, with_second
from trooper.testing import Head, Reset, Script, ScriptedProvider, Send, Status
from trooper.testing.llama_server import FakeLlamaServer
from work import counted_steps

#: Some ten milliseconds on a slow machine.
pytestmark = pytest.mark.vast

MOST_CALLS = 50_000


async def say(flood: Flood, stream: trio.abc.Stream) -> None:
    """Answer each request on a connection with the flood."""
    body = flood.body
    sent = b"".join(
        b"%x\r\n%s\r\n" % (len(piece), piece)
        for at in range(0, len(body), flood.chunk_bytes)
        if (piece := body[at : at + flood.chunk_bytes])
    )
    head = b"HTTP/1.1 200 OK\r\n" + flood.headers + b"transfer-encoding: chunked\r\n\r\n"
    asked = b""
    try:
        while came := await stream.receive_some():
            asked += came
            length = re.search(rb"content-length: (\d+)", asked, re.IGNORECASE)
            at = asked.find(b"\r\n\r\n")
            if at >= 0 and len(asked) >= at + 4 + int(length[1] if length else 0):
                asked = b""
                await stream.send_all(head + sent + b"0\r\n\r\n")
    except trio.BrokenResourceError:
        pass


@pytest.mark.parametrize("name", FLOODS)
async def test_no_answer_holds_up_the_others(name: str) -> None:
    flood = FLOODS[name]()

    async def serve(stream: trio.abc.Stream) -> None:
        await say(flood, stream)

    async with stage() as s:
        host = "api.anthropic.com" if flood.wire == "messages" else "api.openai.com"
        s.network.listen(host, 80, serve)
        exchange = Exchange()
        with counted_steps() as steps:
            await s.play(exchange, wire=flood.wire, stream=flood.streams)
    assert steps.most < MOST_CALLS
    assert exchange.status == 200
    if flood.passes:
        assert bytes(exchange.body) == flood.body
    else:
        # Its provider was given up, and somebody else went on.
        assert exchange.legs[0][1] in ("bad_frame", "eof_early")
        assert exchange.legs[-1] == ("ollama", "completed")


async def test_what_has_waited_does_not_hold_up_the_others() -> None:
    """A client that was slow finds a full inbox, and its events are given in turns."""
    flood = Flood(HELLO + b": still there\n\n" * 20_000 + END)

    async def serve(stream: trio.abc.Stream) -> None:
        await say(flood, stream)

    async with stage() as s:
        s.network.listen("api.openai.com", 80, serve)
        exchange = Exchange()
        exchange.reads = trio.Event()
        over = trio.Event()

        async def play() -> None:
            await s.play(exchange)
            over.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(play)
            await trio.testing.wait_all_tasks_blocked()
            with counted_steps() as steps:
                exchange.reads.set()
                await over.wait()
    assert steps.most < MOST_CALLS
    assert bytes(exchange.body) == flood.body


async def second(said: bytes, **fields: Any) -> Exchange:
    """What comes of half an answer with another cloud to go on."""
    cloud = ScriptedProvider(script=Script((Head(), Send(said), Reset())))
    async with stage(cloud, config=with_second(configured(tool_calls="stream"), "chat")) as s:
        return await s.ask(**fields)


async def llama(said: bytes, **fields: Any) -> Exchange:
    """The same with a local server that can finish a call."""
    cloud = ScriptedProvider(script=Script((Head(), Send(said), Reset())))
    async with stage(cloud, config=at_llama(tool_calls="stream"), llama=FakeLlamaServer()) as s:
        return await s.ask(**fields)


def words(text: str) -> bytes:
    return in_pieces(text, lambda piece: chunk({"content": piece}))


def arguments(text: str) -> bytes:
    return call(0, '{"a":') + in_pieces(text, lambda piece: call(0, piece, "", ""))


#: Who goes on, what the cloud had said of a hard text, and what the client asked for.
HALVES: dict[str, tuple[Callable[..., Awaitable[Exchange]], Callable[[str], bytes], dict[str, Any]]] = {
    "an answer": (second, words, {}),
    "what looks like a document": (second, lambda text: words('{"a":' + text), {}),
    "a document": (second, lambda text: words('{"a":' + text), {"response_format": {"type": "json_object"}}),
    "a call": (second, arguments, {"tools": TOOLS}),
    "a call of a text": (llama, lambda text: arguments('"' + text), {"tools": TOOLS}),
}


@pytest.mark.parametrize("name", HARD_TEXTS)
@pytest.mark.parametrize("half", HALVES)
async def test_half_an_answer_holds_up_nobody(autojump_clock: object, half: str, name: str) -> None:
    """Whether or not somebody can go on from it."""
    goes_on, made, fields = HALVES[half]
    with counted_steps() as steps:
        exchange = await goes_on(HELLO + made(hard(name, 500_000)), **fields)
    assert steps.most < MOST_CALLS
    assert exchange.ended


@pytest.mark.parametrize(("most", "has_net"), [(2, False), (3, True)])
async def test_behind_more_calls_than_are_followed_nobody_goes_on(most: int, *, has_net: bool) -> None:
    cut = HELLO + b"".join(call(number, "{}") for number in range(3))
    cloud = ScriptedProvider(script=Script((Status(200, cut, (("content-type", "text/event-stream"),)),)))
    async with stage(cloud, config=configured(max_tool_calls=most)) as s:
        exchange = await s.ask()
    assert exchange.report["outcome"] == ("completed" if has_net else "failed")
    assert bytes(exchange.body).startswith(cut)
