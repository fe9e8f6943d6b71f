"""
What the official SDKs make of a stream with a wait of minutes in it: the same
answer as from a model that answers at once, and the same error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

import sdk_apis
import sdk_clients
from recorded_waits import names, served
from sdk_clients import Seen
from trooper.testing import DEFAULT_ANSWER

_OPTIONS: dict[str, Any] = {"api_key": "sk-of-the-client", "max_retries": 0}
CASES = [
    *(("chat", how) for how in sdk_clients.STREAMING),
    *((api, how) for api, how in sorted([*sdk_apis.SYNC, *sdk_apis.ASYNC]) if "whole" not in how),
]
#: What differs from request to request, or from leg to leg, and counts that are estimated.
VARYING = {"id", "created", "created_at", "call_id", "usage", "item_id", "trooper"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served() as url:
        yield url


def ask(api: str, how: str, url: str, models: list[str]) -> list[Seen]:
    if api == "chat":
        return sdk_clients.ask_all(how, url, models)
    return sdk_apis.ask_all(api, how, url, models)


@pytest.mark.parametrize(("api", "how"), CASES)
def test_the_same_answer(url: str, api: str, how: str) -> None:
    """Text, finish, one name, counts."""
    # The helpers want their calls' schemas; the call has a test of its own.
    slow, quick = ([name for name in names(api, pace) if "/text/" in name] for pace in ("slow", "quick"))
    pairs = zip(ask(api, how, url, slow), ask(api, how, url, quick), strict=True)
    for name, (one, other) in zip(slow, pairs, strict=True):
        # Whoever reads the raw events sees one that has no reason yet.
        finishes = tuple(word for word in one.finishes if word is not None)
        assert (one.text, finishes, one.usage) == (other.text, other.finishes, other.usage), name
        assert one.text == DEFAULT_ANSWER, name
        assert (len(one.ids), one.raised) == (1, None), name


@pytest.mark.parametrize(("api", "how"), CASES)
def test_an_error_is_raised(url: str, api: str, how: str) -> None:
    """As that of the API, and what was read until then is right."""
    for seen in ask(api, how, url, [name for name in names(api) if "/error/" in name]):
        assert seen.raised is not None
        assert seen.raised.is_api_error
        assert DEFAULT_ANSWER.startswith(seen.text)


def told(value: Any) -> Any:
    """Without what varies."""
    if isinstance(value, dict):
        return {key: told(item) for key, item in value.items() if key not in VARYING}
    return [told(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("api", ["chat", "messages", "responses"])
@pytest.mark.parametrize("rest", ["status-529/text", "reset/text", "status-529/call"])
def test_the_same_message(url: str, api: str, rest: str) -> None:
    """As the helpers put it together: the very blocks, parts and items, and none that is empty."""
    slow, quick = (told(_message(api, url, f"{api}/{rest}/{pace}")) for pace in ("slow", "quick"))
    assert slow == quick
    if api == "messages":
        assert [block["type"] for block in slow["content"]] == ["tool_use" if "call" in rest else "text"]


def _message(api: str, url: str, model: str) -> Any:
    asked: list[Any] = [{"role": "user", "content": "Tell me about lighthouses."}]
    if api == "messages":
        claude = anthropic.Anthropic(base_url=url, **_OPTIONS)
        with claude, claude.messages.stream(model=model, max_tokens=4096, messages=asked) as stream:
            return stream.get_final_message().to_dict()
    with openai.OpenAI(base_url=f"{url}/v1", **_OPTIONS) as client:
        if api == "responses":
            with client.responses.stream(model=model, input=asked) as events:
                return events.get_final_response().to_dict()
        with client.chat.completions.stream(model=model, messages=asked) as chunks:
            chunks.until_done()
            return chunks.get_final_completion().to_dict()
