"""
Five hundred streams at once through one process, each broken at a random
byte: five hundred whole answers.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from typing import Any

import pytest
import trio
from attrs import define, field

from chat_client import ChatClient
from deployed import Deployed, deployed, fake
from figures import Figures, open_sockets, percentile, resident_bytes
from trooper.testing import DEFAULT_ANSWER, FAULTS, chat_events
from wire_validator import ChatResult, validate_chat

STREAMS = 500
SEED = 20261125
NAMES = sorted(fault.name for fault in FAULTS.values() if fault.fails and fault.where == "both")
STREAM_BYTES = sum(map(len, chat_events(DEFAULT_ANSWER)))
#: A busy machine must not look like a silent provider.
ENV = {
    "TROOPER_TTFT_TIMEOUT": "20",
    "TROOPER_STALL_TIMEOUT": "10",
    "TROOPER_ALIVE_TIMEOUT": "10",
    "TROOPER_BREAKER": "off",
}


def drawn(seed: int) -> list[str]:
    """A fault and a byte for each stream."""
    chance = random.Random(seed)
    return [f"fault/{chance.choice(NAMES)}/b{chance.randrange(STREAM_BYTES)}" for _ in range(STREAMS)]


@define
class Crowd:
    """All clients, and how many of them are waiting for the rest of their answer."""

    port: int
    under_way: int = 0
    most: int = 0
    results: dict[int, ChatResult] = field(factory=dict)

    async def one(self, number: int, model: str) -> None:
        async with await ChatClient.connect(self.port, number) as client:
            await client.ask(model, stream_options={"include_usage": number % 2 == 0})
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            body = await client.rest()
            self.under_way -= 1
        assert client.status == 200, (model, client.status, body)
        self.results[number] = validate_chat(body, include_usage=number % 2 == 0)


def log_of(trooper: Deployed) -> list[dict[str, Any]]:
    return [json.loads(line) for line in trooper.process.lines if '"event": "request"' in line]


@pytest.mark.parametrize("way", ["hypercorn", "hypercorn -k trio", "trooper serve"])
async def test_five_hundred_streams(way: str, figures: Figures, tmp_path: Any) -> None:
    models = drawn(SEED)
    with fake("provider", "--token-s", "0.01") as cloud, fake("ollama") as local:
        with deployed(way, cloud.url, local.url, tmp_path, **ENV) as trooper:
            crowd = Crowd(trooper.port)
            before_bytes = resident_bytes(trooper.pid)
            began = time.perf_counter()
            most_sockets = 0
            with trio.fail_after(400):
                async with trio.open_nursery() as nursery:
                    for number, model in enumerate(models):
                        nursery.start_soon(crowd.one, number, model)
                    while nursery.child_tasks:
                        most_sockets = max(most_sockets, open_sockets(trooper.pid))
                        await trio.sleep(0.2)
            took_s = time.perf_counter() - began
            grown_bytes = resident_bytes(trooper.pid) - before_bytes
        seen = log_of(trooper)

    broken = [
        (models[number], result)
        for number, result in sorted(crowd.results.items())
        if (result.text, result.finish_reason, result.done) != (DEFAULT_ANSWER, "stop", True)
    ]
    ways = Counter("+".join(leg["outcome"] for leg in line["legs"]) for line in seen)
    gaps = sorted(line["gap_s"] for line in seen if line.get("gap_s") is not None)
    figures.add(
        f"{STREAMS} broken streams, {way}",
        f"{len(crowd.results) - len(broken)} complete and exact, {crowd.most} under way at once, "
        f"{most_sockets} sockets at most, {took_s:.1f} s, memory grew by {grown_bytes / 1e6:.1f} MB",
        f"gaps: median {percentile(gaps, 0.5):.3f} s, 99 % {percentile(gaps, 0.99):.3f} s",
        f"legs: {', '.join(f'{way} {n}' for way, n in ways.most_common())}",
    )
    assert broken == []
    assert len(crowd.results) == len(seen) == STREAMS
    assert crowd.most > STREAMS * 0.9
