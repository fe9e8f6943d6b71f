"""What Trooper changes in hypercorn and h11: what it relies on, and the wall round each connection."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from typing import Any

import h11
import hypercorn.asyncio.run
import hypercorn.trio.run
import pytest
import trio
from h11 import _readers as readers
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config as HypercornConfig
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from asgi_server import CHAT
from front_attacks import BODIES, H2, NOISE, UNHEARD, WEBSOCKETS
from hypercorn_server import (
    Served,
    said_to,
    spoken,
    until_closed,
    until_said,
)
from opened import BEGUN, ENDED, STREAMED, HeldProvider, Opening, application
from scenes import configured
from trooper.errors import ConfigError
from trooper.web.patches import ALL_BLANKS, BLANKS, CONTRACT, ends_alone, patch_hypercorn, what_is_missing

SECRET = "sk-not-for-the-log"


class TestContract:
    def test_all_of_it_holds(self) -> None:
        """In a process of its own: in this one the names are replaced already."""
        told = (
            "from trooper.web.patches import *; "
            "from trooper.web.patches import CONTRACT, REPLACED, what_is_missing; "
            "print(list(what_is_missing(CONTRACT, REPLACED)))"
        )
        asked = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)

        assert asked.stdout == "[]\n"

    @pytest.mark.parametrize(
        ("contract", "replaced"),
        [
            ({"hypercorn.nowhere:Server": ()}, {}),
            ({"hypercorn.config:Config.nothing": ("self",)}, {}),
            ({"hypercorn.config:Config.create_ssl_context": ("self", "more")}, {}),
            ({}, {"hypercorn.config:Config": "hypercorn.config:Sockets"}),
            ({}, {"hypercorn.config:Nothing": "hypercorn.config:Nothing"}),
        ],
    )
    def test_what_another_version_has_not_is_named(
        self, contract: dict[str, tuple[str, ...]], replaced: dict[str, str]
    ) -> None:
        # h11's pattern is patched in this process.
        missing = set(what_is_missing(contract, replaced)) - {"h11._readers:header_field_re"}

        assert missing == {*contract, *replaced}

    @pytest.mark.parametrize(
        "start", ["trooper.app", "trooper.commands.cli; trooper.commands.cli.serve(port=0)"]
    )
    def test_another_version_does_not_serve(self, start: str) -> None:
        spoiled = f"import hypercorn.protocol.h11 as one; del one.H11Protocol._create_stream; import {start}"
        started = subprocess.run([sys.executable, "-c", spoiled], capture_output=True, text=True, check=False)

        assert "trooper: configuration error: hypercorn: 0.18" in started.stderr
        assert "hypercorn.protocol.h11:H11Protocol._create_stream" in started.stderr
        assert "Traceback" not in started.stderr

    def test_once_is_enough(self) -> None:
        before = hypercorn.trio.run.TCPServer, hypercorn.asyncio.run.TCPServer
        patch_hypercorn()

        assert (hypercorn.trio.run.TCPServer, hypercorn.asyncio.run.TCPServer) == before

    def test_every_other_server_is_refused(self) -> None:
        for run in (hypercorn.trio.run, hypercorn.asyncio.run):
            with pytest.raises(ConfigError, match="quic_bind"):
                vars(run)["UDPServer"]("app", "config")

    def test_the_contract_names_what_is_overridden(self) -> None:
        assert {"hypercorn.protocol:ProtocolWrapper", "h11:Connection.next_event"} <= set(CONTRACT)


def fail(error: BaseException) -> None:
    raise error


class TestWall:
    """`ends_alone`: errors stay inside, cancellation does not."""

    def test_an_error_is_logged_once_and_without_its_words(self) -> None:
        with capture_logs() as logs, ends_alone():
            fail(ValueError(SECRET))

        (line,) = logs
        assert (line["event"], line["log_level"], line["errors"]) == (
            "connection_failed",
            "error",
            ["ValueError"],
        )
        assert line["at"][-1].startswith("web/test_patches.py:")
        assert SECRET not in str(line)

    def test_so_are_several(self) -> None:
        inner = ExceptionGroup("inner", [KeyError(SECRET), OSError(SECRET)])
        with capture_logs() as logs, ends_alone():
            fail(ExceptionGroup("outer", [inner, ValueError(SECRET)]))

        assert [line["errors"] for line in logs] == [["KeyError", "ValueError"]]

    @pytest.mark.parametrize(
        "error",
        [ConnectionResetError(), trio.BrokenResourceError(), trio.ClosedResourceError(), TimeoutError()],
    )
    def test_a_broken_connection_is_none_of_ours(self, error: Exception) -> None:
        with capture_logs() as logs:
            with ends_alone():
                fail(error)
            with ends_alone():
                fail(ExceptionGroup("of a nursery", [error]))

        assert logs == []

    @pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
    def test_what_ends_the_process_passes(self, error: type[BaseException]) -> None:
        with pytest.raises(error), ends_alone():
            fail(error())

    async def test_cancellation_passes(self) -> None:
        with trio.CancelScope() as scope, ends_alone():
            scope.cancel()
            await trio.sleep_forever()

        assert scope.cancelled_caught

    async def test_beside_an_error_too(self) -> None:
        async def fail_late() -> None:
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError(SECRET)

        with capture_logs() as logs, trio.CancelScope() as scope, ends_alone():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fail_late)
                nursery.start_soon(trio.sleep_forever)
                await trio.lowlevel.checkpoint()
                scope.cancel()

        assert scope.cancelled_caught
        assert [line["errors"] for line in logs] == [["ValueError"]]


async def test_a_connection_that_fails_ends_alone(served: Served) -> None:
    """Hypercorn's own check of names fails on a Host beyond UTF-8."""
    cloud = HeldProvider()
    app = application(Opening(cloud), configured(gate=False))
    odd = spoken("GET", "/healthz").replace(b"127.0.0.1", b"\xff\xfe")
    with capture_logs() as logs:
        async with (
            served(app, names=["127.0.0.1"]) as address,
            await trio.open_tcp_stream(*address) as stream,
        ):
            await stream.send_all(spoken("POST", CHAT, STREAMED))
            answer = await until_said(stream, BEGUN.encode())
            for _ in range(3):
                assert await said_to(address, odd) == b""
            cloud.let_go.set()
            answer += await until_said(stream, b"0\r\n\r\n")

    assert ENDED.encode() in answer
    failed = [line for line in logs if line["event"] == "connection_failed"]
    assert [line["errors"] for line in failed] == [["UnicodeDecodeError"]] * 3


