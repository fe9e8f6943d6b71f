"""
How far a request and a token walk: `python bench/calls.py [--json] [--lines]`.

Plays one streamed chat answer through the whole application, on the default
configuration (gate on), over a memory network and virtual time, and listens
with `sys.setprofile`. The Trooper that is counted is the one which this Python
imports, so that two checkouts are compared by running it with the Python of
each; its `tests/test_layers.py` says which layer is above which.

What is counted:

* A call is each time that `sys.setprofile` says `call` for code of ours, from a
  file under `trooper/` without `trooper/testing`: functions, methods,
  properties, comprehensions, and each step of a generator. A coroutine that goes
  on after an `await` is none. What attrs makes (`__init__`, `__eq__`) is no file
  of ours: it is counted apart, as `made by attrs`.
* A token is one event of the answer with a plain word in it, `" word"`, alone on
  its way: from the bytes that the network reads to ASGI's `send`. The web layer
  behind that `send` is shown and not added. So counted a token made 89 calls
  at 15c89de, which is the figure that a target was set against.
* A room is a folder, or a module of `trooper/`; folders inside it are shown with
  it. A request visits a room when a function of it is called.
* A climb is a call from a lower layer into a higher one, each such pair of
  rooms once. A task that Trio starts has no caller.

No timing: the counts are the same on every machine, though not with every
version of Python (89 is that of 3.11; from 3.12 on comprehensions are no calls).
"""

from __future__ import annotations

import argparse
import dis
import importlib
import inspect
import json
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import trio
import trio.testing
from attrs import asdict, define, field, frozen

import trooper
from trooper.config import load
from trooper.testing import ChatAnswer, FakeOllama, MemoryNetwork, ScriptedProvider

sys.path.insert(0, str(Path(trooper.__file__).parents[1] / "tests"))

import test_layers

PACKAGE = Path(trooper.__file__).parent
WORD = " word"
TOKENS = 60
#: Not the first ones, for which things are made, and not the last.
MEASURED = range(20, 40)
TOKEN_S = 0.02
ENVIRON = {
    "TROOPER_OPENAI_BASE_URL": "http://api.openai.com/v1",
    "TROOPER_ANTHROPIC_BASE_URL": "http://api.anthropic.com/v1",
}
#: Which frames are Trooper's: their code's file, without the folder of the package.
_OWN: dict[CodeType, str | None] = {}
_RESUME = dis.opmap.get("RESUME", -1)


def own_file(code: CodeType) -> str | None:
    """`core/gate.py`, or nothing for code that is not ours."""
    if code not in _OWN:
        path = Path(code.co_filename)
        inside = path.is_relative_to(PACKAGE) and not path.is_relative_to(PACKAGE / "testing")
        _OWN[code] = path.relative_to(PACKAGE).as_posix() if inside else None
    return _OWN[code]


def goes_on(frame: FrameType) -> bool:
    """Whether a coroutine goes on where it had stopped."""
    code, at = frame.f_code, frame.f_lasti
    # `RESUME 0` is the beginning of a function, 1 to 3 are behind a yield or an await.
    is_begun = at > 0 and (code.co_code[at] != _RESUME or code.co_code[at + 1] & 3 != 0)
    return is_begun and bool(code.co_flags & inspect.CO_COROUTINE)


def folder_of(file: str) -> str:
    folder, _, module = file.rpartition("/")
    return folder or module.removesuffix(".py")


def room_of(file: str) -> str:
    return file.partition("/")[0].removesuffix(".py")


def layer_of(file: str) -> int | None:
    """How high the file's room stands; nothing for values that stand beside the layers."""
    return next((level for level, row in enumerate(test_layers.LAYERS) if room_of(file) in row), None)


@define
class Listener:
    """Hears every call of ours; one for the whole process, which has one thread."""

    calls: list[tuple[str, str]] = field(factory=list)
    made: int = 0
    climbs: Counter[str] = field(factory=Counter)
    #: How many calls there had been at each read of the answer's connection.
    reads: list[tuple[int, int]] = field(factory=list)
    is_open: bool = False

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or not self.is_open:
            return
        code = frame.f_code
        file = own_file(code)
        if file is None:
            self.made += code.co_filename.startswith("<attrs generated methods trooper.")
        elif not goes_on(frame):
            self.calls.append((file, code.co_qualname))
            self._note_climb(frame, file)

    def _note_climb(self, frame: FrameType, file: str) -> None:
        caller = frame.f_back
        while caller is not None and own_file(caller.f_code) is None:
            caller = caller.f_back
        if caller is None:
            return
        below = own_file(caller.f_code) or ""
        low, high = layer_of(below), layer_of(file)
        if low is not None and high is not None and high > low:
            self.climbs[f"{room_of(below)} → {room_of(file)}"] += 1

    def mark(self) -> None:
        self.reads.append((len(self.calls), self.made))


@frozen
class Found:
    """The figures: a token's calls, in all and by where they are, and a request's rooms."""

    token_calls: float
    token_calls_in_web: float
    token_made_by_attrs: float
    token_by_folder: dict[str, float]
    token_by_file: dict[str, float]
    token_by_function: dict[str, float]
    request_calls: int
    rooms: list[str]
    folders: list[str]
    files: int
    climbs: dict[str, int]


