"""
What to do about a target that cannot be reached, for each reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trooper.core.outcome import Unreached

U = Unreached
_SCHEME: Final = "Check the scheme and the port of its base_url."
_PROXY: Final = "Check its `proxy`, or HTTPS_PROXY and NO_PROXY in the environment."

TO_REACH: Final[Mapping[Unreached, str]] = {
    U.NAME_NOT_FOUND: "Check the name in its base_url, and this machine's DNS.",
    U.NAME_UNSURE: "Check this machine's network and DNS: no name server answers.",
    U.REFUSED: "Nobody listens there: check the port of its base_url, and that the server runs.",
    U.UNREACHABLE: "Check the network, a VPN and the firewall.",
    U.HUNG_UP: f"{_SCHEME} A firewall may hang up, too.",
    U.NOT_TLS: "Write http:// in its base_url, or the port that speaks TLS.",
    U.TLS_UNTRUSTED: "Name the file of who has signed its certificate with `ca_file`.",
    U.TLS_EXPIRED: "Check this machine's clock; else who runs it has to renew the certificate.",
    U.TLS_WRONG_NAME: "Write the name that its certificate is for in its base_url.",
    U.TLS_FAILED: f"{_SCHEME} Its TLS may be too old.",
    U.PROXY_UNREACHABLE: _PROXY,
    U.PROXY_REFUSED: f"{_PROXY} It may want a name and a password.",
    U.NO_SOCKETS: "Raise the limit of open files (ulimit -n).",
}
