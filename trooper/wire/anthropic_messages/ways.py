"""
How Anthropic documents that a model goes on from a half answer.
"""

from __future__ import annotations

import re
from typing import Final

from trooper.core.continuing import CloudWay
from trooper.wire.target_side import KnownWay

#: Claude models that still take a trailing assistant turn; from 4.6 on it is a 400.
_TAKES_PREFILL: Final = re.compile(
    r"claude-(?:instant|2|3|(?:opus|sonnet)-4-(?:0|1|5|20\d{6})|haiku-4-5)(?:\b|-|@|$)", re.IGNORECASE
)


def documented_way(_base_url: str, model: str) -> KnownWay | None:
    """What is documented of `model`, wherever it runs."""
    if _TAKES_PREFILL.search(model):
        return KnownWay(CloudWay.PREFILL, "Claude models before 4.6 take it")
    return None
