"""
Whose credentials go to which target.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from attrs import frozen

from trooper.config import Target
from trooper.core import headers as http


@frozen
class Credential:
    """
    How a wire's providers take a key.

    Attributes:
        header: the header's name, in lower case.
        before: what stands before the key in it.
    """

    header: bytes
    before: bytes = b""


BEARER: Final = Credential(b"authorization", b"Bearer ")


def headers_for(
    target: Target,
    headers: http.Headers,
    credential: Credential,
    secret: Container[bytes],
    *,
    via_name: str,
    client_key_used: bool = False,
) -> http.Headers:
    """
    The headers of a request to `target`: its own key, or the client's if it is the one that gets it.

    Args:
        credential: how the target's wire takes a key.
        secret: the headers that a client's key may be in, on whichever wire.
    """
    return http.to_target(
        headers,
        key=_key(target, credential),
        client_credentials=target.key.kind == "client" and not client_key_used,
        via_name=via_name,
        secret=secret,
    )


def _key(target: Target, credential: Credential) -> tuple[bytes, bytes] | None:
    if target.key.kind != "value":
        return None
    return (credential.header, credential.before + target.key.value.encode("latin-1"))
