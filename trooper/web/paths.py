"""
What a request asks for: the one place where a path is made clean.

A base URL that ends in a slash, or that has the `/v1` which the SDK adds
itself, is the commonest slip in a client's configuration. Such a path means
the plain one. What climbs stays as it came: nobody serves it.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

from attrs import frozen

#: `http://host/path`, as a client writes it that takes us for its HTTP proxy.
_ABSOLUTE: Final = re.compile(r"https?://([^/]*)(.*)", re.IGNORECASE | re.DOTALL)
_SLASHES: Final = re.compile(r"/{2,}")
#: Any encoded byte, and those that never need it (RFC 3986, 2.3): both spellings are one path.
_ENCODED: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]")
_SDKS_OWN: Final = "/v1"
#: What may stand in a path; everything else a server lets through is encoded.
_SAFE: Final = "".join(map(chr, range(0x21, 0x7F)))


@frozen
class Asked:
    """
    The target of a request line, without its query.

    Attributes:
        raw: the clean path, encoded where it has to be: a provider's ids may
            hold what decoding would change.
        authority: the host of an absolute form, which counts like a `Host`.
    """

    raw: str
    authority: str | None = None

    @property
    def path(self) -> str:
        """The clean path, decoded."""
        return unquote(self.raw)


def asked(target: bytes, root_path: str = "") -> Asked:
    """
    What a request line asks for.

    Args:
        target: as it came, up to the question mark.
        root_path: where we are mounted; it is not part of our paths.
    """
    # No server lets anything else than ASCII through; what did get here must not cost an answer.
    text, authority = quote(target.decode("latin-1"), safe=_SAFE, encoding="latin-1"), None
    if (absolute := _ABSOLUTE.fullmatch(text)) is not None:
        authority, text = absolute[1], absolute[2] or "/"
    if not text.startswith("/"):
        # `*`, or the host and port of a CONNECT: no path at all.
        return Asked(text, authority)
    text = _SLASHES.sub("/", _ENCODED.sub(_plain, text))
    text = _below(root_path.rstrip("/"), text.rstrip("/") or "/")
    while text.startswith(f"{_SDKS_OWN}{_SDKS_OWN}/"):
        text = text.removeprefix(_SDKS_OWN)
    return Asked(text, authority)


def _plain(encoded: re.Match[str]) -> str:
    character = chr(int(encoded[0][1:], 16))
    return character if _UNRESERVED.fullmatch(character) else encoded[0].upper()


def _below(root_path: str, path: str) -> str:
    if path == root_path:
        return "/"
    return path.removeprefix(root_path) if path.startswith(f"{root_path}/") else path
