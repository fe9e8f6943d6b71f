"""
What the Python frameworks send, for `tests/shapes`: run by hand, in an
environment with openai, anthropic, openai-agents, langchain-openai,
langchain-anthropic, pydantic-ai-slim[openai,anthropic] and litellm.

    PYTHONPATH=. python tests/record_shapes/python_frameworks.py
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from pydantic import BaseModel
from recorder import Recorder

KEY = "sk-of-nobody"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
FUNCTION = {
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
SYSTEM, QUESTION = "You are terse.", "How warm is it in Zürich and Genève?"


class Weather(BaseModel):
    """How warm it is."""

    city: str
    celsius: int


def get_weather(city: str) -> str:
    """
    How warm it is.

    Args:
        city: where.
    """
    return f"{city}: 7 °C"


def openai_sdk_chat(recorder: Recorder) -> None:
    """The SDK itself on its older wire, with what agents do by hand."""
    import openai

    client = openai.OpenAI(base_url=f"{recorder.url('openai-sdk-chat')}/v1", api_key=KEY)
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city": "Zürich"}'},
    }
    other = {"id": "call_2", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    messages: list[Any] = [
        {"role": "developer", "content": SYSTEM},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": QUESTION},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            ],
        },
        {"role": "assistant", "content": None, "tool_calls": [call, other]},
        {"role": "tool", "tool_call_id": "call_2", "content": ""},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "7 °C"}]},
        {"role": "user", "content": "And now?"},
    ]
    client.chat.completions.create(
        model="gpt-4o", messages=messages, tools=[{"type": "function", "function": FUNCTION}], stream=False
    )


def openai_sdk_responses(recorder: Recorder) -> None:
    """The same on its newer wire."""
    import openai

    client = openai.OpenAI(base_url=f"{recorder.url('openai-sdk-responses')}/v1", api_key=KEY)
    client.responses.create(model="gpt-4o", instructions=SYSTEM, input=QUESTION)
    client.responses.parse(model="gpt-4o", input=QUESTION, text_format=Weather)
    items: list[Any] = [
        {"role": "developer", "content": SYSTEM},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": QUESTION},
                {"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{PNG}"},
            ],
        },
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"},
        {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": "{}"},
        {
            "type": "function_call",
            "call_id": "call_2",
            "name": "get_weather",
            "arguments": '{"city": "Genève"}',
        },
        {
            "type": "function_call_output",
            "call_id": "call_2",
            "output": [
                {"type": "input_text", "text": "See:"},
                {"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{PNG}"},
            ],
        },
        {"type": "function_call_output", "call_id": "call_1", "output": ""},
        {"role": "user", "content": "And now?"},
    ]
    client.responses.create(
        model="gpt-4o", input=items, tools=[{"type": "function", "strict": False, **FUNCTION}], stream=True
    ).close()


def anthropic_sdk(recorder: Recorder) -> None:
    """The SDK itself: results with images, before the user's words, and one that failed."""
    import anthropic

    client = anthropic.Anthropic(base_url=recorder.url("anthropic-sdk-messages"), api_key=KEY)
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    messages: list[Any] = [
        {"role": "user", "content": QUESTION},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Two calls.", "signature": "c2ln"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Zürich"}},
                {"type": "tool_use", "id": "toolu_2", "name": "get_weather", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_2",
                    "content": [{"type": "text", "text": "See:"}, image],
                },
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "is_error": True,
                    "content": "no such city",
                },
                {"type": "text", "text": "And now?"},
            ],
        },
    ]
    tools: list[Any] = [
        {
            "name": "get_weather",
            "description": "How warm",
            "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
        }
    ]
    system: list[Any] = [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}]
    client.messages.create(
        model="claude-sonnet-4-5", max_tokens=1024, system=system, messages=messages, tools=tools
    )
    client.messages.create(
        model="claude-sonnet-4-5",
        max_tokens=1024,
        messages=[{"role": "user", "content": [image, {"type": "text", "text": "What is it?"}]}],
    )


def agents_sdk(recorder: Recorder) -> None:
    """OpenAI's own agents, on both of its wires."""
    from agents import (
        Agent,
        OpenAIChatCompletionsModel,
        OpenAIResponsesModel,
        Runner,
        function_tool,
        set_tracing_disabled,
    )
    from openai import AsyncOpenAI

    set_tracing_disabled(True)

    async def run(name: str, model_class: Any) -> None:
        client = AsyncOpenAI(base_url=f"{recorder.url(name)}/v1", api_key=KEY)
        model = model_class(model="gpt-4o", openai_client=client)
        agent = Agent(name="A", instructions=SYSTEM, tools=[function_tool(get_weather)], model=model)
        first = await Runner.run(agent, QUESTION)
        await Runner.run(agent, [*first.to_input_list(), {"role": "user", "content": "And now?"}])
        await Runner.run(Agent(name="B", model=model, output_type=Weather), QUESTION)

    asyncio.run(run("openai-agents-chat", OpenAIChatCompletionsModel))
    asyncio.run(run("openai-agents-responses", OpenAIResponsesModel))


