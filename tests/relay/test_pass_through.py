"""
What asks for no answer goes to the provider of its wire, and to nobody else.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from attrs import evolve

from scenes import SECRET, Exchange, Stage, configured, stage, with_target
from trooper.config import Key
from trooper.core.headers import Headers
from trooper.errors import RequestRejected
from trooper.relay.dispatch import answer
from trooper.relay.pass_through import provider_for
from trooper.relay.request import Packed
from trooper.testing import Hang, Head, Reset, Script, ScriptedProvider, Send, Status
from trooper.wires import WIRES

VERSION = (b"anthropic-version", b"2023-06-01")
X_API_KEY, BEARER = (b"x-api-key", b"sk-ant-mine"), (b"authorization", b"Bearer sk-mine")
ANSWER = Status(207, b'{"object": "list"}', (("x-request-id", "req_1"), ("set-cookie", "a=b")))
COUNT = "/v1/messages/count_tokens"
ASKED = json.dumps({"model": "claude", "messages": [{"role": "user", "content": "word " * 40}]}).encode()


async def passed(s: Stage, method: str, path: str, **more: Any) -> Exchange:
    return await s.ask(method=method, path=path, **{"body": b"", **more})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/embeddings"),
        ("POST", "/v1/completions"),
        ("GET", "/v1/files/file-1/content"),
        ("DELETE", "/v1/batches/b_1"),
        ("GET", "/v1/models/gpt-4o"),
        ("GET", "/v1/responses/resp_1"),
    ],
)
async def test_it_comes_back_as_it_is(autojump_clock: Any, method: str, path: str) -> None:
    async with stage(ScriptedProvider(elsewhere=Script((ANSWER,)))) as s:
        x = await passed(s, method, path, query=b"a=%2F&b", body=b'{"input": "x"}')
        (request,) = s.cloud.requests
        assert (request.method, request.path, request.query) == (method, path, "a=%2F&b")
        assert request.body == b'{"input": "x"}'
        assert request.header("authorization") == SECRET
        assert (x.status, bytes(x.body), x.ended) == (207, ANSWER.body, True)
        assert x.headers[b"x-request-id"] == b"req_1"
        assert x.headers[b"content-type"] == b"application/json"
        assert b"set-cookie" not in x.headers
        assert s.ollama.requests == []
        assert x.report["event"] == "passed_through"
        assert (x.report["kind"], x.report["outcome"]) == (path.split("/")[2], "passed_on")
        # What is below the first word may be anybody's business.
        assert "file-1" not in json.dumps(x.report)


async def test_a_compressed_request_is_passed_as_it_came(autojump_clock: Any) -> None:
    config = configured({"TROOPER_ANTHROPIC_BASE_URL": "http://127.0.0.1:9"})
    async with stage(ScriptedProvider(elsewhere=Script((ANSWER,))), config=config) as s:
        asked = evolve(s.request(path="/v1/embeddings", body=b"{}"), packed=Packed(b"zstd", b"as it came"))
        x = Exchange()
        await answer(s.services, asked, x.receive, x.send, x.hang_up)
        assert (s.cloud.requests[-1].body, s.cloud.requests[-1].header("content-encoding")) == (
            b"as it came",
            "zstd",
        )
        # What can be said in its provider's place is said of what it holds.
        counted = evolve(
            s.request(path=COUNT, body=b"\xef\xbb\xbf" + ASKED), packed=Packed(b"zstd", b"as it came")
        )
        x = Exchange()
        await answer(s.services, counted, x.receive, x.send, x.hang_up)
        assert x.whole()["trooper_estimated"] is True


async def test_bytes_of_any_kind(autojump_clock: Any) -> None:
    body = bytes(range(256)) * 300
    audio = Script((Status(200, body, content_type="audio/mpeg"),))
    async with stage(ScriptedProvider(elsewhere=audio)) as s:
        x = await passed(s, "POST", "/v1/audio/speech")
        assert bytes(x.body) == body
        assert x.headers[b"content-type"] == b"audio/mpeg"


async def test_what_a_terminal_would_obey_does_not_come_back(autojump_clock: Any) -> None:
    odd = (("x-request-id", "\x1b[2J"), ("request-id", "a\x7f"), ("content-disposition", "a\x1b"))
    answered = Script((Status(200, b"{}", (*odd, ("openai-version", "1"))),))
    async with stage(ScriptedProvider(elsewhere=answered)) as s:
        x = await passed(s, "GET", "/v1/files/file-1/content")
        assert x.headers[b"openai-version"] == b"1"
        assert not {b"x-request-id", b"request-id", b"content-disposition"} & x.headers.keys()
        assert bytes(x.body) == b"{}"


async def test_the_providers_own_refusal(autojump_clock: Any) -> None:
    async with stage() as s:
        x = await passed(s, "POST", "/v1/embeddings")
        assert x.status == 404
        assert x.whole()["error"]
        assert x.report["outcome"] == "not_found"


async def test_whose_client_it_is(autojump_clock: Any) -> None:
    """Both providers have models and files: the version header tells who is asked."""
    config = with_target(configured(), "anthropic", key=Key("value", "sk-ant-operator"))
    async with stage(config=config) as s:
        for path, headers, key in (
            ("/v1/files", (VERSION,), "sk-ant-operator"),
            ("/v1/models", (VERSION,), "sk-ant-operator"),
            (COUNT, (), "sk-ant-operator"),
            ("/v1/files", (), None),
        ):
            await passed(s, "POST" if path == COUNT else "GET", path, headers=headers)
            assert s.cloud.requests[-1].header("x-api-key") == key
            assert s.cloud.requests[-1].header("authorization") == (None if key else SECRET)


@pytest.mark.parametrize(
    ("method", "path", "headers", "name"),
    [
        ("POST", "/v1/embeddings", (), "openai"),
        ("GET", "/v1/files/file-1/content", (), "openai"),
        ("GET", "/v1/files", (VERSION,), "anthropic"),
        ("POST", COUNT, (), "anthropic"),
        ("GET", "/v1/responses/resp_1", (), "openai-responses"),
        ("GET", "/v1/files/..a", (), "openai"),
        # Made here for those who do not say whose they are, with the local models in it.
        ("GET", "/v1/models", (), None),
        ("GET", "/v1/models", (VERSION,), "anthropic"),
        ("GET", "/v1/models", (X_API_KEY,), "anthropic"),
        ("GET", "/v1/files", (X_API_KEY,), "anthropic"),
        ("GET", "/v1/files", (X_API_KEY, BEARER, VERSION), "anthropic"),
        ("GET", "/v1/files", (BEARER, VERSION), "anthropic"),
        ("GET", "/v1/models", (BEARER,), None),
        ("POST", "/v1/embeddings", (BEARER,), "openai"),
        ("POST", "/v1/embeddings", (X_API_KEY, BEARER, (b"openai-beta", b"x")), "openai"),
        ("POST", "/v1/embeddings", ((b"api-key", b"azure"),), "openai"),
        ("GET", "/v1/responses/resp_1", (X_API_KEY,), "openai-responses"),
        ("GET", "/v1/chat/completions/chatcmpl-1", (X_API_KEY,), "openai"),
        # Nobody's provider has to be there for it.
        ("HEAD", "/", (X_API_KEY, VERSION), None),
        ("GET", "/", (), None),
        # A path that climbs would leave the provider's API with the provider's key.
        ("GET", "/v1/..", (), None),
        ("GET", "/v1/files/../../admin", (), None),
        ("GET", "/v1/files//x", (), None),
        ("GET", "/v1/files/..", (), None),
        ("GET", "/v1/files/.", (), None),
        ("GET", "/v1/files/%2e%2e/admin", (), None),
        ("GET", "/v1/files/..%2f..%2fadmin", (), None),
        ("GET", "/v1/files/..\\admin", (), None),
        ("GET", "/v1/files/..;a/admin", (), None),
        ("GET", "/v1/files/a..b;c%2fd", (), "openai"),
        # Neither a tunnel nor an echo of what was sent, keys included.
        ("CONNECT", "/v1/files", (), None),
        ("TRACE", "/v1/files", (), None),
        ("GET", "/v1/", (), None),
        ("GET", "/v2/files", (), None),
    ],
)
def test_whose_provider_it_is(method: str, path: str, headers: Headers, name: str | None) -> None:
    found = provider_for(WIRES, configured(), method, path, headers)
    assert (found.name if found else None) == name


UNCLEAR = {
    "keys of two": ("/v1/files", (X_API_KEY, BEARER)),
    "keys of two, for a list": ("/v1/models", (X_API_KEY, BEARER)),
    "keys of two, on a path that one has": ("/v1/embeddings", (X_API_KEY, BEARER)),
    "two names": ("/v1/files", (BEARER, VERSION, (b"openai-beta", b"x"))),
    "another's name": ("/v1/models", (X_API_KEY, (b"openai-organization", b"org"))),
    "a host's key beside another's name": ("/v1/files", ((b"api-key", b"azure"), VERSION)),
    "a third one's key": ("/v1/files", ((b"x-goog-api-key", b"k"),)),
    "a third one's key, for a list": ("/v1/models", ((b"ocp-apim-subscription-key", b"k"),)),
}


@pytest.mark.parametrize("name", UNCLEAR)
def test_what_could_be_two_providers_is_nobodys(name: str) -> None:
    path, headers = UNCLEAR[name]
    with pytest.raises(RequestRejected, match="`openai-…` or `anthropic-…`") as caught:
        provider_for(WIRES, configured(), "GET", path, headers)
    assert (caught.value.status, caught.value.code) == (400, "provider_unclear")
    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize("query", [b"key=k", b"a=1&api_key=k", b"x=1;access_token=k", b"to=%2Fx%3Fkey%3Dk"])
def test_a_key_in_a_query_tells_nothing(query: bytes) -> None:
    with pytest.raises(RequestRejected):
        provider_for(WIRES, configured(), "GET", "/v1/files", (), query)
    found = provider_for(WIRES, configured(), "GET", "/v1/files", (BEARER,), query)
    assert found == configured().target("openai")


def test_a_key_of_ours_is_spent_for_those_who_say_nothing() -> None:
    """Nothing of the client's reaches it then; see `core.headers`."""
    config = configured({"TROOPER_OPENAI_API_KEY": "sk-ours"})
    found = provider_for(WIRES, config, "GET", "/v1/files", ((b"x-goog-api-key", b"k"),))
    assert found == config.target("openai")
    with pytest.raises(RequestRejected):
        provider_for(WIRES, config, "GET", "/v1/files", (X_API_KEY, BEARER))
    without = evolve(config, targets=tuple(t for t in config.targets if t.name != "anthropic"))
    assert provider_for(WIRES, without, "GET", "/v1/files", (X_API_KEY, BEARER)) == config.target("openai")


