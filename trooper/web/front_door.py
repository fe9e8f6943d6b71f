"""
Who may come in.

Trooper holds an operator's key and talks to a model on this machine, so a
request is refused before anything is read from it or sent on. Everything here
is sans-IO: values in, a value out or `RequestRejected` raised. This file may
not know ASGI, sockets or what happens to a request afterwards.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re

from attrs import frozen

from trooper.config import Config
from trooper.config.addresses import leads_here
from trooper.core.headers import Headers
from trooper.errors import RequestRejected
from trooper.web import exposure
from trooper.web.client_keys import without_keys
from trooper.web.unpacking import coding_of, too_large

#: A header that is ours alone: it is never sent on.
KEY_HEADER = b"x-trooper-key"

#: Headers that decide something here. Two of them let two readers of the same
#: request disagree on which one counts.
_ONCE = (
    b"host",
    b"authorization",
    b"content-type",
    b"content-encoding",
    b"content-length",
    b"x-api-key",
    KEY_HEADER,
)

#: Neither says what a body is (RFC 9110, 8.3); some clients (aiohttp) send the second beside
#: no body at all. A page has to ask before it may.
_UNTYPED = (None, b"application/octet-stream")

#: What a person may be led to by a link: what is answered here, and tells of nobody.
_OWN_PAGES = frozenset({"/", "/healthz", "/readyz"})
#: `none` is the user's own doing.
_OWN_SITES = frozenset({b"same-origin", b"none"})

#: A host as RFC 3986 writes it; an empty port is allowed there. Names are kept
#: to what DNS can hold, so that no separator hides in one.
_HOST = re.compile(r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::(?P<port>[0-9]{0,5}))?")


@frozen
class RequestHead:
    """A request as far as it is known before its body is read. Header names are lower-case."""

    method: str
    path: str
    scheme: str
    headers: Headers
    #: The local end of the client's connection; `None` for a unix socket.
    server: tuple[str, int] | None
    #: The host that stands in the request line itself, if one does; it counts like `Host`.
    authority: str | None = None
    query: bytes = b""

    def only(self, name: bytes) -> bytes | None:
        """The value of a header that may come once."""
        return next((value for other, value in self.headers if other == name), None)


@frozen
class Admitted:
    """
    A request that may come in.

    Attributes:
        headers: the request's headers without the keys to this door, wherever they stand.
        query: its query, without such keys as well.
        via_name: this Trooper's pseudonym in `Via` (RFC 9110, 7.6.3).
        coding: how the body is compressed, where it is and will be read; the
            header that says so is gone from `headers`, too.
        typed: the request says that its body is JSON; else it may have none, if it is a POST.
    """

    headers: Headers
    query: bytes
    via_name: str
    coding: str | None = None
    typed: bool = True

    def taken_from(self, head: RequestHead) -> Headers:
        """The headers with keys to this door, as they came."""
        ours = (b"content-encoding",)
        return tuple(h for h in head.headers if h not in self.headers and h[0] not in ours)


def name_in_via(machine: str, place: str) -> str:
    """
    This Trooper's pseudonym in `Via`.

    The same for every worker process of one Trooper, since a loop may come
    back to another worker; different for two Troopers on one machine, since a
    chain of them is not a loop. A digest, because `Via` leaves the machine.
    """
    return "trooper-" + hashlib.sha256(f"{machine}\n{place}".encode()).hexdigest()[:12]


def split_host(value: str) -> tuple[str, int | None] | None:
    """A `Host` value as name and port; `None` if it is not a host at all."""
    match = _HOST.fullmatch(value.strip().lower())
    if match is None:
        return None
    name = match["v6"] or match["name"].removesuffix(".")
    port = match["port"]
    if not name or (port and not 0 < int(port) <= 65535):
        return None
    return name, int(port) if port else None


def allowed_origin(config: Config, head: RequestHead) -> bytes | None:
    """
    The request's `Origin`, if it has one and that one is allowed.

    A browser sends it with every request that a page may not simply make; a
    local model is not for pages. `null` is what sandboxed pages send: it is
    allowed only by name, like any other.
    """
    origins = [value for name, value in head.headers if name == b"origin"]
    if not origins and not _is_a_pages(head):
        return None
    known = {origin.rstrip("/").lower().encode() for origin in config.server.allowed_origins}
    if len(origins) != 1 or origins[0].lower() not in known:
        raise RequestRejected(
            403,
            "origin_not_allowed",
            "Requests from web pages are refused. Add the page's origin to [server] allowed_origins to let it in.",
        )
    return origins[0]


def _is_a_pages(head: RequestHead) -> bool:
    """
    Whether a browser says that a page of somebody else's asks for something here.

    With what a page needs no permission for, an image's or a script's address, browsers
    send no `Origin`; the page could not read the answer, and a provider would be asked for
    it all the same. A page cannot write these headers (Fetch Metadata Request Headers).
    """
    told = {name: value.strip().lower() for name, value in head.headers if name.startswith(b"sec-fetch-")}
    sites = {value.strip().lower() for name, value in head.headers if name == b"sec-fetch-site"}
    if sites <= _OWN_SITES:
        return False
    is_led_here = (told.get(b"sec-fetch-mode"), told.get(b"sec-fetch-dest")) == (b"navigate", b"document")
    return not (is_led_here and head.method in ("GET", "HEAD") and head.path in _OWN_PAGES)


def admit(config: Config, machine: str, head: RequestHead) -> Admitted:
    """
    Let a request in or raise `RequestRejected`.

    The order is from what costs an attacker least to what a friend gets wrong:
    a rebound page learns nothing about keys, and a friend with a bad key is
    told so before being told about content types.
    """
    for name in _ONCE:
        if sum(other == name for other, _ in head.headers) > 1:
            raise RequestRejected(
                400, "duplicate_header", f"The request has more than one {name.decode()} header."
            )
    _check_host(config, head)
    allowed_origin(config, head)
    exposure.check(config, head.server[0] if head.server else None, head.headers)
    place = "unix" if head.server is None else str(head.server[1])
    via_name = name_in_via(machine, place)
    _check_loop(via_name, head)
    if not _is_open(head):
        _check_key(config, head)
    coding = _check_content(head) if head.method == "POST" else None
    _check_length(config, head)
    dropped = {KEY_HEADER} | ({b"content-encoding"} if coding else set())
    headers = tuple((name, value) for name, value in head.headers if name not in dropped)
    headers, asked_with = without_keys(config.server.client_keys, headers, head.query)
    typed = head.method != "POST" or _is_json(head)
    return Admitted(headers, asked_with, via_name, coding, typed)


def _check_host(config: Config, head: RequestHead) -> None:
    """
    DNS rebinding: a page's own name suddenly means 127.0.0.1, and the browser
    finds nothing wrong with it. The `Host` it sends still is the page's name.
    An address in `Host` cannot be rebound, so the one we are reached at is fine.
    A host in the request line is another one's `Host` (RFC 9112, 3.2.2); both have to be ours.
    """
    value = head.only(b"host")
    if value is None:
        raise RequestRejected(400, "host_missing", "The request has no Host header.")
    _check_named(config, head, value.decode("latin-1"))
    if head.authority is not None:
        _check_named(config, head, head.authority)


def _check_named(config: Config, head: RequestHead, named: str) -> None:
    host = split_host(named)
    if host is None:
        raise RequestRejected(400, "host_invalid", "The request's Host header is not a host.")
    name, port = host
    if leads_here(name) or (head.server and _same_address(name, head.server[0])):
        return
    for allowed in config.server.allowed_hosts:
        match split_host(allowed):
            case (known, None) if known == name:
                return
            case (known, known_port) if known == name and known_port == (port or _default_port(head.scheme)):
                return
            case _:
                pass
    raise RequestRejected(
        403,
        "host_not_allowed",
        "This Host is not served here. Use the address itself, or add the name to [server] allowed_hosts.",
    )


def _same_address(name: str, address: str) -> bool:
    try:
        return ipaddress.ip_address(name) == ipaddress.ip_address(address)
    except ValueError:
        return False


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _check_loop(via_name: str, head: RequestHead) -> None:
    # `Via` is a list of "protocol received-by (comment)"; our name can stand
    # nowhere else in it by accident, so the parts need no parsing.
    words = {
        word for name, value in head.headers if name == b"via" for word in re.split(rb"[,\s]+", value.lower())
    }
    if via_name.encode() in words:
        raise RequestRejected(
            508,
            "loop_detected",
            "This request has passed this Trooper before: one of its targets leads back to it. "
            "Correct that target's base_url.",
        )


def _is_open(head: RequestHead) -> bool:
    """
    What needs no key: the liveness probe, which says nothing, and a browser's
    preflight, which cannot carry one.
    """
    return head.path == "/healthz" or is_preflight(head)


def is_preflight(head: RequestHead) -> bool:
    """Whether a browser asks for permission on behalf of a page."""
    return (
        head.method == "OPTIONS"
        and head.only(b"origin") is not None
        and head.only(b"access-control-request-method") is not None
    )


def _check_key(config: Config, head: RequestHead) -> None:
    """Refuse who has no key to this door, where it has keys."""
    if not config.server.client_keys:
        return
    scheme, _, token = (head.only(b"authorization") or b"").strip().partition(b" ")
    bearer = token.strip() if scheme.lower() == b"bearer" else b""
    by_bearer = _is_key(config, bearer)
    by_api_key = _is_key(config, (head.only(b"x-api-key") or b"").strip())
    by_header = _is_key(config, (head.only(KEY_HEADER) or b"").strip())
    if not by_bearer and not by_api_key and not by_header:
        raise RequestRejected(
            401,
            "client_key_invalid",
            "A key of this Trooper is needed, as `Authorization: Bearer …`, `x-api-key` or `x-trooper-key`.",
        )


def _is_key(config: Config, candidate: bytes) -> bool:
    # Every key is compared, in constant time each: neither how much of a key
    # was right nor which one it was can be read off the clock.
    found = False
    for key in config.server.client_keys:
        found |= hmac.compare_digest(key.encode(), candidate)
    return found


def announces_body(head: RequestHead) -> bool:
    """Whether a body follows the head, as HTTP/1 says so."""
    return (
        head.only(b"transfer-encoding") is not None
        or (head.only(b"content-length") or b"0").strip(b"0") != b""
    )


def announced_bytes(head: RequestHead) -> int:
    """How long its body will be, as an admitted request says; 0 where it does not."""
    return int(head.only(b"content-length") or 0)


def _check_length(config: Config, head: RequestHead) -> None:
    length = head.only(b"content-length")
    if length is None:
        return
    if not length.isdigit():
        raise RequestRejected(400, "content_length_invalid", "The request's Content-Length is not a number.")
    # Never `int()` of as many digits as the client likes.
    if len(length) > 15 or int(length) > config.server.max_request_bytes:
        raise too_large(config.server)


def _check_content(head: RequestHead) -> str | None:
    """How the body of a POST is compressed; its type must be JSON, or there must be nothing."""
    # A page may post text/plain or a form to any address without asking;
    # application/json always asks first. With no type at all it may post
    # nothing but nothing, and says its `Origin` with that.
    if not _is_json(head):
        if head.only(b"content-type") not in _UNTYPED:
            raise not_json()
        if announces_body(head) and head.only(b"transfer-encoding") is None:
            raise not_json()
    return coding_of(head.only(b"content-encoding"))


def _is_json(head: RequestHead) -> bool:
    kind = head.only(b"content-type") or b""
    return kind.partition(b";")[0].strip().lower() == b"application/json"


def not_json() -> RequestRejected:
    """The answer to a body of another type, or of none."""
    return RequestRejected(
        415, "content_type_not_json", "The request's Content-Type is not application/json."
    )