def langchain(recorder: Recorder) -> None:
    """LangChain's models, with tools bound and with structured output."""
    from langchain_anthropic import ChatAnthropic
    from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI

    weather = tool(get_weather)
    models: dict[str, Callable[[str], Any]] = {
        "langchain-chat": lambda n: ChatOpenAI(
            model="gpt-4o", base_url=f"{recorder.url(n)}/v1", api_key=KEY, temperature=0
        ),
        "langchain-responses": lambda n: ChatOpenAI(
            model="gpt-4o", base_url=f"{recorder.url(n)}/v1", api_key=KEY, use_responses_api=True
        ),
        "langchain-messages": lambda n: ChatAnthropic(
            model="claude-sonnet-4-5", base_url=recorder.url(n), api_key=KEY
        ),
    }
    for name, build in models.items():
        model = build(name)
        messages: list[Any] = [SystemMessage(SYSTEM), HumanMessage(QUESTION)]
        said = model.bind_tools([weather]).invoke(messages)
        results = [
            ToolMessage(f"{call['args']['city']}: 7 °C", tool_call_id=call["id"]) for call in said.tool_calls
        ]
        messages += [said, *results]
        messages.append(model.bind_tools([weather]).invoke(messages))
        messages.append(
            HumanMessage(
                [
                    {"type": "text", "text": "And this?"},
                    {"type": "image", "base64": PNG, "mime_type": "image/png"},
                ]
            )
        )
        for _ in model.bind_tools([weather]).stream(messages):
            pass
        model.with_structured_output(Weather).invoke(QUESTION)


def pydantic_ai(recorder: Recorder) -> None:
    """pydantic-ai, streamed and not."""
    import base64

    from pydantic_ai import Agent, BinaryContent
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.anthropic import AnthropicProvider
    from pydantic_ai.providers.openai import OpenAIProvider

    def openai(name: str) -> Any:
        return OpenAIProvider(base_url=f"{recorder.url(name)}/v1", api_key=KEY)

    models: dict[str, Any] = {
        "pydantic-ai-chat": lambda n: OpenAIChatModel("gpt-4o", provider=openai(n)),
        "pydantic-ai-responses": lambda n: OpenAIResponsesModel("gpt-4o", provider=openai(n)),
        "pydantic-ai-messages": lambda n: AnthropicModel(
            "claude-sonnet-4-5", provider=AnthropicProvider(base_url=recorder.url(n), api_key=KEY)
        ),
    }
    picture = BinaryContent(base64.b64decode(PNG), media_type="image/png")
    for name, build in models.items():
        model = build(name)
        agent = Agent(model, system_prompt=SYSTEM, tools=[get_weather])
        first = agent.run_sync(QUESTION)
        agent.run_sync(["And this?", picture], message_history=first.all_messages())
        Agent(model, output_type=Weather).run_sync(QUESTION)


def litellm(recorder: Recorder) -> None:
    """LiteLLM as a client of two wires."""
    import litellm as lite

    function = {
        "name": "get_weather",
        "description": "How warm",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
    tools = [{"type": "function", "function": function}]
    for name, model, base in (
        ("litellm-chat", "openai/gpt-4o", f"{recorder.url('litellm-chat')}/v1"),
        ("litellm-messages", "anthropic/claude-sonnet-4-5", recorder.url("litellm-messages")),
    ):
        messages: list[Any] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
        said = lite.completion(model=model, messages=messages, tools=tools, api_base=base, api_key=KEY)
        message = said.choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        messages += [
            {"role": "tool", "tool_call_id": call.id, "content": "7 °C"} for call in message.tool_calls
        ]
        messages.append({"role": "user", "content": "And now?"})
        for _ in lite.completion(
            model=model, messages=messages, tools=tools, api_base=base, api_key=KEY, stream=True
        ):
            pass
        assert name in base


def main() -> None:
    """Run them all; a framework that fails does not stop the others."""
    recorder = Recorder()
    for run in (
        openai_sdk_chat,
        openai_sdk_responses,
        anthropic_sdk,
        agents_sdk,
        langchain,
        pydantic_ai,
        litellm,
    ):
        try:
            run(recorder)
        except Exception as error:  # told, and the rest goes on
            print(f"{run.__name__}: {type(error).__name__}: {error}"[:500])
    print(dict(recorder.counts))


if __name__ == "__main__":
    main()
