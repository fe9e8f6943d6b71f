"""
The fakes are evidence about the proxy, so they are tested themselves: streams
in memory, the raw server, the scripted provider and its fault table.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import httpcore
import pytest
import trio
import trio.testing
from httpcore._backends.trio import TrioStream

from raw_http import Client, Got
from trooper.core.outcome import FailureKind
from trooper.testing import (
    ANSWERS,
    DEFAULT_ANSWER,
    FAULTS,
    ChatAnswer,
    End,
    FaultAt,
    Hang,
    Head,
    MemoryNetwork,
    Pause,
    Request,
    Response,
    Script,
    ScriptedProvider,
    Send,
    Server,
    chat_events,
    cut,
    serve_tcp,
    tokens,
)
from trooper.testing.memory import MemoryStream, memory_pair
from wire_validator import WireViolation, validate_chat, validate_whole

ASK = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "Lighthouses?"}]}
WHOLE = ASK | {"stream": False}
EVENTS = chat_events()


def provider_on(nursery: trio.Nursery, provider: ScriptedProvider) -> Client:
    network = MemoryNetwork(nursery)
    network.listen("fake", 80, provider.serve)
    return Client(network)


async def chat(client: Client, value: object = ASK, **headers: str) -> Got:
    return await client.post("/v1/chat/completions", value, **headers)


# -- streams in memory -----------------------------------------------------


async def test_a_writer_waits_for_a_reader_that_does_not_read(autojump_clock: Any) -> None:
    one, other = memory_pair(buffer_bytes=100)
    with trio.move_on_after(5) as waited:
        await one.send_all(b"x" * 101)
    assert waited.cancelled_caught
    assert other.unread_bytes == 100
    assert await other.receive_some(60) == b"x" * 60
    await one.send_all(b"y" * 60)
    assert await other.receive_some() == b"x" * 40 + b"y" * 60


async def test_trio_agrees_that_it_is_a_stream() -> None:
    async def maker() -> tuple[MemoryStream, MemoryStream]:
        return memory_pair()

    async def clogged() -> tuple[MemoryStream, MemoryStream]:
        one, other = memory_pair(buffer_bytes=10)
        await one.send_all(b"x" * 10)
        await other.send_all(b"x" * 10)
        return one, other

    await trio.testing.check_half_closeable_stream(maker, clogged)


async def test_data_before_a_reset_can_be_read_and_then_the_read_fails() -> None:
    one, other = memory_pair()
    await one.send_all(b"last words")
    await one.reset()
    assert await other.receive_some() == b"last words"
    with pytest.raises(trio.BrokenResourceError):
        await other.receive_some()
    with pytest.raises(trio.BrokenResourceError):
        await other.send_all(b"x")


async def test_segments_bound_every_read() -> None:
    one, other = memory_pair(segment_bytes=3)
    await one.send_all(b"abcdefgh")
    assert [await other.receive_some() for _ in range(3)] == [b"abc", b"def", b"gh"]


# -- the network -----------------------------------------------------------


async def _peer_closes(client: httpcore.AsyncNetworkStream, peer: MemoryStream) -> object:
    await peer.aclose()
    return await client.read(10, 1)


async def _peer_resets(client: httpcore.AsyncNetworkStream, peer: MemoryStream) -> object:
    await peer.reset()
    return await client.read(10, 1)


async def _silence(client: httpcore.AsyncNetworkStream, _: MemoryStream) -> object:
    return await client.read(10, 1)


async def _read_after_close(client: httpcore.AsyncNetworkStream, _: MemoryStream) -> object:
    await client.aclose()
    return await client.read(10, 1)


async def _write_to_nobody(client: httpcore.AsyncNetworkStream, peer: MemoryStream) -> object:
    await peer.aclose()
    await client.write(b"x", 1)
    return None


async def _write_after_close(client: httpcore.AsyncNetworkStream, _: MemoryStream) -> object:
    await client.aclose()
    await client.write(b"x", 1)
    return None


async def _peer_does_not_read(client: httpcore.AsyncNetworkStream, _: MemoryStream) -> object:
    await client.write(b"x" * 1_000_000, 1)
    return None


Symptom = Callable[[httpcore.AsyncNetworkStream, MemoryStream], Awaitable[object]]


@pytest.mark.parametrize(
    "symptom",
    [
        _peer_closes,
        _peer_resets,
        _silence,
        _read_after_close,
        _write_to_nobody,
        _write_after_close,
        _peer_does_not_read,
    ],
)
async def test_symptoms_look_as_in_httpcores_own_backend(
    symptom: Symptom, nursery: trio.Nursery, autojump_clock: Any
) -> None:
    async def outcome(client: httpcore.AsyncNetworkStream, peer: MemoryStream) -> object:
        try:
            return await symptom(client, peer)
        except Exception as error:
            return type(error)

    ours: list[MemoryStream] = []

    async def serve(stream: trio.abc.HalfCloseableStream) -> None:
        assert isinstance(stream, MemoryStream)
        ours.append(stream)

    network = MemoryNetwork(nursery)
    network.listen("h", 1, serve)
    connection = await network.connect_tcp("h", 1)
    await trio.testing.wait_all_tasks_blocked()
    plain, peer = memory_pair()
    assert await outcome(connection, ours[0]) == await outcome(TrioStream(plain), peer)


async def test_connecting_to_nothing_fails_and_hanging_times_out(
    nursery: trio.Nursery, autojump_clock: Any
) -> None:
    network = MemoryNetwork(nursery)
    with pytest.raises(httpcore.ConnectError):
        await network.connect_tcp("nobody", 80)
    network.hang("slow", 80)
    with pytest.raises(httpcore.ConnectTimeout):
        await network.connect_tcp("slow", 80, timeout=10)
    assert trio.current_time() == 10


async def test_tls_is_pretended_and_can_break(nursery: trio.Nursery, autojump_clock: Any) -> None:
    network = MemoryNetwork(nursery)
    network.listen("good", 443, ScriptedProvider().serve)
    network.listen("bad", 443, ScriptedProvider().serve, tls_breaks=True)
    assert (await Client(network, "https://good").get("/v1/models")).status == 200
    assert network.connections[0].tls_name == "good"
    assert (await Client(network, "https://bad").get("/v1/models")).error == "ConnectError"


# -- the raw server --------------------------------------------------------


async def test_a_connection_is_kept_for_the_next_request(nursery: trio.Nursery) -> None:
    provider = ScriptedProvider()
    client = provider_on(nursery, provider)
    assert [(await chat(client)).status, (await chat(client, WHOLE)).status] == [200, 200]
    assert provider.server.accepted == 1
    assert [r.connection for r in provider.requests] == [1, 1]
    assert provider.closed_by_peer == []


async def test_a_client_that_leaves_is_noticed_at_once(nursery: trio.Nursery, autojump_clock: Any) -> None:
    provider = ScriptedProvider(script=Script((Head(), Send(b"data: 1\n\n"), Hang())))
    client = provider_on(nursery, provider)
    with trio.move_on_after(3):
        await chat(client)
    await provider.server.wait_until(lambda: provider.open_connections == 0)
    (gone,) = provider.server.abandoned
    assert (gone.time, gone.reset) == (3, False)
    assert gone.request is not None
    assert gone.request.path == "/v1/chat/completions"


async def test_closing_an_idle_connection_abandons_nothing(nursery: trio.Nursery) -> None:
    provider = ScriptedProvider()
    client = provider_on(nursery, provider)
    await chat(client)
    await client.pool.aclose()
    await provider.server.wait_until(lambda: provider.open_connections == 0)
    assert len(provider.closed_by_peer) == 1
    assert provider.server.abandoned == []


async def test_what_is_not_http_gets_a_400(nursery: trio.Nursery) -> None:
    here, there = memory_pair()
    nursery.start_soon(ScriptedProvider().serve, there)
    await here.send_all(b"nonsense\r\n\r\n")
    assert (await here.receive_some()).startswith(b"HTTP/1.1 400 ")


async def test_a_handler_that_stops_early_closes_the_connection(nursery: trio.Nursery) -> None:
    async def half(_: Request, response: Response) -> None:
        await response.head(200, framing=100)
        await response.send(b"half")

    network = MemoryNetwork(nursery)
    network.listen("fake", 80, Server(half).serve)
    got = await Client(network).get("/")
    assert (got.body, got.error) == (b"half", "RemoteProtocolError")


async def test_the_control_endpoint_shows_requests_without_bodies(nursery: trio.Nursery) -> None:
    client = provider_on(nursery, ScriptedProvider())
    await chat(client, ASK, authorization="Bearer k")
    seen = (await client.get("/__trooper_testing__/state")).json()
    assert (seen["kind"], seen["requests_count"], seen["open_connections"]) == ("provider", 1, 1)
    assert ["authorization", "Bearer k"] in seen["requests"][0]["headers"]
    assert seen["requests"][0]["body_bytes"] == len(json.dumps(ASK))
    assert (await client.post("/__trooper_testing__/reset", {})).json()["requests_count"] == 0


# -- the provider ----------------------------------------------------------


async def test_a_healthy_stream_and_a_whole_answer_say_the_same(nursery: trio.Nursery) -> None:
    client = provider_on(nursery, ScriptedProvider())
    streamed = validate_chat((await chat(client)).body)
    whole = validate_whole((await chat(client, WHOLE)).body)
    assert streamed.text == whole.text == DEFAULT_ANSWER
    assert streamed.model == whole.model == "gpt-4o"
    assert streamed.id != whole.id


@pytest.mark.parametrize("name", sorted(ANSWERS))
async def test_every_answer_is_valid_and_the_same_both_ways(name: str, nursery: trio.Nursery) -> None:
    client = provider_on(nursery, ScriptedProvider())
    asked = {"model": f"answer/{name}", "stream_options": {"include_usage": True}}
    streamed = validate_chat((await chat(client, ASK | asked)).body, include_usage=True)
    whole = validate_whole((await chat(client, WHOLE, x_answer=name)).body)
    assert streamed.usage is not None
    for part in ("text", "reasoning", "tool_calls", "finish_reason", "usage"):
        assert getattr(streamed, part) == getattr(whole, part)


async def test_models_keys_and_unknown_paths(nursery: trio.Nursery) -> None:
    client = provider_on(nursery, ScriptedProvider(api_key="sk-1"))
    listed = await client.get("/v1/models", authorization="Bearer sk-1")
    assert [m["id"] for m in listed.json()["data"]] == ["gpt-4o", "gpt-4o-mini"]
    assert (await client.get("/v1/models", authorization="Bearer sk-2")).status == 401
    assert (await client.get("/nothing", authorization="Bearer sk-1")).status == 404


async def test_scripts_for_the_next_requests_come_first(nursery: trio.Nursery, autojump_clock: Any) -> None:
    provider = ScriptedProvider("Yes.", script=lambda _: ChatAnswer(tokens=("No.",)))
    provider.play_next(Script((Head(), Pause(2), Send(b"x"), End())), FaultAt.parse("status-503"))
    client = provider_on(nursery, provider)
    first = await chat(client)
    assert (first.body, first.headers_at, first.at) == (b"x", 0, 2)
    assert (await chat(client)).status == 503
    assert validate_chat((await chat(client)).body).text == "No."


def test_cutting_and_tokens_lose_nothing() -> None:
    whole = b"".join(EVENTS)
    assert all(b"".join(cut(EVENTS, at)) == whole[:at] for at in range(0, len(whole), 97))
    assert "".join(tokens(DEFAULT_ANSWER)) == "".join(tokens(DEFAULT_ANSWER, 3)) == DEFAULT_ANSWER
    assert len({len(c.encode()) for c in DEFAULT_ANSWER}) == 4


# -- the fault table -------------------------------------------------------

KINDS = {kind.value for kind in FailureKind}
POSITIONS: list[int | str] = ["start", 1, "middle", "end", "b300", "b900", "b5000", "b99999999"]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_every_row_is_told_completely(fault: Any) -> None:
    assert fault.title.endswith(".")
    assert {fault.kind, fault.kind_before} <= KINDS | {""}
    assert fault.fails == (bool(fault.kind) and not fault.passes)
    assert (fault.where == "before") == (not fault.after)
    assert (fault.where == "after") == (not fault.before)
    for position in POSITIONS:
        assert fault.build(EVENTS, position).steps
        kind, action = fault.expected(EVENTS, position)
        assert action
        assert bool(kind) == (action in ("restart", "continue")) or fault.passes
    assert fault.build_whole(b'{"some": "json"}').steps


@pytest.mark.parametrize("position", ["start", "middle", "end", "b4321"])
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("reset", "ReadError"),
        ("fin-between-chunks", "RemoteProtocolError"),
        ("fin-inside-chunk", "RemoteProtocolError"),
        ("short-content-length", "RemoteProtocolError"),
        ("bad-chunk-header", "RemoteProtocolError"),
        ("clean-eof", ""),
        ("close-delimited-eof", ""),
        ("silence", "ReadTimeout"),
    ],
)
async def test_a_cut_looks_as_measured_and_comes_after_what_was_sent(
    name: str, error: str, position: str, nursery: trio.Nursery, autojump_clock: Any
) -> None:
    provider = ScriptedProvider()
    client = provider_on(nursery, provider)
    got = await chat(client, ASK, x_fault=f"{name}@{position}")
    assert (got.status, got.error) == (200, error)
    healthy = (await chat(client)).body.replace(b"000001", b"000000").replace(b"790000001", b"790000000")
    given = got.body.removesuffix(b'data: {"id":"chatcmpl-')
    assert healthy.startswith(given)
    assert len(given) == (4321 if position == "b4321" else len(b"".join(_lead(healthy, position))))


def _lead(healthy: bytes, position: str) -> list[bytes]:
    events = [event + b"\n\n" for event in healthy.split(b"\n\n")[:-1]]
    content = len(events) - 3
    return events[: 1 + {"start": 0, "middle": (content + 1) // 2, "end": content}[position]]


@pytest.mark.parametrize(
    ("name", "tail"),
    [
        ("cut-inside-event", b'"'),
        ("cut-inside-character", b"\xc3"),
        ("cut-inside-crlf", b"\r"),
        ("cut-inside-last-crlf", b"\r\n\r"),
    ],
)
async def test_a_cut_inside_something_is_inside_it(name: str, tail: bytes, nursery: trio.Nursery) -> None:
    got = await chat(provider_on(nursery, ScriptedProvider()), ASK | {"model": f"fault/{name}/middle"})
    assert got.error == ""
    assert got.body.endswith(tail) or name == "cut-inside-event"
    with pytest.raises(WireViolation):
        validate_chat(got.body)


@pytest.mark.parametrize("name", [f.name for f in FAULTS.values() if not f.kind and "finish" not in f.after])
async def test_odd_but_whole_streams_are_whole(name: str, nursery: trio.Nursery, autojump_clock: Any) -> None:
    #: These are whole, but a strict reader does not take them as they are.
    loose = {
        "one-garbage-line": "not JSON",
        "offsets-after-finish": "object is",
        "prompt-filter-first": "object is",
        "finish-eos": "finish_reason is",
        "done-no-finish": "has no finish_reason",
        "gzip": "not UTF-8",
    }
    got = await chat(provider_on(nursery, ScriptedProvider()), ASK, x_fault=name)
    try:
        result = validate_chat(got.body, include_usage=name == "usage-after-finish")
    except WireViolation as violation:
        assert loose[name] in str(violation)
    else:
        assert name not in loose
        assert result.text == ("" if name == "refusal" else DEFAULT_ANSWER)


async def test_faults_strike_whole_answers_too(nursery: trio.Nursery, autojump_clock: Any) -> None:
    client = provider_on(nursery, ScriptedProvider())
    reset = await chat(client, WHOLE, x_fault="reset")
    assert (reset.error, 0 < len(reset.body) < 700) == ("ReadError", True)
    assert validate_whole((await chat(client, WHOLE, x_fault="error-object")).body).error is not None
    assert (await chat(client, WHOLE, x_fault="no-headers")).error == "ReadTimeout"


# -- real sockets and processes --------------------------------------------


async def test_a_real_socket_shows_the_same_symptoms(nursery: trio.Nursery) -> None:
    provider = ScriptedProvider()
    client = Client(base=f"http://127.0.0.1:{await serve_tcp(provider, nursery)}")
    assert validate_chat((await chat(client)).body).text == DEFAULT_ANSWER
    symptoms = {
        name: (await chat(client, ASK, x_fault=f"{name}@3")).error
        for name in ("reset", "fin-inside-chunk", "close-delimited-eof", "closed-before-headers")
    }
    assert symptoms == {
        "reset": "ReadError",
        "fin-inside-chunk": "RemoteProtocolError",
        "close-delimited-eof": "",
        "closed-before-headers": "RemoteProtocolError",
    }


@pytest.mark.parametrize("kind", ["provider", "ollama"])
async def test_a_fake_is_a_process_that_says_where_it_is(kind: str) -> None:
    command = [sys.executable, "-m", "trooper.testing", kind, "--watch-stdin", "--answer", "Hello there."]
    with trio.fail_after(30):
        process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        async with process.stdin, process.stdout:  # type: ignore[union-attr]  # both are pipes
            ready = json.loads(await process.stdout.receive_some())  # type: ignore[union-attr]
            client = Client(base=ready["url"])
            path = {"provider": "/v1/chat/completions", "ollama": "/api/chat"}[kind]
            model = {"provider": "gpt-4o", "ollama": "qwen2.5:3b"}[kind]
            got = await client.post(path, WHOLE | {"model": model})
            assert b"Hello there." in got.body
            assert (await client.get("/__trooper_testing__/state")).json()["kind"] == kind
            await client.pool.aclose()
        await process.wait()
    assert process.returncode in (0, -signal.SIGPIPE)
