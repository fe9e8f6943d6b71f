"""
`trooper.toml`, read and made into values.

Every table is walked key by key, so that an error can name its key. What the
values together mean is judged in `checks`.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import ssl
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from trooper.config import addresses, limits
from trooper.config.environment import data_dir, default_url, variable
from trooper.config.typed import structured
from trooper.config.values import Chain, Key, Server, Store, Target, Wire
from trooper.errors import ConfigError

FILE_NAME = "trooper.toml"

#: Keys whose name in the file is not that of the attribute.
_FILE_NAMES = {"client_keys": "client_keys_env", "seal_key": "seal_key_env"}
#: What people call a key elsewhere; too far from ours for a spelling match.
_OTHER_NAMES = {
    "api_key": "key",
    "apikey": "key",
    "token": "key",
    "api_key_env": "key_env",
    "url": "base_url",
    "type": "wire",
    "client_keys": "client_keys_env",
    "bind": "host",
}
#: Two ways to write one key.
_OTHER_NAMES_OF_ONE = {"key_env": "key"}
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")


@attrs.frozen
class FileContent:
    """
    What a file says; an absent table says nothing.

    `said` has the keys that it has written, as errors name them.
    """

    server: Server = attrs.Factory(Server)
    targets: tuple[Target, ...] = ()
    chains: tuple[Chain, ...] = ()
    store: Store = attrs.Factory(Store)
    said: frozenset[str] = frozenset()


def find_file(environ: Mapping[str, str], cwd: Path) -> Path | None:
    """The file that `TROOPER_CONFIG` names, else `trooper.toml` in `cwd`, if it is there."""
    named = variable(environ, "TROOPER_CONFIG")
    if named is None:
        path = cwd / FILE_NAME
        # `os.path`: `Path.exists` raises in a folder that may not be looked into.
        return path if os.path.exists(path) else None  # noqa: PTH110
    path = cwd / named
    try:
        path.stat()
    except (OSError, ValueError) as error:
        # In full: the end of a path says most.
        problem = f"{named!r} cannot be read ({_reason(error)})"
        raise ConfigError("TROOPER_CONFIG", problem, "Name an existing TOML file") from None
    return path


def read_file(path: Path, environ: Mapping[str, str], wires: tuple[Wire, ...]) -> FileContent:
    """
    The file's content, each value checked by itself.

    Raises:
        ConfigError: it cannot be read, or a key or value cannot be used.
    """
    document = _document(path)
    _refuse_unknown(document, {"server", "store", "targets", "chains"}, "")
    server = _table(document.get("server", {}), "server")
    store = _table(document.get("store", {}), "store")
    targets = document.get("targets", [])
    if not isinstance(targets, list):
        raise ConfigError("targets", "it is not a list of tables", "Begin each target with [[targets]]")
    if "targets" in document and not targets:
        raise ConfigError("targets", "it is empty", "Add a [[targets]] table, or leave `targets` out")
    tables = [_table(table, f"targets[{number}]") for number, table in enumerate(targets, 1)]
    chains = _table(document.get("chains", {}), "chains")
    return FileContent(
        server=_server(server, environ, wires),
        targets=tuple(
            _target(table, number, path.parent, environ, wires) for number, table in enumerate(tables, 1)
        ),
        chains=_chains(chains, wires),
        store=_store(store, path.parent, environ, wires),
        said=frozenset(_said(server, store, tables, chains)),
    )


def _said(
    server: Mapping[str, object],
    store: Mapping[str, object],
    targets: list[dict[str, Any]],
    chains: Mapping[str, object],
) -> Iterator[str]:
    yield from (f"server.{key}" for key in server)
    yield from (f"store.{key}" for key in store)
    for table in targets:
        yield from (f"targets.{table.get('name')}.{_OTHER_NAMES_OF_ONE.get(key, key)}" for key in table)
    yield from (f'chains."{pattern}"' for pattern in chains)


def _document(path: Path) -> dict[str, Any]:
    key = str(path)
    try:
        # -sig: editors on Windows begin a file with a byte order mark.
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        problem = f"the file cannot be read ({_reason(error)})"
        raise ConfigError(key, problem, "Make it a readable file") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(key, f"line {line} is not UTF-8", "Save the file as UTF-8") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(key, f"it is not valid TOML: {error}", "Correct that line") from None
    except (ValueError, RecursionError) as error:
        # A number of thousands of digits, or lists nested as deep.
        raise ConfigError(key, f"it cannot be read ({type(error).__name__})", "Write plain TOML") from None


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__


def _table(value: object, key: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        fix = f"Write [{key}]" if "[" not in key else "Begin each target with [[targets]]"
        raise ConfigError(key, "it is not a table", fix)
    return value


def _refuse_unknown(table: Mapping[str, object], known: set[str], prefix: str) -> None:
    for key in table:
        if key in known:
            continue
        near = _OTHER_NAMES.get(key.lower(), "")
        if near not in known:
            near = next(iter(difflib.get_close_matches(key, sorted(known), n=1)), "")
        guess = f"Did you mean `{near}`?" if near else "Known keys: " + ", ".join(sorted(known))
        raise ConfigError(f"{prefix}{key}", "there is no such key", guess)


@contextlib.contextmanager
def _within(prefix: str) -> Iterator[None]:
    """An attribute's own complaint becomes one about the key in its table."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{prefix}{error.key}", error.problem, error.fix) from None


