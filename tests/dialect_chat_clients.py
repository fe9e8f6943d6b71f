"""
The SDKs of providers that speak OpenAI's chat in their own way, and OpenAI's own.

Each asks one question of a server and gives what it has read.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from typing import Any, TypeAlias

import groq
import httpx
import httpx2
import openai
from cerebras.cloud.sdk import Cerebras
from huggingface_hub import InferenceClient
from mistralai.client import Mistral
from perplexity import Perplexity
from together import Together
from zai import ZaiClient

from dialect_reading import ChatReading, Read, called

#: A client: the server's address, the question, the names of tools → what it has read.
Ask: TypeAlias = Callable[[str, str, tuple[str, ...]], Read]

KEY = "sk-of-the-client"
OPTIONS: dict[str, Any] = {"api_key": KEY, "max_retries": 0, "timeout": 60.0}
MODEL = "gpt-4o"
#: All servers are on loopback: hundreds of clients need not read the certificates of the world.
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def schema(name: str) -> dict[str, Any]:
    """A tool as the chat wire describes it."""
    parameters = {"type": "object", "properties": {}, "additionalProperties": True}
    return {
        "type": "function",
        "function": {"name": name, "description": f"Call {name}.", "parameters": parameters},
    }


def asked(question: str, tools: tuple[str, ...]) -> dict[str, Any]:
    """The arguments that all SDKs of this wire have alike."""
    told: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": question}]}
    return {**told, "tools": [schema(name) for name in tools]} if tools else told


def at_v1(request: Any) -> None:
    """What a line in a reverse proxy does: clients with a path of their own reach the usual one."""
    path = re.sub(r"^.*(?=/chat/completions)", "/v1", request.url.path)
    request.url = request.url.copy_with(path=path, query=None)


def _http() -> httpx.Client:
    return httpx.Client(verify=TLS)


def new_openai(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", http_client=httpx2.Client(verify=TLS), **OPTIONS)


def _read(stream: Any) -> Read:
    reading = ChatReading()
    with stream:
        for chunk in stream:
            reading.chunk(chunk)
    return reading.read


def openai_raw(url: str, question: str, tools: tuple[str, ...]) -> Read:
    with new_openai(url) as client:
        return _read(client.chat.completions.create(stream=True, **asked(question, tools)))


def openai_helper(url: str, question: str, tools: tuple[str, ...]) -> Read:
    """`chat.completions.stream`, which puts the answer together itself."""
    with (
        new_openai(url) as client,
        client.chat.completions.stream(**asked(question, tools)) as stream,
    ):
        for _ in stream:
            pass
        choice = stream.get_final_completion().choices[0]
    calls = [(c.function.name, c.function.arguments) for c in choice.message.tool_calls or ()]
    return Read(choice.message.content or "", calls=called(calls), finish=choice.finish_reason)


def azure(url: str, question: str, tools: tuple[str, ...]) -> Read:
    """`AzureOpenAI`: its path has the deployment in it."""
    http = httpx2.Client(verify=TLS, event_hooks={"request": [at_v1]})
    with openai.AzureOpenAI(
        azure_endpoint=url, api_version="2025-04-01-preview", http_client=http, **OPTIONS
    ) as client:
        return _read(client.chat.completions.create(stream=True, **asked(question, tools)))


def groq_sdk(url: str, question: str, tools: tuple[str, ...]) -> Read:
    """Its path begins with `/openai`."""
    http = httpx.Client(verify=TLS, event_hooks={"request": [at_v1]})
    with groq.Groq(base_url=url, http_client=http, **OPTIONS) as client:
        return _read(client.chat.completions.create(stream=True, **asked(question, tools)))


def together_sdk(url: str, question: str, tools: tuple[str, ...]) -> Read:
    with Together(base_url=url, http_client=_http(), **OPTIONS) as client:
        return _read(client.chat.completions.create(stream=True, **asked(question, tools)))


def cerebras_sdk(url: str, question: str, tools: tuple[str, ...]) -> Read:
    with Cerebras(base_url=url, warm_tcp_connection=False, http_client=_http(), **OPTIONS) as client:
        return _read(client.chat.completions.create(stream=True, **asked(question, tools)))


def perplexity_sdk(url: str, question: str, tools: tuple[str, ...]) -> Read:
    with Perplexity(base_url=f"{url}/v1", http_client=_http(), **OPTIONS) as client:
        return _read(client.chat.completions.create(stream=True, **asked(question, tools)))


def zai_sdk(url: str, question: str, tools: tuple[str, ...]) -> Read:
    client = ZaiClient(base_url=f"{url}/v1", http_client=_http(), **OPTIONS)
    try:
        reading = ChatReading()
        for chunk in client.chat.completions.create(stream=True, **asked(question, tools)):
            reading.chunk(chunk)
        return reading.read
    finally:
        client.close()


def mistral_sdk(url: str, question: str, tools: tuple[str, ...]) -> Read:
    reading = ChatReading()
    with (
        Mistral(server_url=url, api_key=KEY, client=_http(), timeout_ms=60_000) as client,
        client.chat.stream(**asked(question, tools)) as stream,
    ):
        for event in stream:
            reading.chunk(event.data)
    return reading.read


def huggingface(url: str, question: str, tools: tuple[str, ...]) -> Read:
    """`InferenceClient`, which reads the events with its own code."""
    with InferenceClient(base_url=f"{url}/v1", api_key=KEY, timeout=60) as client:
        reading = ChatReading()
        for chunk in client.chat.completions.create(stream=True, **asked(question, tools)):
            reading.chunk(chunk)
    return reading.read


CHAT: dict[str, Ask] = {
    "openai": openai_raw,
    "openai helper": openai_helper,
    "openai AzureOpenAI": azure,
    "groq": groq_sdk,
    "together": together_sdk,
    "cerebras-cloud-sdk": cerebras_sdk,
    "perplexityai": perplexity_sdk,
    "zai-sdk": zai_sdk,
    "mistralai": mistral_sdk,
    "huggingface-hub": huggingface,
}
