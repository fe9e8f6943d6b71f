"""How many files and sockets this process may have open."""

from __future__ import annotations

import functools
import importlib
from contextlib import suppress
from typing import Any, Final

#: More than this no process of ours needs; where there is no bound of the system's, it is the bound.
MOST_DESCRIPTORS: Final = 65_536


@functools.cache
def descriptor_limit() -> int:
    """
    The number of descriptors that may be open at once.

    Raised at the first call to what the system allows: the usual 1,024 (256 on macOS) stand for programs
    that wait by `select`, and nothing here does. Each stream takes two, its client's and its provider's.
    """
    try:
        resource: Any = importlib.import_module("resource")
    except ImportError:  # Windows has no such limit.
        return MOST_DESCRIPTORS
    soft, hard = (_bounded(limit, resource) for limit in resource.getrlimit(resource.RLIMIT_NOFILE))
    if soft < hard:
        # macOS has a further limit, which it does not tell, and keeps the old one where that is exceeded.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
            return hard
    return soft


def _bounded(limit: int, resource: Any) -> int:
    return MOST_DESCRIPTORS if limit == resource.RLIM_INFINITY else min(limit, MOST_DESCRIPTORS)
