"""
A fake as a process of its own: `python -m trooper.testing provider`, `… ollama`
or `… tap`.

Prints one line of JSON with its address once it listens, and runs until it is
stopped, or until its standard input closes if `--watch-stdin` is given, so
that no fake outlives the test that started it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import trio

from trooper.testing.chat import DEFAULT_ANSWER
from trooper.testing.ollama import FakeOllama, Model, OllamaFault, ToolUse
from trooper.testing.provider import ANSWERS, FaultAt, ScriptedProvider
from trooper.testing.serve import Fake, serve_tcp
from trooper.testing.tap import Tap


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--host", default="127.0.0.1")
    shared.add_argument("--port", type=int, default=0)
    shared.add_argument("--answer", help="what it says; @FILE reads it from a file")
    shared.add_argument("--token-s", type=float, default=0.0, help="seconds per token")
    shared.add_argument("--watch-stdin", action="store_true", help="stop when standard input closes")
    parser = argparse.ArgumentParser(prog="python -m trooper.testing", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    provider = kinds.add_parser("provider", parents=[shared])
    provider.add_argument("--fault", type=FaultAt.parse, help="name@position, for every request")
    provider.add_argument("--say", choices=sorted(ANSWERS), default="text")
    provider.add_argument("--api-key")
    provider.add_argument("--token-chars", type=int)
    ollama = kinds.add_parser("ollama", parents=[shared])
    ollama.add_argument("--fault", type=OllamaFault.parse, help="how@lines, for every answer")
    ollama.add_argument("--model", default=Model().name)
    ollama.add_argument("--path", choices=["A", "B", "C"], default="A")
    ollama.add_argument("--turn", choices=["continues", "trims", "newline", "closes"], default="continues")
    ollama.add_argument("--old", action="store_true", help="ignore _debug_render_only")
    ollama.add_argument("--capabilities", default="completion,tools")
    ollama.add_argument("--context-length", type=int, default=32768)
    ollama.add_argument("--load-s", type=float, default=0.0)
    ollama.add_argument("--prefill-s", type=float, default=0.0, help="seconds per prompt token")
    ollama.add_argument("--call", help='a tool call, as {"name": …, "arguments": {…}}')
    tap = kinds.add_parser("tap", parents=[shared])
    tap.add_argument("--to", required=True, help="the URL of the server behind it")
    return parser.parse_args(argv)


def _fake(asked: argparse.Namespace) -> Fake:
    match asked.kind:
        case "provider":
            return _provider(asked)
        case "ollama":
            return _ollama(asked)
        case _:
            return Tap(asked.to)


def _provider(asked: argparse.Namespace) -> ScriptedProvider:
    return ScriptedProvider(
        answer=_answer(asked) or ANSWERS[asked.say],
        script=asked.fault,
        pace_s=asked.token_s,
        api_key=asked.api_key,
        token_chars=asked.token_chars,
    )


def _ollama(asked: argparse.Namespace) -> FakeOllama:
    model = Model(
        name=asked.model,
        path=asked.path,
        turn=asked.turn,
        renders=not asked.old,
        capabilities=tuple(asked.capabilities.split(",")),
        context_length=asked.context_length,
    )
    return FakeOllama(
        answer=_answer(asked) or DEFAULT_ANSWER,
        models=(model,),
        load_s=asked.load_s,
        prefill_s=asked.prefill_s,
        token_s=asked.token_s,
        tool_calls=(ToolUse(**json.loads(asked.call)),) if asked.call else (),
        fault=asked.fault,
    )


def _answer(asked: argparse.Namespace) -> str | None:
    text: str | None = asked.answer
    return Path(text[1:]).read_text(encoding="utf-8") if text and text.startswith("@") else text


async def _run(asked: argparse.Namespace) -> None:
    fake = _fake(asked)
    async with trio.open_nursery() as nursery:
        port = await serve_tcp(fake, nursery, asked.host, asked.port)
        ready = {
            "ready": asked.kind,
            "host": asked.host,
            "port": port,
            "url": f"http://{asked.host}:{port}",
            "pid": os.getpid(),
        }
        print(json.dumps(ready), flush=True)
        if asked.watch_stdin:
            await trio.to_thread.run_sync(sys.stdin.buffer.read, abandon_on_cancel=True)
            nursery.cancel_scope.cancel()


def main(argv: Sequence[str] | None = None) -> None:
    """Run a fake until it is told to stop."""
    try:
        trio.run(_run, _arguments(argv))
    except* KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
