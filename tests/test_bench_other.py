"""The bench: whether the other proxy can be measured is known before anything is."""

from __future__ import annotations

import socket
from functools import partial
from typing import Any

import pytest
import trio

from trooper.bench import commands, costs, passthrough, switchover
from trooper.bench.commands import Wishes
from trooper.bench.crowd import Crowd
from trooper.bench.other import place_of, reached, tried
from trooper.bench.result import Compare
from trooper.bench.rig import NotStarted
from trooper.testing import FAULTS, FaultAt, ScriptedProvider, serve_tcp

MEASURES: Any = {"switchover": switchover.measure, "passthrough": costs.measure}


def nobodys_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


@pytest.mark.parametrize("name", MEASURES)
async def test_nobody_there_is_one_line_before_anything_is_started(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"http://127.0.0.1:{nobodys_port()}/v1"

    assert await commands.run_all(Wishes(compare=url), {name: MEASURES[name]}) == 1
    assert capsys.readouterr().out.split("\n") == [
        "",
        f"{name}: not run: --compare: nobody answers at {url}",
        "",
        "",
    ]


async def test_what_does_not_speak_http_is_told_apart() -> None:
    async def greet(stream: trio.SocketStream) -> None:
        await stream.send_all(b"\x15\x03\x01\x00\x02\x02\x46")

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, greet, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        with pytest.raises(
            NotStarted, match=rf"^--compare: what answers at .*:{port}/v1 does not speak HTTP$"
        ):
            await reached(Compare(f"http://127.0.0.1:{port}/v1"))
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("auth-401", "answers with status 401; --compare-key-env"),
        ("not-found-404", "answers with status 404; does the URL end as its clients know it"),
        ("status-503", "answers with status 503; was it told where the provider is?"),
        ("status-429", "answers with status 429"),
        ("empty-200", "not one word came"),
        ("html-200", "not one word came"),
        ("json-error-200", "not one word came"),
        ("not-http", "got no answer"),
        ("reset-before-headers", "got no answer"),
    ],
)
async def test_a_proxy_that_gives_no_healthy_stream_is_not_measured(fault: str, says: str) -> None:
    async with trio.open_nursery() as nursery:
        port = await serve_tcp(ScriptedProvider(script=FaultAt(FAULTS[fault], 0)), nursery)
        with pytest.raises(NotStarted) as raised:
            await tried(place_of(Compare(f"http://127.0.0.1:{port}/v1")))
        nursery.cancel_scope.cancel()

    assert str(raised.value).startswith(f"--compare: POST http://127.0.0.1:{port}/v1/chat/completions ")
    assert says in str(raised.value)


async def test_a_path_that_is_not_there_is_said() -> None:
    async with trio.open_nursery() as nursery:
        port = await serve_tcp(ScriptedProvider(), nursery)
        await tried(place_of(Compare(f"http://127.0.0.1:{port}/v1/")))
        with pytest.raises(NotStarted, match=r"/chat/completions answers with status 404"):
            await tried(place_of(Compare(f"http://127.0.0.1:{port}")))
        nursery.cancel_scope.cancel()


async def test_the_other_proxy_is_asked_where_it_is_and_as_it_wants() -> None:
    asked = bytearray()

    async def listen(stream: trio.SocketStream) -> None:
        while not asked.endswith(b"}"):
            asked.extend(await stream.receive_some(65_536))
        await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n" + b'data: {"content":"word"}\n\ndata: [DONE]\n\n')

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, listen, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        compare = Compare(f"http://localhost:{port}/llm/v1", "other-model", "sk-other")
        system = passthrough.system_of(place_of(compare))
        crowd = Crowd(system.port, 1, 0.0, system.spoken, system.host, system.headers)
        await crowd.run()
        nursery.cancel_scope.cancel()

    assert asked.startswith(b"POST /llm/v1/chat/completions HTTP/1.1\r\nhost: localhost")
    assert b"\r\nauthorization: Bearer sk-other\r\n" in asked
    assert b'"model": "other-model"' in asked
    assert (crowd.tokens, crowd.broken) == (1, 0)


async def test_who_is_gone_in_the_middle_of_a_bench_breaks_streams() -> None:
    crowd = Crowd(nobodys_port(), streams=2, arrival_s=0.0)
    await crowd.run()

    assert (crowd.ended, crowd.broken) == (2, 2)
