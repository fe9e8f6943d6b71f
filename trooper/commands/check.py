"""
`trooper check`: asks every target what a request would need of it, and says
what is not usable, what that means, and how to mend it.

Nothing that is printed can be a key: it is made of names from the
configuration, numbers and enumerated words.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import trio
from attrs import asdict
from cyclopts import Parameter
from rich import box
from rich.table import Table
from rich.text import Text

from trooper import __version__
from trooper.commands.cli import FAILED, MISUSED
from trooper.commands.forecast import forecast_lines, forecasts
from trooper.commands.keeping import standing_of, store_lines
from trooper.commands.reaching import TO_REACH
from trooper.commands.settings import settings
from trooper.commands.terminal import open_console
from trooper.commands.verdict import Finding, verdicts
from trooper.config import Config, Target
from trooper.config.cloudless import cloudless, local_by_wish
from trooper.core.continuing import CloudWay
from trooper.core.local_model import LocalModel, Way
from trooper.core.outcome import Answer, Failed, FailureKind, Unreached
from trooper.errors import ConfigError
from trooper.services import Services, open_services, store_facts
from trooper.store import Standing
from trooper.targets.embedded.model import TARGET as SMALL_MODEL
from trooper.targets.embedded.model import cached
from trooper.targets.standby import Standby, State
from trooper.targets.upstream import Call
from trooper.targets.ways import cloud_way
from trooper.telemetry.log import set_up_logging
from trooper.wire.decoding import decoded_object
from trooper.wire.target_side import KnownWay

#: For the answer, after the connection; a list of models is small.
_ANSWER_S = 10.0
_ANSWER_BYTES = 8_388_608

_WAIT = "Wait, or look at the provider's own status page."
_PLACE = "Check its base_url, the network, and a proxy."
_WAYS: Mapping[Way, str] = {
    Way.PREFILL: "goes on from a half answer",
    Way.RAW: "goes on from a half answer by a raw prompt: not with tools or images",
    Way.NONE: "cannot go on from a half answer, only answer from the beginning",
}
_CLOUD_WAYS: Mapping[CloudWay, str] = {
    CloudWay.PREFILL: "goes on from a half answer by a trailing assistant turn",
    CloudWay.PREFIX: "goes on from a half answer by `prefix`",
    CloudWay.CONTINUE_FINAL: "goes on from a half answer by `continue_final_message`",
    CloudWay.INSTRUCTION: "goes on from a half answer by an instruction",
    CloudWay.NONE: "cannot go on from a half answer, only answer from the beginning",
}


def check(
    *,
    config: Annotated[
        Path | None, Parameter(help="The TOML file; ./trooper.toml is found by itself.")
    ] = None,
    embedded: Annotated[
        bool, Parameter(help="Look also at the small model, as `trooper serve --embedded` does.", negative="")
    ] = False,
    data_dir: Annotated[
        str | None, Parameter(help="The folder that a Trooper keeps its sessions in.")
    ] = None,
    as_json: Annotated[bool, Parameter(name="--json", help="Print JSON instead.", negative="")] = False,
) -> int:
    """Ask every target, and say what is not usable; 0, or 1 if something is not, or 2."""
    try:
        asked = settings(os.environ, Path.cwd(), file=config, embedded=embedded, data_dir=data_dir)
    except ConfigError as error:
        sys.stderr.write(f"trooper: configuration error: {error}\n")
        return MISUSED
    # The standby's warnings say what the table says; its errors are bugs.
    set_up_logging(level=logging.ERROR)
    if sys.stderr.isatty():
        sys.stderr.write("asking the targets; a local model may have to be loaded first …\n")
    findings = trio.run(ask_all, asked)
    standing = trio.run(standing_of, asked)
    (_print_json if as_json else _print_table)(asked, findings, standing)
    return 0 if all(finding.usable for finding in findings) else FAILED


async def ask_all(config: Config) -> list[Finding]:
    """Ask all targets at once; the findings are in the order of the configuration."""
    found: dict[str, Finding] = {}

    async def note(services: Services, target: Target) -> None:
        standby = services.standbys.get(target.name)
        found[target.name] = await (_ask_local(standby) if standby else _ask_cloud(services, target))

    async with trio.open_nursery() as nursery:
        standbys = await nursery.start(_hold_open)
        async with open_services(config, standbys) as services:
            async with trio.open_nursery() as asking:
                for target in config.targets:
                    asking.start_soon(note, services, target)
            # Before the services close: a standby would ask on over a client that is closed.
            standbys.cancel_scope.cancel(reason="everything was asked")
    return [found[target.name] for target in config.targets]


async def _hold_open(*, task_status: trio.TaskStatus[trio.Nursery]) -> None:
    async with trio.open_nursery() as nursery:
        task_status.started(nursery)
        await trio.sleep_forever()


async def _ask_cloud(services: Services, target: Target) -> Finding:
    side = services.wires.target_side(target.wire)
    headers = (*services.headers_for(target, (), via_name="trooper-check"), *side.headers)
    call = Call("GET", "/models", headers)
    answer: Answer | Failed | None = None
    with trio.move_on_after(target.connect_timeout_s + _ANSWER_S):
        answer = await services.upstreams[target.name].fetch(call, _ANSWER_BYTES)
    instruction = services.config.server.continue_instruction
    known = cloud_way(target, side, target.model or "", instruction)
    return judge_cloud(target, answer, known)


def judge_cloud(target: Target, answer: Answer | Failed | None, known: KnownWay) -> Finding:
    """
    What a cloud's answer to a question for its models means; `None`: there was
    none in time. `known` is how it goes on from a half answer.
    """
    key = target.key.kind
    whole = answer.answer if isinstance(answer, Failed) else answer
    facts: dict[str, Any] = {
        "key": key,
        "status": whole.status if whole else None,
        "continues": known.way.value,
        "because": known.because,
    }
    if isinstance(answer, Failed):
        facts["failure"] = answer.kind.value
    usable, words, mend = False, "", ""
    match answer:
        case None:
            words, mend = "takes a connection, but does not answer", _WAIT
        case Answer(body=body) if (count := _count_models(body)) is not None:
            usable, words = True, f"lists {count} models"
            facts["models"] = count
        case Answer():
            words, mend = "answers, but not as a provider: a captive portal, perhaps", _PLACE
        case Failed(kind=FailureKind.AUTH) if key == "client":
            usable, words = True, "can be reached; whether a key is good, only a client's request can tell"
        case Failed(kind=FailureKind.AUTH) if key == "value":
            words, mend = "refuses the configured key", "Check the variable that holds it."
        case Failed(kind=FailureKind.AUTH):
            words, mend = "wants a key, and the configuration gives it none", "Set its `key`."
        case Failed(kind=FailureKind.NOT_FOUND):
            usable, words = True, "can be reached, but has no list of models: is its base_url right?"
        case Failed(kind=kind, answer=Answer(status=status)):
            words, mend = f"can be reached, but answers with status {status} ({kind.value})", _WAIT
        case Failed(unreached=Unreached() as why):
            words, mend = f"cannot be reached: {why.meaning} ({why.value})", TO_REACH[why]
            facts["unreached"] = why.value
        case Failed(kind=kind):
            words, mend = f"cannot be reached ({kind.value})", _PLACE
    continues = f"{_CLOUD_WAYS[known.way]} ({known.because})"
    said = (words, continues) if usable else (words,)
    return Finding(target.name, "cloud", target.place, usable, said, mend, facts)


def _count_models(body: bytes) -> int | None:
    models = decoded_object(body).get("data")
    return len(models) if isinstance(models, list) else None


async def _ask_local(standby: Standby) -> Finding:
    model: LocalModel | Failed | None = None
    with trio.move_on_after(standby.target.load_timeout_s):
        model = await standby.ready(None)
    return judge_local(standby, model)


def judge_local(standby: Standby, model: LocalModel | Failed | None) -> Finding:
    """What a standby has become, and what that means; `None`: it was not ready in time."""
    target = standby.target
    missing = [name for name in target.models.values() if standby.find(name) is None]
    facts: dict[str, Any] = {
        "version": standby.version or None,
        "models": len(standby.models),
        "standby": standby.state.value,
    }
    usable, mend = False, ""
    words: tuple[str, ...]
    match model:
        case LocalModel(way=way):
            facts |= _facts(standby, model)
            usable, words = way is not Way.NONE, _describe(standby, model)
            mend = "" if usable else "Choose another model with `model` or TROOPER_LOCAL_MODEL."
            if usable and (other := _asked_otherwise(standby, model)):
                words, mend = (*words, other), "Unload it and look again: somebody else has loaded it so."
        case _ if standby.state is State.ABSENT:
            words = (standby.absent_because or f"no {standby.software} answers here",)
            mend = standby.to_start
            if isinstance(model, Failed) and model.unreached is not None:
                words = (f"no {standby.software} answers here: {model.unreached.meaning}",)
                facts["unreached"] = model.unreached.value
        case _ if standby.state is State.NO_MODEL and target.model:
            words = (f"{standby.software} {standby.version} does not have the model {target.model}",)
            mend = standby.to_get(target.model)
        case _ if standby.state is State.NO_MODEL:
            words = (f"{standby.software} {standby.version} has no model that can chat",)
            mend = "Run, for example: ollama pull llama3.2:3b"
        case Failed(kind=kind):
            words = (f"{standby.chosen} does not load ({kind.value})",)
            mend = f"{standby.software}'s own log says why; a smaller model may fit."
        case None:
            words = (f"the model did not load within {target.load_timeout_s:g} s",)
            mend = f"{standby.software}'s own log says why; `load_timeout_s` is the limit."
    if missing and standby.models:
        usable, words = False, (*words, f"missing: {', '.join(missing)}")
        mend = f"{mend} Run: ollama pull {missing[0]}".strip()
    return Finding(target.name, "local", target.place, usable, words, mend, facts)


def _facts(standby: Standby, model: LocalModel) -> dict[str, Any]:
    return {
        "model": model.name,
        "because": standby.chosen_because,
        "window_tokens": standby.window(model) or None,
        "asked_tokens": standby.target.num_ctx,
        "most_tokens": standby.most_tokens(model) or None,
        "trained_tokens": model.trained_tokens or None,
        "continues": model.way.value,
        "continues_with_tools": (model.way_with_tools or model.way).value,
        "echoes": model.echoes,
        # What was found out before this process is not asked of the model again.
        "probed_at": None if (at := standby.learned.probed_at(model)) is None else _moment(at),
        "tools": "tools" in model.capabilities,
        "images": "vision" in model.capabilities,
    }


def _asked_otherwise(standby: Standby, model: LocalModel) -> str:
    """That the window is not the one that was asked for."""
    asked, loaded = standby.target.num_ctx, standby.window(model)
    if asked is None or loaded in (0, asked):
        return ""
    return f"num_ctx asks for {asked:,} tokens, and it is loaded with {loaded:,}"


def _describe(standby: Standby, model: LocalModel) -> tuple[str, ...]:
    window = f"window: {model.window_tokens or 'not known'}"
    if model.trained_tokens > model.window_tokens > 0:
        window += f" tokens; it was trained for {model.trained_tokens}"
    can = [word for word, name in (("tools", "tools"), ("images", "vision")) if name in model.capabilities]
    echo = ("repeats what it is given first; that is cut",) if model.echoes else ()
    at = standby.learned.probed_at(model)
    remembered = (
        () if at is None else (f"remembered: it was probed on {_moment(at)[:10]}, under this version",)
    )
    return (
        f"{standby.software} {standby.version}, model {model.name} ({standby.chosen_because})",
        window,
        f"takes {' and '.join(can) or 'neither tools nor images'}",
        _way_words(model),
        *echo,
        *remembered,
    )


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _way_words(model: LocalModel) -> str:
    if model.way is Way.RAW and model.way_with_tools is Way.PREFILL:
        return "goes on from a half answer by a raw prompt; with tools or images by a trailing assistant turn"
    return _WAYS[model.way]


def _row(targets: Sequence[Target]) -> str:
    row = " → ".join(target.name for target in targets) or "nobody"
    helped = any(target.is_local for target in targets)
    return row if helped else f"{row}  (no local target)"


def _print_table(config: Config, findings: Sequence[Finding], standing: Standing) -> None:
    console = open_console()
    console.print(f"Trooper {__version__}, configuration from {config.source}")
    table = Table(box=box.SIMPLE_HEAD, width=min(console.width, 80), pad_edge=False)
    for heading in ("target", "kind", "usable", "what it says"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        usable = Text("yes", "green") if finding.usable else Text("no", "red")
        lines = [finding.url, *finding.words, *([finding.mend] if finding.mend else [])]
        table.add_row(finding.name, finding.place, usable, "\n".join(lines))
    console.print(table)
    for name, targets in config.listed_chains().items():
        console.print(f"chain {name}: {_row(targets)}")
    for line in verdicts(config, findings, has_small_model=cached(os.environ) is not None):
        console.print(line)
    for line in forecast_lines(forecasts(config, findings)):
        console.print(line)
    for line in store_lines(standing):
        # As it is: a path is not to be broken where it is to be copied.
        console.print(line, soft_wrap=True)
    bad = [finding.name for finding in findings if not finding.usable]
    console.print(f"Not usable: {', '.join(bad)}." if bad else "Everything is usable.")


def _print_json(config: Config, findings: Sequence[Finding], standing: Standing) -> None:
    told = {
        "version": __version__,
        "config": config.source,
        "usable": all(finding.usable for finding in findings),
        "targets": [asdict(finding) for finding in findings],
        "no_provider": {c.wire.name: dict(c.answers) for c in cloudless(config)},
        "only_local_targets": dict(local_by_wish(config)),
        "small_model": {
            "is_fetched": cached(os.environ) is not None,
            "is_asked_for": any(target.name == SMALL_MODEL for target in config.targets),
        },
        "forecasts": [forecast.facts for forecast in forecasts(config, findings)],
        "store": store_facts(standing),
        "chains": {n: [t.name for t in targets] for n, targets in config.listed_chains().items()},
    }
    sys.stdout.write(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
