"""One HTTP exchange with a target: what is sent, what comes back, and how it fails."""

from __future__ import annotations

import gzip
import ssl
import zlib
from pathlib import Path
from typing import Any

import certifi
import pytest
import trio
import trio.testing
from attrs import define, evolve, field

from legs import LONG_S, opened
from scenes import configured
from trooper.core.outcome import Answer, Failed, FailureKind
from trooper.targets import upstream
from trooper.targets.upstream import MAX_ERROR_BODY_BYTES, Call, Headers
from trooper.testing import (
    End,
    Fin,
    Hang,
    Head,
    KeepAlive,
    MemoryNetwork,
    Pause,
    Raw,
    RefuseNoHeaders,
    Request,
    Reset,
    Response,
    Script,
    Send,
    Server,
    Status,
)
from trooper.testing.script import play
from work import counted_steps


def test_a_ca_of_ones_own_is_the_only_one_trusted(tmp_path: Path) -> None:
    one = Path(certifi.where()).read_text(encoding="utf-8").split("-----END CERTIFICATE-----")[0]
    file = tmp_path / "ca.pem"
    file.write_text(one + "-----END CERTIFICATE-----\n", encoding="utf-8")
    context = upstream._tls(str(file))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert len(context.get_ca_certs()) == 1
    assert len(upstream._tls(None).get_ca_certs()) > 1


def test_the_environments_proxy_is_for_clouds_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    config = configured()
    cloud = evolve(config.target("openai"), base_url="https://api.openai.com/v1")
    assert upstream._environment_proxy(cloud) == "http://proxy.example:3128"
    assert upstream._environment_proxy(evolve(cloud, base_url="https://127.0.0.1:1/v1")) is None
    assert upstream._environment_proxy(evolve(cloud, base_url="https://localhost:1/v1")) is None
    assert upstream._environment_proxy(evolve(cloud, base_url="https://[::ffff:127.0.0.1]:1/v1")) is None
    assert upstream._environment_proxy(config.target("ollama")) is None
    monkeypatch.setenv("NO_PROXY", "api.openai.com")
    assert upstream._environment_proxy(cloud) is None


async def test_a_target_that_is_closed_already_is_not_there() -> None:
    """A request waits for a slot of a server of our own, and the server ends meanwhile."""
    async with trio.open_nursery() as nursery:
        network = MemoryNetwork(nursery)
        async with upstream.open_upstream(configured().target("ollama"), network) as closed:
            pass
        found = await closed.fetch(upstream.Call("GET", "/"), 9)

    assert found == Failed(FailureKind.CONNECT)


# Over the memory network

TARGET = evolve(configured().target("openai"), base_url="http://provider.test/v1")
CALL = Call("POST", "/chat", ((b"x-a", b"1"),), b"{}")


def answering(*steps: Any) -> Server:
    """A server that answers every request with these steps."""

    async def answer(_: Request, response: Response) -> None:
        await play(Script(steps), response)

    return Server(answer)


GZIPPED = gzip.compress(b"hello " * 50_000)


@define
class Taken:
    """A sink that keeps what it is given, and has enough after so many pieces."""

    enough: int = 1_000_000
    refuses: bool = False
    slowness_s: float = 0.0
    status: int = 0
    pieces: list[bytes] = field(factory=list)

    async def head(self, status: int, headers: Headers) -> Failed | None:
        self.status = status
        return Failed(FailureKind.BAD_FRAME) if self.refuses else None

    async def chunk(self, data: bytes) -> bool:
        self.pieces.append(data)
        await trio.sleep(self.slowness_s)
        return len(self.pieces) < self.enough


async def exchanged(*steps: Any, **changes: Any) -> tuple[Failed | None, Taken]:
    taken = Taken(**changes)
    async with opened(TARGET, answering(*steps).serve) as (to, _):
        with trio.fail_after(LONG_S):
            return await to.exchange(CALL, taken), taken


@pytest.mark.parametrize(
    ("call", "path"),
    [
        (CALL, "/v1/chat"),
        (evolve(CALL, query=b"a=1&b"), "/v1/chat?a=1&b"),
        (Call("GET", "/models"), "/v1/models"),
    ],
)
async def test_what_is_sent(call: Call, path: str) -> None:
    server = answering(Status(200, b"{}"))
    async with opened(TARGET, server.serve) as (to, _):
        found = await to.fetch(call, 100)
    (request,) = server.requests
    assert isinstance(found, Answer)
    assert (found.status, found.body) == (200, b"{}")
    assert (request.method, request.body) == (call.method, call.body)
    assert request.path + ("?" + request.query if request.query else "") == path
    assert request.header("x-a") == ("1" if call.headers else None)


