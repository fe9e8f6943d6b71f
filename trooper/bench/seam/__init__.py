"""
What seams look like: a fixed answer is cut at every kind of place, and the embedded model goes on.

Once with the gate and once without it, at the same places, through all of
Trooper on real sockets. The cloud is scripted and ends its body without a
terminator, so that nothing of what it said is lost on the way.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import trio
from attrs import frozen

from trooper.bench.plot import Bar, Plot
from trooper.bench.progress import Progress
from trooper.bench.result import Asked, Mode, NotRun, Result
from trooper.bench.rig import Running, Serving, open_rig
from trooper.bench.seam.cuts import Cut, Kind, Prompt, choose, prompts
from trooper.bench.seam.judge import IsWord, Verdict, judge
from trooper.bench.table import Table, figure
from trooper.targets.embedded.model import EXTRA, MODEL, cached, is_installed
from trooper.testing import ChatAnswer, End, Head, Script, ScriptedProvider, Send, serve_tcp, tokens
from trooper.testing.client import Heard, ask

NAME: Final = "seam"
_SEAM: Final = "trooper seam "
_FULL_PER_KIND: Final = 52
_QUICK_PER_KIND: Final = 5
_TOKENS_AFTER: Final = 12
_CUT_S: Final = 60.0


@frozen
class Seam:
    """One cut, and what became of it; `problem` says why there is no seam to judge."""

    cut: Cut
    before: str = ""
    after: str = ""
    verdict: Verdict = Verdict.CLEAN
    problem: str = ""


async def measure(asked: Asked, progress: Progress) -> Result | NotRun:
    """
    Make all cuts, with the gate and without.

    Raises:
        NotStarted: a program did not start; in an exception group.
    """
    gguf = await trio.to_thread.run_sync(cached, os.environ)
    if not is_installed() or importlib.util.find_spec("spellchecker") is None:
        return NotRun(NAME, f"it needs two extras: {EXTRA.replace('[embedded]', '[embedded,bench]')}")
    if gguf is None:
        return NotRun(NAME, "the model is not there: trooper fetch-model")
    known = prompts()
    per_kind = _QUICK_PER_KIND if asked.mode is Mode.QUICK else _FULL_PER_KIND
    cuts = choose(known, per_kind, asked.seed)
    is_word = _dictionary(known)
    with progress.counting(NAME, 2 * len(cuts)) as step:
        on, off = [await _all(known, cuts, gguf, is_word, step, gate=gate) for gate in (True, False)]
    return _result(asked, on, off)


def _dictionary(known: Sequence[Prompt]) -> IsWord:
    """English words, and every word of the prompts: names of things in code are not in a dictionary."""
    spelling: Any = importlib.import_module("spellchecker").SpellChecker()
    said = " ".join(f"{p.question} {p.answer}" for p in known)
    ours = {word.lower() for word in re.findall(r"[A-Za-z]+", said)}
    return lambda word: word in ours or bool(spelling.known([word]))


async def _all(
    known: Sequence[Prompt], cuts: Sequence[Cut], gguf: Path, is_word: IsWord, step: Any, *, gate: bool
) -> list[Seam]:
    provider = ScriptedProvider()
    async with open_rig() as rig, trio.open_nursery() as nursery:
        port = await serve_tcp(provider, nursery)
        trooper = await rig.trooper(Serving.TRIO, _configuration(port, gguf, gate=gate))
        seams = []
        for cut in cuts:
            seams.append(await _one(known[cut.prompt], cut, provider, trooper, is_word))
            step()
        nursery.cancel_scope.cancel(reason="all cuts are made")
    return seams


def _configuration(port: int, gguf: Path, *, gate: bool) -> str:
    return f"""
