"""
The environment variables, and the targets that exist without a file.

The rule: a `TROOPER_…` variable wins over the file. The ones with a target in
their name speak to the target of that name, if there is one; the timeouts
speak to every cloud, the window to every local target; the rest are keys of
`[server]` that a container is told in no other way. `OLLAMA_HOST` is Ollama's
own variable, so it is only the default for a local target without a `base_url`.

Kubernetes puts variables of its own into every container for a service called
`trooper`: `TROOPER_PORT=tcp://10.0.0.1:8642`. That is nobody's wish.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import attrs

from trooper.config import addresses, limits
from trooper.config.store import MEMORY
from trooper.config.values import Key, Server, Store, Target, Wire
from trooper.config.wires import DefaultTarget
from trooper.errors import ConfigError

_T = TypeVar("_T", Server, Store, Target)

_TIMEOUTS = {
    "TROOPER_CONNECT_TIMEOUT": "connect_timeout_s",
    "TROOPER_TTFT_TIMEOUT": "ttft_timeout_s",
    "TROOPER_STALL_TIMEOUT": "stall_timeout_s",
    "TROOPER_ALIVE_TIMEOUT": "alive_timeout_s",
    "TROOPER_WHOLE_TIMEOUT": "whole_timeout_s",
}
_NUM_CTX = "TROOPER_NUM_CTX"
#: Variable → key of `[server]`.
_SERVER = {
    "TROOPER_HOST": "host",
    "TROOPER_PORT": "port",
    "TROOPER_ALLOWED_HOSTS": "allowed_hosts",
    "TROOPER_CLIENT_KEYS": "client_keys",
    "TROOPER_FOREIGN_TOOLS": "foreign_tools",
}
_SERVER_MEANINGS = {
    "TROOPER_HOST": "`host` of `[server]`: `0.0.0.0` in a container.",
    "TROOPER_PORT": "`port` of `[server]`. What Kubernetes puts there for a service called `trooper`"
    " (`tcp://…`) is not read.",
    "TROOPER_ALLOWED_HOSTS": "`allowed_hosts` of `[server]`, separated by commas.",
    "TROOPER_CLIENT_KEYS": "The keys that clients must send, themselves, separated by commas; it wins over"
    " `client_keys_env`.",
    "TROOPER_FOREIGN_TOOLS": "`foreign_tools` of `[server]`.",
}
DATA_DIR, _SEAL_KEY = "TROOPER_DATA_DIR", "TROOPER_STORE_KEY"
_STORE_MEANINGS = {
    DATA_DIR: "`data_dir` of `[store]`, relative to where Trooper is started; `:memory:` keeps nothing on disk.",
    _SEAL_KEY: "The password that what was said is encrypted with on disk, itself; it wins over `seal_key_env`.",
}
_KUBERNETES_PORT = re.compile(r"(tcp|udp|sctp)://\S+", re.IGNORECASE)
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
    told = {
        "TROOPER_CONFIG": "The TOML file to read. Without it `./trooper.toml` is read, if it is there; not by `trooper run`."
    }
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
    told[_NUM_CTX] = "`num_ctx` of every local target: a number of tokens, or `auto`."
    return told | timeouts | _SERVER_MEANINGS | _STORE_MEANINGS | _OTHERS


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


def default_places(
    targets: Sequence[Target], said: Collection[str], environ: Mapping[str, str]
) -> dict[str, str]:
    """The `base_url`s that a server's own variable is the default of: key → that variable."""
    keys = ((f"targets.{target.name}.base_url", target) for target in targets)
    return {
        key: target.wire.host_variable
        for key, target in keys
        if key not in said and target.gguf is None and variable(environ, target.wire.host_variable)
    }


