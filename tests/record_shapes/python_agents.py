"""
What the Python frameworks send beyond plain turns, for `tests/shapes`: pictures
from the user and from tools, forced calls, limits, failed tools, structured
output in other ways. Run by hand, in the environment of `python_frameworks`.

    PYTHONPATH=. python tests/record_shapes/python_agents.py
"""

from __future__ import annotations

import asyncio
import base64
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from python_frameworks import KEY, PNG, QUESTION, SYSTEM, Weather, get_weather
from recorder import Recorder

URL = f"data:image/png;base64,{PNG}"


SHOWN: list[Any] = [
    {
        "role": "user",
        "content": [
            {"type": "input_text", "text": QUESTION},
            {"type": "input_image", "image_url": URL, "detail": "auto"},
        ],
    }
]
REFUSED: list[Any] = [
    {"role": "user", "content": QUESTION},
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "refusal", "refusal": "I can't say that."}],
    },
    {"role": "user", "content": "And now?"},
]


def agents_sdk(recorder: Recorder) -> None:
    """Pictures, a tool that fails, a hand-over to another agent, settings, a stream."""
    from agents import (
        Agent,
        ModelSettings,
        OpenAIChatCompletionsModel,
        OpenAIResponsesModel,
        Runner,
        ToolOutputImage,
        ToolOutputText,
        function_tool,
        set_tracing_disabled,
    )
    from openai import AsyncOpenAI

    set_tracing_disabled(True)

    def look(city: str) -> list[Any]:
        """How warm it looks."""
        return [ToolOutputText(text=f"{city}:"), ToolOutputImage(image_url=URL)]

    def fail(city: str) -> str:
        """How warm it is."""
        raise ValueError(city)

    async def run(wire: str, model_class: Any) -> None:
        def model(what: str) -> Any:
            base = f"{recorder.url(f'openai-agents-{wire}-{what}')}/v1"
            return model_class(model="gpt-4o", openai_client=AsyncOpenAI(base_url=base, api_key=KEY))

        def tool(function: Any) -> Any:
            return function_tool(function, name_override="get_weather")

        settings = ModelSettings(
            temperature=0.5, top_p=0.9, max_tokens=300, tool_choice="required", parallel_tool_calls=False
        )
        limited = Agent(
            name="A",
            tools=[tool(get_weather)],
            model=model("settings"),
            model_settings=settings,
            # A call is forced in the first request only.
            tool_use_behavior="stop_on_first_tool",
        )
        result = Runner.run_streamed(limited, SHOWN)
        async for _ in result.stream_events():
            pass
        failing = Agent(name="A", instructions=SYSTEM, tools=[tool(fail)], model=model("failed"))
        await Runner.run(failing, QUESTION)
        second = Agent(name="Second", handoff_description="Knows", model=model("handed-over"))
        first = Agent(name="First", tools=[tool(get_weather)], handoffs=[second], model=model("handed-over"))
        await Runner.run(first, QUESTION)
        seeing = Agent(name="A", instructions=SYSTEM, tools=[tool(look)], model=model("picture-result"))
        await Runner.run(seeing, QUESTION)
        await Runner.run(Agent(name="A", model=model("refused")), REFUSED)

    asyncio.run(run("chat", OpenAIChatCompletionsModel))
    asyncio.run(run("responses", OpenAIResponsesModel))


def langchain(recorder: Recorder) -> None:
    """Results that are pictures or failed, calls with broken arguments, another provider's history."""
    from langchain_anthropic import ChatAnthropic
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI

    def openai(name: str, **more: Any) -> Any:
        return ChatOpenAI(model="gpt-4o", base_url=f"{recorder.url(name)}/v1", api_key=KEY, **more)

    def anthropic(name: str) -> Any:
        return ChatAnthropic(
            model="claude-sonnet-4-5",
            base_url=recorder.url(name),
            api_key=KEY,
            max_tokens=300,
            temperature=0.5,
        )

    weather = tool(get_weather)
    models: dict[str, Callable[[str], Any]] = {
        "chat": lambda n: openai(n, max_tokens=300, seed=7, top_p=0.9),
        "responses": lambda n: openai(n, use_responses_api=True, max_tokens=300),
        "messages": anthropic,
    }
    picture = {"type": "image", "base64": PNG, "mime_type": "image/png"}
    calls: list[Any] = [
        {"name": "get_weather", "args": {"city": city}, "id": f"call_{n}"}
        for n, city in enumerate(("A", "B"))
    ]
    broken: Any = {"name": "get_weather", "args": '{"city": "Zü', "id": "call_0", "error": "cut"}
    another = [
        {"type": "thinking", "thinking": "Two calls.", "signature": "c2ln"},
        {"type": "text", "text": "I look."},
        *({"type": "tool_use", "id": c["id"], "name": c["name"], "input": c["args"]} for c in calls),
    ]
    results = [
        ToolMessage([{"type": "text", "text": "See:"}, picture], tool_call_id="call_1"),
        ToolMessage("no such city", tool_call_id="call_0", status="error"),
    ]
    told = [SystemMessage(SYSTEM), HumanMessage(QUESTION)]
    for wire, build in models.items():

        def bound(what: str, build: Any = build, wire: str = wire, **more: Any) -> Any:
            return build(f"langchain-{wire}-{what}").bind_tools([weather], **more)

        bound("picture-result").invoke(
            [*told, AIMessage("", tool_calls=calls), *results, HumanMessage("And now?")]
        )
        said = AIMessage("", invalid_tool_calls=[broken])
        bound("broken-call").invoke([*told, said, ToolMessage("Not JSON.", tool_call_id="call_0")])
        bound("anothers").invoke([*told, AIMessage(another, tool_calls=calls), *results])
        bound("forced", tool_choice="get_weather", parallel_tool_calls=False).invoke(told)
        build(f"langchain-{wire}-structured-by-call").with_structured_output(
            Weather, method="function_calling"
        ).invoke(told)
    openai("langchain-chat-json-mode").with_structured_output(Weather, method="json_mode").invoke(
        "As JSON: " + QUESTION
    )


