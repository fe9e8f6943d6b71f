"""Whose session a request is in, what it is called and when that is known, and what is kept of it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from hashlib import md5
from pathlib import Path
from typing import Any

import msgspec
import pytest
from attrs import evolve

from relay_parts import services_of
from scenes import Exchange, Stage, configured, dies, stage, with_target
from stores import Clock
from trooper.config import Key
from trooper.config.store import Store
from trooper.core.recovery import Appended, Said
from trooper.relay.dispatch import answer
from trooper.relay.session import forget, last_told
from trooper.services import Services
from trooper.store import Content, MemoryStore, PastAnswer, Session, Turn
from trooper.testing import FakeOllama, Head, Script, ScriptedProvider, Send, Status

RUN = b"9706b2de-2776-4d52-8ae9-daae730a595b"
ANN, BEN = "a" * 32, "b" * 32
HEADERS = ((b"x-claude-code-session-id", RUN),)


def named(exchange: Exchange) -> str:
    return exchange.headers.get(b"x-trooper-session", b"").decode()


async def found(services: Services, exchange: Exchange) -> Session:
    session = await services.store.find_session(named(exchange))
    assert session is not None
    return session


async def ask(s: Stage, owner: str = ANN, **more: Any) -> Exchange:
    return await s.ask(owner=owner, headers=more.pop("headers", HEADERS), **more)


async def test_a_healthy_turn_is_put(autojump_clock: Any) -> None:
    async with stage() as s:
        s.services.now = Clock()
        s.services.store = MemoryStore(now=s.services.now)
        done = await ask(s, tools=[], store=True)
        session = await found(s.services, done)
        (turn,) = await s.services.store.list_turns(session.id)

    assert (session.owners, session.key_kind, session.turns) == ((ANN,), "agent", 1)
    assert turn.id == done.headers[b"x-trooper-request-id"].decode()
    assert (turn.wire, turn.model, turn.ending, turn.passed_by) == ("openai-chat", "gpt-4o", "completed", {})
    (leg,) = turn.legs
    assert (leg.target, leg.how, leg.outcome, leg.is_local) == ("openai", "first", "completed", False)
    assert turn.local_tokens == 0
    assert turn.at == s.services.now()
    assert RUN not in bytes(done.body) + msgspec.json.encode((session, turn))


async def test_who_made_what_behind_a_cut(autojump_clock: Any) -> None:
    async with stage(dies()) as s:
        done = await ask(s)
        session = await found(s.services, done)
        (turn,) = await s.services.store.list_turns(session.id)
        known = s.services.last_turns.find(session.id).turn

    assert [(leg.target, leg.how, leg.outcome, leg.is_local) for leg in turn.legs] == [
        ("openai", "first", "conn_reset", False),
        ("ollama", "continue", "completed", True),
    ]
    assert 0 < turn.local_tokens < turn.tokens == session.tokens
    assert known is not None
    assert known.said.text == done.chat().text
    assert known.said.is_whole
    # It was not known when the headers went out, and stands in the comment.
    assert b"x-trooper-reason" not in done.headers


async def test_why_somebody_else_answers_is_told_where_it_is_known(autojump_clock: Any) -> None:
    async with stage(dies(position="start")) as s:
        streamed = await ask(s)
        whole = await ask(s, stream=False)

    assert streamed.headers[b"x-trooper-reason"] == b"conn_reset"
    assert whole.headers[b"x-trooper-reason"] == b"conn_reset"
    assert b"x-trooper-tokens-local" not in streamed.headers
    local = json.loads(bytes(whole.body))["trooper"]["legs"][-1]["tokens"]
    assert int(whole.headers[b"x-trooper-tokens-local"]) == local > 0


async def test_a_whole_answer_of_a_cloud_has_no_local_tokens(autojump_clock: Any) -> None:
    async with stage() as s:
        done = await ask(s, stream=False)
    assert done.headers[b"x-trooper-tokens-local"] == b"0"
    assert b"x-trooper-reason" not in done.headers


@pytest.mark.parametrize("stream", [True, False])
async def test_who_is_told_of_a_session_finds_it_at_once(stream: bool, autojump_clock: Any) -> None:
    """Before the headers are out: who has them may have to ask another process for it."""
    seen: list[tuple[Session | None, Sequence[Turn]]] = []
    async with stage() as s:
        store, exchange = s.services.store, Exchange()

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                name = dict(message["headers"])[b"x-trooper-session"].decode()
                seen.append((await store.find_session(name), await store.list_turns(name)))
            await exchange.send(message)

        request = s.request(owner=ANN, headers=HEADERS, stream=stream)
        await answer(s.services, request, exchange.receive, send, exchange.hang_up)
        session = await found(s.services, exchange)
        (over,) = await store.list_turns(session.id)

    ((begun, (turn,)),) = seen
    assert begun is not None
    assert (begun.owners, begun.turns, begun.tokens) == ((ANN,), 1, 0)
    assert (turn.ending, turn.id, turn.at, turn.wire, turn.owner) == (
        "open",
        over.id,
        over.at,
        over.wire,
        ANN,
    )
    assert (over.ending, session.turns, session.tokens) == ("completed", 1, over.tokens)


async def test_what_was_said_is_kept_while_it_is_said(autojump_clock: Any) -> None:
    """With the first words, then ever more seldom, since the whole conversation is written each time."""
    kept: list[Said] = []
    async with stage(ScriptedProvider(pace_s=1.0)) as s:

        async def send(message: Any) -> None:
            await exchange.send(message)
            turn = s.services.last_turns.find(named(exchange)).turn
            kept.extend([turn.said] if turn is not None and turn.said not in kept else [])

        exchange = Exchange()
        request = s.request(owner=ANN, headers=((b"x-session-id", b"1"),))
        await answer(s.services, request, exchange.receive, send, exchange.hang_up)
        over = s.services.last_turns.find(named(exchange)).turn

    assert over is not None
    text = exchange.chat().text
    assert (over.said.text, over.said.ending) == (text, "completed")
    assert {said.ending for said in kept} == {"open"}
    assert kept[0].text
    assert all(text.startswith(said.text) for said in kept)
    assert 3 <= len(kept) <= math.log2(len(text)) + 2


async def test_a_token_that_rotates_stays_in_its_session(autojump_clock: Any) -> None:
    async with stage() as s:
        one = await ask(s, ANN)
        other = await ask(s, BEN)
        session = await found(s.services, one)

    assert named(one) == named(other)
    assert session.owners == (ANN, BEN)
    assert session.turns == 2


async def test_a_key_that_can_be_guessed_is_another_session_for_each(autojump_clock: Any) -> None:
    async with stage() as s:
        one = await ask(s, ANN, headers=((b"x-session-id", b"1"),))
        other = await ask(s, BEN, headers=((b"x-session-id", b"1"),))
        again = await ask(s, ANN, headers=((b"x-session-id", b"1"),))

        assert named(one) == named(again) != named(other)
        assert (await found(s.services, other)).owners == (BEN,)


@pytest.mark.parametrize(
    "key", [md5(b"You are our helpful assistant.", usedforsecurity=False).hexdigest(), RUN.decode()]
)
async def test_two_who_use_one_program_are_no_one_session(key: str, autojump_clock: Any) -> None:
    """A cache key is made to be shared by all who have the same beginning."""
    async with stage() as s:
        one = await ask(s, ANN, headers=(), prompt_cache_key=key)
        other = await ask(s, BEN, headers=(), prompt_cache_key=key)

        assert named(one) != named(other)
        assert (await found(s.services, one)).owners == (ANN,)


def refusing(status: int) -> ScriptedProvider:
    return ScriptedProvider(script=Script((Status(status, b'{"error":{"message":"no"}}'),)))


async def test_nobody_gets_in_by_a_key_and_a_credential_that_nobody_takes(autojump_clock: Any) -> None:
    """He has learned the key, and makes a credential up: refused, or answered by the local model in an outage."""
    async with stage() as s:
        hers = named(await ask(s, ANN))
        s.cloud.script = refusing(401).script
        refused = await ask(s, BEN)
        s.cloud.script = refusing(503).script
        stood_in = await ask(s, BEN)
        left = await s.services.store.list_sessions(BEN)

        assert refused.status == 401
        assert named(refused) == ""
        assert stood_in.status == 200
        assert named(stood_in) not in ("", hers)
        # In an outage he has a session of his own.
        assert [session.id for session in left] == [named(stood_in)]
        assert (await s.services.store.find_session(hers)).owners == (ANN,)  # type: ignore[union-attr]


#: What gateways say in a 200 to a key that they do not know, alone and behind the beginning of an answer.
REFUSALS = {
    "chat": (
        b'data: {"id":"x","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant"}}]}\n\n',
        b'data: {"error":{"message":"No auth credentials found","code":401}}\n\n',
    ),
    "responses": (
        b'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_x","output":[]}}\n\n',
        b'event: error\ndata: {"type":"error","error":{"message":"No","code":"invalid_api_key"}}\n\n',
    ),
    "messages": (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_x","role":"assistant","content":[]}}\n\n',
        b'event: error\ndata: {"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}\n\n',
    ),
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("begins", [True, False])
@pytest.mark.parametrize("wire", REFUSALS)
async def test_a_refusal_in_a_200_proves_nothing(
    wire: str, begins: bool, stream: bool, autojump_clock: Any
) -> None:
    async with stage() as s:
        hers = named(await ask(s, ANN, wire=wire, stream=stream))
        beginning, refusal = REFUSALS[wire]
        s.cloud.script = Script((Head(), *map(Send, (beginning, refusal)[not begins :])))
        refused = await ask(s, BEN, wire=wire, stream=stream)
        session = await s.services.store.find_session(hers)
        left = await s.services.store.list_sessions(BEN)

    assert refused.legs[0][1] == "auth"
    assert named(refused) == ""
    assert session is not None
    assert (session.owners, session.turns) == ((ANN,), 1)
    assert left == []


async def test_its_owner_stays_in_it_in_an_outage(autojump_clock: Any) -> None:
    async with stage() as s:
        hers = named(await ask(s, ANN))
        s.cloud.script = refusing(503).script
        assert named(await ask(s, ANN)) == hers
        # As after a restart: only the store knows.
        s.services.session_owners.pop((hers, ANN))
        assert named(await ask(s, ANN)) == hers
        s.cloud.script = refusing(401).script
        assert named(await ask(s, ANN)) == hers
        assert (await s.services.store.find_session(hers)).turns == 4  # type: ignore[union-attr]


async def test_with_keys_to_the_door_the_same_one_is_asked_for(autojump_clock: Any) -> None:
    async with stage() as s:
        names = set()
        for door in ("", "one", "two"):
            exchange = Exchange()
            request = evolve(s.request(owner=ANN, headers=HEADERS), door=door)
            await answer(s.services, request, exchange.receive, exchange.send, exchange.hang_up)
            names.add(named(exchange))
    assert len(names) == 3


async def test_where_no_provider_is_shown_a_clients_key_nobody_has_to_prove_himself(
    autojump_clock: Any,
) -> None:
    config = configured()
    for name in ("openai", "openai-responses", "anthropic"):
        config = with_target(config, name, key=Key("value", "sk-operator"))
    async with stage(refusing(503), config=config) as s:
        assert named(await ask(s, ANN)) == named(await ask(s, BEN)) != ""


async def test_where_all_fail_the_question_is_kept(autojump_clock: Any) -> None:
    async with stage(refusing(500), FakeOllama(models=()), warm=False) as s:
        failed = await ask(s)
        session = await found(s.services, failed)
        known = (await last_told(s.services, session)).turn

    assert failed.status != 200
    assert known is not None
    assert (known.said.text, known.said.ending, known.said.is_whole) == ("", "failed", False)


async def test_who_has_no_name_has_no_session(autojump_clock: Any) -> None:
    async with stage() as s:
        done = await s.ask(headers=HEADERS)
        assert named(done) == ""
        assert s.services.store.standing().sessions == 0


@pytest.mark.parametrize("may_be_stored", [True, False])
async def test_content_is_on_disk_only_where_it_may_be(may_be_stored: bool, tmp_path: Path) -> None:
    config = configured()
    config = evolve(config, store=Store(str(tmp_path), content="disk"))
    async with stage(dies(), config=config) as s:
        store = s.services.store
        done = await ask(s, store=may_be_stored)
        session = await found(s.services, done)
        s.services.last_turns.forget(session.id)
        known = (await last_told(s.services, session)).turn
        if may_be_stored:
            assert known is not None
            assert known.said.text == done.chat().text
            assert json.loads(known.request)["messages"]
        else:
            assert known is None
        assert await forget(s.services, session)
        assert (await last_told(s.services, session)).turn is None
        assert await store.find_session(session.id) is None


@pytest.mark.parametrize("told", [b"[1]", b"\xff", b'["t","a wire that is gone","m",{"text":"x"}]'])
async def test_content_of_another_shape_is_as_if_it_were_gone(told: bytes, tmp_path: Path) -> None:
    config = evolve(configured(), store=Store(str(tmp_path), content="disk"))
    async with stage(config=config) as s:
        session = await found(s.services, await ask(s))
        s.services.last_turns.forget(session.id)
        assert (await last_told(s.services, session)).turn is not None
        row = PastAnswer(f"session/{session.id}", ANN, s.services.now(), provider_knows=False)
        s.services.store.put_answer(row, Content(b"{}", told))
        assert (await last_told(s.services, session)).turn is None


def test_services_of_a_process_share_what_is_kept() -> None:
    services = services_of()
    assert services.is_local("ollama")
    assert not services.is_local("openai")


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("cut", [True, False])
async def test_of_an_answer_it_is_known_of_which_session_it_is(
    cut: bool, streams: bool, autojump_clock: Any
) -> None:
    async with stage(dies() if cut else None) as s:
        done = await ask(s, wire="responses", stream=streams)
        session = await found(s.services, done)
        (turn,) = await s.services.store.list_turns(session.id)
        answer = await s.services.store.find_answer(turn.answer_id, ANN)

    assert answer is not None
    assert (answer.session_id, turn.owner) == (session.id, ANN)


async def test_answers_of_each_of_its_owners_go_with_it(autojump_clock: Any) -> None:
    async with stage() as s:
        session = await found(s.services, await ask(s, ANN, wire="responses"))
        session = await found(s.services, await ask(s, BEN, wire="responses"))
        assert session.owners == (ANN, BEN)
        assert len(s.services.answers) == s.services.store.standing().answers == 2
        assert await forget(s.services, session)
        assert len(s.services.answers) == s.services.store.standing().answers == 0


async def test_what_is_on_disk_counts_where_it_is_later_than_what_anybody_remembers(tmp_path: Path) -> None:
    config = evolve(configured(), store=Store(str(tmp_path), content="disk"))
    tools = [{"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}]
    async with stage(config=config) as s:
        last_turns = s.services.last_turns
        session = await found(s.services, await ask(s, tools=tools))
        early = last_turns.find(session.id).turn
        assert early is not None
        later = await ask(s, tools=tools)
        # A title is beside the conversation, on disk as well.
        await ask(s, messages=[{"role": "user", "content": "T"}])
        # Whoever had the later one is gone, and what was put beside the session stays.
        last_turns.forget(session.id)
        last_turns.keep(session.id, early)
        last_turns.append(session.id, ANN, (Appended("user", "Note.", early.at),))
        told = await last_told(s.services, session)

    assert told.turn is not None
    assert told.turn.id == later.headers[b"x-trooper-request-id"].decode()
    assert [one.text for one in told.appended] == ["Note."]
