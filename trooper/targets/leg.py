"""
One attempt at one target. A leg only reads: bytes into whole events into its
own inbox, and last how it ended. It knows no voice, no gate, no transcript
and no plan, and nobody's client.
"""

from __future__ import annotations

from typing import assert_never

from attrs import frozen

from trooper.core.outcome import Failed, FailureKind
from trooper.core.unfit import Unfit
from trooper.targets.cloud import CloudLeg, run_cloud
from trooper.targets.inbox import Ended, Inbox
from trooper.targets.local import LocalLeg, run_local


@frozen
class NoLeg:
    """A target that turned out not to be able to do what it was chosen for."""

    unfit_reason: Unfit


Leg = CloudLeg | LocalLeg | NoLeg


async def run_leg(leg: Leg, inbox: Inbox) -> None:
    """Run one leg to its end; its last item is its outcome."""
    match leg:
        case CloudLeg():
            await run_cloud(leg, inbox)
        case LocalLeg():
            await run_local(leg, inbox)
        case NoLeg(reason):
            inbox.put_nowait(Ended(Failed(FailureKind.UNFIT, unfit_reason=reason)))
        case _ as never:
            assert_never(never)
