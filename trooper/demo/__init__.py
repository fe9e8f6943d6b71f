"""
`trooper demo`: a provider dies in the middle of an answer, and the answer goes on.

One process, real sockets on loopback, no account and no network. `stage` sets
it up, `client` listens, `screen` shows, `proof` judges.
"""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Callable
from functools import partial
from typing import Annotated, Final

import trio
from attrs import evolve
from cyclopts import Parameter

from trooper import __version__
from trooper.cli import FAILED, MISUSED
from trooper.demo.local import NAME as LOCAL
from trooper.demo.local import NoOllama, RealOllama, find_ollama
from trooper.demo.proof import SEAM, prove
from trooper.demo.screen import Screen
from trooper.demo.stage import CLOUD, QUESTION, Act, NotPerformed, Performance, Records, perform, recording
from trooper.demo.times import gap, moments
from trooper.errors import ConfigError
from trooper.terminal import open_console
from trooper.testing import DEFAULT_ANSWER, FAULTS, chat_events
from trooper.testing.client import Heard

#: What a shell reports for a program that Ctrl-C ended.
_INTERRUPTED: Final = 130
_PLACES = re.compile(r"start|middle|end|b?\d{1,9}")


def demo(
    *,
    fault: Annotated[str, Parameter(help="How the cloud dies; an unknown name lists them all.")] = "reset",
    position: Annotated[
        str, Parameter(help="Where: start, middle, end, a number of words, or b and a number of bytes.")
    ] = "middle",
    stand_in: Annotated[bool, Parameter(help="Do not look for an Ollama.", negative="")] = False,
    log: Annotated[bool, Parameter(help="Show Trooper's own log on standard error.", negative="")] = False,
) -> int:
    """
    Watch a provider die in the middle of an answer, and the answer go on.

    Needs no account and no Ollama. The exit status is 0 only if what the
    client got is one whole answer.
    """
    asked = _read(fault, position)
    if isinstance(asked, str):
        sys.stderr.write(f"trooper demo: {asked}\n")
        return MISUSED
    try:
        return trio.run(partial(_run, asked, stand_in=stand_in, log=log))
    except ConfigError as error:
        sys.stderr.write(f"trooper: configuration error: {error}\n")
        return MISUSED
    except BaseExceptionGroup as group:
        # Ctrl-C, or a reader that closed the pipe, inside a nursery.
        if group.split(SystemExit)[1] is None:
            return FAILED
        if group.split(KeyboardInterrupt)[1] is None:
            return _INTERRUPTED
        raise


def _read(fault: str, position: str) -> Act | str:
    """What is to be played, or what is wrong with the wish."""
    known = [name for name, row in FAULTS.items() if row.after == "continue"]
    if fault not in known:
        why = "is not a way to die in the middle of a stream" if fault in FAULTS else "is not known"
        listed = textwrap.fill(", ".join(known), 78, break_on_hyphens=False)
        return f"--fault {fault} {why}. There are:\n{textwrap.indent(listed, '  ')}"
    if not _PLACES.fullmatch(position):
        return f"--position {position}: use start, middle, end, a number of words, or b and a number of bytes"
    act = Act(FAULTS[fault], int(position) if position.isdecimal() else position)
    if act.fault.expected(chat_events(DEFAULT_ANSWER), act.position)[1] not in ("restart", "continue"):
        return f"--position {position}: the answer is whole by then, nothing is left to go on with"
    return act


async def _run(act: Act, *, stand_in: bool, log: bool) -> int:
    screen = Screen(open_console())
    screen.line(f"Trooper {__version__}: the cloud dies in mid-answer, and the answer goes on.")
    screen.line()
    records = Records()
    with recording(records, log=log):
        local = NoOllama("it was asked for") if stand_in else await find_ollama(os.environ, screen.line)
        if isinstance(local, RealOllama):
            act = evolve(act, real=local)
        _introduce(screen, act, local)
        performed = await perform(act, _narrator(screen), records)
    match performed:
        case NotPerformed(why):
            screen.line(why or "stopped")
            return FAILED if why else _INTERRUPTED
        case _:
            return _conclude(screen, act, performed)


def _narrator(screen: Screen) -> Callable[[Heard], None]:
    """Shows each event as it comes. Who speaks changes at the seam."""
    speaker = CLOUD

    def heard(event: Heard) -> None:
        nonlocal speaker
        speaker = LOCAL if event.comment.startswith(SEAM) else speaker
        screen.say(speaker, event.text)

    return heard


def _introduce(screen: Screen, act: Act, local: RealOllama | NoOllama) -> None:
    if isinstance(local, RealOllama):
        goes_on = f"{local.words}; its words are its own"
    else:
        goes_on = f"a scripted stand-in for Ollama, no model: it knows the answer by heart ({local.words})"
    for name, what in ((CLOUD, f"scripted; this is how it dies: {act.fault.title}"), (LOCAL, goes_on)):
        for line in textwrap.wrap(what, 78, initial_indent=f"  {name:8}", subsequent_indent=" " * 10):
            screen.line(line)
    screen.line()
    screen.line(f"    you │ {QUESTION}")


def _conclude(screen: Screen, act: Act, performed: Performance) -> int:
    screen.show_times(moments(performed), gap(performed))
    answer = DEFAULT_ANSWER if act.real is None else None
    claims = prove(performed.stream, act.sent_by_cloud, answer)
    screen.show_proof(claims, sum(len(event.raw) for event in performed.stream))
    holds = all(claim.holds for claim in claims)
    screen.line()
    screen.line("The proof holds." if holds else "The proof does not hold. --log shows what Trooper says.")
    return 0 if holds else FAILED
