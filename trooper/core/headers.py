"""
Which headers travel, in either direction.

Towards a target: everything the client sent, except what belongs to one hop,
what is ours, and secrets (`core.secret`). A secret goes to exactly one target:
the client's own to the target that is configured for it, an operator's key to
the target it was configured with.

Towards the client: only what is on a list. A provider must not be able to set
cookies on, or steer the front-end server of, whoever runs Trooper. Of what is
on the list only printable ASCII, since it ends up in terminals, logs and code
that takes a header for text: a value with anything else in it is left out as a
whole. A changed id would be a wrong one.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Container, Iterable
from typing import Final

from trooper.core.secret import is_secret

Headers = tuple[tuple[bytes, bytes], ...]

_HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
#: Written anew for each request we make.
_OURS: Final = frozenset({b"host", b"content-length", b"accept-encoding", b"expect", b"via"})
#: A browser's cookies for this host are no provider's business, even where
#: the client's key is.
_NEVER: Final = frozenset({b"cookie", b"origin", b"referer"})
#: Tells one request from its repetition: beside another body, or at another provider, it would be wrong.
_ONE_REQUESTS: Final = b"idempoten"
_BACK_EXACT: Final = frozenset({b"x-request-id", b"request-id", b"x-should-retry"})
#: What a ChatGPT plan has left is told in `x-codex-…`.
_BACK_PREFIXES: Final = (
    *(b"x-ratelimit-", b"anthropic-ratelimit-", b"x-codex-"),
    *(b"openai-", b"retry-after"),
)

#: As much of an answer's head as a client has a use for: providers say a few dozen short things.
_MOST_BACK: Final = 64
_MOST_VALUE_BYTES: Final = 4_096
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
#: No control characters, the tab among them, and nothing beyond ASCII.
_VALUE: Final = re.compile(rb"[ -~]{0,%d}" % _MOST_VALUE_BYTES)


def to_target(
    headers: Headers,
    *,
    key: tuple[bytes, bytes] | None,
    client_secrets: bool,
    via_name: str,
    secret: Container[bytes] = (),
    is_own: bool = True,
) -> Headers:
    """
    The headers of a request to a target.

    Args:
        headers: the client's, names in lower case.
        key: the header with the operator's key for this target, if it has one.
        client_secrets: whether this is the target that the client's own
            secrets belong to; never beside a key of ours.
        secret: headers that hold secrets, beside those that their name or value tells.
        is_own: whether it is the very request that the client makes.
        via_name: our pseudonym, so that a request that comes back is recognised.
    """
    named = {
        token.strip().lower()
        for name, value in headers
        if name == b"connection"
        for token in value.split(b",")
    }
    kept: list[tuple[bytes, bytes]] = []
    vias: list[bytes] = []
    for name, value in headers:
        if name == b"via":
            vias.append(value)
        if name in _HOP_BY_HOP or name in _OURS or name in _NEVER or name in named:
            continue
        if name.startswith(b"x-trooper-"):
            continue
        if not is_own and _ONE_REQUESTS in name:
            continue
        if (key is not None or not client_secrets) and (name in secret or is_secret(name, value)):
            continue
        kept.append((name, value))
    if key is not None:
        kept.append(key)
    kept.append((b"accept-encoding", b"identity"))
    kept.append((b"via", b", ".join([*vias, b"1.1 " + via_name.encode("ascii")])))
    return tuple(kept)


def to_client(headers: Iterable[tuple[bytes, bytes]], more: Container[bytes] = ()) -> Headers:
    """The headers of a target's answer that the client may see; `more`: names beside those on the list."""
    allowed = (
        (name, value)
        for name, value in headers
        if (name in _BACK_EXACT or name.startswith(_BACK_PREFIXES) or name in more)
        and is_sayable(name, value)
    )
    return tuple(itertools.islice(allowed, _MOST_BACK))


def is_sayable(name: bytes, value: bytes) -> bool:
    """Whether a header that somebody else has made is short, and printable ASCII alone."""
    return _NAME.fullmatch(name) is not None and _VALUE.fullmatch(value) is not None


def find(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    """The first value of a header, or nothing."""
    return next((value for key, value in headers if key == name), b"")
