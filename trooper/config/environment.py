"""
The environment variables, and the targets that exist without a file.

The rule: a `TROOPER_…` variable wins over the file. The ones with a target in
their name speak to the target of that name, if there is one; the timeouts
speak to every cloud. `OLLAMA_HOST` is Ollama's own variable, so it is only
the default for a local target without a `base_url`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from trooper.config import addresses, limits
from trooper.config.values import Key, Server, Target, Wire
from trooper.config.wires import DefaultTarget
from trooper.errors import ConfigError

_TIMEOUTS = {
    "TROOPER_CONNECT_TIMEOUT": "connect_timeout_s",
    "TROOPER_TTFT_TIMEOUT": "ttft_timeout_s",
    "TROOPER_STALL_TIMEOUT": "stall_timeout_s",
    "TROOPER_ALIVE_TIMEOUT": "alive_timeout_s",
    "TROOPER_WHOLE_TIMEOUT": "whole_timeout_s",
}
_OTHERS = {
    "TROOPER_CACHE": "The folder that `trooper fetch-model` fills. Without it the user's own cache folder.",
    "TROOPER_EMBEDDED": "`on` adds the small model that `trooper fetch-model` brings behind all other targets,"
    " as `trooper serve --embedded` does. Without it that model serves `trooper demo` alone.",
    "TROOPER_BREAKER": "`off` stops remembering failures: every request asks every target anew.",
}


def variable(environ: Mapping[str, str], name: str) -> str | None:
    """A variable's value without blanks around it; an empty one is not set."""
    return environ.get(name, "").strip() or None


def variables(wires: Sequence[Wire]) -> Mapping[str, str]:
    """Name → meaning of every variable that is read, in the order of the documentation."""
    told = {"TROOPER_CONFIG": "The TOML file to read. Without it `./trooper.toml` is read, if it is there."}
    for wire in wires:
        own = wire.default_target
        if own is not None:
            with_version = "" if wire.is_local else ", with or without `/v1`"
            told[own.url_variable] = f"The URL of {_whose(own, wires)}{with_version}."
        if own is not None and own.key_variable:
            told[own.key_variable] = (
                f"The key of {_whose(own, wires)}. Without it the client's own key is used."
            )
        if wire.host_variable:
            told[wire.host_variable] = (
                f"Where a local target without `base_url` is, read as {wire.software} reads it;"
                " `0.0.0.0` becomes `127.0.0.1`."
            )
        if own is not None and own.model_variable:
            told[own.model_variable] = f"The model of {_whose(own, wires)}. Without it one is chosen by rule."
    timeouts = {name: f"`{key}` of every cloud, in seconds." for name, key in _TIMEOUTS.items()}
    return told | timeouts | _OTHERS


def _whose(own: DefaultTarget, wires: Sequence[Wire]) -> str:
    known = [w.default_target for w in wires if w.default_target is not None]
    names = [f"`{other.name}`" for other in known if other.url_variable == own.url_variable]
    return f"the target{'s' if len(names) > 1 else ''} {' and '.join(names)}"


def default_url(wire: Wire, environ: Mapping[str, str]) -> str:
    """Where a target of `wire` is when neither a file nor a variable of ours says so."""
    value = variable(environ, wire.host_variable)
    return wire.default_url if value is None else addresses.host_url(wire, wire.host_variable, value)


def zero_config_targets(environ: Mapping[str, str], wires: Sequence[Wire]) -> tuple[Target, ...]:
    """The targets without a file: the clouds with the client's key, and the local ones."""
    return tuple(
        _zero_config_target(wire, wire.default_target, environ)
        for wire in wires
        if wire.default_target is not None
    )


def _zero_config_target(wire: Wire, own: DefaultTarget, environ: Mapping[str, str]) -> Target:
    # Overruled, the server's own variable is not even looked at: it may be broken.
    is_overruled = variable(environ, own.url_variable) is not None
    place = wire.default_url if is_overruled else default_url(wire, environ)
    return Target(own.name, wire, place, key=Key("none" if wire.is_local else "client"))


def overridden(
    server: Server, targets: tuple[Target, ...], environ: Mapping[str, str], wires: Sequence[Wire]
) -> tuple[Server, tuple[Target, ...]]:
    """
    What file or defaults say, with the environment's word over it.

    Raises:
        ConfigError: a variable's value cannot be used; the key is its name.
    """
    memory = switch(environ, "TROOPER_BREAKER")
    if memory is not None:
        server = attrs.evolve(server, memory=memory)
    return server, tuple(_overridden_target(target, environ, wires) for target in targets)


def _overridden_target(target: Target, environ: Mapping[str, str], wires: Sequence[Wire]) -> Target:
    changes: dict[str, tuple[str, Any]] = {}
    if not target.is_local:
        for name, attribute in _TIMEOUTS.items():
            seconds = _number(environ, name)
            if seconds is not None:
                changes[name] = (attribute, seconds)
    for wire in wires:
        own = wire.default_target
        if own is not None and own.name == target.name and wire.is_local == target.is_local:
            changes |= _said_of(wire, own, target, environ)
    for name, (attribute, value) in changes.items():
        with _blamed_on(name):
            target = attrs.evolve(target, **{attribute: value})
    return target


def _said_of(
    wire: Wire, own: DefaultTarget, target: Target, environ: Mapping[str, str]
) -> dict[str, tuple[str, Any]]:
    """What the variables of `own` say about the target of its name: variable → attribute and value."""
    said: dict[str, tuple[str, Any]] = {}
    if url := variable(environ, own.url_variable):
        has_host = bool(wire.host_variable)
        place = (
            addresses.host_url(wire, own.url_variable, url)
            if has_host
            else addresses.normalised(target.wire, url)
        )
        said[own.url_variable] = ("base_url", place)
    if key := variable(environ, own.key_variable):
        said[own.key_variable] = ("key", _key(own.key_variable, key))
    if model := variable(environ, own.model_variable):
        said[own.model_variable] = ("model", model)
    return said


@contextlib.contextmanager
def _blamed_on(name: str) -> Iterator[None]:
    """An attribute's complaint becomes one about the variable that set it."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(name, error.problem, error.fix) from None


def _key(name: str, value: str) -> Key:
    if not limits.is_key(value):
        problem = "it has blanks or characters beyond ASCII in it (not shown)"
        raise ConfigError(name, problem, "Set the key alone")
    return Key("value", value)


def _number(environ: Mapping[str, str], name: str) -> float | None:
    value = variable(environ, name)
    if value is None:
        return None
    try:
        return float(value)
    except ValueError:
        raise ConfigError(
            name, f"{limits.shown(value)} is not a number", "Write seconds without a unit, for example 10"
        ) from None


def switch(environ: Mapping[str, str], name: str) -> bool | None:
    """
    What a variable says that is on or off; `None` where it is not set.

    Raises:
        ConfigError: it says neither.
    """
    value = variable(environ, name)
    match value and value.lower():
        case None:
            return None
        case "off" | "false" | "no" | "0":
            return False
        case "on" | "true" | "yes" | "1":
            return True
        case _:
            problem = f"{limits.shown(value)} is neither on nor off"
            raise ConfigError(name, problem, f"Write {name}=on or {name}=off, or unset it")