async def test_a_providers_cookies_are_nobodys() -> None:
    """There are many clients on one connection, and nobody would ever forget them."""
    server = answering(Status(200, b"{}", (("set-cookie", "sid=theirs; Path=/"),)))
    async with opened(TARGET, server.serve) as (to, _):
        for _ in range(2):
            await to.fetch(CALL, 100)
        assert not to._client.cookies
    assert [request.header("cookie") for request in server.requests] == [None, None]


async def test_the_body_comes_in_pieces_and_ends() -> None:
    failed, taken = await exchanged(Head(), Send(b"one"), Send(b"two"), End())
    assert (failed, taken.status, b"".join(taken.pieces)) == (None, 200, b"onetwo")


async def test_a_sink_that_refuses_or_has_enough() -> None:
    failed, taken = await exchanged(Head(), Send(b"one"), End(), refuses=True)
    assert (failed, taken.pieces) == (Failed(FailureKind.BAD_FRAME), [])


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([Send(b"two"), End()], [b"two"]),
        ([Pause(0.2), Send(b"two"), End()], [b"two"]),
        ([Pause(0.2), Send(b"two"), Pause(0.04), Send(b"three"), End()], [b"two", b"three"]),
        # A moment in all, and not for each piece.
        ([Pause(0.2), Send(b"two"), Pause(0.2), Send(b"three"), End()], [b"two"]),
        ([Pause(0.3), Send(b"two"), End()], []),
        ([Hang()], []),
        # Behind enough nothing is a failure.
        ([Send(b"two"), Reset()], [b"two"]),
        ([Send(b"two"), Fin()], [b"two"]),
    ],
)
async def test_what_comes_behind_enough(steps: list[Any], expected: list[bytes], autojump_clock: Any) -> None:
    failed, taken = await exchanged(Head(), Send(b"one"), *steps, enough=1)
    assert (failed, taken.pieces) == (None, [b"one", *expected])


@pytest.mark.parametrize("rest", [GZIPPED[200:], b"no gzip at all"], ids=["whole", "broken"])
async def test_what_comes_behind_enough_is_decompressed_too(rest: bytes) -> None:
    encoding = (("content-encoding", "gzip"),)
    failed, taken = await exchanged(Head(headers=encoding), Send(GZIPPED[:200] + rest), End(), enough=1)
    assert failed is None
    assert (b"hello " * 50_000).startswith(b"".join(taken.pieces))
    assert (b"".join(taken.pieces) == b"hello " * 50_000) is GZIPPED.endswith(rest)


async def test_the_time_of_a_slow_taker_is_not_counted(autojump_clock: Any) -> None:
    steps = [Send(f"{number} ".encode()) for number in range(20)]
    failed, taken = await exchanged(Head(), *steps, End(), enough=1, slowness_s=3.0)
    assert failed is None
    assert b"".join(taken.pieces) == b"".join(step.data for step in steps)


@pytest.mark.parametrize("slowness_s", [0.0, 2.0])
async def test_who_floods_behind_his_end_is_cut_off(autojump_clock: Any, slowness_s: float) -> None:
    flood = KeepAlive(0.01, data=b"x" * 1_000_000)
    failed, taken = await exchanged(Head(), Send(b"end"), flood, enough=1, slowness_s=slowness_s)
    assert failed is None
    assert 1_000_000 < sum(map(len, taken.pieces)) < 30_000_000


async def test_an_answer_larger_than_its_bound_is_none() -> None:
    async with opened(TARGET, answering(Status(200, b"x" * 101)).serve) as (to, _):
        assert await to.fetch(CALL, 100) == Failed(FailureKind.BAD_FRAME)
    collected = upstream._Collected(100)
    assert [await collected.chunk(b"x" * 60) for _ in range(9)] == [True] + [False] * 8
    assert len(collected.body) == 120


