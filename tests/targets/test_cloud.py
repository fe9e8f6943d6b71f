"""A leg at a provider: what it is asked, and what of its answer is handed on."""

from __future__ import annotations

from typing import Any

from legs import heard, opened, outcome, text
from scenes import configured
from trooper.core.events import Received
from trooper.core.outcome import Completed, Failed, FailureKind
from trooper.core.seam import Prefill
from trooper.targets.cloud import CloudLeg, run_cloud
from trooper.targets.inbox import Granted, Item, Opened
from trooper.targets.upstream import Call
from trooper.testing import ANSWERS, FAULTS, FaultAt, ScriptedProvider
from trooper.wires import WIRES

SAID = "".join(ANSWERS["text"].tokens)
BODY = b'{"model": "gpt-4o", "messages": [], "stream": true}'


async def played(provider: ScriptedProvider, body: bytes = BODY, **changes: Any) -> list[Item]:
    """What a leg at `provider` hands on."""
    target = configured().target("openai")
    async with opened(target, provider.serve) as (upstream, _):
        leg = CloudLeg(
            upstream=upstream,
            **{
                "call": Call("POST", "/chat/completions", ((b"content-type", b"application/json"),), body),
                "wire": WIRES.target_side(target.wire),
                "is_native": True,
                "stream": True,
                "choices": 1,
                "max_event_bytes": 100_000,
                "max_answer_bytes": 100_000,
                "model": "gpt-4o",
                **changes,
            },
        )
        return await heard(lambda inbox: run_cloud(leg, inbox))


async def test_the_clients_request_and_its_bytes() -> None:
    provider = ScriptedProvider()
    items = await played(provider)
    assert [request.body for request in provider.requests] == [BODY]
    assert isinstance(items[0], Opened)
    assert (text(items), outcome(items)) == (SAID, Completed())
    assert b"".join(item.raw for item in items if isinstance(item, Received)).endswith(b"data: [DONE]\n\n")


async def test_a_whole_answer() -> None:
    items = await played(ScriptedProvider(), BODY.replace(b"true", b"false"), stream=False)
    assert (text(items), outcome(items)) == (SAID, Completed())


async def test_a_whole_answer_where_a_stream_was_asked_for() -> None:
    items = await played(ScriptedProvider(), BODY.replace(b"true", b"false"))
    assert (text(items), outcome(items)) == (SAID, Completed())
    assert not any(item.raw for item in items if isinstance(item, Received))


async def test_going_on_says_first_what_the_model_was_given() -> None:
    given = Prefill("Half", " ")
    items = await played(ScriptedProvider(), given=given, overlaps=True, is_native=False)
    assert items[0] == Granted("gpt-4o", given, None, overlaps=True)
    assert isinstance(items[1], Opened)
    assert not any(item.raw for item in items if isinstance(item, Received))


async def test_how_it_fails() -> None:
    items = await played(ScriptedProvider(script=FaultAt(FAULTS["reset"], 3)))
    assert outcome(items) == Failed(FailureKind.CONN_RESET)
    items = await played(ScriptedProvider(script=FaultAt(FAULTS["status-429"])))
    found = outcome(items)
    assert len(items) == 1
    assert isinstance(found, Failed)
    assert (found.kind, found.answer is not None) == (FailureKind.RATE_LIMIT, True)
