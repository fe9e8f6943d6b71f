"""The list of models: the cloud's, and the local ones behind it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

from legs import opened
from relay_parts import services_of
from scenes import SECRET, configured
from trooper.core.headers import Headers
from trooper.targets.models import list_models
from trooper.testing import Hang, Request, Response, Script, ScriptedProvider, Server, Status
from trooper.testing.script import play

HERS = ((b"authorization", SECRET.encode()),)
LOCAL = {"id": "qwen2.5:3b", "object": "model", "created": 0, "owned_by": "trooper:ollama"}
JSON = (b"content-type", b"application/json")


async def listed(
    cloud: ScriptedProvider | Script | None, headers: Headers = HERS
) -> tuple[int, Headers, Any]:
    """The answer, where the cloud says `cloud` and there is one local model; nobody is there with `None`."""

    async def say(request: Request, response: Response) -> None:
        assert (request.method, request.path) == ("GET", "/v1/models")
        assert isinstance(cloud, Script)
        await play(cloud, response)

    serve = (
        None if cloud is None else cloud.serve if isinstance(cloud, ScriptedProvider) else Server(say).serve
    )
    standby = services_of().standbys["ollama"]
    async with opened(configured().target("openai"), serve) as (upstream, _):
        status, sent, body = await list_models(upstream, headers, [standby])
        return status, sent, json.loads(body)


async def test_of_both_places(autojump_clock: Any) -> None:
    provider = ScriptedProvider()
    status, headers, body = await listed(provider)
    assert (status, headers) == (200, (JSON,))
    assert [model["id"] for model in body["data"]] == ["gpt-4o", "gpt-4o-mini", "qwen2.5:3b"]
    assert body["data"][-1] == LOCAL
    assert provider.requests[-1].header("authorization") == SECRET


async def test_what_else_the_cloud_says_of_its_list_stays(autojump_clock: Any) -> None:
    said = Script((Status(200, b'{"object": "list", "data": [{"id": "a", "x": 1}], "has_more": true}'),))
    _, _, body = await listed(said)
    assert body == {"object": "list", "data": [{"id": "a", "x": 1}, LOCAL], "has_more": True}


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(None, id="nobody is there"),
        pytest.param(Script((Status(404, b'{"error": {}}'),)), id="it has no list"),
        pytest.param(Script((Status(500, b"oops"),)), id="it fails"),
        pytest.param(Script((Hang(),)), id="it says nothing"),
        pytest.param(Script((Status(200, b"not JSON"),)), id="no JSON"),
        pytest.param(Script((Status(200, b"[1]"),)), id="another shape"),
        pytest.param(Script((Status(200, b'{"object": "list", "data": "?"}'),)), id="no list in it"),
    ],
)
async def test_where_the_cloud_has_none_the_local_models_are_all(
    autojump_clock: Any, said: Script | None
) -> None:
    assert await listed(said) == (200, (JSON,), {"object": "list", "data": [LOCAL]})


async def test_a_list_that_is_too_much_to_be_read_passes_as_it_came(autojump_clock: Any) -> None:
    body = b'{"data": [' + b"[], " * 200_000 + b"[]]}"
    assert await listed(Script((Status(200, body),))) == (200, (JSON,), json.loads(body))


async def test_a_cloud_that_says_nothing_is_waited_for_ten_seconds(autojump_clock: Any) -> None:
    began = trio.current_time()
    await listed(Script((Hang(),)))
    assert trio.current_time() - began == pytest.approx(10)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_cloud_that_refuses_the_key_is_quoted(autojump_clock: Any, status: int) -> None:
    """An empty list would hide the wrong key."""
    refusal = Status(status, b'{"error": {"code": "k"}}', (("x-request-id", "req_1"), ("set-cookie", "a=b")))
    assert await listed(Script((refusal,))) == (
        status,
        ((b"x-request-id", b"req_1"), JSON),
        {"error": {"code": "k"}},
    )


async def test_without_a_cloud_nobody_is_asked() -> None:
    status, headers, body = await list_models(None, (), services_of().standbys.values())
    assert (status, headers, json.loads(body)) == (200, (JSON,), {"object": "list", "data": [LOCAL]})
    _, _, body = await list_models(None, (), [])
    assert json.loads(body) == {"object": "list", "data": []}
