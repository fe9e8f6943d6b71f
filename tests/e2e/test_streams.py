"""
One healthy and one broken answer through every way to serve: processes, real
sockets, and no client library that could smooth anything over.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
from collections.abc import Iterator

import pytest
from attrs import frozen

from deployed import LONG_S, WAYS, Deployed, Fake, ask, deployed, fake
from figures import open_sockets
from trooper.testing import DEFAULT_ANSWER
from wire_validator import validate_chat, validate_whole


@frozen
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def chat(url: str, model: str, *, stream: bool = True, failover: str = "on") -> Answer:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=LONG_S)
    asked = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "Lighthouses?"}]}
    try:
        fields = {
            "content-type": "application/json",
            "authorization": "Bearer sk-x",
            "x-trooper-failover": failover,
        }
        connection.request("POST", "/v1/chat/completions", json.dumps(asked), fields)
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def without_number(body: bytes) -> bytes:
    """The fake counts its answers in their ids and times."""
    return re.sub(rb'"id":"chatcmpl-scripted\d+"|"created":\d+', b"", body)


@frozen
class Place:
    cloud: Fake
    local: Fake
    trooper: Deployed


@pytest.fixture(scope="module", params=list(WAYS))
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("cwd")
    with (
        fake("provider") as cloud,
        fake("ollama") as local,
        deployed(request.param, cloud.url, local.url, folder) as trooper,
    ):
        yield Place(cloud, local, trooper)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_a_healthy_answer_is_the_providers_own(place: Place, stream: bool) -> None:
    alone = chat(place.cloud.url, "gpt-4o", stream=stream)
    through = chat(place.trooper.url, "gpt-4o", stream=stream)

    assert through.status == 200
    assert without_number(through.body) == without_number(alone.body)
    assert through.headers["content-type"] == alone.headers["content-type"]
    assert through.headers["x-trooper-target"] == "openai"
    assert through.headers["x-request-id"] == alone.headers["x-request-id"]


def test_a_broken_stream_is_finished(place: Place) -> None:
    answer = chat(place.trooper.url, "fault/reset/middle")
    result = validate_chat(answer.body)

    assert (result.text, result.finish_reason, result.done) == (DEFAULT_ANSWER, "stop", True)
    assert [c.strip() for c in result.comments] == [
        "trooper seam from=openai to=ollama reason=conn_reset phase=text"
    ]


def test_a_broken_answer_in_one_piece_is_given_anew(place: Place) -> None:
    answer = chat(place.trooper.url, "fault/reset/middle", stream=False)

    assert validate_whole(answer.body).text == DEFAULT_ANSWER
    assert answer.headers["x-trooper-target"] == "ollama"


def test_the_models_are_those_of_both(place: Place) -> None:
    listed = json.loads(ask("GET", place.trooper.url, "/v1/models"))["data"]

    assert [model["id"] for model in listed] == ["gpt-4o", "gpt-4o-mini", "qwen2.5:3b"]


def test_switched_off_the_provider_is_on_its_own(place: Place) -> None:
    answer = chat(place.trooper.url, "fault/status-503/start", failover="off")

    assert answer.status == 503
    assert json.loads(answer.body)["error"]["code"] == "server_is_overloaded"


def test_a_client_that_only_looks_in_leaves_nothing(place: Place) -> None:
    """Within hypercorn's own keep-alive time of 5 s, though that of `trooper serve` is 75 s."""
    with socket.create_connection(("127.0.0.1", place.trooper.port)):
        pass
    before = open_sockets(place.trooper.pid)
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", place.trooper.port)):
            pass
    until = time.monotonic() + 30
    while open_sockets(place.trooper.pid) > before:
        assert time.monotonic() < until
        time.sleep(0.1)
