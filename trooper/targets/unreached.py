"""
Why there is no connection, found in what the HTTP client has raised.

The client says `ConnectError` for a name that nobody knows, a port that nobody
listens at and a certificate that nobody trusts alike; the reason stands in
what its exception was raised from. Only numbers are read there, no texts: the
errors of the system, of OpenSSL, and of its check of certificates.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Final

import trio

from trooper.core.outcome import Unreached

_NO_NAME_SERVER: Final = (socket.EAI_AGAIN,)
_BY_ERRNO: Final[Mapping[int, Unreached]] = {
    errno.ECONNREFUSED: Unreached.REFUSED,
    **dict.fromkeys(
        (
            *(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.ETIMEDOUT),
            # What a firewall of this machine makes of it; and a family that it does not have.
            *(errno.EACCES, errno.EPERM, errno.EAFNOSUPPORT),
        ),
        Unreached.UNREACHABLE,
    ),
    **dict.fromkeys((errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ENOTCONN), Unreached.HUNG_UP),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EADDRNOTAVAIL), Unreached.NO_SOCKETS),
}
#: OpenSSL's numbers for what it found of a certificate.
_NOT_YET_VALID, _EXPIRED, _WRONG_NAME, _WRONG_EMAIL, _WRONG_ADDRESS = 9, 10, 62, 63, 64
_BY_CERTIFICATE: Final[Mapping[int, Unreached]] = {
    _NOT_YET_VALID: Unreached.TLS_EXPIRED,
    _EXPIRED: Unreached.TLS_EXPIRED,
    **dict.fromkeys((_WRONG_NAME, _WRONG_EMAIL, _WRONG_ADDRESS), Unreached.TLS_WRONG_NAME),
}
#: OpenSSL's names for a first record that is none; which of them depends on its version and on the record.
_NO_RECORD: Final = frozenset(
    {
        *("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "UNKNOWN_PROTOCOL"),
        *("RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "BAD_RECORD_TYPE", "UNEXPECTED_MESSAGE"),
    }
)
#: Of several addresses of one name each may fail otherwise: what says most comes first.
_TELLING: Final = tuple(Unreached)
#: What a proxy would be in the way of.
_ON_THE_WAY: Final = frozenset(
    {
        *(Unreached.NAME_NOT_FOUND, Unreached.NAME_UNSURE),
        *(Unreached.REFUSED, Unreached.UNREACHABLE, Unreached.HUNG_UP),
    }
)
#: As deep as exceptions are looked into; each is raised from another one.
_MOST_CAUSES: Final = 32


def unreached(error: BaseException, *, is_proxied: bool = False) -> Unreached | None:
    """
    Why there is no connection; `None` where nothing says so.

    `is_proxied`: the connection was to a proxy, and behind it to the target.
    """
    found = {reason for cause in _causes(error) if (reason := _reason(cause)) is not None}
    reason = next((known for known in _TELLING if known in found), None)
    # What fails before the tunnel stands is the way to the proxy.
    return Unreached.PROXY_UNREACHABLE if is_proxied and reason in _ON_THE_WAY else reason


def _causes(error: BaseException) -> Iterator[BaseException]:
    waiting, seen = [error], 0
    while waiting and seen < _MOST_CAUSES:
        cause, seen = waiting.pop(0), seen + 1
        yield cause
        if isinstance(cause, BaseExceptionGroup):
            waiting += cause.exceptions
        waiting += [other for other in (cause.__cause__ or cause.__context__,) if other is not None]


def _reason(error: BaseException) -> Unreached | None:
    match error:
        case ssl.SSLCertVerificationError():
            return _BY_CERTIFICATE.get(error.verify_code, Unreached.TLS_UNTRUSTED)
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return Unreached.HUNG_UP
        case ssl.SSLError():
            return Unreached.NOT_TLS if error.reason in _NO_RECORD else Unreached.TLS_FAILED
        case socket.gaierror():
            return Unreached.NAME_UNSURE if error.errno in _NO_NAME_SERVER else Unreached.NAME_NOT_FOUND
        case UnicodeError():
            return Unreached.NAME_NOT_FOUND
        case trio.BrokenResourceError() if error.__cause__ is None:
            # It closed the connection in the middle of the handshake.
            return Unreached.HUNG_UP
        case OSError():
            return None if error.errno is None else _BY_ERRNO.get(error.errno)
        case _:
            return None
