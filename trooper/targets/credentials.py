"""
Whose credentials go to which target.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from attrs import frozen

from trooper.config import Target
from trooper.core import headers as http
from trooper.core import secret as secrets


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
    is_own: bool = True,
) -> http.Headers:
    """
    The headers of a request to `target`: its own key, or the client's secrets if it is the one that gets them.

    Args:
        credential: how the target's wire takes a key.
        secret: the headers that a client's key may be in, on whichever wire.
        is_own: whether it is the very request that the client makes.
    """
    return http.to_target(
        headers,
        key=_key(target, credential),
        client_secrets=_gets_the_clients(target),
        via_name=via_name,
        secret=secret,
        is_own=is_own,
    )


def query_for(target: Target, query: bytes) -> bytes:
    """What `target` is told of the client's query: the secrets in it only where it gets the client's."""
    return query if _gets_the_clients(target) else secrets.without(query)


def _gets_the_clients(target: Target) -> bool:
    return target.key.kind == "client"


def _key(target: Target, credential: Credential) -> tuple[bytes, bytes] | None:
    if target.key.kind != "value":
        return None
    return (credential.header, credential.before + target.key.value.encode("latin-1"))
