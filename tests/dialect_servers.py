"""
A provider of every dialect and a local model, as one process, and Trooper
between them. What either says follows from the question (`dialect_cases`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import trio
from attrs import frozen

from deployed import ROOT, Fake, deployed, running
from dialect_cases import CALL, MORE, NOTHING, Case, said
from trooper.testing import (
    DEFAULT_ANSWER,
    End,
    FakeOllama,
    Fin,
    Head,
    Request,
    Script,
    ScriptedProvider,
    Send,
    ToolUse,
    serve_tcp,
)


def script(request: Request) -> Script:
    case = Case.asked(request.body.decode())
    assert case is not None, "no stream is named"
    end = End() if case.cut is None else Fin()
    return Script((Head(), *map(Send, case.sent), end))


def answer(question: str) -> str:
    """All that the provider would have said, and more where calls come behind it."""
    case = Case.asked(question)
    if case is None:
        # Trooper tries what the model can do before anybody asks.
        return DEFAULT_ANSWER
    reading = said(case.golden.wire, case.golden.pieces)
    return (reading.text + MORE if reading.calls else reading.text) or NOTHING


async def main() -> None:
    provider = ScriptedProvider(script=script)
    local = FakeOllama(answer=answer, tool_calls=(ToolUse(*CALL),))
    async with trio.open_nursery() as nursery:
        ports = [await serve_tcp(fake, nursery) for fake in (provider, local)]
        cloud, ollama = (f"http://127.0.0.1:{port}" for port in ports)
        sys.stdout.write(json.dumps({"cloud": cloud, "ollama": ollama}) + "\n")
        sys.stdout.flush()


@frozen
class Servers:
    """The provider of all dialects, and Trooper in front of it."""

    cloud: str
    trooper: str


@contextmanager
def serving(folder: Path) -> Iterator[Servers]:
    """`hypercorn trooper.app` in front of this file as a process."""
    with ExitStack() as stack:
        path = f"{ROOT}:{ROOT / 'tests'}"
        fakes = stack.enter_context(running(sys.executable, __file__, PYTHONPATH=path))
        cloud, ollama = (fakes.wait_for(rf'"{name}": "([^"]+)"')[1] for name in ("cloud", "ollama"))
        env = {"TROOPER_ANTHROPIC_BASE_URL": cloud, "TROOPER_BREAKER": "off"}
        trooper = stack.enter_context(deployed("hypercorn", cloud, ollama, folder, **env))
        # What probes ask of it is not what clients ask.
        local = Fake(ollama, fakes)
        local.forget()
        yield Servers(cloud, trooper.url)
        assert local.state()["mismatches"] == []


if __name__ == "__main__":
    trio.run(main)
