"""
The real thing with nobody real around it: a cloud that fails, Trooper, and a stand-in for Ollama.

Cloud and stand-in are in the bench's own process, on sockets, so that what they
were sent can be looked at. Trooper is a process of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import trio
from attrs import define, frozen

from trooper.bench.handover.told import Fault
from trooper.bench.rig import Running, Serving, open_rig, toml
from trooper.testing import DEFAULT_ANSWER, FaultAt, ScriptedProvider, serve_tcp
from trooper.testing.client import Heard, ask
from trooper.testing.ollama import FakeOllama, Model

_ASK_S: Final = 60.0
_LARGEST_WINDOW: Final = 131_072


@frozen
class Shown:
    """
    What one request came to.

    Attributes:
        prompt: what the local model was shown last.
        switch_ms: from the cloud's fault to the request at the local model.
        problem: why it is no whole answer; empty if it is one.
    """

    prompt: str
    switch_ms: float | None
    problem: str


@define(eq=False)
class Stage:
    """Everybody who takes part, for one window."""

    provider: ScriptedProvider
    local: FakeOllama
    trooper: Running

    async def hand_over(self, request: Mapping[str, Any], fault: Fault) -> Shown:
        """Ask with `request`, let the cloud fail, and look at what the local model was shown."""
        self.provider.script = FaultAt.parse(fault.value)
        self.provider.server.forget()
        self.local.server.forget()
        heard: list[Heard] = []
        status = 0
        with trio.move_on_after(_ASK_S):
            status = await ask(
                self.trooper.port, {"model": "gpt-4o", "stream": True, **request}, heard.append
            )
        problem = _spoiled(status, heard, self.local)
        shown = self.local.generations[-1].prompt.text if self.local.generations else ""
        return Shown(shown, self._switch_ms(), problem)

    def _switch_ms(self) -> float | None:
        fault = next((m["fault_at"] for m in self.provider.server.marks.as_json() if m["fault_at"]), None)
        marks = self.local.server.marks.as_json()
        asked = next((m["came_at"] for m in marks if m["first_content_at"] is not None), None)
        return None if fault is None or asked is None else 1000 * (asked - fault)


def _spoiled(status: int, heard: Sequence[Heard], local: FakeOllama) -> str:
    if status != 200:
        return f"status {status}"
    if not heard or heard[-1].data != "[DONE]":
        return "no end"
    if local.truncations:
        return "the local server cut it"
    if "".join(event.text for event in heard) != DEFAULT_ANSWER:
        return "the text differs"
    return ""


@asynccontextmanager
async def open_stage(window_tokens: int, *, token_s: float = 0.0) -> AsyncIterator[Stage]:
    """
    All of them with a window for the local model that stays as it is.

    Args:
        token_s: the cloud's pause between words.

    Raises:
        NotStarted: Trooper does not start; in an exception group.
    """
    provider = ScriptedProvider(pace_s=token_s)
    local = FakeOllama(models=(Model(context_length=_LARGEST_WINDOW),))
    async with open_rig() as rig, trio.open_nursery() as nursery:
        ports = [await serve_tcp(fake, nursery) for fake in (provider, local)]
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        configuration = toml(urls[0], urls[1], local={"num_ctx": window_tokens})
        yield Stage(provider, local, await rig.trooper(Serving.TRIO, configuration))
        nursery.cancel_scope.cancel(reason="all is asked")