def test_where_no_cloud_is_nobody_has_to_choose() -> None:
    config = configured()
    local = evolve(config, targets=(config.target("ollama"),))
    assert provider_for(WIRES, local, "GET", "/v1/files", (X_API_KEY, BEARER)) is None


def test_one_place_is_nobody_elses() -> None:
    """A gateway that speaks all wires is one place, whatever the key is called."""
    gateway = configured({"TROOPER_ANTHROPIC_BASE_URL": "http://api.openai.com/v1"})
    for headers in (
        (X_API_KEY, BEARER),
        ((b"x-goog-api-key", b"k"),),
        (BEARER, VERSION, (b"openai-beta", b"x")),
    ):
        found = provider_for(WIRES, gateway, "GET", "/v1/files", headers)
        assert found is not None
        assert found.base_url == "http://api.openai.com/v1"
    config = configured()
    alone = evolve(config, targets=(config.target("openai"), config.target("ollama")))
    found = provider_for(WIRES, alone, "GET", "/v1/files", ((b"x-goog-api-key", b"k"),))
    assert found == config.target("openai")
    with pytest.raises(RequestRejected):
        provider_for(WIRES, alone, "GET", "/v1/files", (X_API_KEY, BEARER))


def test_two_places_that_would_take_one_key() -> None:
    """Two clouds of OpenAI's wires, each somebody else's, and a path that both have."""
    config = with_target(configured(), "openai-responses", base_url="http://second.example/v1")
    for path in ("/v1/files", "/v1/models"):
        with pytest.raises(RequestRejected, match="openai and openai-responses"):
            provider_for(WIRES, config, "GET", path, (BEARER,))
    found = provider_for(WIRES, config, "GET", "/v1/responses/resp_1", (BEARER,))
    assert found == config.target("openai-responses")
    assert provider_for(WIRES, config, "GET", "/v1/files", ()) == config.target("openai")