def overridden(
    server: Server, targets: tuple[Target, ...], environ: Mapping[str, str], wires: Sequence[Wire]
) -> tuple[Server, tuple[Target, ...], Mapping[str, str]]:
    """
    What file or defaults say, with the environment's word over it; and which
    variable has said what: key → variable.

    Raises:
        ConfigError: a variable's value cannot be used; the key is its name.
    """
    changes = _said_of_server(environ)
    origins = {f"server.{attribute}": name for name, (attribute, _) in changes.items()}
    server = _changed(server, changes)
    evolved: list[Target] = []
    for target in targets:
        changes = _said_of_target(target, environ, wires)
        origins |= {f"targets.{target.name}.{attribute}": name for name, (attribute, _) in changes.items()}
        evolved.append(_changed(target, changes))
    return server, tuple(evolved), origins


def overridden_store(store: Store, environ: Mapping[str, str], cwd: Path) -> tuple[Store, Mapping[str, str]]:
    """
    What file or defaults say of what is kept, with the environment's word over it; and which variable has said what.

    Raises:
        ConfigError: a variable's value cannot be used; the key is its name.
    """
    said: dict[str, tuple[str, Any]] = {}
    if place := variable(environ, DATA_DIR):
        said[DATA_DIR] = ("data_dir", data_dir(DATA_DIR, place, cwd))
    if password := variable(environ, _SEAL_KEY):
        said[_SEAL_KEY] = ("seal_key", password)
    origins = {f"store.{attribute}": name for name, (attribute, _) in said.items()}
    return _changed(store, said), origins


def data_dir(key: str, written: str, folder: Path) -> str:
    """
    The whole path of a folder that somebody has written, relative to `folder`.

    Raises:
        ConfigError: there is no such user.
    """
    if written == MEMORY:
        return written
    try:
        return str(folder / Path(written).expanduser())
    except RuntimeError:
        problem = f"{limits.shown(written)} names no home folder"
        raise ConfigError(key, problem, "Write the whole path") from None


def _changed(table: _T, changes: Mapping[str, tuple[str, Any]]) -> _T:
    for name, (attribute, value) in changes.items():
        with _blamed_on(name):
            table = attrs.evolve(table, **{attribute: value})
    return table


def _said_of_server(environ: Mapping[str, str]) -> dict[str, tuple[str, Any]]:
    said: dict[str, tuple[str, Any]] = {}
    for name, attribute in _SERVER.items():
        text = variable(environ, name)
        match attribute:
            case _ if text is None:
                continue
            case "port" if _KUBERNETES_PORT.fullmatch(text):
                continue
            case "port":
                value: Any = _whole(name, text, "8642")
            case "allowed_hosts" | "client_keys":
                value = tuple(part.strip() for part in text.split(",") if part.strip())
                if not value:
                    raise ConfigError(name, "there is nothing between its commas", f"Fill or unset {name}")
            case _:
                value = text
        said[name] = (attribute, value)
    memory = switch(environ, "TROOPER_BREAKER")
    if memory is not None:
        said["TROOPER_BREAKER"] = ("memory", memory)
    return said


def _said_of_target(
    target: Target, environ: Mapping[str, str], wires: Sequence[Wire]
) -> dict[str, tuple[str, Any]]:
    changes: dict[str, tuple[str, Any]] = {}
    if not target.is_local:
        for name, attribute in _TIMEOUTS.items():
            seconds = _number(environ, name)
            if seconds is not None:
                changes[name] = (attribute, seconds)
    elif tokens := variable(environ, _NUM_CTX):
        is_number = tokens.lower() != "auto"
        # `None` is what it is where nobody has chosen a number.
        chosen = _whole(_NUM_CTX, tokens, "32768, or auto") if is_number else None
        changes[_NUM_CTX] = ("num_ctx", chosen)
    for wire in wires:
        own = wire.default_target
        if own is not None and own.name == target.name and wire.is_local == target.is_local:
            changes |= _said_of(wire, own, target, environ)
    return changes


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


def _whole(name: str, text: str, example: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ConfigError(name, f"{limits.shown(text)} is not a whole number", f"Write it like {example}")
    return int(text)


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