@define
class Client:
    """An ASGI server's side of one request; notes when a piece of the answer goes out."""

    listener: Listener
    body: bytes
    sent: list[bytes] = field(factory=list)
    _asked: bool = False

    async def receive(self) -> dict[str, Any]:
        if self._asked:
            await trio.sleep_forever()
        self._asked = True
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def send(self, message: Any) -> None:
        await trio.lowlevel.checkpoint()
        if message["type"] == "http.response.body" and message["body"]:
            self.sent.append(bytes(message["body"]))
            self.listener.mark()


def scope(body: bytes) -> dict[str, Any]:
    headers = {"host": "127.0.0.1:8642", "content-type": "application/json", "authorization": "Bearer sk-x"}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.1"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/chat/completions",
        "raw_path": b"/v1/chat/completions",
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()]
        + [(b"content-length", str(len(body)).encode())],
        "server": ("127.0.0.1", 8642),
        "client": ("127.0.0.1", 50000),
        "extensions": {},
    }


def tables() -> tuple[Any, ...]:
    """The known wires, where the configuration has to be told them: not on older code."""
    try:
        return (importlib.import_module("trooper.wires").WIRES.known,)
    except ImportError:
        return ()


async def play(application: Any, open_services: Any, answer: Any) -> Listener:
    """One request, from the server's call of the application to its return."""
    listener = Listener()
    provider = ScriptedProvider(ChatAnswer(tokens=(WORD,) * TOKENS), pace_s=TOKEN_S)
    asked = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
    body = json.dumps(asked).encode()
    async with trio.open_nursery() as nursery:
        network = MemoryNetwork(nursery)
        network.listen("api.openai.com", 80, provider.serve)
        network.listen("127.0.0.1", 11434, FakeOllama().serve)
        app = application(
            load(ENVIRON, Path("/nonexistent"), *tables()), partial(open_services, network=network), answer
        )
        to_app, app_receives = trio.open_memory_channel[Any](1)
        app_sends, from_app = trio.open_memory_channel[Any](1)
        nursery.start_soon(app, {"type": "lifespan"}, app_receives.receive, app_sends.send)
        await to_app.send({"type": "lifespan.startup"})
        await from_app.receive()
        # The standby looks at its server first; that is no part of a request.
        await trio.sleep(5)
        client = Client(listener, body)
        sys.setprofile(listener)
        listener.is_open = True
        try:
            await app(scope(body), client.receive, client.send)
        finally:
            listener.is_open = False
            sys.setprofile(None)
        assert len(client.sent) > TOKENS - 2, f"{len(client.sent)} pieces for {TOKENS} tokens"
        nursery.cancel_scope.cancel()
    return listener


def figures(listener: Listener) -> Found:
    (first, made), (last, made_last) = listener.reads[MEASURED.start], listener.reads[MEASURED.stop]
    count = len(MEASURED)
    heard = listener.calls[first:last]
    calls = [(file, name) for file, name in heard if not file.startswith("web/")]

    def each(names: Any) -> dict[str, float]:
        return {name: round(n / count, 2) for name, n in Counter(names).most_common()}

    files = list(dict.fromkeys(file for file, _ in listener.calls))
    return Found(
        token_calls=round(len(calls) / count, 2),
        token_calls_in_web=round((len(heard) - len(calls)) / count, 2),
        token_made_by_attrs=round((made_last - made) / count, 2),
        token_by_folder=each(folder_of(file) for file, _ in calls),
        token_by_file=each(file for file, _ in calls),
        token_by_function=each(f"{file} {name}" for file, name in calls),
        request_calls=len(listener.calls),
        rooms=list(dict.fromkeys(map(room_of, files))),
        folders=list(dict.fromkeys(map(folder_of, files))),
        files=len(files),
        climbs=dict(listener.climbs),
    )


def show(found: Found, *, lines: bool) -> None:
    print(f"A token: {found.token_calls:g} calls of ours")
    print(f"  (and {found.token_calls_in_web:g} in web, {found.token_made_by_attrs:g} made by attrs)\n")
    for name, count in (found.token_by_function if lines else found.token_by_file).items():
        print(f"  {count:6g}  {name}")
    print("\n  by folder: " + ", ".join(f"{name} {count:g}" for name, count in found.token_by_folder.items()))
    print(f"\nA request of {TOKENS} tokens: {found.request_calls} calls, {found.files} files")
    print(f"\n  {len(found.rooms)} rooms: " + " → ".join(found.rooms))
    print(f"\n  {len(found.folders)} folders: " + " → ".join(found.folders))
    print(f"\n  {len(found.climbs)} climbs:" + "".join(f"\n  {n:6d}  {c}" for c, n in found.climbs.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--lines", action="store_true", help="by function in place of by file")
    told = parser.parse_args()
    from trooper import app  # Reads the environment; after the arguments, for `--help`.

    clock = trio.testing.MockClock(autojump_threshold=0)
    found = figures(trio.run(play, app.Application, app.open_services, app.answer, clock=clock))
    if told.json:
        print(json.dumps(asdict(found), indent=1, ensure_ascii=False))
    else:
        show(found, lines=told.lines)


if __name__ == "__main__":
    main()
