"""One attempt at one target: which it is decides who runs it."""

from __future__ import annotations

from typing import Any

from legs import heard, opened, outcome, text
from scenes import configured
from trooper.core.conversation import Conversation, Message, Role, TextPart
from trooper.core.outcome import Completed, Failed, FailureKind
from trooper.core.unfit import Unfit
from trooper.targets.cloud import CloudLeg
from trooper.targets.inbox import Ended
from trooper.targets.leg import NoLeg, run_leg
from trooper.targets.local import LocalLeg
from trooper.targets.standby import OllamaStandby
from trooper.targets.upstream import Call
from trooper.testing import ANSWERS, DEFAULT_ANSWER, FakeOllama, ScriptedProvider
from trooper.wires import cloud_wire


async def test_none() -> None:
    items = await heard(lambda inbox: run_leg(NoLeg(Unfit.NO_MODEL), inbox))
    assert items == [Ended(Failed(FailureKind.UNFIT, unfit_reason=Unfit.NO_MODEL))]


async def test_a_cloud() -> None:
    target = configured().target("openai")
    async with opened(target, ScriptedProvider().serve) as (upstream, _):
        call = Call("POST", "/chat/completions", body=b'{"stream": true}')
        leg = CloudLeg(upstream, call, cloud_wire(target), True, True, 1, 100_000, 100_000)
        items = await heard(lambda inbox: run_leg(leg, inbox))
    assert (text(items), outcome(items)) == ("".join(ANSWERS["text"].tokens), Completed())


async def test_a_local_model(autojump_clock: Any) -> None:
    target = configured().target("ollama")
    async with opened(target, FakeOllama().serve) as (upstream, network):
        standby = OllamaStandby(target, upstream)
        network.nursery.start_soon(standby.run)
        asked = Conversation((Message(Role.USER, (TextPart("Question?"),)),))
        leg = LocalLeg(standby, None, asked, "r1", "", None, 100_000, "")
        items = await heard(lambda inbox: run_leg(leg, inbox))
    assert (text(items), outcome(items)) == (DEFAULT_ANSWER, Completed())
