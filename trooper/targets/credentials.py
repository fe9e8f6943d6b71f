"""
Whose credentials go to which target.
"""

from __future__ import annotations

from trooper.config import Target, Wire
from trooper.core import headers as http


def headers_for(
    target: Target, headers: http.Headers, *, hop: str, client_key_used: bool = False
) -> http.Headers:
    """The headers of a request to `target`: its own key, or the client's if it is the one that gets it."""
    return http.to_target(
        headers,
        key=_credential(target),
        client_credentials=target.key.kind == "client" and not client_key_used,
        hop=hop,
    )


def _credential(target: Target) -> tuple[bytes, bytes] | None:
    if target.key.kind != "value":
        return None
    value = target.key.value.encode("latin-1")
    if target.wire is Wire.ANTHROPIC_MESSAGES:
        return (b"x-api-key", value)
    return (b"authorization", b"Bearer " + value)