@pytest.mark.parametrize(
    ("left", "name"), [("openai-responses", "openai-responses"), ("openai", "openai"), ("anthropic", None)]
)
def test_the_provider_of_a_kindred_wire_has_the_same_paths(left: str, name: str | None) -> None:
    config = configured()
    alone = evolve(config, targets=(config.target(left), config.target("ollama")))
    found = provider_for(WIRES, alone, "GET", "/v1/responses/resp_1", ())
    assert (found.name if found else None) == name


async def test_counted_by_the_provider(autojump_clock: Any) -> None:
    async with stage() as s:
        x = await passed(s, "POST", COUNT, body=ASKED)
        assert x.whole() == {"input_tokens": 12}


async def test_counted_by_estimate_while_the_provider_is_away(autojump_clock: Any) -> None:
    config = configured({"TROOPER_ANTHROPIC_BASE_URL": "http://127.0.0.1:9"})
    async with stage(config=config) as s:
        x = await passed(s, "POST", COUNT, body=ASKED)
        assert x.status == 200
        assert x.whole()["trooper_estimated"] is True
        assert 40 < x.whole()["input_tokens"] < 80
        bad = await passed(s, "POST", COUNT, body=b"{}")
        assert bad.status == 502
        assert bad.whole()["type"] == "error"


