"""
How a cloud is made to go on from a half answer, as far as is known.
"""

from __future__ import annotations

from typing import Final

from trooper.config import Target
from trooper.core.continuing import CloudWay
from trooper.wire.target_side import KnownWay, TargetSide

_UNKNOWN: Final = KnownWay(CloudWay.INSTRUCTION, "nothing better is known of it")


def cloud_way(target: Target, side: TargetSide, model: str, instruction: str) -> KnownWay:
    """
    How `model` at `target` goes on from a half answer.

    The configuration's word first; then what providers document of themselves
    (`side`); last the instruction, where there is one.
    """
    if target.continues:
        known = KnownWay(CloudWay(target.continues), "as configured")
    else:
        known = side.documented_way(target.base_url, model) or _UNKNOWN
    if known.way is CloudWay.INSTRUCTION and not instruction:
        return KnownWay(CloudWay.NONE, "continue_instruction is empty")
    return known
