"""What clients ask of their sessions over HTTP: each route, to the owner and to everybody else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import evolve

from edge import BEARER, asks
from scenes import dies
from session_place import HISTORY, NAMED, OTHER, code, place
from stores import session, turn
from trooper.relay.sessions import asked
from trooper.testing import ChatAnswer, FakeOllama


@pytest.mark.parametrize(
    ("path", "is_asked"),
    [
        ("/sessions", True),
        ("/sessions/x", True),
        ("/sessions/x/append", True),
        ("/sitrep/x", True),
        ("/recovery/x", True),
        ("/sessions/", False),
        ("/sessions/x/y", False),
        ("/sitrep", False),
        ("/recovery/x/append", False),
        ("/v1/sessions", False),
        ("/sessionsx", False),
    ],
)
def test_what_is_asked(path: str, is_asked: bool) -> None:
    assert (asked("GET", path) is not None) is is_asked


async def test_a_session_and_its_turns(autojump_clock: Any) -> None:
    async with place(dies()) as p:
        name = await p.chat()
        p.clock.at += 60
        await p.chat(messages=[*HISTORY])
        listed = await p.get("/sessions")
        shown = await p.get(f"/sessions/{name}")

    (one,) = listed["sessions"]
    assert listed["next"] is None
    assert (one["id"], one["key"], one["turns"]) == (name, "x-session-id", 2)
    assert (one["began_at"], one["used_at"]) == ("2026-11-30T00:53:20Z", "2026-11-30T00:54:20Z")
    assert 0 < one["local_tokens"] < one["tokens"]
    assert (shown["session"], shown["earlier"], shown["appended"]) == (one, None, 0)
    first, _ = shown["turns"]
    assert [(leg["target"], leg["outcome"]) for leg in first["legs"]] == [
        ("openai", "conn_reset"),
        ("ollama", "completed"),
    ]
    assert first["at"] == one["began_at"]


ROUTES = [
    ("GET", "/sessions/{}"),
    ("DELETE", "/sessions/{}"),
    ("POST", "/sessions/{}/append"),
    ("GET", "/sitrep/{}"),
    ("GET", "/recovery/{}"),
]


@pytest.mark.parametrize(("method", "route"), ROUTES)
async def test_to_everybody_else_there_is_no_such_session(
    method: str, route: str, autojump_clock: Any
) -> None:
    body = {"body": b'{"messages":[{"role":"user","content":"x"}]}'} if method == "POST" else {}
    headers = ((b"content-type", b"application/json"),) if method == "POST" else ()
    async with place() as p:
        name = await p.chat()
        others = await p.refused(method, route.format(name), OTHER, *headers, **body)
        nobodys = await p.refused(method, route.format("0" * 32), OTHER, *headers, **body)
        odd = await p.refused(method, route.format("..%2f"), OTHER, *headers, **body)
        bare = await p.refused(method, route.format(name), *headers or ((b"accept", b"*/*"),), **body)
        assert len((await p.get("/sessions"))["sessions"]) == 1
        assert (await p.get("/sessions", OTHER)) == {"sessions": [], "next": None}

    assert others.status == 404
    assert code(others) == "session_not_found"
    assert (others.status, others.headers, others.body) == (nobodys.status, nobodys.headers, nobodys.body)
    assert bare.body == others.body
    assert odd.status == 404


async def test_what_a_client_that_lost_everything_needs(autojump_clock: Any) -> None:
    said = ChatAnswer(tokens=("I keep ", "the light. ", "It ", "shines."))
    async with place(dies(answer=said), FakeOllama(models=())) as p:
        name = await p.chat(messages=HISTORY)
        told = await p.get(f"/recovery/{name}")

    assert told["session"] == name
    assert (told["task"], told["asked"]) == ("Mend the tests.", "Mend the tests.")
    assert told["steps"] == [{"call": "read", "arguments": '{"path":"a.py"}', "result": "import os"}]
    assert told["open"] == [{"id": "c2", "call": "run", "arguments": "{}", "is_whole": True}]
    assert told["ending"] == "failed"
    assert told["answer"]["is_whole"] is False
    assert "I keep the light. It shines.".startswith(told["answer"]["text"])
    assert told["answer"]["text"]
    assert told["appended"] == []


async def test_one_can_be_forgotten(autojump_clock: Any) -> None:
    async with place() as p:
        name = await p.chat()
        gone = await p.ask("DELETE", f"/sessions/{name}", BEARER)
        again = await p.refused("DELETE", f"/sessions/{name}")
        assert p.services.last_turns.find(name).turn is None
        assert await p.get("/sessions") == {"sessions": [], "next": None}
        # The same key begins it anew.
        assert await p.chat() == name
        assert (await p.get("/sessions"))["sessions"][0]["turns"] == 1

    assert json.loads(gone.body) == {"id": name, "deleted": True}
    assert again.status == 404


async def test_its_answers_go_with_it(autojump_clock: Any) -> None:
    """All of them, for who asks for one by its id and in the store; and nobody else's."""
    async with place(dies()) as p:

        async def answered(*named: tuple[bytes, bytes]) -> tuple[str, str]:
            """An answer's id, and its session."""
            answer = await p.post("/v1/responses", BEARER, *named, body=asks("responses", stream=False))
            session_id = (answer.header(b"x-trooper-session") or b"").decode()
            return json.loads(answer.body)["id"], session_id

        (first, name), (second, _) = [await answered(NAMED) for _ in range(2)]
        others, other = await answered((b"x-session-id", b"harbour"))
        mine = p.services.credentials((BEARER,), b"")

        async def there(answer_id: str) -> tuple[bool, bool]:
            got = await p.ask("GET", f"/v1/responses/{answer_id}", BEARER)
            in_store = await p.services.store.find_answer(answer_id, mine) is not None
            return got.status == 200 and json.loads(got.body)["id"] == answer_id, in_store

        ids = (first, second, others)
        assert len({*ids}) == 3
        assert other != name
        assert [await there(one) for one in ids] == [(True, True)] * 3
        assert (await p.ask("DELETE", f"/sessions/{name}", BEARER)).status == 200
        assert [await there(one) for one in ids] == [(False, False), (False, False), (True, True)]


