"""
The SDKs of Node, current releases: `openai`, `@anthropic-ai/sdk`, and `ai` with
its two providers, against `hypercorn trooper.app`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from trooper.testing import DEFAULT_ANSWER

HERE = Path(__file__).parent
POSITIONS = ("start", "middle", "end")
EVERYWHERE = ("reset", "clean-eof", "silence", "silence-comments")
BEFORE = ("status-429-retry-after", "status-529")
IN_BAND = {
    "chat": "error-object",
    "responses": "error-response-nested",
    "anthropic": "error-type-overloaded",
}
WAYS = (
    "openai chat raw",
    "openai chat helper",
    "openai responses raw",
    "openai responses helper",
    "anthropic raw",
    "anthropic helper",
    "ai openai chat",
    "ai openai responses",
    "ai anthropic",
)
FINISHES = {
    "openai chat": "stop",
    "openai responses": "completed",
    "anthropic": "end_turn",
    "ai": "stop",
}


def rows(how: str) -> list[str]:
    """The models' names: each says its fault."""
    in_band = next(name for word, name in IN_BAND.items() if word in how)
    everywhere = [f"fault/{name}/{at}" for name in (*EVERYWHERE, in_band) for at in POSITIONS]
    return [*everywhere, *(f"fault/{name}/start" for name in BEFORE)]


def ask(how: str, url: str, models: Sequence[str], packages: Path) -> list[dict[str, Any]]:
    asked = json.dumps({"how": how, "url": url, "models": models})
    done = subprocess.run(
        ["node", HERE / "ask.mjs"], cwd=packages, input=asked, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("how", WAYS)
def test_whole(servers: Any, packages: Path, how: str) -> None:
    """Complete, exact, no exception."""
    before, asked = servers.answers(), rows(how)
    finish = next(word for name, word in FINISHES.items() if how.startswith(name))
    bad = [
        (model, seen)
        for model, seen in zip(asked, ask(how, servers.healthy.url, asked, packages), strict=True)
        if (seen["text"], seen["finishes"], seen["raised"]) != (DEFAULT_ANSWER, [finish], None)
        or len(seen["ids"]) > 1
    ]
    assert bad == []
    assert servers.answers() - before >= len(asked)


@pytest.mark.parametrize("how", WAYS)
def test_the_local_model_fails_too(servers: Any, packages: Path, how: str) -> None:
    """Each SDK raises; what it had read until then is right."""
    asked = rows(how)
    bad = [
        (model, seen)
        for model, seen in zip(asked, ask(how, servers.forsaken.url, asked, packages), strict=True)
        if seen["raised"] is None
        or seen["raised"]["message"].startswith("the helper")
        or not DEFAULT_ANSWER.startswith(seen["text"])
        or seen["finishes"] not in ([], ["error"])
    ]
    assert bad == []


def test_a_cancel_reaches_its_provider(servers: Any, packages: Path) -> None:
    """A POST without a body and without a type. The fake has no such thing, and says so."""
    (seen,) = ask("openai cancel", servers.healthy.url, ["gpt-4o"], packages)
    asked = servers.cloud.state()["requests"][-1]
    assert (asked["method"], asked["path"], asked["body_bytes"]) == ("POST", "/v1/responses/resp_1/cancel", 0)
    assert (seen["raised"]["name"], seen["raised"]["status"]) == ("NotFoundError", 404)


@pytest.mark.parametrize("how", ["openai refused", "anthropic refused"])
def test_a_refusal_is_raised_as_its_own_class(servers: Any, packages: Path, how: str) -> None:
    (seen,) = ask(how, servers.healthy.url, ["gpt-4o"], packages)
    assert (seen["raised"]["name"], seen["raised"]["status"]) == ("PermissionDeniedError", 403)
    assert seen["raised"]["id"].startswith("req_")
