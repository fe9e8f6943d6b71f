"""
Values that are no good, and places in a value where something else can stand.

A value is what `json.loads` makes of it, but for two things: an object is its
`Pairs`, so that a name may come twice, and `Raw` is text that stands as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from attrs import field, frozen

Value: TypeAlias = Any
#: From the outside in: which pair or element.
Path: TypeAlias = tuple[int, ...]


class Shown:
    """Is shown by its `repr`, which shortens what is long; hypothesis would write out each field."""

    __slots__ = ()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))


@frozen
class Pairs:
    """An object, whose names may come twice."""

    pairs: tuple[tuple[str, Value], ...]


@frozen
class Raw:
    """Text that stands where a value should."""

    text: str = field(repr=lambda text: repr(text[:60]))


def grown(value: Value) -> Value:
    """A value of `json.loads`, with its objects as pairs."""
    match value:
        case dict():
            return Pairs(tuple((name, grown(inner)) for name, inner in value.items()))
        case list():
            return [grown(inner) for inner in value]
        case _:
            return value


def written(value: Value) -> str:
    """The value as JSON, as far as it is any."""
    match value:
        case Raw(text):
            return text
        case Pairs(pairs):
            return "{" + ",".join(f"{json.dumps(name)}:{written(inner)}" for name, inner in pairs) + "}"
        case list():
            return "[" + ",".join(map(written, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def _inner(value: Value) -> Sequence[Value]:
    match value:
        case Pairs(pairs):
            return [inner for _, inner in pairs]
        case list():
            return value
        case _:
            return ()


def paths(value: Value, at: Path = ()) -> Iterator[Path]:
    """All places of a value."""
    yield at
    for number, inner in enumerate(_inner(value)):
        yield from paths(inner, (*at, number))


def found(value: Value, path: Path) -> Value:
    """What stands at a place."""
    for number in path:
        value = _inner(value)[number]
    return value


#: What may be done to an element or a pair: what stands there in the end, `(name, value)`. An element has no name.
Change: TypeAlias = Callable[[str, Value], Sequence[tuple[str, Value]]]


def changed(value: Value, path: Path, change: Change) -> Value:
    """The same value with another thing, or none, or more, at a place."""
    if not path:
        said = change("", value)
        return said[0][1] if said else None
    number, *rest = path
    if len(path) > 1:
        inner = changed(_inner(value)[number], tuple(rest), change)
        return _with(value, number, lambda name, _: [(name, inner)])
    return _with(value, number, change)


def _with(value: Value, number: int, change: Change) -> Value:
    match value:
        case Pairs(pairs):
            return Pairs((*pairs[:number], *change(*pairs[number]), *pairs[number + 1 :]))
        case _:
            said = [inner for _, inner in change("", value[number])]
            return [*value[:number], *said, *value[number + 1 :]]


NAMES = (
    *("model", "messages", "stream", "n", "tools", "tool_choice", "response_format", "max_tokens", "stop"),
    *("stream_options", "include_usage", "input", "instructions", "previous_response_id", "store", "text"),
    *(
        "system",
        "thinking",
        "reasoning",
        "metadata",
        "temperature",
        "top_p",
        "logprobs",
        "seed",
        "background",
    ),
    *(
        "role",
        "content",
        "type",
        "id",
        "name",
        "function",
        "arguments",
        "tool_calls",
        "tool_call_id",
        "call_id",
    ),
    *(
        "output",
        "input_schema",
        "parameters",
        "image_url",
        "source",
        "error",
        "",
        "__proto__",
        "\x00",
        "ключ",
    ),
)
ODD_VALUES: tuple[Value, ...] = (
    *(None, True, False, 0, 1, 2, -1, 0.5, 1e308, 2**31, 2**63, -(2**64), 10**30),
    *(
        "",
        " ",
        "x",
        "1",
        "true",
        "\x00",
        "\u2028",
        "🗼",
        "assistant",
        "tool",
        "system",
        "user",
        "data:image/png;base64,",
    ),
    *([], Pairs(()), [[]], [None], [0], [Pairs(())], Pairs((("", None),)), ["x", "y"]),
    *map(
        Raw, ("NaN", "Infinity", "-Infinity", "1e400", "-0", "01", "+1", "1.", ".5", "0x1", "tru", "'x'", "")
    ),
    *map(
        Raw,
        ('"\\ud800"', '"\\udc00\\ud800"', '"\\u00"', '"\\x"', '"\n"', '"', "{", "]", "{}{}", "[1,]", "//"),
    ),
    Raw("9" * 5_000),
    Raw("1e" + "9" * 400),
    Raw("[" * 90 + "]" * 90),
    Raw("[" * 5_000 + "]" * 5_000),
    Raw('{"a":' * 5_000 + "1" + "}" * 5_000),
    Raw('{"anyOf":[' * 500 + "{}" + "]}" * 500),
    "x" * 3_000,
    "x" * 300_000,
    "\\" * 3_000,
    "é" * 70_000,
    ["x"] * 3_000,
    [Pairs((("role", "user"), ("content", "x")))] * 3_000,
    Pairs(tuple((f"k{number}", number) for number in range(3_000))),
)


def _is_json(value: Value) -> bool:
    try:
        json.loads(written(value))
    except ValueError:
        return False
    except RecursionError:
        return True
    return True


GOOD_ODD_VALUES = tuple(filter(_is_json, ODD_VALUES))
