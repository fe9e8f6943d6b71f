"""
What clients reach us by, and how each provider's wire is spoken: one table.

A surface is a wire as clients use it: a path and the provider it belongs to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Protocol
from urllib.parse import urlsplit

from attrs import frozen

from trooper.config import Target, Wire
from trooper.core.continuing import CloudWay
from trooper.wire.anthropic_messages.wire import MESSAGES
from trooper.wire.client_side import ClientWire
from trooper.wire.openai_chat.wire import CHAT
from trooper.wire.openai_responses.wire import RESPONSES
from trooper.wire.target_side import CloudWire


@frozen
class KnownWay:
    """How a cloud goes on, and how that is known."""

    way: CloudWay
    because: str


class BothSides(ClientWire, CloudWire, Protocol):
    """Clients speak it, and so do providers."""


@frozen
class Surface:
    """One wire towards clients."""

    wire: Wire
    path: str
    spoken: BothSides


CHAT_SURFACE: Final = Surface(Wire.OPENAI_CHAT, "/v1/chat/completions", CHAT)
RESPONSES_SURFACE: Final = Surface(Wire.OPENAI_RESPONSES, "/v1/responses", RESPONSES)
MESSAGES_SURFACE: Final = Surface(Wire.ANTHROPIC_MESSAGES, "/v1/messages", MESSAGES)

#: Path → surface, of the requests that are relayed with a net.
SURFACES: Final[Mapping[str, Surface]] = {
    surface.path: surface for surface in (CHAT_SURFACE, RESPONSES_SURFACE, MESSAGES_SURFACE)
}

_CLOUDS: Final[Mapping[Wire, CloudWire]] = {s.wire: s.spoken for s in SURFACES.values()}

#: Claude models that still take a trailing assistant turn; from 4.6 on it is a 400.
_TAKES_PREFILL: Final = re.compile(
    r"claude-(?:instant|2|3|(?:opus|sonnet)-4-(?:0|1|5|20\d{6})|haiku-4-5)(?:\b|-|@|$)", re.IGNORECASE
)


def cloud_wire(target: Target) -> CloudWire:
    """How `target` is spoken to; a local target has no such wire."""
    return _CLOUDS[target.wire]


def cloud_way(target: Target, model: str, instruction: str) -> KnownWay:
    """
    How `model` at `target` goes on from a half answer, as far as is known.

    The configuration's word first; then what providers document of themselves;
    last the instruction, where there is one.
    """
    if target.continues:
        known = KnownWay(CloudWay(target.continues), "as configured")
    else:
        known = _documented_way(target, model)
    if known.way is CloudWay.INSTRUCTION and not instruction:
        return KnownWay(CloudWay.NONE, "continue_instruction is empty")
    return known


def _documented_way(target: Target, model: str) -> KnownWay:
    parts = urlsplit(target.base_url)
    host = parts.hostname or ""
    match target.wire:
        case Wire.ANTHROPIC_MESSAGES if _TAKES_PREFILL.search(model):
            return KnownWay(CloudWay.PREFILL, "Claude models before 4.6 take it")
        case Wire.OPENAI_CHAT if host.endswith("mistral.ai"):
            return KnownWay(CloudWay.PREFIX, "Mistral documents it")
        case Wire.OPENAI_CHAT if host.endswith("deepseek.com") and "beta" in parts.path:
            return KnownWay(CloudWay.PREFIX, "DeepSeek documents it for its beta URL")
        case _:
            return KnownWay(CloudWay.INSTRUCTION, "nothing better is known of it")
