"""
TOML values as the types of the attributes, strictly.

TOML has types of its own, and `port = "8642"` is a slip to be told, not to be
guessed. cattrs does the structuring; its own coercions are replaced here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import cattrs

from trooper.config.limits import shown
from trooper.config.values import Server, Store, Target, Wire
from trooper.errors import ConfigError

#: In a file these stand under another key or in several forms; their readers
#: are in `toml_file`.
READ_ELSEWHERE = frozenset({"key", "client_keys", "seal_key"})
#: A text in the wrong place may be a URL with a password in it.
_NEVER_SHOWN = frozenset({"base_url", "proxy"})

attrs.resolve_types(Target)
attrs.resolve_types(Server)
attrs.resolve_types(Store)


def _exactly(value: object, kind: type) -> Any:
    # `True` is an int in Python: `isinstance` would let `port = true` pass.
    if type(value) is kind:
        return value
    raise TypeError


def _float(value: object, _kind: object) -> float:
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    number: float = _exactly(value, float)
    return number


def _texts(value: object, _kind: object) -> tuple[str, ...]:
    return tuple(_exactly(item, str) for item in _exactly(value, list))


def _text_map(value: object, _kind: object) -> dict[str, str]:
    return {key: _exactly(item, str) for key, item in _exactly(value, dict).items()}


def _wire(name: object, wires: Sequence[Wire]) -> Wire:
    known = {wire.name: wire for wire in wires}
    if not isinstance(name, str) or name not in known:
        raise ValueError
    return known[name]


def _strict_converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=False)
    for kind in (str, int, bool):
        converter.register_structure_hook(kind, _exactly)
    converter.register_structure_hook(float, _float)
    converter.register_structure_hook_func(lambda kind: kind == tuple[str, ...], _texts)
    converter.register_structure_hook_func(lambda kind: kind == Mapping[str, str], _text_map)
    return converter


_converter = _strict_converter()

_WORDS: Mapping[Any, tuple[str, str]] = {
    str: ("text", '"…"'),
    str | None: ("text", '"…"'),
    bool: ("true or false", "true"),
    int: ("a whole number", "1"),
    int | None: ("a whole number", "1"),
    float: ("a number", "10.0"),
    float | None: ("a number", "10.0"),
    tuple[str, ...]: ("a list of texts", '["…"]'),
    Mapping[str, str]: ("a table of texts", '{ "gpt-4o" = "llama3.2" }'),
}


def words_for(kind: Any, wires: Sequence[Wire]) -> tuple[str, str]:
    """What an attribute's type is called in plain words, and an example in TOML."""
    return ("a wire", " or ".join(f'"{wire.name}"' for wire in wires)) if kind is Wire else _WORDS[kind]


def structured(
    cls: type[Server | Store | Target], table: Mapping[str, Any], wires: Sequence[Wire]
) -> dict[str, Any]:
    """
    What `table` says about the attributes of `cls`, each value of its type.

    Raises:
        ConfigError: a value is of another type; the key is the attribute's.
    """
    values: dict[str, Any] = {}
    for attribute in attrs.fields(cls):
        name = attribute.name
        if name not in table or name in READ_ELSEWHERE:
            continue
        value = table[name]
        # Both are TOML's own way to write a duration here; the attribute's converter knows them.
        if name == "keep_alive" and type(value) in (int, float):
            values[name] = value
            continue
        if name == "num_ctx" and value == "auto":
            # What it is where nobody has chosen a number.
            continue
        try:
            if attribute.type is Wire:
                values[name] = _wire(value, wires)
            else:
                values[name] = _converter.structure(value, attribute.type)
        except (TypeError, ValueError, OverflowError):
            kind, example = words_for(attribute.type, wires)
            what = "it" if name in _NEVER_SHOWN else shown(value)
            raise ConfigError(name, f"{what} is not {kind}", f"Write it like {name} = {example}") from None
    return values
