"""
What a single configuration value may be.

Each function is an attrs validator: it names the attribute and the fix. The
value is shown only where it cannot be, or hold, a secret. This file knows no
class of the configuration.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import SplitResult, urlsplit

from attrs import Attribute

from trooper.errors import ConfigError

#: `Attribute` is invariant in the type of its value, and no validator looks at that type.
Field: TypeAlias = "Attribute[Any]"
WholeCheck: TypeAlias = Callable[[object, Field, int], None]

#: One day. A longer timeout is milliseconds written as seconds.
LONGEST_S = 86_400.0
#: Thirty days: as long as providers keep what clients come back to.
LONGEST_KEPT_S = 30 * 86_400.0
#: 4 GiB. A larger bound is no bound.
LARGEST_BYTES = 4 * 1024**3

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s@?#*]+")
_HOST_NAME = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_VISIBLE_ASCII = re.compile(r"[!-~]+")
#: Who writes situation reports, of ours; anything else is a function of the user's.
REPORTS = ("rules", "model", "none")
_FUNCTION = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
#: What people paste instead of the base; the path of each request is added to it.
_ENDPOINTS = ("/completions", "/responses", "/models", "/api", "/api/chat", "/api/generate", "/api/tags")
#: What Go's `time.ParseDuration` takes.
_GO_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_GO_DURATION = re.compile(rf"[+-]?(0|({_GO_PART.pattern})+)")


def shown(value: object) -> str:
    """A value for an error message: one line, short."""
    try:
        text = repr(value)
    except ValueError:
        # Python refuses to write integers of more than 4300 digits.
        text = "a huge number"
    return text if len(text) <= 60 else text[:57] + "…"


def name(_instance: object, attribute: Field, value: str) -> None:
    """A target's name: it is sent in headers."""
    if not _NAME.fullmatch(value):
        raise ConfigError(
            attribute.name,
            f"{shown(value)} is not a usable name",
            "Use up to 63 letters, digits, `.`, `_` and `-`, beginning with a letter or digit",
        )


def optional_text(_instance: object, attribute: Field, value: str | None) -> None:
    """Text that says something, or nothing at all."""
    if value is not None and not value.strip():
        raise ConfigError(attribute.name, "it is empty", "Write a value, or leave the key out")


def text_map(_instance: object, attribute: Field, value: Mapping[str, str]) -> None:
    """Names to names, none of them empty."""
    for left, right in value.items():
        if not left.strip() or not right.strip():
            raise ConfigError(
                attribute.name,
                f"{shown(left)} = {shown(right)} has an empty side",
                "Write a model's name on both sides",
            )


def seconds(_instance: object, attribute: Field, value: float) -> None:
    """A duration: above zero, finite, at most a day."""
    # Written so that NaN, which compares false with everything, is refused.
    if not 0 < value <= LONGEST_S:
        raise ConfigError(
            attribute.name,
            f"{shown(value)} is not a usable number of seconds",
            f"Use a number above 0 and at most {LONGEST_S:.0f}",
        )


def long_seconds(_instance: object, attribute: Field, value: float) -> None:
    """How long something is kept: above zero, finite, at most thirty days."""
    if not 0 < value <= LONGEST_KEPT_S:
        raise ConfigError(
            attribute.name,
            f"{shown(value)} is not a usable number of seconds",
            f"Use a number above 0 and at most {LONGEST_KEPT_S:.0f}",
        )


def folder(_instance: object, attribute: Field, value: str) -> None:
    """A folder, by its path; it need not be there."""
    if not value.strip() or "\0" in value:
        raise ConfigError(
            attribute.name, f"{shown(value)} is no folder", "Write its path, or leave the key out"
        )


def optional_seconds(instance: object, attribute: Field, value: float | None) -> None:
    """A duration, or none."""
    if value is not None:
        seconds(instance, attribute, value)


def whole(low: int, high: int) -> WholeCheck:
    """A whole number within both bounds."""

    def check(_instance: object, attribute: Field, value: int) -> None:
        if not low <= value <= high:
            raise ConfigError(
                attribute.name,
                f"{shown(value)} is out of range",
                f"Use a whole number from {low} to {high}",
            )

    return check


def optional_whole(low: int, high: int) -> Callable[[object, Field, int | None], None]:
    """A whole number within both bounds, or none."""
    check_number = whole(low, high)

    def check(instance: object, attribute: Field, value: int | None) -> None:
        if value is not None:
            check_number(instance, attribute, value)

    return check


#: A number of bytes.
size: WholeCheck = whole(1, LARGEST_BYTES)