def pydantic_ai(recorder: Recorder) -> None:
    """Tools that fail or show a picture, structured output in three ways, settings."""
    from pydantic_ai import Agent, BinaryContent, ModelRetry, NativeOutput, PromptedOutput, ToolReturn
    from pydantic_ai.exceptions import UnexpectedModelBehavior
    from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, ThinkingPart
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.anthropic import AnthropicProvider
    from pydantic_ai.providers.openai import OpenAIProvider

    def openai(name: str) -> Any:
        return OpenAIProvider(base_url=f"{recorder.url(name)}/v1", api_key=KEY)

    models: dict[str, Any] = {
        "chat": lambda n: OpenAIChatModel("gpt-4o", provider=openai(n)),
        "responses": lambda n: OpenAIResponsesModel("gpt-4o", provider=openai(n)),
        "messages": lambda n: AnthropicModel(
            "claude-sonnet-4-5", provider=AnthropicProvider(base_url=recorder.url(n), api_key=KEY)
        ),
    }
    picture = BinaryContent(base64.b64decode(PNG), media_type="image/png")

    def look(city: str) -> Any:
        """How warm it looks."""
        return picture if city == "Zürich" else ToolReturn(return_value=city, content=["See:", picture])

    def fail(city: str) -> str:
        """How warm it is."""
        raise ModelRetry(f"{city} is closed.")

    thought = ThinkingPart("Two cities.", id="rs_1", signature="c2ln", provider_name="anthropic")
    history = [ModelRequest.user_text_prompt(QUESTION), ModelResponse([thought, TextPart("7 °C.")])]
    look.__name__ = fail.__name__ = "get_weather"
    settings: Any = {"max_tokens": 300, "temperature": 0.5, "top_p": 0.9, "parallel_tool_calls": False}
    for wire, build in models.items():

        def model(what: str, build: Any = build, wire: str = wire) -> Any:
            return build(f"pydantic-ai-{wire}-{what}")

        Agent(model("failed"), instructions=SYSTEM, tools=[fail]).run_sync(QUESTION)
        Agent(model("picture-result"), tools=[look]).run_sync(QUESTION)
        Agent(model("thought")).run_sync("And now?", message_history=history)
        Agent(model("native"), output_type=NativeOutput(Weather), model_settings=settings).run_sync(QUESTION)
        with suppress(UnexpectedModelBehavior):
            # Where no format is asked for, the text is no document: it is told so, and asks again.
            Agent(model("prompted"), output_type=PromptedOutput(Weather)).run_sync(QUESTION)


def litellm(recorder: Recorder) -> None:
    """Pictures, results that are pictures, structured output, settings, and the third wire."""
    import litellm as lite

    function = {
        "name": "get_weather",
        "description": "How warm",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
    tools = [{"type": "function", "function": function}]
    picture = {"type": "image_url", "image_url": {"url": URL}}
    shown = {"role": "user", "content": [{"type": "text", "text": QUESTION}, picture]}
    calls = [
        {"id": f"call_{n}", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
        for n in range(2)
    ]
    turns: list[Any] = [
        {"role": "developer", "content": SYSTEM},
        shown,
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "See:"}, picture]},
        {"role": "tool", "tool_call_id": "call_0", "content": ""},
        {"role": "user", "content": "And now?"},
    ]
    for wire, model, version in (
        ("chat", "openai/gpt-4o", "/v1"),
        ("messages", "anthropic/claude-sonnet-4-5", ""),
    ):

        def ask(what: str, wire: str = wire, model: str = model, version: str = version, **more: Any) -> None:
            base = recorder.url(f"litellm-{wire}-{what}") + version
            lite.completion(model=model, api_base=base, api_key=KEY, **more)

        ask("picture-result", messages=turns, tools=tools)
        ask("structured", messages=[shown], response_format=Weather)
        named = {"type": "function", "function": {"name": "get_weather"}}
        ask("settings", messages=[shown], tools=tools, tool_choice=named, max_tokens=300, temperature=0.5)
    lite.responses(
        model="openai/gpt-4o",
        input=QUESTION,
        instructions=SYSTEM,
        tools=[{"type": "function", **function}],
        api_base=f"{recorder.url('litellm-responses-turn')}/v1",
        api_key=KEY,
    )


def main() -> None:
    """Run them all; a framework that fails does not stop the others."""
    recorder = Recorder(last_only=True)
    for run in (agents_sdk, langchain, pydantic_ai, litellm):
        try:
            run(recorder)
        except Exception as error:  # told, and the rest goes on
            print(f"{run.__name__}: {type(error).__name__}: {error}"[:500])
    print(dict(recorder.counts))


if __name__ == "__main__":
    main()