async def test_it_is_gone_a_day_after_its_last_use(autojump_clock: Any) -> None:
    async with place() as p:
        name = await p.chat()
        p.clock.at += 86_399
        assert (await p.get("/sessions"))["sessions"]
        note = b'{"messages":[{"role":"user","content":"Still here."}]}'
        assert (await p.post(f"/sessions/{name}/append", BEARER, body=note)).status == 200
        p.clock.at += 86_399
        assert (await p.get(f"/sessions/{name}"))["session"]["id"] == name
        p.clock.at += 2
        assert (await p.refused("GET", f"/sessions/{name}")).status == 404
        assert p.services.last_turns.find(name).turn is None
        assert await p.get("/sessions") == {"sessions": [], "next": None}


async def test_lists_come_in_pages(autojump_clock: Any) -> None:
    async with place() as p:
        mine = p.services.credentials((BEARER,), b"")
        for number in range(7):
            p.services.store.put_session(session(f"{number:032x}", mine, used_at=p.clock.at + number))
        for number in range(5):
            p.services.store.put_turn(turn(f"t{number}", f"{6:032x}", at=p.clock.at + number))
        found, after = [], ""
        while True:
            page = await p.get(f"/sessions?limit=3{after}")
            found += [int(one["id"], 16) for one in page["sessions"]]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        turns = await p.get(f"/sessions/{6:032x}?limit=2")
        earlier = await p.get(f"/sessions/{6:032x}?limit=9&before={turns['earlier']}")
        everything = await p.get("/sessions?limit=1000")

    assert found == [6, 5, 4, 3, 2, 1, 0]
    assert [one["id"] for one in turns["turns"]] == ["t3", "t4"]
    assert [one["id"] for one in earlier["turns"]] == ["t0", "t1", "t2"]
    assert earlier["earlier"] is None
    assert len(everything["sessions"]) == 7


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=x", "limit=-1", "limit=1001", "limit=99999999999", "limit=٣", "after=zz"]
)
async def test_a_bad_page_is_told(query: str, autojump_clock: Any) -> None:
    async with place() as p:
        answer = await p.refused("GET", "/sessions", query_string=query.encode())
        name = await p.chat()
        bad = await p.refused("GET", f"/sessions/{name}", query_string=b"before=zz")
    assert (answer.status, code(answer)) == (400, "invalid_value")
    assert query.partition("=")[0] in json.loads(answer.body)["error"]["message"]
    assert bad.status == 400


async def test_a_page_has_a_bound_that_is_told(autojump_clock: Any) -> None:
    async with place() as p:
        mine = p.services.credentials((BEARER,), b"")
        for number in range(1_005):
            p.services.store.put_session(session(f"{number:032x}", mine, used_at=p.clock.at + number))
        too_many = await p.refused("GET", "/sessions", query_string=b"limit=1001")
        first = await p.get("/sessions?limit=1000")
        rest = await p.get(f"/sessions?limit=1000&after={first['next']}")

    assert "from 1 to 1,000" in json.loads(too_many.body)["error"]["message"]
    assert (len(first["sessions"]), len(rest["sessions"]), rest["next"]) == (1_000, 5, None)


