"""
An agent that only names its last answer goes through a restart of Trooper
between two turns, whoever has answered and whoever is asked next.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from agents import Agent, OpenAIResponsesModel, RunConfig, Runner
from openai import APIStatusError

from deployed import WAYS, deployed, running

FAKES = Path(__file__).with_name("recalling.py")
CONFIG = RunConfig(tracing_disabled=True)
#: The names of models → who answers.
MODELS = {"gpt-4o": "provider", "down": "local"}
FIRST, SECOND = "My name is Ann.", "What is my name?"
#: Of several workers hypercorn stops the slower ones hard, so what was put last may not be written.
RESTARTED = [way for way in WAYS if "--workers" not in way]


@pytest.fixture(scope="module")
def places() -> Iterator[tuple[str, str]]:
    with (
        running(sys.executable, str(FAKES), "provider") as cloud,
        running(sys.executable, str(FAKES), "ollama") as local,
    ):
        yield cloud.wait_for(r'"url": "([^"]+)"')[1], local.wait_for(r'"url": "([^"]+)"')[1]


async def turn(
    url: str, model: str, asked: str, past: str | None, *, streamed: bool
) -> tuple[str | None, Any]:
    """One run of an agent: the answer's id, and what it says that it was shown."""
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-x", max_retries=0) as client:
        agent = Agent("Keeper", model=OpenAIResponsesModel(model=model, openai_client=client))
        if not streamed:
            whole = await Runner.run(agent, asked, run_config=CONFIG, previous_response_id=past)
            return whole.last_response_id, json.loads(whole.final_output)
        result = Runner.run_streamed(agent, asked, run_config=CONFIG, previous_response_id=past)
        async for _ in result.stream_events():
            pass
        return result.last_response_id, json.loads(result.final_output)


@contextmanager
def served(way: str, places: tuple[str, str], folder: Path, content: str) -> Iterator[str]:
    (folder / "trooper.toml").write_text(f'[store]\ncontent = "{content}"\n', encoding="utf-8")
    env = {"TROOPER_DATA_DIR": str(folder / "data"), "TROOPER_BREAKER": "off"}
    with deployed(way, *places, folder, **env) as trooper:
        yield trooper.url


@pytest.mark.parametrize("way", RESTARTED)
@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("second", MODELS)
@pytest.mark.parametrize("first", MODELS)
def test_the_next_turn_knows_the_last_one(
    way: str, streamed: bool, first: str, second: str, places: tuple[str, str], tmp_path: Path
) -> None:
    with served(way, places, tmp_path, "disk") as url:
        answer_id, said = asyncio.run(turn(url, first, FIRST, None, streamed=streamed))
        assert said == {"by": MODELS[first], "past": "", "shown": [f"user: {FIRST}"]}
    with served(way, places, tmp_path, "disk") as url:
        _, said = asyncio.run(turn(url, second, SECOND, answer_id, streamed=streamed))
    assert said["by"] == MODELS[second]
    if first == second == "gpt-4o":
        # It remembers by itself, and is asked by the id.
        assert (said["past"], said["shown"]) == (answer_id, [f"user: {SECOND}"])
        return
    asked, answered, asks = said["shown"]
    assert (said["past"], asked, asks) == ("", f"user: {FIRST}", f"user: {SECOND}")
    assert json.loads(answered.removeprefix("assistant: "))["by"] == MODELS[first]


def test_without_contents_on_disk_nobody_makes_up_an_answer(places: tuple[str, str], tmp_path: Path) -> None:
    """The provider's own refusal, and no local model that was not shown the conversation."""
    with served("trooper serve", places, tmp_path, "memory") as url:
        answer_id, _ = asyncio.run(turn(url, "down", FIRST, None, streamed=True))
    with served("trooper serve", places, tmp_path, "memory") as url:
        with pytest.raises(APIStatusError) as refused:
            asyncio.run(turn(url, "down", SECOND, answer_id, streamed=True))
        assert refused.value.status_code == 503
