"""
The healthy path is faithful: the provider's bytes to the client, the client's
bytes to the provider, and credentials only where they belong.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import evolve

from scenes import SECRET, configured, stage, with_target
from trooper.config import Key
from trooper.testing import ANSWERS, DEFAULT_ANSWER, FAULTS, FaultAt, ScriptedProvider, chat_events

VIA_NAME = "trooper-0123456789ab"
#: What the scripted provider calls its first answer.
FIRST_ID = "chatcmpl-scripted000000000000"


@pytest.mark.parametrize("answer", [name for name in ANSWERS if name != "empty"])
@pytest.mark.parametrize("gate", [True, False])
async def test_every_byte_arrives(autojump_clock: Any, answer: str, gate: bool) -> None:
    """What the client gets is what the provider sent, byte for byte."""
    provider = ScriptedProvider(answer=ANSWERS[answer], pace_s=0.02)
    async with stage(provider, config=configured(gate=gate)) as s:
        x = await s.ask()
        assert bytes(x.body) == b"".join(evolve(ANSWERS[answer], id=FIRST_ID).events())
        assert x.ended


async def test_at_once(autojump_clock: Any) -> None:
    """With the gate each event is late by at most one event; without it, not at all."""
    pace_s = 0.5
    for gate, late in ((True, 1), (False, 0)):
        async with stage(ScriptedProvider(pace_s=pace_s), config=configured(gate=gate)) as s:
            x = await s.ask()
            count = len(chat_events(DEFAULT_ANSWER))
            began = x.arrivals[-1][0] - (count - 1) * pace_s
            due = [began + n * pace_s for n in range(count)]
            arrived = [at for at, body in x.arrivals for _ in range(body.count(b"\n\n"))]
            # The role waits for the first content.
            assert all(a <= d + (late + 1e-9) * pace_s for a, d in zip(arrived[2:], due[2:], strict=True))


async def test_whole_answer(autojump_clock: Any) -> None:
    """A whole answer passes unchanged."""
    async with stage() as s:
        x = await s.ask(stream=False)
        assert x.status == 200
        assert bytes(x.body) == evolve(ANSWERS["text"], id=FIRST_ID).body()
        assert x.legs == [("openai", "completed")]


async def test_the_provider_gets_the_clients_bytes(autojump_clock: Any) -> None:
    """Body, query and headers travel unchanged, except what belongs to one hop."""
    body = b'{ "model":"gpt-4o",\n "stream": true, "messages":[{"role":"user","content":"h\\u00e9"}], "x": [1.0] }'
    sent = (
        (b"user-agent", b"agent/1"),
        (b"openai-beta", b"x=1"),
        (b"connection", b"close, x-hop"),
        (b"x-hop", b"secret-hop"),
        (b"x-trooper-key", b"front"),
        (b"accept-encoding", b"gzip, br"),
        (b"cookie", b"session=1"),
        (b"te", b"trailers"),
    )
    async with stage() as s:
        await s.ask(body=body, headers=sent, query=b"api-version=2&x=%20y")
        got = s.cloud.chats[0]
        assert got.body == body
        assert got.query == "api-version=2&x=%20y"
        assert got.header("user-agent") == "agent/1"
        assert got.header("openai-beta") == "x=1"
        assert got.header("authorization") == SECRET
        assert got.header("accept-encoding") == "identity"
        assert got.header("via") == "1.1 trooper-0123456789ab"
        for gone in ("x-hop", "cookie", "te", "x-trooper-key"):
            assert not got.header(gone)


async def test_an_operators_key_replaces_the_clients(autojump_clock: Any) -> None:
    """A configured key goes to its target; the client's credentials go nowhere then."""
    config = with_target(configured(), "openai", key=Key("value", "sk-operator"))
    async with stage(config=config) as s:
        await s.ask(headers=((b"openai-organization", b"org-1"), (b"x-api-key", b"k")))
        got = s.cloud.chats[0]
        assert got.header("authorization") == "Bearer sk-operator"
        assert not got.header("openai-organization")
        assert not got.header("x-api-key")


async def test_the_local_model_gets_no_credentials(autojump_clock: Any) -> None:
    """Ollama sees neither the client's key nor the operator's."""
    async with stage(ScriptedProvider(script=FaultAt(FAULTS["reset"]))) as s:
        await s.ask(headers=((b"x-api-key", b"k"), (b"cookie", b"c")))
        seen = str([(r.path, r.headers, r.body) for r in s.ollama.requests])
        assert s.ollama.requests
        assert "sk-client-secret" not in seen
        assert "cookie" not in seen.lower()