@pytest.mark.parametrize(
    ("attacks", "statuses"),
    [(UNHEARD, {200}), (H2, {505}), (WEBSOCKETS, {426}), (NOISE, {400, 414, 431, 501}), (BODIES, {400, 431})],
    ids=["unheard", "h2", "websockets", "noise", "bodies"],
)
async def test_no_other_protocol_is_spoken(
    served: Served, attacks: dict[str, bytes], statuses: set[int]
) -> None:
    """As through each way to serve in `e2e`, where eight streams run beside it."""
    async with served(application()) as address:
        heard = {name: await said_to(address, attack[:60_000]) for name, attack in attacks.items()}

    assert {int(answer.split()[1]) for answer in heard.values()} <= statuses


async def test_a_refused_head_has_no_body(served: Served) -> None:
    heads = [
        spoken("HEAD", "/").replace(b"HTTP/1.1", b"HTTP/2.0"),
        spoken("HEAD", "/", b"", "Transfer-Encoding: chunked") + b"zz\r\n",
    ]
    async with served(application()) as address:
        for head, status in zip(heads, (b"505", b"400"), strict=True):
            answer = await said_to(address, head)
            assert answer.split()[1] == status
            assert answer.endswith(b"\r\n\r\n")


CHUNKED = ("Content-Type: application/json", "Transfer-Encoding: chunked")
MEASURED = ("Content-Type: application/json", "Content-Length: 9000")


