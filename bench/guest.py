"""
What a token costs when Trio is a guest of asyncio, against `-k trio`:

    python bench/guest.py bench/results/guest.json          # five minutes, best on an idle machine

Both serve at once, and are measured in turn: a pair is one sample of each, and
every second pair begins with the other one. What counts is the ratio within a
pair, so that a machine that gets slower slows both. A few streams and many: the
guest's loop waits for sockets in a thread of its own, and the less there is to
do, the more often it waits.
"""

from __future__ import annotations

import json
import statistics
import sys
from functools import partial
from pathlib import Path
from typing import Final

import trio

from trooper.bench import facts
from trooper.bench.passthrough import STREAMS, TOKEN_S, Plan, System, sample
from trooper.bench.rig import Serving, open_rig, run, toml

PAIRS: Final = 8
FEW: Final = 4
PLAN: Final = Plan(rounds=PAIRS, tokens=400, arrival_s=0.025)
SIDES: Final = (Serving.TRIO, Serving.GUEST)


async def measured(streams: int) -> list[tuple[float, float]]:
    """µs of processor time a token, pair by pair: `-k trio`, then the guest."""
    pairs = []
    async with open_rig() as rig:
        provider = await rig.provider(token_s=TOKEN_S, answer="word " * PLAN.tokens)
        local = await rig.ollama()
        systems = {}
        for side in SIDES:
            trooper = await rig.trooper(side, toml(provider.url, local.url))
            systems[side] = System(trooper.port, trooper)
        for number in range(PAIRS):
            cost_us = {}
            for side in SIDES[:: -1 if number % 2 else 1]:
                found = await sample(PLAN, systems[side], streams)
                if found.broken or found.cpu_us is None:
                    sys.exit(f"{side.value}: {found.broken} broken streams, {found.cpu_us} µs a token")
                cost_us[side] = found.cpu_us
            pairs.append((cost_us[Serving.TRIO], cost_us[Serving.GUEST]))
            print(
                f"{streams} streams, pair {number + 1}: {pairs[-1][0]:.0f} and {pairs[-1][1]:.0f} µs a token"
            )
    return pairs


def told(streams: int, pairs: list[tuple[float, float]]) -> dict[str, object]:
    """The figures of one size."""
    ratios = [guest / alone for alone, guest in pairs]
    return {
        "streams": streams,
        "pairs": len(pairs),
        "trio_us": round(statistics.median(alone for alone, _ in pairs), 1),
        "guest_us": round(statistics.median(guest for _, guest in pairs), 1),
        "ratio": {
            "median": round(statistics.median(ratios), 2),
            "lowest": round(min(ratios), 2),
            "highest": round(max(ratios), 2),
        },
    }


async def main(file: Path) -> int:
    machine = facts.machine()
    sizes = [told(streams, await measured(streams)) for streams in (FEW, STREAMS)]
    whole = {"machine": machine, "versions": facts.versions(), "tokens_per_s": 1 / TOKEN_S, "sizes": sizes}
    await trio.Path(file).write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python bench/guest.py FILE.json")
    sys.exit(run(partial(main, Path(sys.argv[1]))))