def _server(table: Mapping[str, Any], environ: Mapping[str, str], wires: tuple[Wire, ...]) -> Server:
    names = {_FILE_NAMES.get(a.name, a.name) for a in attrs.fields(Server)}
    _refuse_unknown(table, names, "server.")
    with _within("server."):
        values = structured(Server, table, wires)
        if "client_keys_env" in table:
            text = _secret(table["client_keys_env"], "client_keys_env", environ)
            keys = tuple(part.strip() for part in text.split(",") if part.strip())
            if not keys:
                raise ConfigError("client_keys_env", "the variable holds no key", "Separate keys by commas")
            values["client_keys"] = keys
        return Server(**values)


def _store(
    table: Mapping[str, Any], folder: Path, environ: Mapping[str, str], wires: tuple[Wire, ...]
) -> Store:
    _refuse_unknown(table, {_FILE_NAMES.get(a.name, a.name) for a in attrs.fields(Store)}, "store.")
    with _within("store."):
        values = structured(Store, table, wires)
        if "data_dir" in values:
            limits.folder(None, attrs.fields(Store).data_dir, values["data_dir"])
            values["data_dir"] = data_dir("data_dir", values["data_dir"], folder)
        if "seal_key_env" in table:
            values["seal_key"] = _secret(table["seal_key_env"], "seal_key_env", environ)
        return Store(**values)


def _target(
    table: Mapping[str, Any],
    number: int,
    folder: Path,
    environ: Mapping[str, str],
    wires: tuple[Wire, ...],
) -> Target:
    called = table.get("name")
    prefix = f"targets.{called}." if _is_name(called) else f"targets[{number}]."
    _refuse_unknown(table, {a.name for a in attrs.fields(Target)} | {"key_env"}, prefix)
    with _within(prefix):
        values = structured(Target, table, wires)
        for required in ("name", "wire"):
            if required not in values:
                fix = "Every [[targets]] table needs a name and a wire"
                raise ConfigError(required, "it is missing", fix)
        wire: Wire = values["wire"]
        for attribute in attrs.fields(Target):
            is_its_own = not attribute.metadata["is_selective"] or attribute.name in wire.settings
            if attribute.name in values and not is_its_own:
                whose = " and ".join(w.name for w in wires if attribute.name in w.settings)
                raise ConfigError(
                    attribute.name,
                    f"a target with the wire {wire.name} has no such setting",
                    f"Leave it out; it belongs to {whose} targets",
                )
        values["key"] = _key(table, wire, environ)
        values["base_url"] = _base_url(values, environ, wires)
        if "gguf" in values:
            values["gguf"] = _gguf(values["gguf"], folder)
        if "ca_file" in values:
            values["ca_file"] = _ca_file(folder / values["ca_file"])
        return Target(**values)


