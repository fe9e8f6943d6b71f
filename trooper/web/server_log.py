"""
Log files that the server was told to write: put aside like standard error.

Hypercorn (0.18) writes its access log and its error log in the loop. What goes
to `-` is a standard stream, and those are aside already.
"""

from __future__ import annotations

import atexit
import logging
from typing import Any

import hypercorn.logging

from trooper.telemetry.outlet import LAST_WORDS_S, aside

_make_logger = vars(hypercorn.logging)["_create_logger"]


def make_logger_aside(*how: Any, **more: Any) -> logging.Logger | None:
    """In place of hypercorn's own (`web/patches.py`): the same logger, each file that it writes put aside."""
    logger: logging.Logger | None = _make_logger(*how, **more)
    for handler in logger.handlers if logger is not None else ():
        if isinstance(handler, logging.FileHandler):
            opened: Any = handler.stream
            stream: Any = aside(opened)
            if stream is not opened:
                atexit.register(stream.outlet.finish, LAST_WORDS_S)
                opened.close()  # Ours has a descriptor of its own.
                handler.stream = stream
    return logger