async def test_an_error_of_ours_has_the_wires_shape(autojump_clock: Any) -> None:
    config = configured(
        {"TROOPER_ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "TROOPER_OPENAI_BASE_URL": "http://127.0.0.1:9"}
    )
    async with stage(config=config) as s:
        openai = await passed(s, "POST", "/v1/embeddings")
        assert (openai.status, openai.whole()["error"]["code"]) == (502, "connect")
        anthropic = await passed(s, "POST", "/v1/files", headers=(VERSION,))
        assert (anthropic.status, anthropic.whole()["type"]) == (502, "error")
        assert anthropic.report["outcome"] == "connect"


async def test_torn_in_the_middle(autojump_clock: Any) -> None:
    """An end of ours would make it look whole."""
    torn = Script((Head(content_type="application/octet-stream"), Send(b"half"), Reset()))
    async with stage(ScriptedProvider(elsewhere=torn)) as s:
        x = await passed(s, "GET", "/v1/files/f/content")
        assert (bytes(x.body), x.ended, x.hung_up) == (b"half", False, True)


async def test_a_client_that_leaves(autojump_clock: Any) -> None:
    endless = Script((Head(content_type="audio/mpeg"), Send(b"x"), Hang()))
    async with stage(ScriptedProvider(elsewhere=endless)) as s:
        x = Exchange()
        async with trio.open_nursery() as nursery:

            async def play() -> None:
                await s.play(x, method="GET", path="/v1/files/f/content", body=b"")

            nursery.start_soon(play)
            await trio.sleep(1)
            x.leave()
        assert x.report["outcome"] == "client_cancelled"
        await trio.sleep(1)
        assert s.cloud.open_connections == 0
