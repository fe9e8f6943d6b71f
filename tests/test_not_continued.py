"""
What is not continued, and what is never left out in silence.
"""

from __future__ import annotations

from typing import Any

import pytest

from scenes import TOOLS, asked, dies, stage
from trooper.testing import (
    ANSWERS,
    DEFAULT_ANSWER,
    ChatAnswer,
    FakeOllama,
    Model,
    OllamaFault,
    tokens,
)

JSON_FORMAT = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}


@pytest.mark.parametrize(
    "fields", [{"response_format": {"type": "json_object"}}, {"response_format": JSON_FORMAT}]
)
async def test_json_mode(autojump_clock: Any, fields: dict[str, Any]) -> None:
    """JSON restarts under the server's own grammar; what is no JSON when it is whole ends in an error."""
    async with stage(dies("status-500")) as s:
        assert (await s.ask(**fields)).chat().text == s.ollama.json_answer
        assert asked(s)["format"] in ("json", {"type": "object"})
    async with stage(dies(position=3)) as s:
        result = (await s.ask(**fields)).chat()
        assert result.error is not None
        assert result.error.code == "conn_reset"
        assert result.finish_reason is None
        assert "format" not in asked(s)


async def test_several_choices(autojump_clock: Any) -> None:
    """`n > 1` restarts before content, one run for each choice; after content it is an honest error."""
    async with stage(dies("status-500")) as s:
        result = (await s.ask(n=2, stream_options={"include_usage": True}, seed=7)).chat(include_usage=True)
        assert result.texts == (DEFAULT_ANSWER, DEFAULT_ANSWER)
        assert [g.ask.options["seed"] for g in s.ollama.generations[-2:]] == [7, 8]
    async with stage(dies("status-500")) as s:
        whole = (await s.ask(n=2, stream=False)).whole()
        assert [c["message"]["content"] for c in whole["choices"]] == [DEFAULT_ANSWER] * 2
    async with stage(dies(position=3)) as s:
        assert (await s.ask(n=2)).chat().error is not None
    # The second run fails: half of the choices is no answer.
    async with stage(dies("status-500")) as s:
        s.ollama.fail_next(None, OllamaFault("error_line", 2))
        result = (await s.ask(n=2)).chat()
        assert result.error is not None
        assert not result.done


async def test_a_refusal_is_never_continued(autojump_clock: Any) -> None:
    """Another model must not finish what a safety system began to refuse."""
    refusing = ChatAnswer(refusal=tuple(tokens("I cannot help with that.")))
    async with stage(dies(position=2, answer=refusing)) as s:
        result = (await s.ask()).chat()
        assert result.error is not None
        assert s.ollama.requests == []


async def test_reasoning_is_followed_by_an_answer(autojump_clock: Any) -> None:
    """A cut inside the thinking: the answer starts, under the same name."""
    async with stage(dies(position=3, answer=ANSWERS["reasoning"])) as s:
        result = (await s.ask()).chat()
        assert result.reasoning
        assert result.text == DEFAULT_ANSWER
        assert [m["role"] for m in asked(s)["messages"]] == ["user"]


@pytest.mark.parametrize(
    "unsaid", [{"logprobs": True}, {"modalities": ["text", "audio"]}, {"tool_choice": "required"}]
)
async def test_what_ollama_cannot_say_is_not_dropped(autojump_clock: Any, unsaid: dict[str, Any]) -> None:
    """A feature that the local model would silently leave out makes it unfit."""
    async with stage(dies("status-503")) as s:
        x = await s.ask(**unsaid, tools=TOOLS)
        assert x.status == 503
        assert s.ollama.requests == []


async def test_images(autojump_clock: Any) -> None:
    """An image goes to a model that can see, bare; a URL is never fetched."""
    seeing = FakeOllama(models=(Model(capabilities=("completion", "vision")),))
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "What?"}, image]}]
    async with stage(dies("status-503"), seeing) as s:
        assert (await s.ask(messages=messages)).status == 200
        assert asked(s)["messages"] == [{"role": "user", "content": "What?", "images": ["aGk="]}]
    async with stage(dies("status-503")) as s:
        assert (await s.ask(messages=messages)).status == 503
    url = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x/y.png"}}]}]
    async with stage(
        dies("status-503"), FakeOllama(models=(Model(capabilities=("completion", "vision")),))
    ) as s:
        assert (await s.ask(messages=url)).status == 503
