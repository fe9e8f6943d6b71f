"""The head of a request on the wire: how large it may be, what its line may ask for, and what is said of it."""

from __future__ import annotations

from contextlib import suppress

import pytest
import trio

from front_attacks import TARGETS, request
from hypercorn_server import Served, said_to, spoken
from opened import application
from trooper.web.http1 import MAX_LINES


async def test_a_target_of_two_meanings_or_too_long_a_one_is_refused(served: Served) -> None:
    async with served(application()) as address:
        heard = {
            target: await said_to(address, request(b"GET %b HTTP/1.1" % target)[:60_000])
            for target in TARGETS
        }

    assert {target: int(answer.split()[1]) for target, answer in heard.items()} == TARGETS


async def test_a_head_of_many_lines_is_not_read(served: Served) -> None:
    def request(lines: int) -> bytes:
        return spoken("GET", "/healthz", b"", "Connection: close", *["A:"] * (lines - 3))

    async with served(application()) as address:
        assert (await said_to(address, request(MAX_LINES))).startswith(b"HTTP/1.1 200 ")
        assert (await said_to(address, request(MAX_LINES + 1))).startswith(b"HTTP/1.1 431 ")


async def test_a_head_is_no_larger_than_was_configured(served: Served) -> None:
    """Also where its end comes in the same piece as the rest of it."""
    async with served(application()) as address:
        for size, status in ((15_000, 200), (17_000, 431), (40_000, 431)):
            answer = await said_to(
                address, spoken("GET", "/healthz", b"", "Connection: close", "A: " + "b" * size)
            )
            assert answer.startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize("pieces", [1, 3])
async def test_a_head_that_is_too_large_by_its_target_says_so(served: Served, pieces: int) -> None:
    """Hypercorn's own bound is 16 KiB."""
    one = b"GET /healthz?" + b"a" * 17_000 + b" HTTP/1.1\r\n"
    rest = b"Host: 127.0.0.1\r\nConnection: close\r\n"
    cases = [
        (one + rest + b"\r\n", 414),
        (one, 414),
        (one[:16_500], 414),
        (one.replace(b"aa", b"") + rest + b"\r\n", 200),
        (
            b"GET /healthz?" + b"a" * 9_000 + b" HTTP/1.1\r\n" + rest + b"A: " + b"b" * 9_000 + b"\r\n\r\n",
            431,
        ),
        (b"GET /healthz?" + b"a" * 9_000 + b" HTTP/1.1\r\n" + rest + b"A: " + b"b" * 9_000, 431),
        (b"G" * 17_000 + one, 431),
        (b"POST / HTTP/1.1\r\n" + rest + b"Transfer-Encoding: chunked\r\n\r\n0\r\na: " + b"b" * 17_000, 431),
    ]
    async with served(application()) as address:
        for payload, status in cases:
            size = -(-len(payload) // pieces)
            answer = await said_to(address, *(payload[at : at + size] for at in range(0, len(payload), size)))
            assert answer.startswith(b"HTTP/1.1 %d " % status)
            assert (b"url_too_long" in answer) == (status == 414)


@pytest.mark.parametrize(
    ("said", "drops"),
    [
        (b"", b"a"),
        (b"GET /", b"a"),
        (b"GET / HTTP/1.1\r\nA: ", b"a"),
        (b"GET / HTTP/1.1\r\n", b"A: b\r\n"),
        (spoken("GET", "/healthz") + b"GET / HTTP/1.1\r\nA:", b" "),
    ],
    ids=["at once", "in the line", "in a header", "by lines", "in a second one"],
)
async def test_a_head_that_drips_ends_with_the_time_of_an_idle_connection(
    served: Served, said: bytes, drops: bytes
) -> None:
    async with (
        served(application(), keep_alive_s=0.3) as address,
        await trio.open_tcp_stream(*address) as stream,
    ):
        await stream.send_all(said)
        with suppress(trio.BrokenResourceError):
            while True:
                await stream.send_all(drops)
                with trio.move_on_after(0.02):
                    if not await stream.receive_some():
                        break


async def test_a_url_is_no_shorter_in_a_larger_head(served: Served) -> None:
    """Of those that fit into it the front door says the same."""
    line, header = b"GET /%b HTTP/1.1", b"A: " + b"b" * 30_000
    async with served(application(), head_bytes=65_536) as address:
        for size in (40_000, 60_000):
            for fields in ((), (header,), (header, header)):
                answer = await said_to(address, request(line % (b"a" * size), *fields))
                assert answer.startswith(b"HTTP/1.1 414 ")
                assert b"url_too_long" in answer
