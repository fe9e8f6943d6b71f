"""
What is put right at a join beyond a server's own echo, each for itself to be
switched off (`[server] seam_repairs`).
"""

from __future__ import annotations

import enum
from typing import Final


class Repair(enum.Enum):
    """One kind of what a continuing model does that it should not."""

    #: It says all of the half answer again, or of its open code block.
    ANEW = "anew"
    #: It says the last sentences or words again.
    REPETITION = "repetition"
    #: It opens a code fence inside an open one.
    FENCE = "fence"
    #: It announces that it goes on.
    ANNOUNCEMENT = "announcement"
    #: It does not bring the blank that was lost with a held word.
    BLANK = "blank"


ALL_REPAIRS: Final = frozenset(Repair)
