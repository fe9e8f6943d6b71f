"""
A hundred clients that stop reading in the middle of an endless answer: each
holds a bounded number of bytes, the provider has to wait, nobody survives the
end of the process, and nobody is waited for longer than was agreed.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import frozen

from chat_client import ChatClient
from deployed import ROOT, Deployed, deployed
from figures import Figures, resident_bytes
from trooper.testing import (
    DEFAULT_ANSWER,
    FakeOllama,
    Head,
    KeepAlive,
    Request,
    Script,
    ScriptedProvider,
    Send,
    chat_events,
    serve_tcp,
)
from trooper.testing.chat import ChatAnswer

CLIENTS = 100
#: The transcript of what the kernel has taken (it takes megabytes on asyncio; Trio's sockets ask it
#: not to), 256 KiB that wait in an inbox, and what is on its way.
HELD_BYTES = 4 * 1024 * 1024 + 1_000_000
WAYS = ["hypercorn", "hypercorn -k trio", "trooper serve"]
#: Longer than both hypercorn's own grace and the one configured here.
GONE_S = 15.0

CONFIG = """
[server]
port = 0
grace_s = 2
drain_timeout_s = {drain_s}
[[targets]]
name = "openai"
wire = "openai-chat"
base_url = "{cloud}"
key = "client"
[[targets]]
name = "ollama"
wire = "ollama-chat"
base_url = "{local}"
"""

PREAMBLE, CHUNK, *_ = chat_events(["A thousand words say little. " * 40])
ENDLESS = Script((Head(), Send(PREAMBLE), KeepAlive(0.0, data=CHUNK)))


def answer(request: Request) -> Script | ChatAnswer:
    return ENDLESS if request.json()["model"] == "endless" else ChatAnswer(tokens=(DEFAULT_ANSWER,))


@frozen
class Stalled:
    """A Trooper with clients that do not read."""

    trooper: Deployed
    cloud: ScriptedProvider
    before_bytes: int

    async def sent(self) -> int:
        """What the provider has got rid of, once it has to wait."""
        with trio.fail_after(120):
            last = -1
            while (now := self.cloud.server.bytes_sent) != last:
                last = now
                await trio.sleep(1)
        return last


@asynccontextmanager
async def stalled(way: str, folder: Path, drain_s: float) -> AsyncIterator[Stalled]:
    cloud = ScriptedProvider(script=answer)
    async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
        urls = {}
        for name, fake in (("cloud", cloud), ("local", FakeOllama())):
            urls[name] = f"http://127.0.0.1:{await serve_tcp(fake, nursery)}"
        (folder / "trooper.toml").write_text(CONFIG.format(drain_s=drain_s, **urls), encoding="utf-8")
        context = deployed(way, urls["cloud"], urls["local"], folder)
        trooper = await trio.to_thread.run_sync(context.__enter__)
        try:
            before = resident_bytes(trooper.pid)
            for number in range(CLIENTS):
                client = await ChatClient.connect(trooper.port, number, receive_bytes=4096)
                await stack.enter_async_context(client)
                await client.ask("endless")
                assert await client.piece() is not None
            yield Stalled(trooper, cloud, before)
        finally:
            with trio.move_on_after(120, shield=True):
                await trio.to_thread.run_sync(context.__exit__, None, None, None)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("way", WAYS)
async def test_they_hold_little_and_do_not_survive(way: str, figures: Figures, tmp_path: Path) -> None:
    async with stalled(way, tmp_path, drain_s=600) as s:
        sent = await s.sent()
        grown = resident_bytes(s.trooper.pid) - s.before_bytes
        program = s.trooper.process.process
        program.terminate()
        began = time.perf_counter()
        with trio.fail_after(GONE_S):
            status = await trio.to_thread.run_sync(program.wait, abandon_on_cancel=True)
            await s.cloud.server.wait_until(lambda: s.cloud.open_connections == 0)
        took_s = time.perf_counter() - began
        figures.add(
            f"{CLIENTS} clients that do not read, {way}",
            f"the provider stands after {sent / CLIENTS / 1e3:.0f} kB a client, in all buffers on the way",
            f"Trooper's memory grew by {grown / CLIENTS / 1e3:.0f} kB a client",
            f"it ended {took_s:.1f} s after SIGTERM, with status {status}",
        )
        assert grown / CLIENTS < HELD_BYTES
        # On asyncio, Python 3.11 prints a traceback for each connection that the server cancels. It goes
        # through the wall round each.
        said = s.trooper.process.said.replace(f"{ROOT}/trooper/web/patches.py", "")
        assert f"{ROOT}/trooper/" not in said


@pytest.mark.parametrize("way", WAYS)
async def test_they_are_not_waited_for(way: str, figures: Figures, tmp_path: Path) -> None:
    async with stalled(way, tmp_path, drain_s=2) as s:
        began = time.perf_counter()
        with trio.fail_after(60):
            await s.cloud.server.wait_until(lambda: s.cloud.open_connections == 0)
        took_s = time.perf_counter() - began
        async with await ChatClient.connect(s.trooper.port) as client:
            await client.ask("gpt-4o")
            assert DEFAULT_ANSWER.split()[-1].encode() in await client.rest()
        figures.add(
            f"{CLIENTS} clients that do not read for 2 s, {way}",
            f"all dropped and their providers let go {took_s:.1f} s later; the next client has its answer",
        )
