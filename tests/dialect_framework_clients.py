"""
Adapters of frameworks: pydantic-ai with a provider for each dialect, and LangChain's packages.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import httpx2
import openai
from langchain_deepseek import ChatDeepSeek
from langchain_openai import ChatOpenAI
from langchain_openrouter import ChatOpenRouter
from langchain_xai import ChatXAI
from pydantic import SecretStr
from pydantic_ai.direct import model_request_stream
from pydantic_ai.messages import ModelRequest, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.cerebras import CerebrasModel
from pydantic_ai.models.github_copilot import GitHubCopilotModel
from pydantic_ai.models.ollama import OllamaModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.models.openrouter import OpenRouterModel
from pydantic_ai.models.zai import ZaiModel
from pydantic_ai.providers.alibaba import AlibabaProvider
from pydantic_ai.providers.cerebras import CerebrasProvider
from pydantic_ai.providers.deepseek import DeepSeekProvider
from pydantic_ai.providers.fireworks import FireworksProvider
from pydantic_ai.providers.github_copilot import GitHubCopilotProvider
from pydantic_ai.providers.moonshotai import MoonshotAIProvider
from pydantic_ai.providers.ollama import OllamaProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openrouter import OpenRouterProvider
from pydantic_ai.providers.together import TogetherProvider
from pydantic_ai.providers.vllm import VLLMProvider
from pydantic_ai.providers.zai import ZaiProvider
from pydantic_ai.tools import ToolDefinition

from dialect_chat_clients import KEY, MODEL, OPTIONS, TLS, Ask, schema
from dialect_reading import Read, called


def _response(response: ModelResponse) -> Read:
    calls = [(part.tool_name, part.args or "") for part in response.parts if part.part_kind == "tool-call"]
    return Read(
        "".join(part.content for part in response.parts if part.part_kind == "text"),
        "".join(part.content for part in response.parts if part.part_kind == "thinking"),
        called(calls),
        response.finish_reason,
    )


def pydantic_ai(model: Callable[[openai.AsyncOpenAI], Model]) -> Ask:
    """A client for a model class and a provider of pydantic-ai."""

    async def run(url: str, question: str, tools: tuple[str, ...]) -> Read:
        told = ModelRequestParameters(
            function_tools=[
                ToolDefinition(name=name, parameters_json_schema={"type": "object", "properties": {}})
                for name in tools
            ]
        )
        http = httpx2.AsyncClient(verify=TLS)
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", http_client=http, **OPTIONS) as client:
            messages = [ModelRequest.user_text_prompt(question)]
            async with model_request_stream(model(client), messages, model_request_parameters=told) as stream:
                async for _ in stream:
                    pass
                return _response(stream.get())

    return lambda url, question, tools: asyncio.run(run(url, question, tools))


def langchain(model: Callable[[str], Any]) -> Ask:
    """A client for a chat model of LangChain, one for each server."""
    model_at = functools.cache(model)

    def ask(url: str, question: str, tools: tuple[str, ...]) -> Read:
        runs = model_at(f"{url}/v1")
        runs = runs.bind_tools([schema(name) for name in tools]) if tools else runs
        whole: Any = None
        for chunk in runs.stream(question):
            whole = chunk if whole is None else whole + chunk
        assert not whole.invalid_tool_calls, whole.invalid_tool_calls
        calls = [(call["name"], call["args"]) for call in whole.tool_calls]
        reasoning = whole.additional_kwargs.get("reasoning_content") or ""
        told = whole.response_metadata
        return Read(
            str(whole.text), reasoning, called(calls), told.get("finish_reason") or told.get("status")
        )

    return ask


_KEY = SecretStr(KEY)
_LIMITS: dict[str, Any] = {"max_retries": 0}

PYDANTIC_AI: dict[str, Ask] = {
    f"pydantic-ai {name}": pydantic_ai(model)
    for name, model in {
        "OpenAIChatModel": lambda c: OpenAIChatModel(MODEL, provider=OpenAIProvider(openai_client=c)),
        "OpenAIResponsesModel": lambda c: OpenAIResponsesModel(
            MODEL, provider=OpenAIProvider(openai_client=c)
        ),
        "DeepSeekProvider": lambda c: OpenAIChatModel(
            "deepseek-reasoner", provider=DeepSeekProvider(openai_client=c)
        ),
        "OpenRouterModel": lambda c: OpenRouterModel(
            "openai/gpt-4o", provider=OpenRouterProvider(openai_client=c)
        ),
        "AlibabaProvider": lambda c: OpenAIChatModel("qwen-plus", provider=AlibabaProvider(openai_client=c)),
        "MoonshotAIProvider": lambda c: OpenAIChatModel(
            "kimi-k2", provider=MoonshotAIProvider(openai_client=c)
        ),
        "ZaiModel": lambda c: ZaiModel("glm-5", provider=ZaiProvider(openai_client=c)),
        "GitHubCopilotModel": lambda c: GitHubCopilotModel(
            MODEL, provider=GitHubCopilotProvider(openai_client=c)
        ),
        "TogetherProvider": lambda c: OpenAIChatModel(
            "deepseek-ai/DeepSeek-R1", provider=TogetherProvider(openai_client=c)
        ),
        "FireworksProvider": lambda c: OpenAIChatModel(
            "accounts/fireworks/models/deepseek-v3", provider=FireworksProvider(openai_client=c)
        ),
        "CerebrasModel": lambda c: CerebrasModel("gpt-oss-120b", provider=CerebrasProvider(openai_client=c)),
        "VLLMProvider": lambda c: OpenAIChatModel("qwen", provider=VLLMProvider(openai_client=c)),
        "OllamaModel": lambda c: OllamaModel("qwen3", provider=OllamaProvider(openai_client=c)),
    }.items()
}
LANGCHAIN: dict[str, Ask] = {
    "langchain-openai": langchain(lambda url: ChatOpenAI(model=MODEL, base_url=url, api_key=_KEY, **_LIMITS)),
    "langchain-openai responses": langchain(
        lambda url: ChatOpenAI(model=MODEL, base_url=url, api_key=_KEY, use_responses_api=True, **_LIMITS)
    ),
    "langchain-deepseek": langchain(
        lambda url: ChatDeepSeek(model="deepseek-reasoner", base_url=url, api_key=_KEY, **_LIMITS)
    ),
    "langchain-xai": langchain(lambda url: ChatXAI(model="grok-4", base_url=url, api_key=_KEY, **_LIMITS)),
    "langchain-openrouter": langchain(
        lambda url: ChatOpenRouter(model=MODEL, base_url=url, api_key=_KEY, **_LIMITS)
    ),
}
