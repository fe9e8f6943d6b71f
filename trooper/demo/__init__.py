"""
`trooper demo`: a provider dies in the middle of an answer, and the answer goes on.

One process, real sockets on loopback, no account and no network. `stage` sets
it up, `client` listens, `screen` shows, `proof` judges.
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
import textwrap
from collections.abc import Callable
from functools import partial
from typing import Annotated, Final

import trio
from attrs import asdict, evolve, frozen
from cyclopts import Parameter
from rich.console import Console

from trooper import __version__
from trooper.commands.cli import FAILED, MISUSED
from trooper.commands.terminal import open_console
from trooper.demo.end import short_end, whole_end
from trooper.demo.local import NAME as LOCAL
from trooper.demo.local import NoModel, RealModel, find_local
from trooper.demo.proof import SEAM, prove, split_at_seam, text_of
from trooper.demo.screen import Screen
from trooper.demo.stage import CLOUD, Act, NotPerformed, Performance, Records, perform, recording
from trooper.demo.times import gap, moments
from trooper.errors import ConfigError
from trooper.testing import FAULTS, Fault
from trooper.testing.client import Heard

#: What a shell reports for a program that Ctrl-C ended.
_INTERRUPTED: Final = 130
_PLACES = re.compile(r"start|middle|end|b?\d{1,9}")


def demo(
    *,
    fault: Annotated[str, Parameter(help="How the cloud dies; an unknown name lists them all.")] = "reset",
    position: Annotated[
        str | None,
        Parameter(help="Where: start, middle, end, a number of words, or b and a number of bytes."),
    ] = None,
    seed: Annotated[
        int | None, Parameter(help="Let chance say where; the same number, the same place.")
    ] = None,
    stand_in: Annotated[bool, Parameter(help="Do not look for a real model.", negative="")] = False,
    as_json: Annotated[bool, Parameter(name="--json", help="Print JSON instead.", negative="")] = False,
    log: Annotated[bool, Parameter(help="Show Trooper's own log on standard error.", negative="")] = False,
) -> int:
    """
    Watch a provider die in the middle of an answer, and the answer go on.

    Needs no account. The exit status is 0 only if what the client got is one
    whole answer.
    """
    asked = _read(fault, position, seed)
    if isinstance(asked, str):
        sys.stderr.write(f"trooper demo: {asked}\n")
        return MISUSED
    try:
        return trio.run(partial(_run, asked, stand_in=stand_in, log=log, as_json=as_json))
    except ConfigError as error:
        sys.stderr.write(f"trooper: configuration error: {error}\n")
        return MISUSED
    except BaseExceptionGroup as group:
        # Ctrl-C, inside a nursery.
        if group.split(KeyboardInterrupt)[1] is None:
            return _INTERRUPTED
        raise


@frozen
class _Wish:
    """What is to be played, before it is known with whom."""

    fault: Fault
    position: int | str
    seed: int | None = None
    pace_s: float = 0.025

    def act(self, real: RealModel | None) -> Act | str:
        """The act, or why it cannot be played."""
        act = Act(self.fault, self.position, real, seed=self.seed or 0, pace_s=self.pace_s)
        if self.seed is not None:
            act = evolve(act, position=_any_place(act, self.seed))
        if not act.could_go_on:
            return f"--position {act.position}: the answer is whole by then, nothing is left to go on with"
        return act


def _read(fault: str, position: str | None, seed: int | None) -> _Wish | str:
    """What is to be played, or what is wrong with the wish."""
    known = [name for name, row in FAULTS.items() if row.after == "continue"]
    if fault not in known:
        why = "is not a way to die in the middle of a stream" if fault in FAULTS else "is not known"
        listed = textwrap.fill(", ".join(known), 78, break_on_hyphens=False)
        return f"--fault {fault} {why}. There are:\n{textwrap.indent(listed, '  ')}"
    if position is not None and seed is not None:
        return "--position and --seed both say where the cloud dies; use one of them"
    place = position or "middle"
    if not _PLACES.fullmatch(place):
        return f"--position {place}: use start, middle, end, a number of words, or b and a number of bytes"
    return _Wish(FAULTS[fault], int(place) if place.isdecimal() else place, seed)


def _any_place(act: Act, seed: int) -> str:
    """A byte of the answer where something is left to go on with."""
    size = sum(map(len, act.events))
    places = list(range(size // 10, size * 9 // 10))
    random.Random(seed).shuffle(places)  # noqa: S311  # chance that can be repeated
    return next((p for at in places if evolve(act, position=(p := f"b{at}")).could_go_on), "middle")


async def _run(wish: _Wish, *, stand_in: bool, log: bool, as_json: bool = False) -> int:
    # What a program reads stands alone on standard output.
    console = Console(stderr=True, markup=False, highlight=False) if as_json else open_console()
    screen = Screen(Console(quiet=True) if as_json else console)
    screen.line(f"Trooper {__version__}: the cloud dies in mid-answer, and the answer goes on.")
    screen.line()
    records = Records()
    with recording(records, log=log, aside=screen.aside):
        local = NoModel("it was asked for") if stand_in else await find_local(os.environ, console)
        act = wish.act(local if isinstance(local, RealModel) else None)
        if isinstance(act, str):
            sys.stderr.write(f"trooper demo: {act}\n")
            return MISUSED
        _introduce(screen, act, local)
        performed = await perform(act, _narrator(screen), records)
    match performed:
        case NotPerformed(why):
            (console.print if as_json else screen.line)(why or "stopped")
            return FAILED if why else _INTERRUPTED
        case _:
            return _conclude(screen, act, performed, as_json=as_json)


def _narrator(screen: Screen) -> Callable[[Heard], None]:
    """Shows each event as it comes. Who speaks changes at the seam."""
    speaker = CLOUD

    def heard(event: Heard) -> None:
        nonlocal speaker
        if event.comment.startswith(SEAM):
            speaker = LOCAL
            reason = event.comment.partition("reason=")[2].partition(" ")[0]
            screen.seam(event.at_s, f"{reason}: the cloud is gone, the local model goes on")
        screen.say(speaker, event.text, event.at_s)

    return heard


def _introduce(screen: Screen, act: Act, local: RealModel | NoModel) -> None:
    if isinstance(local, RealModel):
        goes_on = local.words
    else:
        goes_on = f"a scripted stand-in for Ollama, no model: it knows the answer by heart ({local.words})"
    place = f"at {act.position}" + (f", by seed {act.seed}" if act.seed else "")
    dies = f"scripted; this is how it dies: {act.fault.title} ({place})"
    for name, what in ((CLOUD, dies), (LOCAL, goes_on)):
        width = min(screen.console.width - 2, 78)
        for line in textwrap.wrap(what, width, initial_indent=f"  {name:8}", subsequent_indent=" " * 10):
            screen.line(line)
    screen.line()
    screen.question(act.lines.question)


def _conclude(screen: Screen, act: Act, performed: Performance, *, as_json: bool) -> int:
    times, spans = moments(performed), gap(performed)
    claims = prove(performed.stream, act.sent_by_cloud, act.lines.answer if act.real is None else None)
    holds = all(claim.holds for claim in claims)
    size_bytes = sum(len(event.raw) for event in performed.stream)
    if as_json:
        before, after = split_at_seam(performed.stream)
        told = {
            "version": __version__,
            "fault": act.fault.name,
            "position": act.position,
            "seed": act.seed,
            "local": {"kind": act.real.kind, "model": act.real.model} if act.real else {"kind": "stand_in"},
            "text": {CLOUD: text_of(before), LOCAL: text_of(after)},
            "moments": [asdict(moment) for moment in times],
            "spans": [{**asdict(span), "what": span.what.strip()} for span in spans],
            "bytes": size_bytes,
            "proof": [asdict(claim) for claim in claims],
            "holds": holds,
        }
        sys.stdout.write(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    screen.end(whole_end(times, spans, claims, size_bytes), short_end(spans, claims))
    return 0 if holds else FAILED