async def test_where_nobody_knows_what_was_said_that_is_told(autojump_clock: Any) -> None:
    async with place() as p:
        name = await p.chat()
        p.services.last_turns.forget(name)
        gone = [await p.refused("GET", f"/{what}/{name}") for what in ("sitrep", "recovery")]
        await p.post("/v1/chat/completions", BEARER, NAMED, body=b'{"messages":7}')
        unread = [await p.refused("GET", f"/{what}/{name}") for what in ("sitrep", "recovery")]

    assert [(one.status, code(one)) for one in gone] == [(409, "session_content_gone")] * 2
    assert [(one.status, code(one)) for one in unread] == [(422, "session_unreadable")] * 2


async def test_a_large_conversation_is_looked_through_aside(autojump_clock: Any) -> None:
    async with place() as p:
        name = await p.chat(messages=[{"role": "user", "content": "Keep the light. " * 8_000}])
        assert (await p.get(f"/recovery/{name}"))["task"].startswith("Keep the light. ")
        assert (await p.get(f"/sitrep/{name}"))["session"] == name


@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [("PUT", "/sessions", b"GET"), ("HEAD", "/sessions", b"GET"), ("PUT", "/sessions/x", b"GET, DELETE")],
)
async def test_other_methods_are_refused(
    method: str, target: str, allowed: bytes, autojump_clock: Any
) -> None:
    async with place() as p:
        answer = await p.ask(method, target, BEARER)
    assert (answer.status, answer.header(b"allow")) == (405, allowed)
    assert (answer.body == b"") is (method == "HEAD")


async def test_the_front_door_stands_before_them(autojump_clock: Any) -> None:
    async with place(client_keys=("door",)) as p:
        assert (await p.ask("GET", "/sessions")).status == 401
        assert (await p.ask("GET", "/sessions", (b"x-trooper-key", b"door"))).status == 200
        page = ((b"x-trooper-key", b"door"), (b"origin", b"https://evil.example"))
        assert (await p.ask("GET", "/sessions", *page)).status == 403
        plain = ((b"x-trooper-key", b"door"), (b"content-type", b"text/plain"))
        assert (await p.ask("POST", "/sessions/x/append", *plain, body=b"{}")).status == 415


async def test_how_long_one_is_kept_is_what_is_configured(autojump_clock: Any) -> None:
    async with place() as p:
        config = p.services.config
        p.services.config = evolve(config, store=evolve(config.store, keep_s=7_200.0))
        answer = await p.refused("GET", f"/sessions/{'0' * 32}")
        odd = await p.refused("GET", "/sessions/lighthouse")
    assert "kept for 2 hours after" in answer.body.decode()
    assert (odd.status, odd.body) == (answer.status, answer.body) == (404, odd.body)


async def test_nothing_of_it_is_kept_or_guessed_by_browsers(autojump_clock: Any) -> None:
    async with place() as p:
        answer = await p.ask("GET", "/sessions", BEARER)
    assert answer.header(b"content-type") == b"application/json"
    assert answer.header(b"cache-control") == b"no-store"
    assert answer.header(b"x-content-type-options") == b"nosniff"


async def test_who_has_another_key_to_the_door_is_in_another_session(autojump_clock: Any) -> None:
    run = (b"x-claude-code-session-id", b"9706b2de-2776-4d52-8ae9-daae730a595b")
    async with place(client_keys=("one", "two")) as p:
        keys = [(b"x-trooper-key", b"one"), (b"x-trooper-key", b"two"), (b"x-trooper-key", b"one")]
        tokens = [BEARER, BEARER, OTHER]
        names = [await p.chat(run, key, token) for key, token in zip(keys, tokens, strict=True)]
    assert names[0] == names[2] != names[1]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", "messages"),
        (b"{", "JSON"),
        (b"[]", "messages"),
        (b'{"messages":[]}', "messages"),
        (b'{"messages":[1]}', "messages[0]"),
        (b'{"messages":[{"role":"boss","content":"x"}]}', "messages[0].role"),
        (b'{"messages":[{"role":"user"}]}', "messages[0].content"),
        (b'{"messages":[{"role":"user","content":" "}]}', "messages[0].content"),
        (b'{"messages":[{"role":"user","content":[{"type":"image"}]}]}', "messages[0].content"),
        (json.dumps({"messages": [{"role": "user", "content": "x"}] * 101}).encode(), "100"),
    ],
)
async def test_what_cannot_be_appended_is_told(body: bytes, named: str, autojump_clock: Any) -> None:
    async with place() as p:
        name = await p.chat()
        answer = await p.post(f"/sessions/{name}/append", BEARER, body=body)
        assert (await p.get(f"/sessions/{name}"))["appended"] == 0

    assert answer.status == 400
    assert named in json.loads(answer.body)["error"]["message"]
