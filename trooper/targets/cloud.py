"""
A request to a provider, as the client wrote it or as we have to say it.
"""

from __future__ import annotations

from attrs import frozen

from trooper.core.seam import NOTHING, Prefill
from trooper.core.tool_calls import MOST_CALLS
from trooper.targets.inbox import Granted, Inbox
from trooper.targets.reading import Reading
from trooper.targets.upstream import Call, Upstream
from trooper.wire.body import Body
from trooper.wire.target_side import TargetSide


@frozen
class CloudLeg:
    """
    A request to a provider: as the client wrote it, or as we have to say it.

    Attributes:
        call: what to send.
        wire: how its answer is read.
        is_native: the target speaks the client's wire, so its bytes may be
            the client's.
        stream: whether an event stream was asked for.
        choices: how many answers were asked for.
        model: who is asked.
        given: what the model has of the answer; `NOTHING` for a restart.
        overlaps: the target may repeat the last words before it goes on.
    """

    upstream: Upstream
    call: Call
    wire: TargetSide
    is_native: bool
    stream: bool
    choices: int
    max_event_bytes: int
    max_answer_bytes: int
    model: str = ""
    given: Prefill = NOTHING
    overlaps: bool = False
    max_tool_calls: int = MOST_CALLS


async def run_cloud(leg: CloudLeg, inbox: Inbox) -> None:
    """Run a leg at a provider to its end; its last item is its outcome."""
    if leg.given != NOTHING:
        inbox.put_nowait(Granted(leg.model, leg.given, None, overlaps=leg.overlaps))
    wire = leg.wire
    body = Body(
        wire.reader(leg.max_event_bytes, choices=leg.choices, max_calls=leg.max_tool_calls),
        wire.whole_reader(leg.max_answer_bytes),
        leg.stream,
    )
    reading = Reading(inbox, body, leg.is_native)
    await reading.finish(await leg.upstream.exchange(leg.call, reading))
