"""
What `trooper connect` shows, read as the program reads it, against a Trooper on
real sockets: each address is served, a cut answer is whole, and the key reaches
the provider of its wire and nobody else.
"""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import pytest
import yaml
from attrs import frozen

from client_texts import read_jsonc
from deployed import LONG_S, ROOT, Deployed, Fake, deployed, fake
from messages_validator import validate_messages
from responses_validator import validate_responses
from trooper.testing import DEFAULT_ANSWER
from wire_validator import ChatResult, validate_chat

KEY = "sk-of-the-client"
KEYS: Mapping[str, Mapping[str, str]] = {
    "bearer": {"authorization": f"Bearer {KEY}"},
    "x-api-key": {"x-api-key": KEY, "anthropic-version": "2023-06-01"},
}
QUESTION = {"role": "user", "content": "Tell me about lighthouses."}
ASKS: Mapping[str, Mapping[str, Any]] = {
    "completions": {"messages": [QUESTION]},
    "messages": {"messages": [QUESTION], "max_tokens": 4096},
    "responses": {"input": [QUESTION]},
}
VALIDATE: Mapping[str, Callable[[bytes], ChatResult]] = {
    "completions": validate_chat,
    "messages": validate_messages,
    "responses": validate_responses,
}

#: A block → the addresses that the program asks at, and the kind of key that it sends there.
Read: TypeAlias = Callable[[str], list[tuple[str, str]]]


def of_claude_code(text: str) -> list[tuple[str, str]]:
    return [(f"{json.loads(text)['env']['ANTHROPIC_BASE_URL']}/v1/messages", "x-api-key")]


def of_codex(text: str) -> list[tuple[str, str]]:
    config = tomllib.loads(text)
    provider = config["model_providers"][config["model_provider"]]
    assert provider["wire_api"] == "responses"
    return [(f"{provider['base_url']}/responses", "bearer")]


def of_opencode(text: str) -> list[tuple[str, str]]:
    places = {name: told["options"]["baseURL"] for name, told in read_jsonc(text)["provider"].items()}
    return [(f"{places['anthropic']}/messages", "x-api-key"), (f"{places['openai']}/responses", "bearer")]


def of_aider(text: str) -> list[tuple[str, str]]:
    config = yaml.safe_load(text)
    variables = dict(line.split("=", 1) for line in config["set-env"])
    return [
        (f"{config['openai-api-base']}/chat/completions", "bearer"),
        (f"{variables['ANTHROPIC_API_BASE']}/v1/messages", "x-api-key"),
    ]


def of_cline(text: str) -> list[tuple[str, str]]:
    anthropic, openai = re.findall(r"URL: (\S+)", text)
    # By versions that add it themselves, and by those that do not.
    messages = [(f"{anthropic}{path}", "x-api-key") for path in ("/v1/messages", "/messages")]
    return [*messages, (f"{openai}/chat/completions", "bearer")]


def of_continue(text: str) -> list[tuple[str, str]]:
    paths = {"openai": ("chat/completions", "bearer"), "anthropic": ("messages", "x-api-key")}
    models = yaml.safe_load(text)["models"]
    return [(model["apiBase"] + paths[model["provider"]][0], paths[model["provider"]][1]) for model in models]


def of_open_webui(text: str) -> list[tuple[str, str]]:
    variables = dict(line.split("=", 1) for line in text.splitlines())
    return [(f"{variables['OPENAI_API_BASE_URL']}/chat/completions", "bearer")]


READ: Mapping[str, Read] = {
    "claude-code": of_claude_code,
    "codex": of_codex,
    "opencode": of_opencode,
    "aider": of_aider,
    "cline": of_cline,
    "continue": of_continue,
    "open-webui": of_open_webui,
}


@frozen
class Place:
    """A Trooper between two clouds that break off every answer, and a local model."""

    clouds: Mapping[str, Fake]
    local: Fake
    trooper: Deployed

    def ask(self, url: str, key: str) -> ChatResult:
        """A streamed answer, strictly validated."""
        at = urlsplit(url)
        wire = at.path.rpartition("/")[2]
        body = json.dumps({"model": "some-model", "stream": True, **ASKS[wire]})
        connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=LONG_S)
        try:
            connection.request("POST", at.path, body, {"content-type": "application/json", **KEYS[key]})
            response = connection.getresponse()
            told = response.read()
        finally:
            connection.close()
        assert response.status == 200, told
        return VALIDATE[wire](told)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with (
        fake("provider", "--fault", "reset@middle") as openai,
        fake("provider", "--fault", "reset@middle") as anthropic,
        fake("ollama") as local,
    ):
        more = {"TROOPER_ANTHROPIC_BASE_URL": anthropic.url}
        with deployed(
            "trooper serve", openai.url, local.url, tmp_path_factory.mktemp("cwd"), **more
        ) as trooper:
            yield Place({"bearer": openai, "x-api-key": anthropic}, local, trooper)


@pytest.mark.parametrize("name", READ)
def test_what_is_shown_works(name: str, place: Place, tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "trooper", "connect", name, "--url", place.trooper.url],
        env={"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    for url, key in READ[name](shown.stdout):
        for each in (*place.clouds.values(), place.local):
            each.forget()
        answer = place.ask(url, key)

        assert answer.text == DEFAULT_ANSWER
        heard = {kind for kind, cloud in place.clouds.items() if KEY in json.dumps(cloud.state()["requests"])}
        assert heard == {key}
        asked = [request["path"] for request in place.local.state()["requests"]]
        assert asked.count("/api/chat") == 1, "the answer was not cut"
        assert KEY not in json.dumps(place.local.state()) + place.trooper.process.said
