"""
A fake as a process of its own: `trooper fake provider`, `… ollama` or `… tap`.

Prints one line of JSON with its address once it listens, and runs until it is
stopped, or until its standard input closes if `--watch-stdin` is given, so
that no fake outlives the test that started it. `python -m trooper.testing` is
the same without the command line's own start.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import trio

from trooper.testing.chat import DEFAULT_ANSWER
from trooper.testing.dialects import DIALECTS
from trooper.testing.dialects.provider import Chosen, DialectProvider
from trooper.testing.ollama import FakeOllama, Model, OllamaFault, ToolUse
from trooper.testing.provider import ANSWERS, FaultAt, ScriptedProvider, UnknownFault
from trooper.testing.serve import Fake, serve_tcp
from trooper.testing.tap import Tap

_DOC = "A fake as a process of its own. It prints its address as JSON, and runs until it is stopped."
#: The exit statuses: it could not listen; it was asked wrongly.
_FAILED, _MISUSED = 1, 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, and where to read more."""
        one_line = " ".join(message.split())
        self.exit(_MISUSED, f"{self.prog}: {one_line} ({self.prog} --help)\n")


def _told(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """`read` as the parser wants it: with its own words for what is wrong."""

    def reads(text: str) -> Any:
        try:
            return read(text)
        except (ValueError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise argparse.ArgumentTypeError(str(reason)) from None

    return reads


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isdecimal() and len(text) < 12 and low <= int(text) <= high):
            raise ValueError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return _told(read)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= 86_400:
        raise ValueError(f"{text!r} is not a number of seconds, from 0 to 86400")
    return seconds


def _answer(text: str) -> str:
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{text[1:]!r} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError(f"{text[1:]!r} is not UTF-8") from None


def _call(text: str) -> ToolUse:
    form = 'write it as {"name": "…", "arguments": {…}}'
    try:
        said = json.loads(text)
    except ValueError:
        raise ValueError(f"it is no JSON; {form}") from None
    match said:
        case {"name": str(name), **rest} if rest.keys() <= {"arguments"}:
            arguments = rest.get("arguments", {})
            if isinstance(arguments, dict):
                return ToolUse(name, arguments)
    raise ValueError(f"it is no call; {form}")


def _server(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "http" or not parts.hostname or parts.port == 0:
        raise ValueError(f"{text!r} is no URL of a plain HTTP server; write it like http://127.0.0.1:11434")
    return text


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    shared = _Parser(add_help=False)
    shared.add_argument("--host", default="127.0.0.1")
    shared.add_argument("--port", type=_whole(0, 65535), default=0, help="0, the default, takes a free one")
    shared.add_argument("--answer", type=_told(_answer), help="what it says; @FILE reads it from a file")
    shared.add_argument("--token-s", type=_told(_seconds), default=0.0, help="seconds per token")
    shared.add_argument("--watch-stdin", action="store_true", help="stop when standard input closes")
    parser = _Parser(prog="trooper fake", description=_DOC)
    kinds = parser.add_subparsers(dest="kind", required=True)
    provider = kinds.add_parser("provider", parents=[shared], help="a scripted cloud")
    provider.add_argument("--fault", type=_told(FaultAt.parse), help="name@position, for every request")
    provider.add_argument(
        "--say", choices=sorted(ANSWERS), help="which of its own answers; text, if nothing is said"
    )
    provider.add_argument(
        "--dialect",
        metavar="NAME[/KIND]",
        type=_told(Chosen.parse),
        help=f"say what a real one sends, from docs/dialects.md: {', '.join(DIALECTS)}",
    )
    provider.add_argument("--api-key")
    provider.add_argument("--token-chars", type=_whole(1, 1_000_000))
    ollama = kinds.add_parser("ollama", parents=[shared], help="a stand-in for Ollama, no model")
    ollama.add_argument("--fault", type=_told(OllamaFault.parse), help="how@lines, for every answer")
    ollama.add_argument("--model", default=Model().name)
    ollama.add_argument("--path", choices=["A", "B", "C"], default="A")
    ollama.add_argument("--turn", choices=["continues", "trims", "newline", "closes"], default="continues")
    ollama.add_argument("--old", action="store_true", help="ignore _debug_render_only")
    ollama.add_argument("--capabilities", default="completion,tools")
    ollama.add_argument("--context-length", type=_whole(1, 100_000_000), default=32768)
    ollama.add_argument("--load-s", type=_told(_seconds), default=0.0)
    ollama.add_argument("--prefill-s", type=_told(_seconds), default=0.0, help="seconds per prompt token")
    ollama.add_argument("--call", type=_told(_call), help='a tool call, as {"name": …, "arguments": {…}}')
    tap = kinds.add_parser("tap", parents=[shared], help="passes on, and notes when")
    tap.add_argument("--to", type=_told(_server), required=True, help="the URL of the server behind it")
    asked = parser.parse_args(argv)
    if asked.kind == "provider" and asked.dialect:
        if asked.answer or asked.say or asked.token_chars:
            provider.error("--dialect has words of its own: leave out --answer, --say and --token-chars")
        try:
            _dialect(asked)
        except UnknownFault as error:
            provider.error(str(error))
    return asked


def _fake(asked: argparse.Namespace) -> Fake:
    match asked.kind:
        case "provider":
            return _dialect(asked) if asked.dialect else _provider(asked)
        case "ollama":
            return _ollama(asked)
        case _:
            return Tap(asked.to)


def _provider(asked: argparse.Namespace) -> ScriptedProvider:
    return ScriptedProvider(
        answer=asked.answer or ANSWERS[asked.say or "text"],
        script=asked.fault,
        pace_s=asked.token_s,
        api_key=asked.api_key,
        token_chars=asked.token_chars,
    )


def _dialect(asked: argparse.Namespace) -> DialectProvider:
    return DialectProvider(asked.dialect, fault=asked.fault, pace_s=asked.token_s, api_key=asked.api_key)


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
        answer=asked.answer or DEFAULT_ANSWER,
        models=(model,),
        load_s=asked.load_s,
        prefill_s=asked.prefill_s,
        token_s=asked.token_s,
        tool_calls=(asked.call,) if asked.call else (),
        fault=asked.fault,
    )


async def _run(asked: argparse.Namespace) -> int:
    fake, status = _fake(asked), 0
    async with trio.open_nursery() as nursery:
        try:
            port = await serve_tcp(fake, nursery, asked.host, asked.port)
        except (OSError, ValueError) as error:  # The second is a host that can be none.
            reason = (error.strerror if isinstance(error, OSError) else "") or error
            where = f"{asked.host} port {asked.port}"
            sys.stderr.write(
                f"trooper fake {asked.kind}: cannot listen on {where}: {reason}; choose another place\n"
            )
            status = _FAILED
        else:
            await _serve_on(asked, port, fake)
            nursery.cancel_scope.cancel()
    return status


async def _serve_on(asked: argparse.Namespace, port: int, fake: object) -> None:
    """Say where, and serve until standard input ends, or for ever."""
    url = f"http://{f'[{asked.host}]' if ':' in asked.host else asked.host}:{port}"
    ready = {"ready": asked.kind, "host": asked.host, "port": port, "url": url, "pid": os.getpid()}
    if isinstance(fake, DialectProvider):
        ready["base_url"] = url + fake.chosen.path
    print(json.dumps(ready), flush=True)
    if asked.watch_stdin:
        await trio.to_thread.run_sync(sys.stdin.buffer.read, abandon_on_cancel=True)
    else:
        await trio.sleep_forever()


def main(argv: Sequence[str] | None = None) -> int:
    """Run a fake until it is told to stop; the exit status."""
    asked = _arguments(argv)
    try:
        return trio.run(_run, asked)
    except* KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
