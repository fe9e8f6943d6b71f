"""All attacks, in the order of the table."""

from __future__ import annotations

import attacks_bombs
import attacks_door
import attacks_faults
import attacks_gone
import attacks_keys
import attacks_load
import attacks_provider
from attacks import ATTACKS as _PUT
from attacks import KINDS

__all__ = ["ATTACKS", "FILES"]

#: Each puts its own into the table.
FILES = (
    attacks_door,
    attacks_keys,
    attacks_bombs,
    attacks_provider,
    attacks_gone,
    attacks_load,
    attacks_faults,
)
ATTACKS = dict(sorted(_PUT.items(), key=lambda named: KINDS.index(named[1].kind)))
