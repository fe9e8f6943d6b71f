"""
What the fakes note for the bench, and how another process asks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h11
import pytest
import trio

from raw_http import Client
from trooper.testing import FakeOllama, FaultAt, MemoryNetwork, Model, ScriptedProvider, control, serve_tcp
from trooper.testing.client import Answered, Heard, ask, fetch
from trooper.testing.http import Server
from trooper.testing.marks import MAX_MARKS, Mark
from trooper.testing.tap import Tap

CHAT = "/v1/chat/completions"
ASK: dict[str, object] = {
    "model": "gpt-4o",
    "stream": True,
    "messages": [{"role": "user", "content": "Lighthouses?"}],
}
LOCAL = {"model": "qwen2.5:3b", "messages": [{"role": "user", "content": "Lighthouses?"}]}
#: The answer has five words.
ANSWER = "One two three four five."


def reaching(nursery: trio.Nursery, server: Server, serve: Callable[..., Any]) -> Client:
    """A client of a fake in memory, whose marks are in virtual time."""
    server.marks.clock = trio.current_time
    network = MemoryNetwork(nursery)
    network.listen("fake", 80, serve)
    return Client(network)


async def marked(nursery: trio.Nursery, fault: str | None, **asked: object) -> dict[str, Any]:
    """The mark of an answer of one token a second. The role comes at 0, the first word at 1."""
    script = FaultAt.parse(fault) if fault else None
    provider = ScriptedProvider(ANSWER, script=script, pace_s=1.0)
    client = reaching(nursery, provider.server, provider.serve)
    with trio.move_on_after(20):
        await client.post(CHAT, ASK | asked)
    (mark,) = provider.server.marks.as_json()
    return mark


@pytest.mark.parametrize(
    ("fault", "first", "last", "at"),
    [
        pytest.param(None, 1, 5, None, id="healthy"),
        pytest.param("reset@3", 1, 3, 4, id="a reset"),
        pytest.param("clean-eof@3", 1, 3, 4, id="a clean end"),
        pytest.param("close-delimited-eof@3", 1, 3, 4, id="another framing is not the fault"),
        pytest.param("fin-inside-chunk@3", 1, 3, 4, id="half a chunk"),
        pytest.param("error-event@3", 1, 3, 4, id="an event that is no content"),
        pytest.param("silence@3", 1, 3, 4, id="silence"),
        pytest.param("silence-comments@3", 1, 3, 4, id="keep-alives are no content"),
        pytest.param("reset@0", None, None, 1, id="before the first word"),
        pytest.param("status-429@3", None, None, 0, id="a status"),
        pytest.param("no-headers", None, None, 0, id="no answer at all"),
    ],
)
async def test_when_content_and_fault_go_out(
    fault: str | None,
    first: float | None,
    last: float | None,
    at: float | None,
    nursery: trio.Nursery,
    autojump_clock: Any,
) -> None:
    mark = await marked(nursery, fault)

    found = (mark["came_at"], mark["first_content_at"], mark["last_content_at"], mark["fault_at"])
    assert found == (0, first, last, at)


async def test_a_whole_answer_is_content_too(nursery: trio.Nursery, autojump_clock: Any) -> None:
    mark = await marked(nursery, None, stream=False)

    assert (mark["first_content_at"], mark["fault_at"]) == (0, None)


async def test_whose_answer_it_was(nursery: trio.Nursery) -> None:
    provider = ScriptedProvider(ANSWER)
    client = reaching(nursery, provider.server, provider.serve)
    await client.post(CHAT, ASK, x_bench_id="seven")
    await client.get("/v1/models")

    told = [(m["bench_id"], m["path"], m["reused"]) for m in provider.server.marks.as_json()]
    assert told == [("seven", CHAT, False), (None, "/v1/models", True)]


async def test_marks_are_bounded_and_forgotten(nursery: trio.Nursery) -> None:
    provider = ScriptedProvider(ANSWER)
    client = reaching(nursery, provider.server, provider.serve)
    for number in range(MAX_MARKS + 5):
        provider.server.marks.begin(str(number), None, 1, reused=False)
    seen = (await client.get("/__trooper_testing__/state")).json()["marks"]
    left = (await client.post("/__trooper_testing__/reset", None)).json()["marks"]

    assert (len(seen), seen[0]["path"]) == (MAX_MARKS, "5")
    assert left == []


def test_a_mark_has_nothing_but_moments_in_it() -> None:
    assert [name for name in dir(Mark("", None, 1, False, 0.0)) if "body" in name or "header" in name] == []


@pytest.mark.parametrize(("thinking", "first"), [("", 3), ("Let me think.", 6)])
async def test_a_local_model_notes_its_first_content(
    thinking: str, first: float, nursery: trio.Nursery, autojump_clock: Any
) -> None:
    model = Model(capabilities=("completion", "thinking") if thinking else ("completion",))
    ollama = FakeOllama(ANSWER, (model,), load_s=2.0, token_s=1.0, thinking=thinking)
    client = reaching(nursery, ollama.server, ollama.serve)
    await client.post("/api/chat", LOCAL)
    await client.get("/api/ps")

    told = [
        (m["came_at"], m["first_content_at"], m["last_content_at"]) for m in ollama.server.marks.as_json()
    ]
    assert told == [(0, first, first + 4), (first + 4, None, None)]


# -- told from another process ---------------------------------------------


async def test_a_provider_is_told_how_to_fail_from_now_on(nursery: trio.Nursery) -> None:
    provider = ScriptedProvider(ANSWER)
    port = await serve_tcp(provider, nursery)

    async def heard() -> tuple[int, str]:
        stream: list[Heard] = []
        status = await ask(port, ASK, stream.append)
        return status, "".join(event.text for event in stream)

    await control.play(port, "clean-eof@2")
    cut = [await heard(), await heard()]
    await control.play(port, "status-429@0")
    limited = await heard()
    await control.play(port, None)
    healthy = await heard()

    assert cut == [(200, "One two")] * 2
    assert limited[0] == 429
    assert healthy == (200, ANSWER)


async def test_keepalives_come_as_often_as_it_is_told(nursery: trio.Nursery, autojump_clock: Any) -> None:
    provider = ScriptedProvider(ANSWER)
    client = reaching(nursery, provider.server, provider.serve)
    await client.post("/__trooper_testing__/play", {"fault": "silence-comments@1", "keepalive_s": 0.5})
    with trio.move_on_after(2.2):
        async with client.stream("POST", CHAT, ASK, {}) as response:
            got = bytearray()
            async for piece in response.aiter_stream():
                got += piece

    assert got.count(b": keep-alive") == 4


async def test_it_closes_the_connections_that_wait_and_no_other(
    nursery: trio.Nursery, autojump_clock: Any
) -> None:
    provider = ScriptedProvider(ANSWER, pace_s=1.0)
    client = reaching(nursery, provider.server, provider.serve)
    await client.get("/v1/models")
    connection = provider.server.requests[-1].connection
    other = Client(client.network)
    answers: list[bytes] = []

    async def talk() -> None:
        await other.get("/v1/models")
        answers.append((await other.post(CHAT, ASK)).body)

    nursery.start_soon(talk)
    await trio.sleep(2)
    assert (await Client(client.network).post("/__trooper_testing__/hang-up", None)).status == 200
    await client.get("/v1/models")
    await trio.sleep(20)

    assert provider.requests[-1].connection > connection + 1
    assert b"[DONE]" in answers[0]
    assert provider.server.abandoned == []


async def test_what_a_fake_knows_is_asked_and_cleared(nursery: trio.Nursery) -> None:
    ollama = FakeOllama(ANSWER)
    port = await serve_tcp(ollama, nursery)
    await fetch(port, "GET", "/api/ps")
    before = await control.state(port)
    await control.reset(port)

    assert (before["kind"], [m["path"] for m in before["marks"]]) == ("ollama", ["/api/ps"])
    assert (await control.state(port))["marks"] == []
    with pytest.raises(ValueError, match="play: 404"):
        await control.play(port, None)


# -- the client ------------------------------------------------------------


async def test_the_client_says_how_the_answer_began(nursery: trio.Nursery) -> None:
    provider = ScriptedProvider(ANSWER)
    port = await serve_tcp(provider, nursery)
    opened: list[Answered] = []
    stream: list[Heard] = []
    status = await ask(
        port,
        ASK,
        stream.append,
        host="localhost",
        path=f"{CHAT}?a=b",
        headers=[("authorization", "Bearer k")],
        opened=opened.append,
    )

    assert (status, opened[0].status, opened[0].header("x-request-id")) == (200, 200, "req_scripted")
    assert "".join(event.text for event in stream) == ANSWER
    (request,) = provider.requests
    assert (request.query, request.header("authorization")) == ("a=b", "Bearer k")
    assert request.header("host") == f"localhost:{port}"


async def test_it_fetches_whole_answers(nursery: trio.Nursery) -> None:
    port = await serve_tcp(ScriptedProvider(ANSWER), nursery)
    listed = await fetch(port, "GET", "/v1/models")
    posted = await fetch(port, "POST", CHAT, b'{"model": "gpt-4o"}')

    assert [model["id"] for model in listed.json()["data"]] == ["gpt-4o", "gpt-4o-mini"]
    assert posted.json()["choices"][0]["message"]["content"] == ANSWER
    assert (await fetch(port, "GET", "/nothing")).status == 404


async def test_half_a_whole_answer_is_none(nursery: trio.Nursery) -> None:
    port = await serve_tcp(ScriptedProvider(ANSWER, script=FaultAt.parse("fin-inside-chunk")), nursery)

    with pytest.raises(h11.RemoteProtocolError):
        await fetch(port, "POST", CHAT, b'{"model": "gpt-4o"}')


# -- the tap ---------------------------------------------------------------


async def test_a_tap_lets_everything_pass_and_notes_when(nursery: trio.Nursery) -> None:
    ollama = FakeOllama(ANSWER)
    behind = await serve_tcp(ollama, nursery)
    port = await serve_tcp(Tap(f"http://127.0.0.1:{behind}"), nursery)
    direct = Client(base=f"http://127.0.0.1:{behind}")
    tapped = Client(base=f"http://127.0.0.1:{port}")
    chats = [await client.post("/api/chat", LOCAL, x_own="kept") for client in (direct, tapped)]
    others = [await client.get("/api/nothing?a=b") for client in (direct, tapped)]
    for client in (direct, tapped):
        await client.pool.aclose()

    words = [[line["message"]["content"] for line in got.lines()] for got in chats]
    assert words[0] == words[1]
    assert [(got.status, got.headers["content-type"]) for got in chats] == [(200, "application/x-ndjson")] * 2
    assert [(got.status, got.body) for got in others] == [(404, b"404 page not found")] * 2
    (_, query), (_, tapped_query) = [(r.path, r.query) for r in ollama.requests if r.path == "/api/nothing"]
    assert query == tapped_query == "a=b"
    assert [r.header("x-own") for r in ollama.requests][:2] == ["kept", "kept"]
    chat, nothing = (await control.state(port))["marks"]
    assert chat["came_at"] <= chat["first_content_at"] <= chat["last_content_at"] <= nothing["came_at"]
    assert nothing["reused"] is True


async def test_a_tap_makes_nothing_whole(nursery: trio.Nursery) -> None:
    behind = await serve_tcp(ScriptedProvider(ANSWER, script=FaultAt.parse("fin-inside-chunk@2")), nursery)
    port = await serve_tcp(Tap(f"http://127.0.0.1:{behind}"), nursery)
    client = Client(base=f"http://127.0.0.1:{port}")
    got = await client.post(CHAT, ASK)
    await client.pool.aclose()

    assert (got.error, b" two" in got.body, b"[DONE]" in got.body) == ("RemoteProtocolError", True, False)


async def test_a_tap_in_front_of_nothing_closes_the_connection(nursery: trio.Nursery) -> None:
    port = await serve_tcp(Tap("http://127.0.0.1:9"), nursery)
    client = Client(base=f"http://127.0.0.1:{port}")
    got = await client.get("/api/version")
    await client.pool.aclose()

    assert got.error == "RemoteProtocolError"


async def test_whoever_leaves_the_tap_leaves_the_server(nursery: trio.Nursery) -> None:
    ollama = FakeOllama(ANSWER, token_s=1000.0)
    behind = await serve_tcp(ollama, nursery)
    port = await serve_tcp(Tap(f"http://127.0.0.1:{behind}"), nursery)
    async with trio.open_nursery() as leaving:
        leaving.start_soon(fetch, port, "POST", "/api/chat", b'{"model": "qwen2.5:3b", "messages": []}')
        with trio.fail_after(10):
            await ollama.server.wait_until(lambda: ollama.open_connections == 1)
            leaving.cancel_scope.cancel()
    with trio.fail_after(10):
        await ollama.server.wait_until(lambda: ollama.open_connections == 0)