@pytest.mark.parametrize(
    ("encoding", "body", "expected"),
    [
        ("gzip", GZIPPED, b"hello " * 50_000),
        ("deflate", zlib.compress(b"hello"), b"hello"),
        ("identity", b"hello", b"hello"),
        ("br", b"hello", Failed(FailureKind.BAD_FRAME)),
        ("gzip", b"hello", Failed(FailureKind.BAD_FRAME)),
    ],
)
async def test_a_compression_that_nobody_asked_for(encoding: str, body: bytes, expected: object) -> None:
    failed, taken = await exchanged(Status(200, body, (("content-encoding", encoding),)))
    assert (failed or b"".join(taken.pieces)) == expected
    # A small body that swells comes in bounded pieces, so that whoever counts can stop.
    assert max(map(len, taken.pieces), default=0) <= 65_536


EMPTY_MEMBER = gzip.compress(b"")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # Small enough to cost less than most plain ones, by whatever ratio.
        (gzip.compress(b"\n" * 4_194_304), 4_194_304),
        (gzip.compress(b"\n" * 4_194_305), FailureKind.BAD_FRAME),
        (zlib.compress(b"\n" * 100_000_000), FailureKind.BAD_FRAME),
        # A text, as anybody's are: a tenth.
        (gzip.compress(b"".join(b"%d, " % (n * n) for n in range(800_000))), None),
        (GZIPPED + EMPTY_MEMBER * 1_023, 300_000),
        (GZIPPED + EMPTY_MEMBER * 1_024 + GZIPPED, FailureKind.BAD_FRAME),
    ],
    ids=["small", "too much", "deflate", "a text", "empty members", "too many of them"],
)
async def test_a_body_that_swells(body: bytes, expected: object) -> None:
    """A provider may not turn a hundred kilobytes into an hour's work."""
    encoding = "gzip" if body.startswith(b"\x1f") else "deflate"
    failed, taken = await exchanged(Status(200, body, (("content-encoding", encoding),)))
    if isinstance(expected, FailureKind):
        assert failed == Failed(expected)
        assert sum(map(len, taken.pieces)) <= 4_194_304
    else:
        assert failed is None
        assert sum(map(len, taken.pieces)) == expected or len(gzip.decompress(body))


async def test_how_much_an_answer_may_swell_is_configured() -> None:
    body = gzip.compress(b"\n" * 10_000_000)
    server = answering(Status(200, body, (("content-encoding", "gzip"),)))
    async with opened(TARGET, server.serve) as (to, _):
        to.max_answer_ratio = 10_000
        found = await to.fetch(CALL, 20_000_000)
    assert isinstance(found, Answer)


async def test_an_error_that_swells_is_told_as_far_as_it_is_read() -> None:
    body = gzip.compress(b"x" * 100_000_000)
    failed, _ = await exchanged(Status(500, body, (("content-encoding", "gzip"),)))
    assert failed is not None
    assert failed.answer is not None
    assert (failed.kind, failed.answer.status) == (FailureKind.SERVER_ERROR, 500)
    assert len(failed.answer.body) <= MAX_ERROR_BODY_BYTES


@pytest.mark.parametrize(
    ("steps", "kind"),
    [
        ([Head(), Send(b"a"), Reset()], FailureKind.CONN_RESET),
        ([Head(), Send(b"a"), Fin()], FailureKind.CONN_TRUNCATED),
        ([Raw(b"HTTP/1.1 two hundred\r\n\r\n"), Fin()], FailureKind.CONN_TRUNCATED),
        ([Reset()], FailureKind.CONN_RESET),
        ([Fin()], FailureKind.CONN_TRUNCATED),
    ],
)
async def test_how_a_connection_fails(steps: list[Any], kind: FailureKind) -> None:
    failed, _ = await exchanged(*steps)
    assert failed == Failed(kind)


_BROKEN_BEHIND = [Head(headers=(("content-encoding", "gzip"),)), Raw(b"5\r\nhello\r\nno chunk\r\n"), Hang()]


async def test_what_is_broken_behind_what_is_broken_is_no_matter(autojump_clock: Any) -> None:
    """The first of them ends the exchange; the second one is in a buffer already."""
    assert await exchanged(*_BROKEN_BEHIND) == (Failed(FailureKind.BAD_FRAME), Taken(status=200))