def _gguf(written: str, folder: Path) -> str:
    # Refused here: as a part of a path, an empty one would be the folder.
    limits.optional_text(None, attrs.fields(Target).gguf, written)
    try:
        return str(folder / Path(written).expanduser())
    except RuntimeError:
        raise ConfigError(
            "gguf", f"{limits.shown(written)} names no home folder", "Write the whole path"
        ) from None


def _is_name(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9._-]{1,63}", value) is not None


def _base_url(values: Mapping[str, Any], environ: Mapping[str, str], wires: tuple[Wire, ...]) -> str:
    wire: Wire = values["wire"]
    if "base_url" in values:
        return addresses.normalised(wire, values["base_url"])
    if "gguf" in values:
        return ""
    # The targets of zero configuration may be written out without their URL.
    is_known = wire.default_target is not None and wire.default_target.name == values["name"]
    if wire.is_local or is_known:
        return default_url(wire, environ)
    example = next(w.default_url for w in wires if w.default_url)
    raise ConfigError("base_url", "it is missing", f"Write the provider's URL, for example {example}")


def _key(table: Mapping[str, Any], wire: Wire, environ: Mapping[str, str]) -> Key:
    if "key" in table and "key_env" in table:
        raise ConfigError("key_env", "`key` is there too", "Keep one of the two")
    said = {"env": table["key_env"]} if "key_env" in table else table.get("key")
    name = "key_env" if "key_env" in table else "key"
    if not wire.takes_key:
        if said not in (None, "none"):
            raise ConfigError(name, f"{wire.a_server} takes no key", "Leave it out")
        return Key("none")
    match said:
        case None if wire.is_local:
            return Key("none")
        case "client" | "none":
            return Key("client" if said == "client" else "none")
        case {"env": env, **rest} if not rest:
            value = _secret(env, name, environ)
            if not limits.is_key(value):
                raise ConfigError(
                    name,
                    f"the variable {env} has blanks or characters beyond ASCII in it (not shown)",
                    "Set it to the key alone",
                )
            return Key("value", value)
        case None:
            problem = "it is missing: a cloud must be told whose key it gets"
        case _:
            # Whatever stands here may be a key: it is never shown.
            problem = "it is none of the possible forms (not shown)"
    raise ConfigError(
        name, problem, 'Write "client", "none", or { env = "NAME" } with the key in the environment'
    )


def _secret(name: object, key: str, environ: Mapping[str, str]) -> str:
    """The variable called `name`, which is shown only if it cannot be the secret itself."""
    if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
        raise ConfigError(
            key,
            "it is not the name of an environment variable in capitals (not shown)",
            'Put the key into the environment and its name here, for example "OPENAI_API_KEY"',
        )
    value = variable(environ, name)
    if value is None:
        raise ConfigError(key, f"the environment variable {name} is not set, or empty", f"Set {name}")
    return value


def _ca_file(path: Path) -> str:
    """The file, once it has been read as certificates: better now than at the first request."""
    fix = "Name a readable PEM file"
    try:
        ssl.create_default_context(cafile=str(path))
    except ssl.SSLError:
        raise ConfigError("ca_file", f"{str(path)!r} holds no certificates", fix) from None
    except (OSError, ValueError) as error:
        problem = f"{str(path)!r} cannot be read ({_reason(error)})"
        raise ConfigError("ca_file", problem, fix) from None
    return str(path)


def _chains(table: Mapping[str, object], wires: tuple[Wire, ...]) -> tuple[Chain, ...]:
    chains: list[Chain] = []
    for pattern, names in table.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ConfigError(
                f'chains."{pattern}"',
                f"{limits.shown(names)} is not a list of names",
                f"Write the targets in order: {_example_chain(wires)}",
            )
        chains.append(Chain(pattern, tuple(names)))
    return tuple(chains)


def _example_chain(wires: tuple[Wire, ...]) -> str:
    """The first cloud and the first local target that are there without a file."""
    own = sorted((w for w in wires if w.default_target), key=lambda w: w.is_local)
    ends = dict.fromkeys(w.default_target.name for w in (*own[:1], *own[-1:]) if w.default_target)
    return "[" + ", ".join(f'"{name}"' for name in ends) + "]"