async def test_response_headers_come_back_by_list(autojump_clock: Any) -> None:
    """The provider's ids and limits are passed on; what would steer the client is not."""
    provider = ScriptedProvider(
        headers=(
            ("x-request-id", "req_1"),
            ("x-ratelimit-remaining-tokens", "7"),
            ("openai-processing-ms", "12"),
            ("set-cookie", "evil=1"),
            ("x-accel-redirect", "/secret"),
            ("x-sendfile", "/etc/passwd"),
        )
    )
    async with stage(provider) as s:
        x = await s.ask()
        assert x.headers[b"x-request-id"] == b"req_1"
        assert x.headers[b"x-ratelimit-remaining-tokens"] == b"7"
        assert x.headers[b"openai-processing-ms"] == b"12"
        assert not {b"set-cookie", b"x-accel-redirect", b"x-sendfile"} & set(x.headers)
        assert x.headers[b"x-accel-buffering"] == b"no"
        assert x.headers[b"cache-control"] == b"no-cache"
        assert b"content-length" not in x.headers


async def test_a_request_nobody_can_read_is_its_providers_affair(autojump_clock: Any) -> None:
    """What is no chat request passes through with no net, and the provider's refusal comes back."""
    for body in (b"[1]", b'{"model":"gpt-4o","stream":true}', b'{"model":"x","messages":"no","stream":true}'):
        async with stage(ScriptedProvider(script=FaultAt(FAULTS["invalid-400"]))) as s:
            x = await s.ask(body=body)
            assert x.status == 400
            assert s.cloud.chats[0].body == body
            assert s.ollama.requests == []


@pytest.mark.parametrize("stream", [True, False])
async def test_beta_headers_and_queries_arrive(autojump_clock: Any, stream: bool) -> None:
    body = json.dumps(
        {"model": "claude", "max_tokens": 9, "stream": stream, "messages": []}, indent=2
    ).encode()
    version = (b"anthropic-version", b"2023-06-01")
    headers = ((b"anthropic-beta", b"context-1m-2025-08-07, x"), version, (b"x-api-key", b"sk-ant-client"))
    async with stage() as s:
        await s.ask(wire="messages", body=body, headers=headers, query=b"beta=true")
        (request,) = s.cloud.chats
        assert request.body == body
        assert request.query == "beta=true"
        assert request.header("anthropic-beta") == "context-1m-2025-08-07, x"
        assert request.header("anthropic-version") == "2023-06-01"
        assert request.header("x-api-key") == "sk-ant-client"


async def test_half_an_emoji_in_a_prompt_breaks_nothing(autojump_clock: Any) -> None:
    """A lone surrogate: the stream passes as it is, though no other wire could say the request."""
    body = b'{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"\\ud83d"}]}'
    async with stage() as s:
        x = await s.ask(body=body)
        assert x.chat().text == DEFAULT_ANSWER
        assert s.cloud.chats[0].body == body


async def test_models_of_both_places(autojump_clock: Any) -> None:
    """`GET /v1/models` is the cloud's list and the local models behind it."""
    async with stage() as s:
        status, _, body = await s.services.models(((b"authorization", SECRET.encode()),), VIA_NAME)
        assert status == 200
        assert [m["id"] for m in json.loads(body)["data"]] == ["gpt-4o", "gpt-4o-mini", "qwen2.5:3b"]
        assert s.cloud.requests[-1].header("authorization") == SECRET
        assert s.cloud.requests[-1].header("via") == f"1.1 {VIA_NAME}"


async def test_a_local_model_by_its_own_name(autojump_clock: Any) -> None:
    """A model from our own list is asked where it is; the cloud hears nothing of it."""
    async with stage() as s:
        x = await s.ask(model="qwen2.5:3b")
        result = x.chat()
        assert (result.text, result.model) == (DEFAULT_ANSWER, "qwen2.5:3b")
        assert s.cloud.requests == []
        assert x.headers[b"x-trooper-target"] == b"ollama"
        await s.ask(model="qwen2.5:3b", max_tokens=7)
        assert s.ollama.requests[-1].json()["options"]["num_predict"] == 7


async def test_a_dead_connection_from_the_pool_is_no_failure(autojump_clock: Any) -> None:
    """A kept connection that died is replaced by a fresh one, once, and nobody notices."""
    async with stage() as s:
        await s.ask()
        s.cloud.play_next(FaultAt(FAULTS["closed-before-headers"]))
        x = await s.ask()
        assert x.chat().text == DEFAULT_ANSWER
        assert x.legs == [("openai", "completed")]
        assert len({r.connection for r in s.cloud.chats}) == 2


async def test_connections_are_kept(autojump_clock: Any) -> None:
    """A healthy answer is read to its end, so that its connection serves the next request."""
    async with stage() as s:
        for _ in range(5):
            await s.ask()
        assert len({r.connection for r in s.cloud.chats}) == 1
