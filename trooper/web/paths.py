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

from trooper.errors import RequestRejected

#: A provider's own front end takes 8 to 16 KiB; half of what our HTTP client can ask for.
LONGEST: Final = 32_768
#: What a longer one is refused with.
TOO_LONG: Final = "url_too_long"

#: `http://host/path`, as a client writes it that takes us for its HTTP proxy.
_ABSOLUTE: Final = re.compile(r"https?://([^/]*)(.*)", re.IGNORECASE | re.DOTALL)
_SLASHES: Final = re.compile(r"/{2,}")
#: Any encoded byte, and those that never need it (RFC 3986, 2.3): both spellings are one path. What stands behind
#: a percent sign that encodes nothing stays as it came: `%2%66` would become a slash.
_ENCODED: Final = re.compile(r"(?<!%)(?<!%[0-9A-Fa-f])%[0-9A-Fa-f]{2}")
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]")
_SDKS_OWN: Final = "/v1"
#: What may stand in a path and in a query (RFC 3986, 3.3 and 3.4); what else a server lets through is encoded.
_IN_A_PATH: Final = "/%:@!$&'()*+,;="
#: Some of these may not, and are sent by everybody all the same; what our HTTP client would encode is not among them.
_IN_A_QUERY: Final = _IN_A_PATH + "?[]{}|\\^`"


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
    text, authority = target.decode("latin-1"), None
    if (absolute := _ABSOLUTE.fullmatch(text)) is not None:
        authority, text = absolute[1], absolute[2]
    text = quote(text.encode("latin-1"), safe=_IN_A_PATH)
    # `*`, and the host and port of a CONNECT, become paths as well, which nobody serves.
    text = _SLASHES.sub("/", "/" + _ENCODED.sub(_plain, text))
    text = _below(root_path.rstrip("/"), text.rstrip("/") or "/")
    while text.startswith(f"{_SDKS_OWN}{_SDKS_OWN}/"):
        text = text.removeprefix(_SDKS_OWN)
    return Asked(text, authority)


def query(came: bytes) -> bytes:
    """A query that can be sent on: the very bytes, but for those that no URL can hold."""
    return quote(came, safe=_IN_A_QUERY).encode("ascii")


def check(came: bytes, target: Asked, its_query: bytes) -> None:
    """
    Refuse what could not be asked of anybody, or not in one meaning.

    Args:
        came: path and query as the request line has them.
        target: the clean path.
        its_query: the query that would be sent on.
    """
    if b"#" in came:
        # What stands behind it is never sent (RFC 9110, 4.2.5): one reader takes it for a part of the path,
        # and the next one drops it.
        raise RequestRejected(
            400,
            "malformed_request",
            "The request's URL has a # in it. Encode it as %23, or leave the fragment out.",
        )
    if max(len(came), len(target.raw) + len(its_query)) > LONGEST:
        raise RequestRejected(414, TOO_LONG, f"The request's URL is longer than {LONGEST} bytes.")


def _plain(encoded: re.Match[str]) -> str:
    character = chr(int(encoded[0][1:], 16))
    return character if _UNRESERVED.fullmatch(character) else encoded[0].upper()


def _below(root_path: str, path: str) -> str:
    if path == root_path:
        return "/"
    return path.removeprefix(root_path) if path.startswith(f"{root_path}/") else path
