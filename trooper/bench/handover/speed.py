"""
How long a switch takes longer for a long conversation: that is the shortening.

From the cloud's fault to the request at the local model, less the same for a
conversation of one turn. Twice: where the cloud has streamed for a while, so
that there was time to prepare, and where it fails at once.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final

from attrs import frozen

from trooper.bench.handover.sessions import session, texts
from trooper.bench.handover.stage import Stage, open_stage
from trooper.bench.handover.told import Fault
from trooper.bench.handover.tools import TOOLS
from trooper.core.tokens import tokens_at_most

SIZES: Final = (15_000, 30_000, 60_000)
WINDOW: Final = 8_192
#: Of the sessions that nothing else is asked of, so that nothing of them is known already.
_FIRST_SESSION: Final = 1_000
_WARM_UP: Final = 3
#: The cloud's pause between words: nearly two seconds pass before it is cut, as answers to such sessions take.
_TOKEN_S: Final = 0.05
_SHORT: Final = ({"role": "user", "content": "What does a lighthouse teach?"},)


@frozen
class Timed:
    """
    One switch.

    Attributes:
        tokens: how long the conversation was; 0 for the short one.
        switch_ms: from the fault to the request at the local model.
    """

    tokens: int
    fault: Fault
    switch_ms: float
    problem: str = ""


def grown(seed: int, numbers: Iterator[int], tokens: int) -> tuple[Mapping[str, Any], ...]:
    """About so many tokens of a conversation: of one session, or of several, one after the other."""
    taken: list[Mapping[str, Any]] = []
    size = 0
    for message in _endless(seed, numbers):
        # A call is never left without its result.
        if size >= tokens and message["role"] == "user":
            return (*taken, message)
        taken.append(message)
        size += sum(map(tokens_at_most, texts([message])))
    raise AssertionError("there are always more sessions")


def _endless(seed: int, numbers: Iterator[int]) -> Iterator[Mapping[str, Any]]:
    for at, number in enumerate(numbers):
        messages = session(seed, number).messages[:-1]
        yield from (message for message in messages if at == 0 or message["role"] != "system")


async def measure(seed: int, rounds: int, step: Callable[[], None]) -> list[Timed]:
    """
    Time all sizes, one after the other and again, each conversation once only.

    Raises:
        NotStarted: a program did not start; in an exception group.
    """
    found: list[Timed] = []
    # What is known of one conversation must not help another.
    numbers = count(_FIRST_SESSION)
    async with open_stage(WINDOW, token_s=_TOKEN_S) as stage:
        for _ in range(_WARM_UP):
            for fault in Fault:
                await stage.hand_over({"messages": _SHORT}, fault)
        for _ in range(rounds):
            for fault in Fault:
                found.append(await _timed(stage, 0, {"messages": _SHORT}, fault))
                for size in SIZES:
                    request = {"messages": grown(seed, numbers, size), "tools": TOOLS}
                    found.append(await _timed(stage, size, request, fault))
                step()
    return found


async def _timed(stage: Stage, size: int, request: Mapping[str, Any], fault: Fault) -> Timed:
    shown = await stage.hand_over(request, fault)
    problem = shown.problem or ("a moment is missing" if shown.switch_ms is None else "")
    return Timed(size, fault, shown.switch_ms or 0.0, problem)


def shortening_ms(timed: Sequence[Timed], fault: Fault, tokens: int) -> list[float]:
    """What each long switch took longer than the short one usually does."""
    short = [t.switch_ms for t in timed if t.fault is fault and not t.tokens and not t.problem]
    long = [t.switch_ms for t in timed if t.fault is fault and t.tokens == tokens and not t.problem]
    usual = statistics.median(short) if short else 0.0
    return [switch_ms - usual for switch_ms in long]
