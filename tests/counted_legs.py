"""
Legs for generated conversations at both fakes, which refuse what is longer than their window, as real servers do.
"""

from __future__ import annotations

from collections.abc import Sequence

from generated_conversations import Asked, generated
from legs import heard, opened, outcome
from scenes import configured
from trooper.config import Target
from trooper.core.conversation import ToolCall
from trooper.core.outcome import Failed, FailureKind
from trooper.targets.local import LocalLeg, run_local
from trooper.targets.standby import Standby
from trooper.targets.standby.llama_server import LlamaServerStandby
from trooper.targets.standby.ollama_chat import OllamaStandby
from trooper.testing import FakeLlamaServer, FakeOllama, Model
from trooper.wires import LLAMA_SERVER

NOTE = "{count} messages were left out."
ABLE = ("completion", "tools", "vision")
#: Servers: each way to go on, and one that is too old to render.
MODELS = (
    Model("open:1b", capabilities=ABLE),
    Model("closes:1b", capabilities=ABLE, turn="closes"),
    Model("adds:1b", path="B", capabilities=ABLE, adds="\n"),
    Model("old:1b", capabilities=ABLE, renders=False),
)


def leg(standby: Standby, asked: Asked) -> LocalLeg:
    """A request to a local server."""
    half = (0, ToolCall("c1", asked.conversation.tools[0].name, asked.half_call)) if asked.half_call else None
    return LocalLeg(
        standby, None, asked.conversation, "r1", asked.given, None, 10_000_000, NOTE, half_call=half
    )


async def fits(standby: Standby, asked: Asked) -> bool:
    """Ask; whether it could be asked at all."""
    ended = outcome(await heard(lambda inbox: run_local(leg(standby, asked), inbox)))
    if isinstance(ended, Failed) and ended.kind is FailureKind.CONTEXT_LENGTH:
        assert ended.prompt_tokens
        assert ended.window_tokens
        return False
    return True


async def all_fit(numbers: Sequence[int], *, of_llama: int = 1) -> tuple[int, int]:
    """
    Ask Ollama for all of these, and llama-server for one of so many.

    Returns how many were asked for, and how many could not be: what has to stay is too long.
    """
    asked, too_long = 0, 0
    for at, model in enumerate(MODELS):
        ollama = FakeOllama(answer="x", models=(model,))
        target = configured().target("ollama")
        async with opened(target, ollama.serve) as (upstream, network):
            standby: Standby = OllamaStandby(target, upstream)
            network.nursery.start_soon(standby.run)
            await standby.ready(None)
            for number in numbers:
                if number % len(MODELS) == at:
                    asked += 1
                    too_long += not await fits(standby, generated(number, half_calls=False))
                    ollama.server.forget()
                    ollama.generations.clear()
        assert ollama.refused == 0
        # How full is chance: its tokens are whole words.
        assert 0 < ollama.fullest < 1
    llama = FakeLlamaServer(answer="x")
    target = Target("llama", LLAMA_SERVER.wire, "http://127.0.0.1:8080")
    async with opened(target, llama.serve) as (upstream, network):
        standby = LlamaServerStandby(target, upstream)
        network.nursery.start_soon(standby.run)
        await standby.ready(None)
        for number in numbers[::of_llama]:
            asked += 1
            too_long += not await fits(standby, generated(number, images=False))
            llama.server.forget()
    assert llama.refused == 0
    assert 0.7 * llama.n_ctx < llama.fullest < llama.n_ctx
    return asked, too_long
