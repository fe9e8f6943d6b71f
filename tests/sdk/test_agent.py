"""
An agent framework in front of Trooper: a run with a tool call survives a
provider that fails anywhere in it, and runs the tool once.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import openai
import pytest
from agents import Agent, OpenAIChatCompletionsModel, RunConfig, Runner, function_tool
from attrs import field, frozen

from deployed import IMPATIENT, WAYS, deployed, fake, running
from trooper.testing import DEFAULT_ANSWER

PROVIDER = Path(__file__).with_name("agent_provider.py")
CALL = '{"name": "get_weather", "arguments": {"city": "Zermatt"}}'
FAULTS = (
    "reset",
    "fin-inside-chunk",
    "clean-eof",
    "cut-inside-event",
    "silence",
    "garbage-lines",
    "error-object-done",
    "finish-error",
)
#: Before the call, inside its arguments, behind it; the same places in the answer that follows.
ROWS = [
    f"agent/{turn}/{fault}/{position}"
    for fault in FAULTS
    for turn in ("call", "answer")
    for position in ("start", "middle", "end")
]
CONFIG = RunConfig(tracing_disabled=True)


@frozen
class Ran:
    """One run: how often the tool ran, and how it ended."""

    model: str
    cities: list[str] = field(factory=list)
    output: object = None
    error: Exception | None = None


async def run(client: openai.AsyncOpenAI, model: str, *, streamed: bool) -> Ran:
    cities: list[str] = []

    @function_tool
    def get_weather(city: str) -> str:
        """Tell the weather in a city."""
        cities.append(city)
        return "It snows."

    agent = Agent(
        "Keeper", model=OpenAIChatCompletionsModel(model=model, openai_client=client), tools=[get_weather]
    )
    question = "Does it snow? And tell me about lighthouses."
    try:
        if not streamed:
            return Ran(model, cities, (await Runner.run(agent, question, run_config=CONFIG)).final_output)
        result = Runner.run_streamed(agent, question, run_config=CONFIG)
        async for _ in result.stream_events():
            pass
    except openai.APIError as error:
        return Ran(model, cities, error=error)
    return Ran(model, cities, result.final_output)


async def run_all(url: str, rows: list[str], *, streamed: bool) -> list[Ran]:
    turn = asyncio.Semaphore(8)
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-x", max_retries=0) as client:

        async def one(model: str) -> Ran:
            async with turn:
                return await run(client, model, streamed=streamed)

        return list(await asyncio.gather(*map(one, rows)))


@frozen
class Agents:
    way: str
    healthy: str
    forsaken: str


@pytest.fixture(scope="module", params=list(WAYS))
def urls(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agents]:
    way: str = request.param
    folder = tmp_path_factory.mktemp("cwd")
    with ExitStack() as stack:
        enter = stack.enter_context
        cloud = enter(running(sys.executable, str(PROVIDER))).wait_for(r'"url": "([^"]+)"')[1]
        local = enter(fake("ollama", "--call", CALL)).url
        dying = enter(fake("ollama", "--call", CALL, "--fault", "status@500")).url
        yield Agents(
            way, *(enter(deployed(way, cloud, ollama, folder, **IMPATIENT)).url for ollama in (local, dying))
        )


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_the_tool_runs_once(urls: Agents, table: Any, streamed: bool) -> None:
    rows = ROWS if streamed else [row for row in ROWS if row.endswith("middle")]
    ran = asyncio.run(run_all(urls.healthy, rows, streamed=streamed))
    bad = [r for r in ran if (r.cities, r.output) != (["Zermatt"], DEFAULT_ANSWER)]
    tried = f"{len(FAULTS)} faults before, in and after call and answer"
    table.add(urls.way, "agent" if streamed else "agent, whole", tried, len(rows) - len(bad), len(rows))
    assert bad == []


def test_half_a_call_never_runs(urls: Agents, table: Any) -> None:
    """Nobody can take over: the run fails, and the tool has not run on what had come."""
    rows = [row for row in ROWS if row.startswith("agent/call/") and not row.endswith("/end")]
    ran = asyncio.run(run_all(urls.forsaken, rows, streamed=True))
    bad = [r for r in ran if r.cities or r.error is None]
    table.add(urls.way, "agent", "Ollama fails too: no half call runs", len(rows) - len(bad), len(rows))
    assert bad == []