def host(_instance: object, attribute: Field, value: str) -> None:
    """An address to listen on, without scheme, port or brackets."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        if not re.fullmatch(r"[A-Za-z0-9._-]+", value):
            raise ConfigError(
                attribute.name,
                f"{shown(value)} is not a host name or address",
                "Write only the host, for example 127.0.0.1 or ::1; the port has its own key",
            ) from None


def host_names(_instance: object, attribute: Field, value: tuple[str, ...]) -> None:
    """Hosts as a client writes them into `Host`."""
    for item in value:
        if not _HOST_NAME.fullmatch(item):
            raise ConfigError(
                attribute.name,
                f"{shown(item)} is not a host",
                'Write each host, and its port if it has one, without a scheme: "chat.example:8642"',
            )


def origins(_instance: object, attribute: Field, value: tuple[str, ...]) -> None:
    """Origins as a browser sends them; no wildcard, since any page would pass."""
    for item in value:
        if not _ORIGIN.fullmatch(item):
            raise ConfigError(
                attribute.name,
                f"{shown(item)} is not an origin",
                'Write each origin as a browser sends it, without a path: "https://chat.example"',
            )


def is_key(value: str) -> bool:
    """Whether `value` can be sent as a credential in an HTTP header."""
    return _VISIBLE_ASCII.fullmatch(value) is not None


def keys(_instance: object, attribute: Field, value: tuple[str, ...]) -> None:
    """Credentials. What is wrong with one is said, never the key itself."""
    for number, item in enumerate(value, 1):
        if not is_key(item):
            raise ConfigError(
                attribute.name,
                f"key number {number} is empty or has blanks or characters beyond ASCII",
                "Use keys of visible ASCII characters",
            )


def choice(*values: str) -> Callable[[object, Field, str], None]:
    """One of a few words."""

    def check(_instance: object, attribute: Field, value: str) -> None:
        if value not in values:
            fix = "Write one of " + ", ".join(f'"{word}"' for word in values)
            raise ConfigError(attribute.name, f"{shown(value)} is not a choice", fix)

    return check


def some_of(*values: str) -> Callable[[object, Field, tuple[str, ...]], None]:
    """Any of a few words, in any order."""
    check = choice(*values)

    def check_each(instance: object, attribute: Field, value: tuple[str, ...]) -> None:
        for word in value:
            check(instance, attribute, word)

    return check_each


def report(_instance: object, attribute: Field, value: str) -> None:
    """Who writes situation reports: one of a few words, or a function."""
    if value in REPORTS or _FUNCTION.fullmatch(value):
        return
    words = ", ".join(f'"{word}"' for word in REPORTS)
    fix = f'Write one of {words}, or a function like "package.module:function"'
    raise ConfigError(attribute.name, f"{shown(value)} is not a choice", fix)


def optional_choice(*values: str) -> Callable[[object, Field, str | None], None]:
    """One of a few words, or nothing."""
    check = choice(*values)

    def check_optional(instance: object, attribute: Field, value: str | None) -> None:
        if value is not None:
            check(instance, attribute, value)

    return check_optional


def split_url(key: str, value: str, example: str) -> SplitResult:
    """
    An http(s) URL with a host and a valid port.

    The value is not in any message: a URL can carry a password or a key in
    places that a broken URL hides.
    """
    fix = f"Write it like {example}"
    if not _VISIBLE_ASCII.fullmatch(value):
        raise ConfigError(key, "the URL is empty or has blanks or characters beyond ASCII", fix)
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ConfigError(key, "the URL cannot be read (host or port)", fix) from None
    if parts.scheme not in ("http", "https"):
        scheme = f"the scheme {shown(parts.scheme)}" if "://" in value else "no scheme"
        raise ConfigError(key, f"the URL has {scheme}, not http or https", fix)
    if not parts.hostname or port == 0:
        raise ConfigError(key, "the URL has no host, or port 0", fix)
    return parts


def base_url(_instance: object, attribute: Field, value: str) -> None:
    """A URL to which paths are added: nothing after its path, no trailing slash."""
    parts = split_url(attribute.name, value, "https://api.example.com/v1")
    if "@" in parts.netloc:
        raise ConfigError(
            attribute.name,
            "the URL contains a user name or password (not shown)",
            'Take it out of the URL and put the key into the environment: key = { env = "NAME" }',
        )
    if "?" in value or "#" in value:
        raise ConfigError(
            attribute.name,
            "the URL has a query or a fragment (not shown)",
            "Leave it out: the query of each request is passed on as it is",
        )
    if value.endswith("/"):
        raise ConfigError(attribute.name, f"{shown(value)} ends in a slash", "Leave the last slash out")
    if value.endswith(_ENDPOINTS):
        raise ConfigError(
            attribute.name,
            f"{shown(value)} is an endpoint, not the base of all endpoints",
            "Leave out what follows the version, for example https://api.example.com/v1",
        )


def proxy(_instance: object, attribute: Field, value: str | None) -> None:
    """An HTTP proxy. It may hold a password, so no message shows it."""
    if value is None:
        return
    parts = split_url(attribute.name, value, "http://proxy.example:3128")
    if parts.path not in ("", "/") or "?" in value or "#" in value:
        raise ConfigError(
            attribute.name,
            "the proxy's URL has more than a host and a port",
            "Write it like http://proxy.example:3128",
        )


def duration_of_number(value: str | float) -> str:
    """Seconds as a duration with its unit; text is left as it is."""
    if isinstance(value, str):
        return value
    # Go has neither exponents nor infinities; what this cannot write, `duration` refuses.
    return f"{value:.9f}".rstrip("0").rstrip(".") + "s" if math.isfinite(value) else str(value)


def duration(_instance: object, attribute: Field, value: str) -> None:
    """A duration as Ollama reads it: `"300"` is answered with 400 there."""
    if not _GO_DURATION.fullmatch(value):
        raise ConfigError(
            attribute.name,
            f"{shown(value)} is not a duration",
            'Write the unit, for example "30m" or "1h30m", or a plain number of seconds without quotes',
        )


_UNITS_S: Mapping[str, float] = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}


def seconds_of(duration_text: str) -> float | None:
    """The seconds of a duration; `None` where it is for ever."""
    if duration_text.startswith("-"):
        return None
    return sum(float(number) * _UNITS_S[unit] for number, unit in _GO_PART.findall(duration_text))
