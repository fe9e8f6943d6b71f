"""
`trooper config show`: every value that is in force, and who has said it.

It is written as the TOML file that would say the same. No secret is in it:
of a key is shown that there is one.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import attrs
from cyclopts import App, Parameter

from trooper import __version__
from trooper.commands.cli import MISUSED
from trooper.commands.settings import settings
from trooper.config import Config, Key, Server, Store, Target, Wire
from trooper.errors import ConfigError

#: What a value is from that nobody has said.
DEFAULT = "default"
#: A value that is there and not shown.
HIDDEN = "(not shown)"

#: The column of the comments that say where a value is from.
_COLUMN = 44
#: `[server]` says of these keys where they are; the value has come from there.
_SAID_AS = {
    "server.client_keys": "server.client_keys_env",
    "store.seal_key": "store.seal_key_env",
}
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_URLS = frozenset({"base_url", "proxy"})

config_app = App(name="config", help="The configuration: what is in force, and from where.")


@attrs.frozen
class Value:
    """
    A value that is in force, as a person may see it, and who has said it.

    `words` say for people what is in force where that is no value: a rule, or nothing.
    """

    value: Any
    origin: str
    words: str = "none"


@config_app.command
def show(
    *,
    config: Annotated[
        Path | None, Parameter(help="The TOML file; ./trooper.toml is found by itself.")
    ] = None,
    embedded: Annotated[bool, Parameter(help="As `trooper serve --embedded` has it.", negative="")] = False,
    as_json: Annotated[bool, Parameter(name="--json", help="Print JSON instead.", negative="")] = False,
) -> int:
    """
    Print every value that is in force, and whether a file, a variable or an option has said it.

    The exit status is 0, or 2 if the configuration cannot be read.
    """
    try:
        known = settings(os.environ, Path.cwd(), file=config, embedded=embedded)
    except ConfigError as error:
        sys.stderr.write(f"trooper: configuration error: {error}\n")
        return MISUSED
    sys.stdout.write(as_object(known) if as_json else as_file(known))
    return 0


def server_values(config: Config) -> dict[str, Value]:
    """Every key of `[server]`."""
    values = {a.name: _value(config, "server", a.name, config.server) for a in attrs.fields(Server)}
    return {"client_keys_env" if name == "client_keys" else name: value for name, value in values.items()}


def store_values(config: Config) -> dict[str, Value]:
    """Every key of `[store]`."""
    values = {a.name: _value(config, "store", a.name, config.store) for a in attrs.fields(Store)}
    return {"seal_key_env" if name == "seal_key" else name: value for name, value in values.items()}


def target_values(config: Config, target: Target) -> dict[str, Value]:
    """Every key that a target of its wire has."""
    values = {
        a.name: _value(config, f"targets.{target.name}", a.name, target)
        for a in attrs.fields(Target)
        if not a.metadata["is_selective"] or a.name in target.wire.settings
    }
    rules = {
        "ttft_timeout_s": f"{target.first_content_s}"
        + (", and the time to read the prompt" if target.reads_long else ""),
        "alive_timeout_s": "{}, and {} inside a call or a thought".format(*target.alive_s),
    }
    return values | {name: attrs.evolve(values[name], words=words) for name, words in rules.items()}


def _value(config: Config, table: str, name: str, holder: Server | Store | Target) -> Value:
    key = f"{table}.{name}"
    said = config.origins.get(key) or config.origins.get(_SAID_AS.get(key, key), DEFAULT)
    return Value(_shown(name, getattr(holder, name)), said)


def _shown(name: str, value: Any) -> Any:
    match value:
        case Key(kind="value"):
            return HIDDEN
        case Key(kind=kind):
            return kind
        case Wire(name=wire):
            return wire
        case tuple() if name == "client_keys":
            return HIDDEN if value else None
        case str() if name == "seal_key":
            return HIDDEN if value else None
        case "" if name == "base_url":
            # Trooper runs the server itself.
            return None
        case str() if name in _URLS:
            # A proxy's may have a name and a password in it.
            parts = urlsplit(value)
            return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        case tuple():
            return list(value)
        case Mapping():
            return dict(value)
        case None if name == "num_ctx":
            return "auto"
        case _:
            return value


def as_object(config: Config) -> str:
    """For programs: value and origin of each key."""
    told = {
        "version": __version__,
        "config": config.source,
        "server": _told(server_values(config)),
        "store": _told(store_values(config)),
        "targets": [_told(target_values(config, target)) for target in config.targets],
        "chains": {
            chain.pattern: {"value": list(chain.targets), "from": _of_chain(config, chain.pattern)}
            for chain in config.chains
        },
    }
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _told(values: Mapping[str, Value]) -> dict[str, dict[str, Any]]:
    return {name: {"value": value.value, "from": value.origin} for name, value in values.items()}


def _of_chain(config: Config, pattern: str) -> str:
    return config.origins.get(f'chains."{pattern}"', DEFAULT)


def as_file(config: Config) -> str:
    """For people: the file that would say the same, with a comment on each line."""
    return "\n".join((f"# Trooper {__version__}, configuration from {config.source}", *_lines(config), ""))


def _lines(config: Config) -> Iterator[str]:
    yield from ("", "[server]")
    yield from (_line(name, value) for name, value in server_values(config).items())
    yield from ("", "[store]")
    yield from (_line(name, value) for name, value in store_values(config).items())
    for target in config.targets:
        yield from ("", "[[targets]]")
        yield from (_line(name, value) for name, value in target_values(config, target).items())
    yield from ("", "[chains]")
    for chain in config.chains:
        yield _line(_toml(chain.pattern), Value(list(chain.targets), _of_chain(config, chain.pattern)))


def _line(name: str, value: Value) -> str:
    # What a file cannot say, or nobody has said, is a comment as a whole.
    is_there = value.value is not None and value.value != HIDDEN
    said = f"{name} = {_toml(value.value)}" if is_there else f"# {name}: {value.value or value.words}"
    return f"{said:<{_COLUMN}} # {value.origin}"


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case str():
            # A JSON text is a TOML text, but for one sign.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case dict():
            pairs = (f"{k if _BARE.fullmatch(k) else _toml(k)} = {_toml(v)}" for k, v in value.items())
            return f"{{ {', '.join(pairs)} }}" if value else "{}"
        case _:
            return f"[{', '.join(map(_toml, value))}]"
