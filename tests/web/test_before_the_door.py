"""
Whose code is run by bytes of somebody who is not let in: as few packages as
possible, and those that the page on security names.
"""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType
from typing import Any, cast

import trio
from attrs import define, field

from asgi_server import CHAT
from front_attacks import BODIES, H2, NOISE, WEBSOCKETS
from hypercorn_server import Served, spoken, until_closed
from opened import STREAMED
from scenes import configured
from trooper.config import Config
from trooper.relay.dispatch import answer
from trooper.services import Services
from trooper.web.asgi import Application
from trooper.web.protocol import Serve

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
TESTS = {path.stem for path in Path(__file__).parents[1].rglob("*.py")} | {"tests", "__main__"}

#: Us, the tests' own tools, and what the standard library and the installer make up.
HERE = {"trooper", "pytest", "_pytest", "pluggy", "pytest_trio", "typing_extensions"}
HERE |= {"_distutils_hack", "hypothesis", "xdist", "execnet", "coverage"}

CLOSE = "Connection: close"
REFUSED = {
    "another host": spoken("POST", CHAT, STREAMED, CLOSE).replace(b"127.0.0.1", b"evil.example"),
    "a page": spoken("POST", CHAT, STREAMED, CLOSE, "Origin: https://evil.example"),
    "no key": spoken("POST", CHAT, STREAMED, CLOSE),
    "a bad key": spoken("POST", CHAT, STREAMED, CLOSE, "Authorization: Bearer nobody"),
    "zstd": spoken("POST", CHAT, b"\x28\xb5\x2f\xfd" + b"x" * 99, CLOSE, "Content-Encoding: zstd"),
    "gzip": spoken("POST", CHAT, b"\x1f\x8b" + b"x" * 99, CLOSE, "Content-Encoding: gzip"),
    "a form": spoken("POST", "/v1/messages", b"a=b", CLOSE, "Content-Type: text/plain"),
    "a query": spoken("GET", "/v1/models?api_key=sk-nobody&x=%ff", b"", CLOSE),
    "an odd path": spoken("GET", "/%2e%2e/readyz", b"", CLOSE),
    "a page of ours": spoken("GET", "/readyz", b"", CLOSE),
    **NOISE,
    **H2,
    **WEBSOCKETS,
    **BODIES,
}


@define
class Watch:
    """The top-level packages whose functions are called in the threads that it is set in."""

    seen: set[str] = field(factory=set)
    over: bool = False

    def look(self, frame: FrameType, event: str, called: Any) -> None:
        if self.over:
            # The thread may be another test's next.
            sys.setprofile(None)
            return
        if event == "call":
            name = frame.f_globals.get("__name__")
        elif event == "c_call":
            name = getattr(called, "__module__", None)
        else:
            return
        if isinstance(name, str) and not name.startswith("namedtuple_"):
            self.seen.add(name.partition(".")[0])

    def watching(self, app: Serve) -> Serve:
        """`app`, in whose thread this looks from the first call on: the server's own start."""

        async def watched(scope: Any, receive: Any, send: Any) -> None:
            sys.setprofile(self.look)
            await app(scope, receive, send)

        return watched


@asynccontextmanager
async def open_nothing(config: Config, nursery: trio.Nursery) -> AsyncIterator[Services]:
    """No services: nobody gets as far as that, and their own work is none of this."""
    yield cast("Services", None)


def documented() -> set[str]:
    """The packages of the page's list."""
    section = PAGE.read_text(encoding="utf-8").partition("## Whose code")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([a-z0-9_]+)`", section, re.MULTILINE))


async def test_nobody_elses_code_reads_what_is_refused(served: Served) -> None:
    watch = Watch()
    app = Application(configured(client_keys=("door",)), open_nothing, answer)
    async with served(watch.watching(app)) as address:
        watch.seen.clear()
        for name, attack in REFUSED.items():
            async with await trio.open_tcp_stream(*address) as stream:
                await stream.send_all(attack[:60_000])
                refusal = await until_closed(stream)
            assert refusal[9:12] not in {b"200", b"500"}, name
        strangers = watch.seen - HERE - TESTS - sys.stdlib_module_names
        watch.over = True

    assert {"h11", "hypercorn", "trio"} <= strangers <= documented()
