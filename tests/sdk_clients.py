"""
The official OpenAI SDK, in each of the ways people use it: what one request
looks like from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import openai
from attrs import define, evolve, field, frozen

#: How many requests are under way at once: a request of a healthy row must not
#: wait so long for a busy machine that it looks like a slow provider.
SYNC_AT_ONCE = 8
ASYNC_AT_ONCE = 12

ASKED: list[Any] = [{"role": "user", "content": "Tell me about lighthouses."}]


@frozen
class Raised:
    """What the SDK raised. `status` is that of the response, if it was the response that failed."""

    name: str
    status: int | None = None
    code: str | None = None
    message: str = ""
    is_api_error: bool = False


@frozen
class Seen:
    """What an application gets out of one request. `finishes` and `text` are those of choice 0."""

    text: str = ""
    refusal: str = ""
    role: str | None = None
    finishes: tuple[str, ...] = ()
    ids: frozenset[str] = frozenset()
    calls: tuple[str, ...] = ()
    usage: tuple[int, int, int] | None = None
    raised: Raised | None = None

    @property
    def told(self) -> Seen:
        """Without what differs from request to request."""
        return evolve(self, ids=frozenset())


@define
class _Reading:
    """Collects a stream."""

    seen: Seen = field(factory=Seen)

    def chunk(self, chunk: Any) -> None:
        seen = evolve(self.seen, ids=self.seen.ids | ({chunk.id} if chunk.id else set()))
        for choice in chunk.choices:
            if choice.index != 0 or choice.delta is None:
                continue
            delta = choice.delta
            seen = evolve(
                seen,
                text=seen.text + (delta.content or ""),
                refusal=seen.refusal + (delta.refusal or ""),
                role=(seen.role or "") + delta.role if delta.role else seen.role,
                finishes=(*seen.finishes, choice.finish_reason) if choice.finish_reason else seen.finishes,
            )
        if chunk.usage is not None:
            seen = evolve(seen, usage=_counts(chunk.usage))
        self.seen = seen

    def whole(self, completion: Any) -> None:
        """A completion in one piece; it must agree with what was streamed before it."""
        choice, message = completion.choices[0], completion.choices[0].message
        assert not self.seen.text or self.seen.text == message.content, "the helper lost or repeated text"
        calls = tuple(f"{c.function.name}({c.function.arguments})" for c in message.tool_calls or ())
        self.seen = Seen(
            text=message.content or "",
            refusal=message.refusal or "",
            role=message.role,
            finishes=(choice.finish_reason,),
            ids=frozenset({completion.id}),
            calls=calls,
            usage=None if completion.usage is None else _counts(completion.usage),
        )

    def event(self, event: Any) -> None:
        """An event of the stream helper."""
        if event.type == "content.delta":
            self.seen = evolve(self.seen, text=self.seen.text + event.delta)

    def failed(self, error: Exception) -> Seen:
        status = error.status_code if isinstance(error, openai.APIStatusError) else None
        raised = Raised(type(error).__name__, status)
        if isinstance(error, openai.APIError):
            code = None if error.code is None else str(error.code)
            raised = Raised(type(error).__name__, status, code, error.message, is_api_error=True)
        return evolve(self.seen, raised=raised)


def _counts(usage: Any) -> tuple[int, int, int]:
    return (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)


def _sync_raw(client: Any, model: str, reading: _Reading) -> None:
    with client.chat.completions.create(model=model, messages=ASKED, stream=True) as stream:
        for chunk in stream:
            reading.chunk(chunk)


def _sync_helper(client: Any, model: str, reading: _Reading) -> None:
    with client.chat.completions.stream(model=model, messages=ASKED) as stream:
        for event in stream:
            reading.event(event)
        reading.whole(stream.get_final_completion())


def _sync_whole(client: Any, model: str, reading: _Reading) -> None:
    reading.whole(client.chat.completions.create(model=model, messages=ASKED))


async def _async_raw(client: Any, model: str, reading: _Reading) -> None:
    usage = {"include_usage": True}
    async with await client.chat.completions.create(
        model=model, messages=ASKED, stream=True, stream_options=usage
    ) as stream:
        async for chunk in stream:
            reading.chunk(chunk)


async def _async_helper(client: Any, model: str, reading: _Reading) -> None:
    async with client.chat.completions.stream(model=model, messages=ASKED) as stream:
        async for event in stream:
            reading.event(event)
        reading.whole(await stream.get_final_completion())


async def _async_whole(client: Any, model: str, reading: _Reading) -> None:
    reading.whole(await client.chat.completions.create(model=model, messages=ASKED))


Sync: TypeAlias = Callable[[Any, str, _Reading], None]
Async: TypeAlias = Callable[[Any, str, _Reading], Awaitable[None]]

SYNC: Mapping[str, Sync] = {"sync raw": _sync_raw, "sync helper": _sync_helper, "sync whole": _sync_whole}
ASYNC: Mapping[str, Async] = {
    "async raw": _async_raw,
    "async helper": _async_helper,
    "async whole": _async_whole,
}
STREAMING = ("sync raw", "async raw", "sync helper", "async helper")
WHOLE = ("sync whole", "async whole")
#: It alone asks for the token counts.
WITH_USAGE = "async raw"

_OPTIONS: dict[str, Any] = {"api_key": "sk-of-the-client", "max_retries": 0, "timeout": 60.0}


def ask_all(how: str, base_url: str, models: Sequence[str]) -> list[Seen]:
    """One request for each of `models`, several at a time; an exception of the SDK is a result."""
    if how in SYNC:
        return _ask_sync(SYNC[how], base_url, models)
    return asyncio.run(_ask_async(ASYNC[how], base_url, models))


def _ask_sync(ask: Sync, base_url: str, models: Sequence[str]) -> list[Seen]:
    with openai.OpenAI(base_url=f"{base_url}/v1", **_OPTIONS) as client:

        def one(model: str) -> Seen:
            reading = _Reading()
            try:
                ask(client, model, reading)
            except Exception as error:  # whatever the SDK makes of it is the result
                return reading.failed(error)
            return reading.seen

        with ThreadPoolExecutor(SYNC_AT_ONCE) as pool:
            return list(pool.map(one, models))


async def _ask_async(ask: Async, base_url: str, models: Sequence[str]) -> list[Seen]:
    turn = asyncio.Semaphore(ASYNC_AT_ONCE)
    async with openai.AsyncOpenAI(base_url=f"{base_url}/v1", **_OPTIONS) as client:

        async def one(model: str) -> Seen:
            reading = _Reading()
            async with turn:
                try:
                    await ask(client, model, reading)
                except Exception as error:
                    return reading.failed(error)
                return reading.seen

        return list(await asyncio.gather(*map(one, models)))
