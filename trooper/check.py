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
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
import trio
from attrs import asdict, frozen
from cyclopts import Parameter
from rich import box
from rich.table import Table
from rich.text import Text

from trooper import __version__
from trooper.cli import FAILED, MISUSED
from trooper.config import Config, Target, load
from trooper.core.outcome import Answer, Failed, FailureKind
from trooper.errors import ConfigError
from trooper.services import Services, headers_for, open_services
from trooper.standby import Standby, State
from trooper.telemetry import set_up_logging
from trooper.terminal import open_console
from trooper.upstream import Call
from trooper.wire.ollama_chat import models as ollama
from trooper.wire.ollama_chat.models import LocalModel, Way

#: For the answer, after the connection; a list of models is small.
_ANSWER_S = 10.0
_ANSWER_BYTES = 8_388_608

_WAYS: Mapping[Way, str] = {
    Way.PREFILL: "goes on from a half answer (the template leaves the turn open)",
    Way.RAW: "goes on from a half answer by a raw prompt; not with tools or images",
    Way.NONE: "cannot go on from a half answer, only answer from the beginning",
}


@frozen
class Finding:
    """
    What a target said.

    Attributes:
        words: what was found, in sentences for a person.
        mend: what to do about it; empty when all is well.
        facts: the same for programs.
    """

    name: str
    place: str
    url: str
    usable: bool
    words: str
    mend: str = ""
    facts: Mapping[str, Any] = {}  # noqa: RUF012  # frozen by convention: built once, never changed


def check(
    *,
    config: Annotated[
        Path | None, Parameter(help="The TOML file; ./trooper.toml is found by itself.")
    ] = None,
    as_json: Annotated[bool, Parameter(name="--json", help="Print JSON instead.", negative="")] = False,
) -> int:
    """Ask every target, and say what is not usable; 0, or 1 if something is not, or 2."""
    environ = dict(os.environ)
    if config is not None:
        environ["TROOPER_CONFIG"] = str(config)
    try:
        settings = load(environ, Path.cwd())
    except ConfigError as error:
        sys.stderr.write(f"trooper: configuration error: {error}\n")
        return MISUSED
    # The standby's warnings say what the table says; its errors are bugs.
    set_up_logging(level=logging.ERROR)
    if sys.stderr.isatty():
        sys.stderr.write("asking the targets; a local model may have to be loaded first …\n")
    findings = trio.run(ask_all, settings)
    (_print_json if as_json else _print_table)(settings, findings)
    return 0 if all(finding.usable for finding in findings) else FAILED


async def ask_all(config: Config) -> list[Finding]:
    """Ask all targets at once; the findings are in the order of the configuration."""
    found: dict[str, Finding] = {}

    async def note(services: Services, target: Target) -> None:
        standby = services.standbys.get(target.name)
        found[target.name] = await (_ask_local(standby) if standby else _ask_cloud(services, target))

    async with trio.open_nursery() as standbys:
        async with open_services(config, standbys) as services, trio.open_nursery() as asking:
            for target in config.targets:
                asking.start_soon(note, services, target)
        standbys.cancel_scope.cancel(reason="everything was asked")
    return [found[target.name] for target in config.targets]


async def _ask_cloud(services: Services, target: Target) -> Finding:
    call = Call("GET", "/models", headers_for(target, (), hop="trooper-check"))
    answer: Answer | Failed | None = None
    with trio.move_on_after(target.connect_timeout_s + _ANSWER_S):
        answer = await services.upstreams[target.name].fetch(call, _ANSWER_BYTES)
    say = partial(Finding, target.name, "cloud", target.base_url)
    key = target.key.kind
    status = (answer.answer if isinstance(answer, Failed) else answer or Answer(0)) or Answer(0)
    facts = {"key": key, "status": status.status or None}
    match answer:
        case None:
            return say(usable=False, words="it accepts a connection but does not answer", mend=_WAIT, facts=facts)
        case Answer(body=body):
            count = _count_models(body)
            if count is None:
                words = "it answers, but not as a provider: this may be a captive portal"
                return say(usable=False, words=words, mend="Check its base_url.", facts=facts)
            return say(usable=True, words=f"it lists {count} models", facts=facts | {"models": count})
        case Failed(kind=FailureKind.AUTH) if key == "client":
            words = "it can be reached; whether a key is good only the clients' own requests can tell"
            return say(usable=True, words=words, facts=facts)
        case Failed(kind=FailureKind.AUTH):
            words = f"it refuses {'the configured key' if key == 'value' else 'to answer without a key'}"
            mend = "Check the variable that holds its key." if key == "value" else "Give it a `key`."
            return say(usable=False, words=f"{words} (status {status.status})", mend=mend, facts=facts)
        case Failed(kind=FailureKind.NOT_FOUND):
            words = "it can be reached, but has no list of models there: is its base_url right?"
            return say(usable=True, words=words, facts=facts)
        case Failed(kind, answer=Answer(status=code)):
            words = f"it can be reached, but answers with status {code} ({kind.value})"
            return say(usable=False, words=words, mend=_WAIT, facts=facts)
        case Failed(kind):
            words = f"it cannot be reached ({kind.value}): every request goes on to the next target"
            mend = "Check its base_url, the network and a proxy."
            return say(usable=False, words=words, mend=mend, facts=facts | {"failure": kind.value})
