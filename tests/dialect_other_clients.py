"""
The SDKs of the two wires beside chat: OpenAI's Responses, and Anthropic's Messages under three roofs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2

from dialect_chat_clients import KEY, MODEL, OPTIONS, TLS, Ask, new_openai, schema
from dialect_reading import Read, called

LIMIT = 4096


def _responses_tools(tools: tuple[str, ...]) -> dict[str, Any]:
    return {"tools": [{"type": "function", **schema(name)["function"]} for name in tools]} if tools else {}


def _response(response: Any) -> Read:
    calls = [(item.name, item.arguments) for item in response.output if item.type == "function_call"]
    text = "".join(
        getattr(part, "text", "")
        for item in response.output
        if item.type == "message"
        for part in item.content
    )
    return Read(text, calls=called(calls), finish=response.status)


def responses_helper(url: str, question: str, tools: tuple[str, ...]) -> Read:
    """`responses.stream`, which puts the answer together and compares."""
    with (
        new_openai(url) as client,
        client.responses.stream(model=MODEL, input=question, **_responses_tools(tools)) as stream,
    ):
        for _ in stream:
            pass
        return _response(stream.get_final_response())


def _raw_events(url: str, question: str, tools: tuple[str, ...]) -> Iterator[Any]:
    with (
        new_openai(url) as client,
        client.responses.create(
            model=MODEL, input=question, stream=True, **_responses_tools(tools)
        ) as stream,
    ):
        yield from stream


def responses_raw(url: str, question: str, tools: tuple[str, ...]) -> Read:
    text, last = "", None
    for event in _raw_events(url, question, tools):
        if event.type == "response.output_text.delta":
            text += event.delta
        if event.type in ("response.completed", "response.incomplete"):
            last = _response(event.response)
    assert last is not None, "the stream has no end"
    assert last.text == text, "the whole is not its deltas"
    return last


def responses_items(url: str, question: str, tools: tuple[str, ...]) -> Read:
    """The same for agents, that say items and no whole: what Databricks' clients read."""
    text, calls, told = "", [], set[str]()
    for event in _raw_events(url, question, tools):
        if event.type == "response.output_text.delta":
            text, told = text + event.delta, told | {event.item_id}
        if event.type == "response.output_item.done" and event.item.type == "function_call":
            calls.append((event.item.name, event.item.arguments))
        if event.type == "response.output_item.done" and event.item.type == "message":
            text += "" if event.item.id in told else "".join(part.text for part in event.item.content)
    return Read(text, calls=called(calls), finish="completed")


def _messages(client: Any, question: str, tools: tuple[str, ...]) -> Read:
    told = [{"name": name, "input_schema": {"type": "object"}} for name in tools]
    more: dict[str, Any] = {"tools": told} if tools else {}
    text = ""
    messages = [{"role": "user", "content": question}]
    with client.messages.stream(model=MODEL, max_tokens=LIMIT, messages=messages, **more) as stream:
        for piece in stream.text_stream:
            text += piece
        message = stream.get_final_message()
    assert text == "".join(b.text for b in message.content if b.type == "text"), "the helper lost text"
    calls = [(block.name, block.input) for block in message.content if block.type == "tool_use"]
    reasoning = "".join(block.thinking for block in message.content if block.type == "thinking")
    return Read(text, reasoning, called(calls), message.stop_reason)


def anthropic_sdk(url: str, question: str, tools: tuple[str, ...]) -> Read:
    with anthropic.Anthropic(base_url=url, http_client=httpx2.Client(verify=TLS), **OPTIONS) as client:
        return _messages(client, question, tools)


def bedrock(url: str, question: str, tools: tuple[str, ...]) -> Read:
    """`AnthropicBedrockMantle`: Bedrock's endpoint with plain events. The older one's frames are no such stream."""
    http = httpx2.Client(verify=TLS)
    with anthropic.AnthropicBedrockMantle(
        base_url=url, aws_region="eu-west-1", http_client=http, **OPTIONS
    ) as client:
        return _messages(client, question, tools)


def _at_messages(request: Any) -> None:
    request.url = request.url.copy_with(path="/v1/messages")


def vertex(url: str, question: str, tools: tuple[str, ...]) -> Read:
    """`AnthropicVertex`: its path has the project and the model in it, its body no model."""
    http = httpx2.Client(verify=TLS, event_hooks={"request": [_at_messages]})
    with anthropic.AnthropicVertex(
        base_url=url,
        region="europe-west1",
        project_id="lights",
        access_token=KEY,
        http_client=http,
        max_retries=0,
        timeout=60.0,
    ) as client:
        return _messages(client, question, tools)


RESPONSES: dict[str, Ask] = {
    "openai responses": responses_raw,
    "openai responses helper": responses_helper,
    "openai responses items": responses_items,
}
MESSAGES: dict[str, Ask] = {
    "anthropic": anthropic_sdk,
    "anthropic BedrockMantle": bedrock,
    "anthropic Vertex": vertex,
}
