"""
Every way a chat provider fails, and everything that only looks like failing.

The table follows the failure taxonomy in `docs/failures.md`, which is
generated from it. Tests, the demo and the bench draw from the same table, so
they cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Mapping

from trooper.testing.faults.calls import CALLS
from trooper.testing.faults.healthy import HEALTHY
from trooper.testing.faults.in_band import IN_BAND
from trooper.testing.faults.shape import Action, Events, Fault, Position, Where
from trooper.testing.faults.statuses import STATUSES
from trooper.testing.faults.transport import TRANSPORT

FAULTS: Mapping[str, Fault] = {f.name: f for f in (*TRANSPORT, *IN_BAND, *STATUSES, *HEALTHY, *CALLS)}

#: Those that are no matter of one wire's events: cut transports, and answers with a status.
ON_EVERY_WIRE: Mapping[str, Fault] = {f.name: f for f in (*TRANSPORT, *STATUSES)}

__all__ = ["FAULTS", "ON_EVERY_WIRE", "Action", "Events", "Fault", "Position", "Where"]
