"""
URLs as people write them, made into the form that `Target.base_url` has.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from trooper.config.limits import split_url
from trooper.config.values import Wire
from trooper.errors import ConfigError

#: Where ChatGPT plans are asked: there is no version in it.
_UNVERSIONED = "/backend-api/codex"
_VERSION = re.compile(r"v\d+[a-z0-9]*")


def normalised(wire: Wire, url: str) -> str:
    """
    `url` without a trailing slash; for a cloud ending in its version.

    `/v1` is added only where the path names no version: some providers keep
    their wire under `/v1beta/openai` or `/api/paas/v4`. What is no such URL is
    left as it is, to be refused with its own message.
    """
    if "://" not in url or "?" in url or "#" in url:
        return url
    url = url.rstrip("/")
    # Split by hand: a URL that cannot be read must reach the check that says so.
    segments = url.partition("://")[2].split("/")[1:]
    if wire.is_local:
        return url.removesuffix("/v1").rstrip("/")
    if url.endswith(_UNVERSIONED):
        return url
    if any(_VERSION.fullmatch(segment) for segment in segments):
        return url
    return f"{url}/v1"


def host_url(wire: Wire, variable: str, value: str) -> str:
    """
    A URL from a server's own variable, as `OLLAMA_HOST` is, by the rules of Ollama's
    own client: the scheme, host and port may each be missing, the port is that of
    the wire's `default_url` (80 or 443 where a scheme is written). An address to
    listen on everywhere becomes loopback.

    Unlike Ollama, a port that is no port is refused, not replaced.
    """
    usual = urlsplit(wire.default_url)
    text = value.strip().strip("\"'").strip()
    scheme, has_scheme, rest = text.rpartition("://")
    port = {"http": 80, "https": 443}.get(scheme.lower(), usual.port) if has_scheme else usual.port
    scheme = scheme if has_scheme else "http"
    netloc, slash, path = rest.partition("/")
    if netloc.count(":") > 1 and "[" not in netloc:
        netloc = f"[{netloc}]"
    if netloc == "" or netloc.startswith(":"):
        netloc = f"127.0.0.1{netloc}"
    parts = split_url(variable, f"{scheme}://{netloc}{slash}{path}", usual.netloc)
    if "@" in netloc:
        raise ConfigError(
            variable, "it contains a user name or password (not shown)", f"Write it like {usual.netloc}"
        )
    host = _reachable(parts.hostname or "")
    shown_host = f"[{host}]" if ":" in host else host
    return normalised(wire, f"{parts.scheme}://{shown_host}:{parts.port or port}{slash}{path}")


def _reachable(host: str) -> str:
    address = address_of(host)
    if address is None or not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"


def address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that `host` is, if it is not a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_loopback(address: str) -> bool:
    """Whether `address` is one that only this machine can reach. A name is no address, so `localhost` is not."""
    known = address_of(address)
    mapped = known.ipv4_mapped if isinstance(known, ipaddress.IPv6Address) else None
    return known is not None and (mapped or known).is_loopback


def leads_here(host: str) -> bool:
    """Whether `host`, an address or a name, leads to this machine and to no other."""
    return host.lower() == "localhost" or is_loopback(host)


def is_this_machines(written: str) -> bool:
    """
    Whether a host or an address, as headers write it, leads to this machine and to no other.

    With a port, in brackets or in quotes, or without. Names below `localhost` are
    its own (RFC 6761, 6.3); what any other name leads to is not asked.
    """
    text = written.strip().strip('"').lower()
    if text.startswith("["):
        host = text[1:].partition("]")[0]
    else:
        host = text.partition(":")[0] if text.count(":") == 1 else text
    host = host.removesuffix(".")
    return leads_here(host) or host.endswith(".localhost")


def is_same_place(url: str, host: str, port: int) -> bool:
    """Whether `url` leads to a server that listens on `host` and `port`, as far as can be seen."""
    parts = urlsplit(url)
    there = (parts.hostname or "").lower()
    if (parts.port or {"http": 80, "https": 443}[parts.scheme]) != port:
        return False
    here = address_of(host)
    if there == host.lower() or (here is not None and address_of(there) == here):
        return True
    listens_everywhere = here is not None and here.is_unspecified
    address = address_of(there)
    if address is not None and address.is_unspecified:
        return listens_everywhere or leads_here(host)
    if there == "localhost":
        return listens_everywhere or leads_here(host)
    return leads_here(there) and (listens_everywhere or host.lower() == "localhost")


def leads_to(host: str, port: int, url: str) -> bool:
    """The same of what anybody has written; what is no such URL leads nowhere, and is refused where it is used."""
    try:
        return is_same_place(url, host, port)
    except (KeyError, ValueError):
        return False
