"""The clients that `trooper connect` knows, in the order that it names them."""

from __future__ import annotations

from typing import Final

from trooper.clients.aider import AIDER
from trooper.clients.claude_code import CLAUDE_CODE
from trooper.clients.client import ByHand, Client
from trooper.clients.cline import CLINE
from trooper.clients.codex import CODEX
from trooper.clients.continue_dev import CONTINUE
from trooper.clients.open_webui import OPEN_WEBUI
from trooper.clients.opencode import OPENCODE

CLIENTS: Final[tuple[Client | ByHand, ...]] = (
    CLAUDE_CODE,
    CODEX,
    OPENCODE,
    AIDER,
    CLINE,
    CONTINUE,
    OPEN_WEBUI,
)


def client_named(name: str) -> Client | ByHand | None:
    """The client of this name."""
    return next((client for client in CLIENTS if client.name == name), None)
