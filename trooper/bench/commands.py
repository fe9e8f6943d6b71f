"""
The commands: arguments in, an exit status out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated, Final, TypeAlias, cast

import cyclopts
from attrs import frozen
from cyclopts import Parameter

from trooper.bench import facts, report
from trooper.bench.other import malformed
from trooper.bench.plot import Plot, svg
from trooper.bench.progress import Progress
from trooper.bench.result import Asked, Compare, Mode, NotRun, Result
from trooper.bench.rig import NotStarted, Serving, run, why
from trooper.commands.cli import FAILED, MISUSED
from trooper.commands.terminal import open_console

Measure: TypeAlias = Callable[[Asked, Progress], Awaitable[Result | NotRun]]

#: Name → where its `measure` and its `plot` are, in the order in which all of them run. Imported when they are asked for.
BENCHES: Final[Mapping[str, str]] = {
    "switchover": "trooper.bench.switchover",
    "passthrough": "trooper.bench.costs",
    "seam": "trooper.bench.seam",
    "handover": "trooper.bench.handover",
}

bench_app = cyclopts.App(
    name="bench",
    help="Measure on this machine, with processes of its own: what a switch costs, what passing through"
    " costs, what seams look like, and what a local model still knows of a long session.",
)


Quick = Annotated[bool, Parameter(help="Seconds instead of minutes; too few cuts to judge by.", negative="")]
Json = Annotated[Path | None, Parameter(name="--json", help="Write the figures to this file.")]
Drawn = Annotated[Path | None, Parameter(name="--plot", help="Draw the figures into this SVG file.")]
Seed = Annotated[int, Parameter(help="Of the order in which is measured.")]
Other = Annotated[str | None, Parameter(name="--compare", help="Another proxy's URL (http, with /v1).")]
OtherModel = Annotated[str, Parameter(help="The model that the other proxy wants.")]
OtherKey = Annotated[str | None, Parameter(help="The environment variable with the other proxy's key.")]
ProviderPort = Annotated[int, Parameter(help="Where the other proxy was told to find the provider.")]
OllamaPort = Annotated[int, Parameter(help="Where it was told to find Ollama.")]


@Parameter(name="*")
@frozen(kw_only=True)
class Wishes:
    """What all benches can be asked."""

    quick: Quick = False
    json: Json = None
    plot: Drawn = None
    seed: Seed = 1
    compare: Other = None
    compare_model: OtherModel = Compare("").model
    compare_key_env: OtherKey = None
    provider_port: ProviderPort = Compare("").provider_port
    ollama_port: OllamaPort = Compare("").ollama_port

    @property
    def asked(self) -> Asked:
        """The same for a bench."""
        mode = Mode.QUICK if self.quick else Mode.FULL
        if self.compare is None:
            return Asked(mode, self.seed)
        key = os.environ.get(self.compare_key_env, "") if self.compare_key_env else ""
        other = Compare(self.compare, self.compare_model, key, self.provider_port, self.ollama_port)
        return Asked(mode, self.seed, other)

    @property
    def wrong(self) -> str:
        """What cannot be met, before minutes are spent on it."""
        for file in (self.json, self.plot):
            if file is not None and (why := _not_writable(file)):
                return why
        for port in (self.provider_port, self.ollama_port):
            if not 0 <= port <= 65_535:
                return f"{port} is no port"
        if self.compare is not None and (why := malformed(self.compare)):
            return f"--compare: {why}"
        if self.compare_key_env:
            key = os.environ.get(self.compare_key_env)
            if not key:
                return f"the variable {self.compare_key_env} is not set"
            if not (key.isascii() and key.isprintable()):
                return f"the variable {self.compare_key_env} holds what no header can"
        return ""


def _not_writable(file: Path) -> str:
    if not file.absolute().parent.is_dir():
        return f"{file}: there is no such folder"
    if file.is_dir():
        return f"{file} is a folder, and it is a file that is written"
    if not os.access(file if file.exists() else file.absolute().parent, os.W_OK):
        return f"{file} may not be written"
    return ""


_WISHES: Final = Wishes()


@bench_app.default
def everything(wishes: Wishes = _WISHES) -> int:
    """Run all benches, one after the other."""
    return _command(wishes, {name: _measure_of(name) for name in BENCHES})


@bench_app.command
def switchover(
    wishes: Wishes = _WISHES,
    *,
    serving: Annotated[Serving, Parameter(help="How Trooper is served.")] = Serving.TRIO,
    ollama: Annotated[str | None, Parameter(help="Your own Ollama, instead of the stand-in.")] = None,
    model: Annotated[str | None, Parameter(help="The model of your own Ollama.")] = None,
) -> int:
    """Cut streams in every way at every place, and measure how long the switch takes."""
    from trooper.bench import switchover as bench

    if (ollama is None) is not (model is None):
        return _refuse("--ollama and --model belong together")
    if ollama is not None and wishes.compare is not None:
        return _refuse("--compare works with the stand-in only: both proxies must meet the same model")
    own = bench.OwnOllama(ollama, model) if ollama and model else None
    measure = partial(bench.measure, serving=serving, own=own)
    return _command(wishes, {"switchover": measure})


@bench_app.command
def passthrough(wishes: Wishes = _WISHES) -> int:
    """Let healthy streams pass, and measure what each token costs."""
    return _command(wishes, {"passthrough": _measure_of("passthrough")})


@bench_app.command
def seam(wishes: Wishes = _WISHES) -> int:
    """Let the embedded model go on from every kind of place, and count the broken words."""
    return _command(wishes, {"seam": _measure_of("seam")})


@bench_app.command
def handover(
    wishes: Wishes = _WISHES,
    *,
    answers: Annotated[
        bool,
        Parameter(help="Ask a real model for the facts, too: the embedded one, for minutes.", negative=""),
    ] = False,
    gguf: Annotated[Path | None, Parameter(help="A model file to ask, in place of the embedded one.")] = None,
    ollama: Annotated[str | None, Parameter(help="Your own Ollama to ask.")] = None,
    model: Annotated[str | None, Parameter(help="The model of your own Ollama.")] = None,
) -> int:
    """Hand long sessions over, and count the facts that the local model still knows."""
    from trooper.bench import handover as bench

    if (ollama is None) is not (model is None):
        return _refuse("--ollama and --model belong together")
    if ollama is not None and gguf is not None:
        return _refuse("--gguf or --ollama: one model is asked")
    questioned = bench.Questioned(gguf, ollama or "", model or "") if answers or gguf or ollama else None
    return _command(wishes, {"handover": partial(bench.measure, questioned=questioned)})


def _measure_of(name: str) -> Measure:
    return cast("Measure", import_module(BENCHES[name]).measure)


def _plot_of(result: Result) -> Plot:
    return cast("Plot", import_module(BENCHES[result.bench]).plot(result))


def _refuse(why: str) -> int:
    sys.stderr.write(f"trooper bench: {why}\n")
    return MISUSED


def _command(wishes: Wishes, measures: Mapping[str, Measure]) -> int:
    if wrong := wishes.wrong:
        return _refuse(wrong)
    return run(partial(run_all, wishes, measures))


async def run_all(wishes: Wishes, measures: Mapping[str, Measure]) -> int:
    """Run some benches, one after the other, show and write their results; returns the exit status."""
    progress = Progress(open_console())
    machine = facts.machine()
    results: list[Result | NotRun] = []
    for name, measure in measures.items():
        result = await _measured(name, measure, wishes.asked, progress)
        results.append(result)
        progress.say()
        report.show(result, progress)
        progress.say()
    lost = _write(wishes, results, machine)
    for line in lost:
        progress.say(line)
    nothing = all(isinstance(result, NotRun) for result in results)
    return FAILED if lost or nothing or any(result.is_bad for result in results) else 0


def _write(wishes: Wishes, results: Sequence[Result | NotRun], machine: Mapping[str, object]) -> list[str]:
    """Write the files that were asked for; what could not be written, in words."""
    lost = []
    files: dict[Path, str] = {}
    if wishes.json is not None:
        alone = report.document(results[0], machine) if len(results) == 1 else None
        files[wishes.json] = report.as_text(alone or report.together(results, machine))
    plots = [_plot_of(result) for result in results if isinstance(result, Result)]
    if wishes.plot is not None and plots:
        files[wishes.plot] = svg(*plots)
    for file, text in files.items():
        try:
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            lost.append(f"{file} was not written: {error.strerror or error}")
    return lost


async def _measured(name: str, measure: Measure, asked: Asked, progress: Progress) -> Result | NotRun:
    try:
        return await measure(asked, progress)
    except NotStarted as error:
        return NotRun(name, str(error), is_bad=True)
    except BaseExceptionGroup as group:
        refused, rest = group.split(NotStarted)
        if refused is None or rest is not None:
            raise
        return NotRun(name, why(refused), is_bad=True)
