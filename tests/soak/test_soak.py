"""
Half an hour of many clients and a provider that fails now and then: what is
remembered of them does not grow.

Both event loops at once, each with fakes and clients of its own, so that half
an hour is enough. What Trooper remembers has bounds, and a slope is only seen
where they are reached. So before the clock begins, more clients are told to
wait than it remembers; `remember_bytes` is small, and reached within seconds.
Two remembered things stay under their bounds, and cannot matter: ids of parts
that another target has finished come with faults only (some five of 200 bytes
in a thousand requests; the slope that is allowed is 500 times that), and what
a process for work aside holds is not in Trooper's own.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import frozen

from attack_place import MOST_KEPT_CONNECTIONS
from attack_watch import Watched, numbers
from deployed import Deployed, deployed
from figures import Figures
from soak_clients import AT_ONCE, Clients
from soak_memory import Curve, look
from soak_mix import FAULTY, Fakes, Mix, first_429s
from trooper.core.cooldown import Cooldowns
from trooper.testing import serve_tcp

WAYS = {"asyncio": "hypercorn", "Trio": "trooper serve"}
SECOND = ("ollama", "second")
WARM_UP = 0.2
#: So many requests before the clock begins: one more than are remembered.
FIRST = Cooldowns().max_entries + 1
LOOKS = 300
#: The acceptance lines.
MOST_MIB_PER_THOUSAND = 0.1
#: A connection may be neither a client's nor closed yet when it is looked at.
MOST_MORE_DESCRIPTORS = 1
#: So many are kept for each of the five, and so many requests run at once.
MOST_TO_TARGETS = 5 * MOST_KEPT_CONNECTIONS + AT_ONCE

CONFIG = """
[server]
port = 0
remember_bytes = 2_000_000
[[targets]]
name = "openai"
wire = "openai-chat"
base_url = "{cloud}"
key = "client"
ttft_timeout_s = 8.0
stall_timeout_s = 8.0
alive_timeout_s = 8.0
whole_timeout_s = 12.0
[[targets]]
name = "openai-responses"
wire = "openai-responses"
base_url = "{cloud}"
key = "client"
ttft_timeout_s = 8.0
stall_timeout_s = 8.0
alive_timeout_s = 8.0
whole_timeout_s = 12.0
[[targets]]
name = "anthropic"
wire = "anthropic-messages"
base_url = "{cloud}"
key = "client"
ttft_timeout_s = 8.0
stall_timeout_s = 8.0
alive_timeout_s = 8.0
whole_timeout_s = 12.0
[[targets]]
name = "second"
wire = "openai-chat"
base_url = "{second}"
key = {{ env = "SOAK_KEY" }}
model = "second"
continues = "prefill"
[[targets]]
name = "ollama"
wire = "ollama-chat"
base_url = "{local}"
slots = 8
num_ctx = 32768
[chains]
"two-*" = ["openai", "openai-responses", "anthropic", "second", "ollama"]
"*" = ["openai", "openai-responses", "anthropic", "ollama"]
"""


@frozen
class Soaked:
    """One Trooper, its fakes, its clients, and what was seen of it."""

    loop: str
    trooper: Deployed
    fakes: Fakes
    clients: Clients
    watched: Watched
    curve: Curve

    async def fill(self) -> None:
        """Make it remember as much as it ever will."""
        await self.clients.all_of(first_429s(FIRST))
        self.clients.heard.counts.clear()

    async def soak(self, rate: float) -> None:
        with trio.CancelScope() as over:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch)
                await self.clients.steadily(Mix().draw, rate, self.curve.length_s)
                over.cancel()
        self.clients.leave()

    async def _watch(self) -> None:
        began = trio.current_time()
        for number in range(LOOKS + 1):
            await trio.sleep_until(began + number * self.curve.length_s / LOOKS)
            for fake in self.fakes.all:
                fake.server.forget()
            at_s = trio.current_time() - began
            self.curve.samples.append(look(self.watched, at_s, self.clients.heard.requests))

    def tell(self, figures: Figures) -> None:
        heard, curve = self.clients.heard, self.curve
        counts = heard.counts
        first, last = curve.counted[0], curve.counted[-1]
        ends = self._ends()
        saved = {
            target: sum(n for end, n in ends.items() if f"+{target} completed" in end) for target in SECOND
        }
        begun, ended = curve.descriptors
        figures.add(
            f"{curve.length_s / 60:g} minutes on {self.loop}",
            f"{heard.requests} requests, {heard.requests / curve.length_s:.1f} a second; "
            + ", ".join(f"{name} {count}" for name, count in sorted(counts.items()) if name != "requests"),
            f"finished by the local model {saved['ollama']}, by a second cloud {saved['second']}",
            "the commonest ways: " + ", ".join(f"{name} {count}" for name, count in ends.most_common(12)),
            f"memory {first.resident_bytes / 1e6:.1f} MB after the warm-up, {last.resident_bytes / 1e6:.1f} MB "
            f"{last.requests - first.requests} requests later: {curve.mib_per_thousand:+.4f} MiB per 1,000 "
            f"requests ({curve.own_mib_per_thousand:+.4f} without files)",
            f"in tenths: {', '.join(f'{mib:.1f}' for mib in curve.tenths)} MiB",
            f"descriptors {begun:g} in the first third, {ended:g} in the last one; connections to targets at most "
            f"{' and '.join(map(str, curve.most_to_targets))}",
            f"{curve.ms_per_request:.1f} ms of the processor for each request",
        )

    def _ends(self) -> Counter[str]:
        """How the requests ended that were counted."""
        lines = [json.loads(line) for line in self.trooper.process.lines if '"event": "request"' in line]
        return Counter(
            "+".join(f"{leg['target']} {leg['outcome']}" for leg in line["legs"]) or "nobody"
            for line in lines[FIRST:]
        )

    def check(self) -> None:
        heard = self.clients.heard
        assert heard.wrong == [], f"{len(heard.wrong)} wrong answers, of them: {heard.wrong[:3]}"
        said = self.trooper.process.said
        for word in ("Traceback", "connection_failed"):
            assert word not in said, said[max(0, said.find(word) - 1_000) : said.find(word) + 4_000]
        # They were there at all.
        assert heard.counts["faults"] > heard.requests * FAULTY / 2
        assert heard.counts["honest errors"] < heard.counts["faults"]
        assert self.curve.mib_per_thousand <= MOST_MIB_PER_THOUSAND
        begun, ended = self.curve.descriptors
        assert abs(begun - ended) <= MOST_MORE_DESCRIPTORS
        assert max(self.curve.most_to_targets) <= MOST_TO_TARGETS


async def test_memory_and_descriptors_are_flat(
    pytestconfig: pytest.Config, figures: Figures, tmp_path: Path
) -> None:
    length_s, rate = pytestconfig.getoption("minutes") * 60, pytestconfig.getoption("rate")
    soaked: list[Soaked] = []
    async with trio.open_nursery() as nursery:
        with ExitStack() as stack:
            for loop, way in WAYS.items():
                fakes = Fakes()
                ports = {name: await serve_tcp(fake, nursery) for name, fake in _named(fakes).items()}
                urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
                folder = tmp_path / loop
                folder.mkdir()
                (folder / "trooper.toml").write_text(CONFIG.format(**urls), encoding="utf-8")
                context = deployed(way, urls["cloud"], urls["local"], folder, SOAK_KEY="sk-second")
                trooper = await trio.to_thread.run_sync(context.__enter__)
                stack.push(context.__exit__)
                to_targets = [*ports.values()]
                told = stack.enter_context(numbers())
                watched = Watched(trooper.pid, trooper.port, told, partial(frozenset, to_targets))
                clients, curve = Clients(trooper.port), Curve(length_s, WARM_UP)
                soaked.append(Soaked(loop, trooper, fakes, clients, watched, curve))
            for step in (Soaked.fill, partial(Soaked.soak, rate=rate)):
                async with trio.open_nursery() as all_of_them:
                    for one in soaked:
                        all_of_them.start_soon(step, one)
        nursery.cancel_scope.cancel()
    for one in soaked:
        one.tell(figures)
    for one in soaked:
        one.check()


def _named(fakes: Fakes) -> dict[str, Any]:
    return {"cloud": fakes.cloud, "second": fakes.second, "local": fakes.local}
