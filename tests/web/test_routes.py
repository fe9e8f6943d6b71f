"""What is not a stream: models, liveness, readiness, and the errors for everything else."""

from __future__ import annotations

import json

import pytest

from asgi_server import CHAT, HOST, JSON, ask, running
from opened import BrokenNetwork, Opening, application
from scenes import configured
from trooper.testing import Request, Response, ScriptedProvider, Server
from trooper.web.asgi import this_machine
from trooper.web.front_door import name_in_via


async def test_liveness() -> None:
    app = application()
    async with running(app):
        answer = await ask(app)

    assert answer.status == 200
    assert answer.header(b"content-type") == b"application/json"
    assert answer.whole


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_somebody_is_there(method: str) -> None:
    """Agents ask so whether their provider is: nobody's provider has to be asked for that."""
    cloud = ScriptedProvider()
    app = application(Opening(cloud))
    async with running(app):
        answer = await ask(app, method, "/", (HOST, (b"authorization", b"Bearer sk-mine")))

    assert (answer.status, answer.whole) == (200, True)
    assert cloud.requests == []


class TestReadiness:
    """Ready is 200 while the services are open: requests are taken. Before and after it is 503, as all else."""

    async def test_while_the_services_are_open_it_is_200_with_what_they_say(self) -> None:
        opening = Opening()
        app = application(opening)
        async with running(app):
            assert opening.services is not None
            said = opening.services.readiness()
            answer = await ask(app, path="/readyz")

        assert answer.status == 200
        assert json.loads(answer.body) == said
        assert said["status"] == "ready"
        names = [target["name"] for target in json.loads(answer.body)["targets"]]
        assert names == [target.name for target in configured().targets]

    async def test_that_no_target_can_be_reached_does_not_change_it(self) -> None:
        """The request is taken, and its client gets a true error in place of a closed door."""
        app = application(Opening(cloud=None, ollama=None))
        async with running(app):
            ready = await ask(app, path="/readyz")
            refused = await ask(app, "POST", CHAT, (HOST, JSON), (b"{}",))

        assert (ready.status, refused.status) == (200, 502)
        assert json.loads(refused.body)["error"]["code"] == "connect"

    async def test_before_and_after_it_is_503(self) -> None:
        app = application()
        before = await ask(app, path="/readyz")
        async with running(app):
            during = await ask(app, path="/readyz")
        after = await ask(app, path="/readyz")

        assert (before.status, during.status, after.status) == (503, 200, 503)
        assert json.loads(before.body)["error"]["code"] == "not_running"


class TestModels:
    async def test_they_come_from_the_services_as_they_are(self) -> None:
        async def deny(request: Request, response: Response) -> None:
            headers = (("content-type", "application/json"), ("x-request-id", "one"), ("x-request-id", "two"))
            await response.whole(401, headers, b'{"data": []}')

        cloud = Server(deny)
        app = application(Opening(cloud), configured(client_keys=("door-key",)))
        headers = (HOST, (b"authorization", b"Bearer door-key"), (b"X-Custom", b"1"))
        async with running(app):
            answer = await ask(app, path="/v1/models", headers=headers)

        assert (answer.status, answer.body) == (401, b'{"data": []}')
        assert [value for name, value in answer.headers if name == b"x-request-id"] == [b"one", b"two"]
        assert [value for name, value in answer.headers if name == b"content-type"] == [b"application/json"]
        (request,) = cloud.requests
        assert request.header("x-custom") == "1"
        assert request.header("authorization") is None
        # A list of models is asked of a target too, and must not come back here for ever.
        assert request.header("via") == f"1.1 {name_in_via(this_machine(), '8642')}"

    async def test_a_list_is_handed_on(self) -> None:
        app = application()
        async with running(app):
            answer = await ask(app, path="/v1/models")

        assert answer.status == 200
        assert answer.header(b"content-length") == str(len(answer.body)).encode()
        assert [model["id"] for model in json.loads(answer.body)["data"]][:2] == ["gpt-4o", "gpt-4o-mini"]


class TestErrors:
    @pytest.mark.parametrize(("path", "hint"), [("/chat/completions", True), ("/v1/a/../b", False)])
    async def test_an_unknown_path_is_answered_like_the_api_does(self, path: str, hint: bool) -> None:
        app = application()
        async with running(app):
            answer = await ask(app, "POST", path, (HOST, JSON), (b"{}",))

        error = json.loads(answer.body)["error"]
        assert answer.status == 404
        assert set(error) == {"message", "type", "param", "code"}
        assert (error["type"], error["param"], error["code"]) == (
            "invalid_request_error",
            None,
            "unknown_url",
        )
        assert ("ends in /v1" in error["message"]) is hint

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [("GET", CHAT, b"POST"), ("OPTIONS", CHAT, b"POST"), ("POST", "/v1/models", b"GET, HEAD")],
    )
    async def test_a_wrong_method_names_the_right_one(self, method: str, path: str, allowed: bytes) -> None:
        app = application()
        async with running(app):
            answer = await ask(app, method, path, (HOST, JSON))

        assert (answer.status, answer.header(b"allow")) == (405, allowed)
        assert json.loads(answer.body)["error"]["code"] == "method_not_allowed"

    async def test_a_fault_of_ours_says_nothing_about_itself(self, caplog: pytest.LogCaptureFixture) -> None:
        app = application(Opening(new_network=BrokenNetwork))
        async with running(app):
            answer = await ask(app, path="/v1/models")

        assert answer.status == 500
        assert json.loads(answer.body)["error"]["type"] == "server_error"
        assert b"sk-secret" not in answer.body
        assert "sk-secret" in caplog.text


@pytest.mark.parametrize("path", ["/" + "a" * 30_000, "/a%1B%5B2J"])
async def test_a_path_that_is_long_or_no_text_is_not_said_again(path: str) -> None:
    app = application()
    async with running(app):
        answer = await ask(app, "GET", path)
    assert answer.status == 404
    assert json.loads(answer.body)["error"]["message"].startswith("Trooper does not serve GET ….")