async def test_what_is_broken_behind_does_not_take_a_cancellations_place(autojump_clock: Any) -> None:
    broken_behind = [Head(), Raw(b"5\r\nhello\r\nno chunk\r\n"), Hang()]
    with trio.move_on_after(1) as scope:
        await exchanged(*broken_behind, slowness_s=LONG_S)
    assert scope.cancelled_caught


async def test_nobody_there_and_nobody_answers(autojump_clock: Any) -> None:
    async with opened(TARGET, None) as (to, network):
        assert await to.fetch(CALL, 9) == Failed(FailureKind.CONNECT)
        network.hang("provider.test", 80)
        began = trio.current_time()
        assert await to.fetch(CALL, 9) == Failed(FailureKind.TIMEOUT_CONNECT)
        assert trio.current_time() - began == TARGET.connect_timeout_s


@pytest.mark.parametrize("goes", ["away while it waits", "away when it is used", "for good"])
async def test_a_kept_connection_that_is_dead(goes: str) -> None:
    """It is tried again on a fresh one, and that is no failure of the target."""
    answers = 0

    async def answer(_: Request, response: Response) -> None:
        nonlocal answers
        answers += 1
        dead = answers == 2 or (goes == "for good" and answers > 2)
        await play(
            Script((RefuseNoHeaders(),) if dead and goes != "away while it waits" else (Status(200, b"ok"),)),
            response,
        )

    server = Server(answer)
    async with opened(TARGET, server.serve) as (to, network):
        assert isinstance(await to.fetch(CALL, 9), Answer)
        if goes == "away while it waits":
            server.hang_up()
            await trio.testing.wait_all_tasks_blocked()
        found = await to.fetch(CALL, 9)
        assert len(network.connections) == 2
    if goes == "for good":
        assert found == Failed(FailureKind.CONN_TRUNCATED)
    else:
        assert isinstance(found, Answer)


# Statuses that are no success


async def test_an_error_is_read_for_its_reason_and_kept() -> None:
    body = b'{"error": {"message": "slow down", "type": "rate_limit_error"}}'
    failed, taken = await exchanged(Status(429, body, (("retry-after", "7"),)))
    assert failed is not None
    assert (failed.kind, failed.retry_after_s, taken.status) == (FailureKind.RATE_LIMIT, 7, 0)
    assert failed.answer is not None
    assert (failed.answer.status, failed.answer.body) == (429, body)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([Status(500, gzip.compress(b"why"), (("content-encoding", "gzip"),))], b"why"),
        ([Status(500, b"why", (("content-encoding", "br"),))], b""),
        ([Status(500, b"no gzip", (("content-encoding", "gzip"),))], b""),
        ([Head(500), Send(b"half"), Reset()], b"half"),
        ([Head(500), Send(b"x" * (MAX_ERROR_BODY_BYTES + 1)), End()], b"x" * MAX_ERROR_BODY_BYTES),
        # Its status is known: the reason is not waited for for ever.
        ([Head(500), Send(b"half"), Hang()], b"half"),
    ],
    ids=["gzip", "br", "broken", "reset", "endless", "silent"],
)
async def test_an_errors_body(steps: list[Any], expected: bytes, autojump_clock: Any) -> None:
    failed, _ = await exchanged(*steps)
    assert failed is not None
    assert failed.answer is not None
    assert (failed.answer.status, failed.answer.body) == (500, expected)


async def test_an_errors_body_in_single_bytes_holds_up_nobody(autojump_clock: Any) -> None:
    with counted_steps() as steps:
        head = b"HTTP/1.1 500 no\r\ntransfer-encoding: chunked\r\n\r\n"
        failed, _ = await exchanged(Raw(head + b"1\r\nx\r\n" * 4_000 + b"0\r\n\r\n"))
    assert failed is not None
    assert failed.answer is not None
    assert len(failed.answer.body) == 4_000
    assert 0 < steps.most < 20_000


async def test_a_compression_that_is_cut_is_no_whole_answer() -> None:
    """What could be read is handed on; that it ends too soon is for its reader to see."""
    failed, taken = await exchanged(Status(200, GZIPPED[:-20], (("content-encoding", "gzip"),)))
    assert failed is None
    assert (b"hello " * 50_000).startswith(b"".join(taken.pieces))


async def test_a_body_is_sent_once() -> None:
    body = upstream._Body(b"all of it")
    assert [piece async for piece in body] == [b"all of it"]
