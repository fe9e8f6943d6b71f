"""
Who hears a client's key on real sockets, through each way to serve, with eight
streams beside the questions.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping

import pytest
from attrs import frozen

from beside import Steady, steady_provider
from deployed import LONG_S, WAYS, Deployed, Fake, deployed, fake

SERVED = [way for way in WAYS if "--workers" not in way]
BEARER = {"authorization": "Bearer MARK"}
X_API_KEY = {"x-api-key": "MARK"}
CHAT = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Lighthouses?"}]})
#: Two strangers stand before OpenAI's, one of them with a key of its own; the provider of the
#: eight streams is OpenAI's, and hangs up on everybody else.
FILE = """
[[targets]]
name = "anthropic"
wire = "anthropic-messages"
base_url = "{anthropic}"
key = "client"

[[targets]]
name = "second"
wire = "openai-chat"
base_url = "{second}"
key = {{ env = "TEAM_KEY" }}

[[targets]]
name = "openai"
wire = "openai-chat"
base_url = "{openai}"
key = "client"

[[targets]]
name = "ollama"
wire = "ollama-chat"
base_url = "{ollama}"

[chains]
"*" = ["openai", "second", "anthropic", "ollama"]
"""


@frozen
class Place:
    clouds: Mapping[str, Fake]
    steady: Steady
    trooper: Deployed

    def ask(self, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        body = CHAT if method == "POST" else None
        kind = {"content-type": "application/json"} if body else {}
        connection = http.client.HTTPConnection("127.0.0.1", self.trooper.port, timeout=LONG_S)
        try:
            connection.request(method, path, body, {**kind, **headers})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def heard(self, word: str) -> set[str]:
        """Which of the two strangers were told `word`."""
        return {name for name, cloud in self.clouds.items() if word in json.dumps(cloud.state()["requests"])}

    def forget(self) -> None:
        for cloud in self.clouds.values():
            cloud.forget()


@pytest.fixture(scope="module", params=SERVED)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("cwd")
    with (
        steady_provider() as steady,
        fake("provider") as anthropic,
        fake("provider") as second,
        fake("ollama") as local,
    ):
        clouds = {"anthropic": anthropic, "second": second}
        urls = {name: cloud.url for name, cloud in clouds.items()}
        text = FILE.format(openai=steady.url, ollama=local.url, **urls)
        (folder / "trooper.toml").write_text(text)
        with deployed(request.param, steady.url, local.url, folder, TEAM_KEY="sk-ours") as trooper:
            yield Place(clouds, steady, trooper)
    for word in ("Traceback", "MARK", "sk-ours"):
        assert word not in trooper.process.said


def test_no_stranger_hears_a_clients_key(place: Place) -> None:
    with place.steady.eight(place.trooper.port):
        assert place.ask("HEAD", "/", X_API_KEY) == (200, b"")
        assert place.ask("GET", "/", BEARER)[0] == 200
        assert place.heard("MARK") == place.heard("path") == set()

        # It is OpenAI's client, and has no list from there; the operator's target is asked with its own key.
        assert place.ask("GET", "/v1/models", BEARER)[0] == 200
        assert (place.heard("MARK"), place.heard("sk-ours")) == (set(), {"second"})
        place.forget()

        status, said = place.ask("GET", "/v1/models", {**BEARER, **X_API_KEY})
        assert (status, json.loads(said)["error"]["code"]) == (400, "provider_unclear")
        assert place.heard("path") == set()

        place.ask("GET", "/v1/files", X_API_KEY)
        assert place.heard("MARK") == {"anthropic"}
        place.forget()


def test_a_second_cloud_hears_no_gateways_key(place: Place) -> None:
    extra = {
        "helicone-auth": "MARK",
        "cf-aig-authorization": "MARK",
        "x-my-token": "MARK",
        "x-upstream": "Bearer MARK",
        "x-custom": "1",
    }
    with place.steady.eight(place.trooper.port):
        status, said = place.ask("POST", "/v1/chat/completions?api_key=MARK&beta=true", {**BEARER, **extra})
        assert (status, json.loads(said)["object"]) == (200, "chat.completion")
        assert place.heard("sk-ours") == place.heard("x-custom") == place.heard("beta=true") == {"second"}
        assert place.heard("MARK") == set()
        place.forget()
