"""
The official SDKs on the two wires beside chat, in each of the ways people use
them: what one request looks like from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import anthropic
import openai
from attrs import define, evolve, field

from sdk_clients import ASYNC_AT_ONCE, SYNC_AT_ONCE, Raised, Seen

QUESTION: list[Any] = [{"role": "user", "content": "Tell me about lighthouses."}]
_OPTIONS: dict[str, Any] = {"api_key": "sk-of-the-client", "max_retries": 0, "timeout": 60.0}
_LIMIT = 4096
_ERRORS = (openai.APIError, anthropic.APIError)
_STATUS_ERRORS = (openai.APIStatusError, anthropic.APIStatusError)


@define
class Reading:
    """Collects what an application gets."""

    seen: Seen = field(factory=Seen)

    def text(self, text: str) -> None:
        self.seen = evolve(self.seen, text=self.seen.text + text)

    def named(self, answer: Any) -> None:
        role = getattr(answer, "role", None) or self.seen.role
        self.seen = evolve(self.seen, ids=self.seen.ids | {answer.id}, role=role)

    def finished(self, word: str) -> None:
        self.seen = evolve(self.seen, finishes=(*self.seen.finishes, word))

    def counted(self, prompt: int, said: int) -> None:
        self.seen = evolve(self.seen, usage=(prompt, said, prompt + said))

    def failed(self, error: Exception) -> Seen:
        status = error.status_code if isinstance(error, _STATUS_ERRORS) else None
        # An error inside a stream is raised with the status of the stream.
        status = None if status == 200 else status
        if not isinstance(error, _ERRORS):
            return evolve(self.seen, raised=Raised(type(error).__name__, status, message=str(error)))
        code = getattr(error, "code", None) or _code_in(error.body)
        raised = Raised(type(error).__name__, status, code, error.message, is_api_error=True)
        return evolve(self.seen, raised=raised)


def _code_in(body: Any) -> str | None:
    error = body.get("error") if isinstance(body, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    return details.get("error_code") if isinstance(details, dict) else None


def _response_event(event: Any, reading: Reading) -> None:
    match event.type:
        case "response.created":
            reading.named(event.response)
        case "response.output_text.delta":
            reading.text(event.delta)
        case "response.completed" | "response.incomplete":
            reading.named(event.response)
            _response_whole(event.response, reading)
        case _:
            pass


def _response_whole(response: Any, reading: Reading) -> None:
    text = "".join(p.text for item in response.output if item.type == "message" for p in item.content)
    assert reading.seen.text in ("", text), "the whole is not its deltas"
    reading.seen = evolve(reading.seen, text=text)
    reading.named(response)
    reading.finished(response.status)
    reading.counted(response.usage.input_tokens, response.usage.output_tokens)


def _responses_raw(client: Any, model: str, reading: Reading) -> None:
    with client.responses.create(model=model, input=QUESTION, stream=True) as stream:
        for event in stream:
            _response_event(event, reading)


def _responses_helper(client: Any, model: str, reading: Reading) -> None:
    with client.responses.stream(model=model, input=QUESTION) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                reading.text(event.delta)
        _response_whole(stream.get_final_response(), reading)


def _responses_whole(client: Any, model: str, reading: Reading) -> None:
    _response_whole(client.responses.create(model=model, input=QUESTION), reading)


async def _responses_raw_async(client: Any, model: str, reading: Reading) -> None:
    async with await client.responses.create(model=model, input=QUESTION, stream=True) as stream:
        async for event in stream:
            _response_event(event, reading)


async def _responses_helper_async(client: Any, model: str, reading: Reading) -> None:
    async with client.responses.stream(model=model, input=QUESTION) as stream:
        async for event in stream:
            if event.type == "response.output_text.delta":
                reading.text(event.delta)
        _response_whole(await stream.get_final_response(), reading)


async def _responses_whole_async(client: Any, model: str, reading: Reading) -> None:
    _response_whole(await client.responses.create(model=model, input=QUESTION), reading)


def _message_event(event: Any, reading: Reading) -> None:
    match event.type:
        case "message_start":
            reading.named(event.message)
        case "content_block_delta" if event.delta.type == "text_delta":
            reading.text(event.delta.text)
        case "message_delta":
            reading.finished(event.delta.stop_reason)
            reading.counted(event.usage.input_tokens or 0, event.usage.output_tokens)
        case _:
            pass


def _message_whole(message: Any, reading: Reading) -> None:
    text = "".join(block.text for block in message.content if block.type == "text")
    assert reading.seen.text in ("", text), "the helper lost or repeated text"
    reading.seen = evolve(reading.seen, text=text)
    reading.named(message)
    reading.finished(message.stop_reason)
    reading.counted(message.usage.input_tokens, message.usage.output_tokens)


def _messages_raw(client: Any, model: str, reading: Reading) -> None:
    with client.messages.create(model=model, max_tokens=_LIMIT, messages=QUESTION, stream=True) as stream:
        for event in stream:
            _message_event(event, reading)


def _messages_helper(client: Any, model: str, reading: Reading) -> None:
    with client.messages.stream(model=model, max_tokens=_LIMIT, messages=QUESTION) as stream:
        for text in stream.text_stream:
            reading.text(text)
        _message_whole(stream.get_final_message(), reading)


def _messages_whole(client: Any, model: str, reading: Reading) -> None:
    _message_whole(client.messages.create(model=model, max_tokens=_LIMIT, messages=QUESTION), reading)


async def _messages_raw_async(client: Any, model: str, reading: Reading) -> None:
    async with await client.messages.create(
        model=model, max_tokens=_LIMIT, messages=QUESTION, stream=True
    ) as stream:
        async for event in stream:
            _message_event(event, reading)


async def _messages_helper_async(client: Any, model: str, reading: Reading) -> None:
    async with client.messages.stream(model=model, max_tokens=_LIMIT, messages=QUESTION) as stream:
        async for text in stream.text_stream:
            reading.text(text)
        _message_whole(await stream.get_final_message(), reading)


async def _messages_whole_async(client: Any, model: str, reading: Reading) -> None:
    _message_whole(await client.messages.create(model=model, max_tokens=_LIMIT, messages=QUESTION), reading)


Sync: TypeAlias = Callable[[Any, str, Reading], None]
Async: TypeAlias = Callable[[Any, str, Reading], Awaitable[None]]

SYNC: Mapping[tuple[str, str], Sync] = {
    ("responses", "sync raw"): _responses_raw,
    ("responses", "sync helper"): _responses_helper,
    ("responses", "sync whole"): _responses_whole,
    ("messages", "sync raw"): _messages_raw,
    ("messages", "sync helper"): _messages_helper,
    ("messages", "sync whole"): _messages_whole,
}
ASYNC: Mapping[tuple[str, str], Async] = {
    ("responses", "async raw"): _responses_raw_async,
    ("responses", "async helper"): _responses_helper_async,
    ("responses", "async whole"): _responses_whole_async,
    ("messages", "async raw"): _messages_raw_async,
    ("messages", "async helper"): _messages_helper_async,
    ("messages", "async whole"): _messages_whole_async,
}
FINISH = {"responses": "completed", "messages": "end_turn"}


def ask_all(api: str, how: str, base_url: str, models: Sequence[str]) -> list[Seen]:
    """One request for each of `models`, several at a time; an exception of the SDK is a result."""
    if (api, how) in SYNC:
        return _ask_sync(api, SYNC[api, how], base_url, models)
    return asyncio.run(_ask_async(api, ASYNC[api, how], base_url, models))


def _ask_sync(api: str, ask: Sync, base_url: str, models: Sequence[str]) -> list[Seen]:
    new: Any = openai.OpenAI if api == "responses" else anthropic.Anthropic
    with new(base_url=f"{base_url}/v1" if api == "responses" else base_url, **_OPTIONS) as client:

        def one(model: str) -> Seen:
            reading = Reading()
            try:
                ask(client, model, reading)
            except Exception as error:  # whatever the SDK makes of it is the result
                return reading.failed(error)
            return reading.seen

        with ThreadPoolExecutor(SYNC_AT_ONCE) as pool:
            return list(pool.map(one, models))


async def _ask_async(api: str, ask: Async, base_url: str, models: Sequence[str]) -> list[Seen]:
    new: Any = openai.AsyncOpenAI if api == "responses" else anthropic.AsyncAnthropic
    turn = asyncio.Semaphore(ASYNC_AT_ONCE)
    async with new(base_url=f"{base_url}/v1" if api == "responses" else base_url, **_OPTIONS) as client:

        async def one(model: str) -> Seen:
            reading = Reading()
            async with turn:
                try:
                    await ask(client, model, reading)
                except Exception as error:
                    return reading.failed(error)
                return reading.seen

        return list(await asyncio.gather(*map(one, models)))
