"""
An agent that only names its last answer goes through a restart of Trooper
between two turns, whoever has answered and whoever is asked next.
"""

from __future__ import annotations

import asyncio
import itertools
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
def test_the_next_turn_knows_the_last_one(
    way: str, places: tuple[str, str], tmp_path: Path, table: Any
) -> None:
    """Whoever has answered and whoever is asked next, streamed and whole."""
    rows = list(itertools.product(MODELS, MODELS, (True, False)))
    answer_ids = []
    with served(way, places, tmp_path, "disk") as url:
        for first, _, streamed in rows:
            answer_id, said = asyncio.run(turn(url, first, FIRST, None, streamed=streamed))
            assert said == {"by": MODELS[first], "past": "", "shown": [f"user: {FIRST}"]}
            answer_ids.append(answer_id)
    passed = 0
    with served(way, places, tmp_path, "disk") as url:
        for (first, second, streamed), answer_id in zip(rows, answer_ids, strict=True):
            _, said = asyncio.run(turn(url, second, SECOND, answer_id, streamed=streamed))
            passed += goes_on(said, first, second, answer_id)
    table.add(way, "agent", "a restart between two turns", passed, len(rows))
    assert passed == len(rows)


def goes_on(said: Any, first: str, second: str, answer_id: str | None) -> bool:
    """Whether who was asked second was shown what who was asked first has said."""
    if said["by"] != MODELS[second]:
        return False
    if first == second == "gpt-4o":
        # It remembers by itself, and is asked by the id.
        return bool(said["past"] == answer_id and said["shown"] == [f"user: {SECOND}"])
    asked, answered, asks = said["shown"]
    by = json.loads(answered.removeprefix("assistant: "))["by"]
    return (said["past"], asked, asks, by) == ("", f"user: {FIRST}", f"user: {SECOND}", MODELS[first])


def test_without_contents_on_disk_nobody_makes_up_an_answer(places: tuple[str, str], tmp_path: Path) -> None:
    """The provider's own refusal, and no local model that was not shown the conversation."""
    with served("trooper serve", places, tmp_path, "memory") as url:
        answer_id, _ = asyncio.run(turn(url, "down", FIRST, None, streamed=True))
    with served("trooper serve", places, tmp_path, "memory") as url:
        with pytest.raises(APIStatusError) as refused:
            asyncio.run(turn(url, "down", SECOND, answer_id, streamed=True))
        assert refused.value.status_code == 503