[server]
gate = {str(gate).lower()}
[[targets]]
name = "cloud"
wire = "openai-chat"
base_url = "http://127.0.0.1:{port}/v1"
key = "none"
[[targets]]
name = "local"
wire = "llama-server"
gguf = '{gguf}'
"""


async def _one(
    prompt: Prompt, cut: Cut, provider: ScriptedProvider, trooper: Running, is_word: IsWord
) -> Seam:
    given = prompt.answer[: cut.at]
    provider.script = _until(given)
    heard: list[Heard] = []
    question = {
        "model": "gpt-4o",
        "stream": True,
        "temperature": 0,
        # Trooper takes off what was given, at four characters a token.
        "max_tokens": math.ceil(len(given) / 4) + _TOKENS_AFTER,
        "messages": [{"role": "user", "content": prompt.question}],
    }
    status = 0
    with trio.move_on_after(_CUT_S):
        status = await ask(trooper.port, question, heard.append)
    at = next((n for n, event in enumerate(heard) if event.comment.startswith(_SEAM)), None)
    if status != 200 or at is None or heard[-1].data != "[DONE]":
        # A continuation that says nothing has no seam; where the text could end there, that is right.
        whole = status == 200 and bool(heard) and heard[-1].data == "[DONE]"
        return Seam(cut, given, "", Verdict.EMPTY, "" if whole else f"status {status}, or no end")
    before = "".join(event.text for event in heard[:at])
    after = "".join(event.text for event in heard[at:])
    return Seam(cut, before, after, judge(before, after, prompt.answer[len(before) :], is_word))


def _until(given: str) -> Script:
    """The cloud says exactly this, and ends as if it had been cut off."""
    pieces = tuple(tokens(given))
    events = ChatAnswer(tokens=pieces).events()[: 1 + len(pieces)]
    return Script((Head(), *map(Send, events), End()))


def _rate(seams: Sequence[Seam]) -> float:
    return 100 * sum(seam.verdict.is_defect for seam in seams) / max(len(seams), 1)


def _result(asked: Asked, on: Sequence[Seam], off: Sequence[Seam]) -> Result:
    rows = []
    for kind in Kind:
        here, there = ([s for s in seams if s.cut.kind is kind] for seams in (on, off))
        rows.append((kind.value, str(len(here)), figure(_rate(here)), figure(_rate(there))))
    rows.append(("all", str(len(on)), figure(_rate(on)), figure(_rate(off))))
    sides = {"gate_on": on, "gate_off": off}
    problems = Counter(f"{side}: {s.problem}" for side, seams in sides.items() for s in seams if s.problem)
    return Result(
        bench=NAME,
        mode=asked.mode,
        settings={"model": MODEL.name, "seed": asked.seed, "tokens_after": _TOKENS_AFTER, "temperature": 0},
        cells=[_told(side, s) for side, seams in sides.items() for s in seams if s.verdict.is_defect],
        summary={
            "cuts": len(on),
            "defects_percent": {side: round(_rate(seams), 2) for side, seams in sides.items()},
            "by_place": {
                kind.value: {
                    side: round(_rate([s for s in seams if s.cut.kind is kind]), 2)
                    for side, seams in sides.items()
                }
                for kind in Kind
            },
            "by_verdict": {
                side: dict(Counter(s.verdict.value for s in seams)) for side, seams in sides.items()
            },
        },
        tables=(
            Table(
                "Broken words, missing and doubled blanks, %", ("", "cuts", "gate", "no gate"), tuple(rows)
            ),
        ),
        notes=(f"{MODEL.name} goes on from a fixed answer; only the seam is judged.",),
        problems=tuple(f"{count} cuts: {why}" for why, count in problems.items()),
    )


def _told(side: str, seam: Seam) -> dict[str, object]:
    return {
        "side": side,
        "prompt": seam.cut.prompt,
        "at": seam.cut.at,
        "place": seam.cut.kind.value,
        "verdict": seam.verdict.value,
        "before": seam.before[-40:],
        "after": seam.after[:40],
    }


def plot(measured: Result) -> Plot:
    """How many seams have a defect at each kind of place, with the gate and without."""
    bars = []
    match measured.summary:
        case {"by_place": dict(places)}:
            for place, rates in places.items():
                for series, side in enumerate(("gate_on", "gate_off")):
                    rate = float(rates[side])
                    bars.append(Bar(place, 0.0, rate, series, at=rate))
    return Plot("Seams with a defect", "%", bars, ("with the gate", "without"))
