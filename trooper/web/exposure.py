"""
Who could spend a key of ours: whether a request may come from another machine.

An address that only this machine can reach is no proof of that. A server that
stands in front, on the same machine, asks from there for everybody whom it
serves, whether it reaches us by loopback or by a unix socket. Two things tell
of it: a name in `allowed_hosts` that leads elsewhere, and a header that says
for whom it asks. A private address, that of a container or of the next machine
in the office, is another machine's like any other: whoever has it is not the
one who runs Trooper.

A front server that does neither cannot be seen; `docs/security.md` says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from trooper.config import Config
from trooper.config.addresses import is_loopback, is_this_machines
from trooper.core.headers import Headers
from trooper.errors import RequestRejected

#: Where front servers write for whom they ask, or by which name they were asked.
_FOR: Final = frozenset(
    {
        *(b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"x-original-forwarded-for"),
        *(b"x-original-host", b"x-client-ip", b"x-cluster-client-ip", b"true-client-ip"),
        *(b"cf-connecting-ip", b"cf-connecting-ipv6", b"fastly-client-ip", b"fly-client-ip"),
        *(b"x-envoy-external-address", b"x-azure-clientip", b"x-appengine-user-ip"),
    }
)
#: The same in the one header that is standard (RFC 7239); `by` and `proto` say nothing of it.
_FORWARDED: Final = b"forwarded"
_FORWARDED_FOR: Final = frozenset({"for", "host"})


def check(config: Config, address: str | None, headers: Headers) -> None:
    """
    Refuse a request that could spend a key of ours without a key to this door.

    Asked for each request, although `trooper serve` asks at the start: under
    `hypercorn --bind` the configuration does not know the address, and it never
    knows who stands in front.

    Args:
        address: the local end of its connection; `None` for a unix socket.
        headers: the request's, names in lower case.
    """
    if config.server.client_keys or not holds_a_key(config):
        return
    if address is not None and not is_loopback(address):
        raise _refused("is reached at an address that is not loopback", "or bind to 127.0.0.1")
    if any(not is_this_machines(name) for name in config.server.allowed_hosts):
        raise _refused("is reached by names that lead here from other machines", "or empty allowed_hosts")
    if any(not is_this_machines(node) for node in _asked_for(headers)):
        raise _refused(
            "is asked, by a server in front of it, for another machine",
            "or have that server serve this one alone",
        )


def holds_a_key(config: Config) -> bool:
    """Whether a target is paid for with a key of ours."""
    return any(target.key.kind == "value" for target in config.targets)


def _refused(what: str, otherwise: str) -> RequestRejected:
    return RequestRejected(
        403,
        "client_keys_needed",
        f"This Trooper holds a provider key and {what}. Set [server] client_keys_env, {otherwise}.",
    )


def _asked_for(headers: Headers) -> Iterator[str]:
    """The addresses and names that a front server has asked for; what hides one is one, too."""
    for name, value in headers:
        if name in _FOR:
            yield from filter(None, map(str.strip, value.decode("latin-1").split(",")))
        elif name == _FORWARDED:
            for pair in value.decode("latin-1").replace(",", ";").split(";"):
                key, _, node = pair.partition("=")
                node = node.strip().strip('"').strip()
                if key.strip().lower() in _FORWARDED_FOR and node:
                    yield node
