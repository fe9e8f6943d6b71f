"""
What looking ahead costs a healthy request: `python bench/ahead.py [--pairs 50] [--turns 240] [--num-ctx 4096]`.

One Trooper looks ahead in every second request only. Each pair asks it for the
same streamed answer, once without and once with, and what is shown is the
processor time of the one divided by that of the other, within a pair: so a
machine that gets slower or busier slows both. The conversation has many short
turns and is larger than the window, which costs most.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import sys
from collections.abc import Callable
from functools import partial
from typing import Final

import trio

from trooper.bench.processes import cost_of_group
from trooper.bench.rig import Rig, open_rig, run, toml
from trooper.bench.running import Running
from trooper.commands.cli import main as trooper
from trooper.relay import conductor
from trooper.relay.ahead import look_ahead
from trooper.relay.asking import Asking
from trooper.testing.client import Heard, ask

WORDS: Final = ("keeper", "lamp", "writes", "ship", "port", "error", "path", "decided", "log", "entry")
TOKENS: Final = 100
TOKEN_S: Final = 0.02
#: The first requests read code and conversation for the first time.
WARM: Final = 2
#: What is done behind an answer's end belongs to it.
BEHIND_S: Final = 0.05


def serve() -> None:
    """Trooper, but only every second request has its look ahead."""
    number = itertools.count()

    async def every_second(asking: Asking, has_left: Callable[[], bool]) -> None:
        if next(number) % 2:
            await look_ahead(asking, has_left)

    conductor.look_ahead = every_second
    trooper()


def question(turns: int, number: int) -> dict[str, object]:
    """A session of so many turns; each pair's last one is its own."""
    chance = random.Random(turns)
    roles = itertools.islice(itertools.cycle(("user", "assistant")), turns)
    said = [{"role": role, "content": " ".join(chance.choices(WORDS, k=50))} for role in roles]
    asked = {"role": "user", "content": f"Go on, {number}."}
    return {"model": "gpt-4o", "stream": True, "messages": [*said, asked]}


async def started(rig: Rig, num_ctx: int | None) -> Running:
    """Provider, local model and Trooper, once the standby is ready."""
    provider = await rig.provider(token_s=TOKEN_S, answer="word " * TOKENS)
    local = await rig.ollama()
    fixed = {} if num_ctx is None else {"num_ctx": num_ctx}
    command = (sys.executable, __file__, "serve", "--port", "0")
    return await rig.trooper(command, toml(provider.url, local.url, local=fixed))


async def cost_ms(running: Running, asked: dict[str, object]) -> float:
    """Processor milliseconds of one answer."""
    heard: list[Heard] = []
    before = cost_of_group(running.pid)
    status = await ask(running.port, asked, heard.append)
    await trio.sleep(BEHIND_S)
    after = cost_of_group(running.pid)
    if status != 200 or before is None or after is None or heard[-1].data != "[DONE]":
        sys.exit(f"an answer has status {status} and {len(heard)} events, or this system tells no costs")
    return 1000 * (after.cpu_s - before.cpu_s)


async def main(pairs: int, turns: int, num_ctx: int | None) -> int:
    costs: list[tuple[float, float]] = []
    async with open_rig() as rig:
        running = await started(rig, num_ctx)
        for number in range(-WARM, pairs):
            asked = question(turns, number)
            without, with_it = await cost_ms(running, asked), await cost_ms(running, asked)
            if number >= 0:
                costs.append((without, with_it))
    ratios = sorted(with_it / without for without, with_it in costs)
    more = statistics.median(with_it - without for without, with_it in costs)
    alone = statistics.median(without for without, _ in costs)
    print(f"without: {alone:.1f} ms a request; with: {more:+.2f} ms; ratio {statistics.median(ratios):.3f}")
    print(f"the middle half of the ratios: {ratios[pairs // 4]:.3f} to {ratios[-pairs // 4]:.3f}")
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve()
        sys.exit()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--turns", type=int, default=240)
    parser.add_argument("--num-ctx", type=int)
    chosen = parser.parse_args()
    sys.exit(run(partial(main, chosen.pairs, chosen.turns, chosen.num_ctx)))
