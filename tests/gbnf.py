"""
Reads the part of GBNF that Trooper writes, says whether a text fits, and makes
up texts that do. Written from llama.cpp's description; shares no code with it
or with Trooper.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

_TOKEN = re.compile(r'\s*("(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|[A-Za-z][\w-]*|\{\d+,\d+\}|[()|?*+])')
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class Grammar:
    """Rules by their names; a rule is a tuple tree."""

    def __init__(self, text: str) -> None:
        self.rules: dict[str, Any] = {}
        for line in text.strip().splitlines():
            name, _, body = line.partition(" ::= ")
            tokens = _TOKEN.findall(body)
            rule, rest = _alternatives(tokens)
            assert rest == [], (name, rest)
            self.rules[name] = rule

    def fits(self, text: str) -> bool:
        """Whether the whole text is a sentence of the grammar."""
        return any(end == len(text) for end in self._ends(self.rules["root"], text, 0))

    def _ends(self, rule: Any, text: str, at: int) -> Iterator[int]:
        match rule:
            case ("text", said):
                if text.startswith(said, at):
                    yield at + len(said)
            case ("set", fits):
                if at < len(text) and fits(text[at]):
                    yield at + 1
            case ("rule", name):
                yield from self._ends(self.rules[name], text, at)
            case ("any", *rules):
                for one in rules:
                    yield from self._ends(one, text, at)
            case ("all", *rules):
                yield from self._row(rules, text, at)
            case ("times", one, least, most):
                yield from self._times(one, least, most, text, at)

    def _row(self, rules: list[Any], text: str, at: int) -> Iterator[int]:
        if not rules:
            yield at
            return
        for end in self._ends(rules[0], text, at):
            yield from self._row(rules[1:], text, end)

    def _times(self, one: Any, least: int, most: int, text: str, at: int) -> Iterator[int]:
        if least <= 0:
            yield at
        if most > 0:
            for end in self._ends(one, text, at):
                yield from self._times(one, least - 1, most - 1, text, end)

    def sample(self, chance: random.Random, depth: int = 0, rule: Any = None) -> str:
        """A text that fits; short, since it takes the ends where it can."""
        match rule or self.rules["root"]:
            case ("text", said):
                return str(said)
            case ("set", fits):
                options = [c for c in map(chr, (*range(32, 127), 233, 0x1F600)) if fits(c)]
                return chance.choice(options)
            case ("rule", name):
                return self.sample(chance, depth + 1, self.rules[name])
            case ("any", *rules):
                return self.sample(chance, depth + 1, rules[0] if depth > 30 else chance.choice(rules))
            case ("all", *rules):
                return "".join(self.sample(chance, depth + 1, one) for one in rules)
            case ("times", one, least, most):
                count = chance.randint(least, min(most, least + 2))
                return "".join(self.sample(chance, depth + 1, one) for _ in range(count))
            case other:
                raise AssertionError(other)


def _alternatives(tokens: list[str]) -> tuple[Any, list[str]]:
    rows: list[Any] = []
    while True:
        row, tokens = _sequence(tokens)
        rows.append(row)
        if not tokens or tokens[0] != "|":
            return (("any", *rows) if len(rows) > 1 else rows[0]), tokens
        tokens = tokens[1:]


def _sequence(tokens: list[str]) -> tuple[Any, list[str]]:
    items: list[Any] = []
    while tokens and tokens[0] not in ("|", ")"):
        token, tokens = tokens[0], tokens[1:]
        if token == "(":
            item, tokens = _alternatives(tokens)
            assert tokens[0] == ")"
            tokens = tokens[1:]
        else:
            item = _atom(token)
        if tokens and (tokens[0] in ("?", "*", "+") or tokens[0].startswith("{")):
            least, most = _bounds(tokens[0])
            item, tokens = ("times", item, least, most), tokens[1:]
        items.append(item)
    return ("all", *items), tokens


def _bounds(token: str) -> tuple[int, int]:
    if token.startswith("{"):
        least, most = token[1:-1].split(",")
        return int(least), int(most)
    return {"?": (0, 1), "*": (0, 999), "+": (1, 999)}[token]


def _atom(token: str) -> Any:
    if token.startswith('"'):
        return ("text", _unescaped(token[1:-1]))
    if token.startswith("["):
        return ("set", _set(token[1:-1]))
    return ("rule", token)


def _unescaped(text: str) -> str:
    return re.sub(
        r"\\(x([0-9A-Fa-f]{2})|.)",
        lambda m: chr(int(m[2], 16)) if m[2] else _ESCAPES.get(m[1], m[1]),
        text,
    )


def _set(text: str) -> Any:
    negated = text.startswith("^")
    parts = re.findall(
        r"(\\x[0-9A-Fa-f]{2}|\\.|[^\\])(?:-(\\x[0-9A-Fa-f]{2}|\\.|[^\\]))?", text.removeprefix("^")
    )
    ranges = [(_unescaped(low), _unescaped(high or low)) for low, high in parts]
    return lambda char: any(low <= char <= high for low, high in ranges) != negated