@pytest.mark.parametrize(
    ("refused", "body"),
    [
        (
            spoken("POST", CHAT, b"", *CHUNKED).replace(b"127.0.0.1", b"evil.example"),
            b"1\r\nx\r\n" * 40 + b"zz",
        ),
        (spoken("POST", CHAT, b"", *MEASURED).replace(b"127.0.0.1", b"evil.example"), b"x" * 3000),
        (spoken("GET", "/", b"", *CHUNKED, "Upgrade: websocket"), b"1\r\nx\r\n" * 40 + b"zz"),
        (spoken("GET", "/", b"", *MEASURED, "Upgrade: websocket"), b"x" * 3000),
    ],
)
async def test_a_body_that_turns_out_to_be_none_beside_an_answer(
    served: Served, refused: bytes, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Two have something to say then. Whoever comes second is not heard, and nothing has failed."""
    with capture_logs() as logs:
        async with served(application()) as address:
            for _ in range(10):
                async with await trio.open_tcp_stream(*address) as stream:
                    await stream.send_all(refused + body)
                    await stream.send_eof()
                    answer = await until_closed(stream)
                assert answer[:13] in {b"", b"HTTP/1.1 400 ", b"HTTP/1.1 403 ", b"HTTP/1.1 426 "}

    assert [line for line in logs if line["event"] == "connection_failed"] == []
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_client_that_leaves_a_body_behind_is_not_waited_for(served: Served) -> None:
    """More than is told ahead. Who hears of its leaving while he sends reads nothing, and it was to wait for him."""
    refused = spoken("POST", CHAT, b"", *CHUNKED).replace(b"127.0.0.1", b"evil.example")
    async with served(application(), grace_s=1000.0) as address:
        for _ in range(10):
            async with await trio.open_tcp_stream(*address) as stream:
                await stream.send_all(refused + b"1\r\nx\r\n" * 400)
        await said_to(address, spoken("GET", "/healthz", b"", "Connection: close"))


async def test_an_offer_with_a_large_body_is_not_kept(served: Served) -> None:
    """Its answer asks for nothing of it, and a server that waits until somebody does would wait for good."""
    offer = spoken("GET", "/", b"", *CHUNKED, "Upgrade: websocket")
    async with served(application()) as address:
        answer = await said_to(address, offer + b"1\r\nx\r\n" * 400 + b"0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 426 ")


async def test_a_host_that_hypercorn_refuses_is_not_kept(served: Served) -> None:
    async with served(application(), names=["a.example"]) as address:
        answer = await said_to(address, spoken("GET", "/healthz"))

    assert answer.startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("reads", [True, False])
def test_a_connection_on_asyncio_ends_with_the_grace_by_itself(reads: bool) -> None:
    """Before hypercorn counts, asyncio may wait for all of them (Python 3.12)."""

    async def main() -> None:
        config, context = HypercornConfig(), WorkerContext(None)
        config.graceful_timeout = 0.01
        begun, over = asyncio.Event(), asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            begun.set()
            if not reads:
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"x" * 20_000_000, "more_body": True})
            while (await receive())["type"] != "http.disconnect":
                pass

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection: Any = vars(hypercorn.asyncio.run)["TCPServer"]
            loop = asyncio.get_running_loop()
            await connection(ASGIWrapper(app), loop, config, context, {}, reader, writer)
            over.set()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        _, client = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=1)
        client.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1")
        await begun.wait()
        await context.terminated.set()
        async with asyncio.timeout(10):
            await over.wait()
        client.close()
        server.close()
        await server.wait_closed()

    asyncio.run(main())


async def test_a_cancelled_connection_on_asyncio_is_no_failure() -> None:
    """Up to Python 3.11 asyncio prints a traceback for each that is cancelled."""
    told: list[object] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        begun, tasks = asyncio.Event(), list[Any]()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.append(asyncio.current_task())
            begun.set()
            connection: Any = vars(hypercorn.asyncio.run)["TCPServer"]
            loop = asyncio.get_running_loop()
            await connection(None, loop, HypercornConfig(), WorkerContext(None), {}, reader, writer)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        _, client = await asyncio.open_connection(*server.sockets[0].getsockname())
        await begun.wait()
        tasks[0].cancel()
        await asyncio.wait(tasks)
        await asyncio.sleep(0)
        client.close()
        server.close()

    await trio.to_thread.run_sync(asyncio.run, main())
    assert told == []


class TestHeaderLines:
    """h11's pattern with blanks that it takes once and for all: the same lines, in as many steps as they have bytes."""

    OWN = re.compile(readers.header_field_re.pattern.replace(ALL_BLANKS, BLANKS))

    def test_it_is_the_one_in_use(self) -> None:
        assert readers.header_field_re.pattern.count(ALL_BLANKS) == 1
        assert BLANKS not in readers.header_field_re.pattern

    @given(
        st.lists(st.sampled_from([b" ", b"\t", b"a", b":", b"\0", b"\r", b"\x0b", b"\xff", b"a:"])).map(
            b"".join
        )
    )
    def test_the_same_lines_are_lines(self, line: bytes) -> None:
        def read(pattern: re.Pattern[bytes]) -> Any:
            match = pattern.fullmatch(line)
            return match and match.groupdict()

        assert read(readers.header_field_re) == read(self.OWN)

    def test_blanks_are_tried_once(self) -> None:
        """A provider's too. Without the patch this one does not end within a day."""
        client = h11.Connection(h11.CLIENT, max_incomplete_event_size=40_000_000)
        client.send(h11.Request(method="GET", target="/", headers=[("host", "a")]))
        client.receive_data(b"HTTP/1.1 200 \r\nA:" + b" \t" * 10_000_000 + b"\0\r\n\r\n")

        with pytest.raises(h11.RemoteProtocolError, match="illegal header line"):
            client.next_event()
