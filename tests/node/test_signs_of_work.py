"""What the SDKs of Node make of a stream with a wait of minutes in it: the same answer, the same error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.test_node import FINISHES, WAYS, ask
from recorded_waits import names, served
from trooper.testing import DEFAULT_ANSWER

WIRES = {"chat": "chat", "responses": "responses", "anthropic": "messages"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served() as url:
        yield url


def rows(how: str, answer: str) -> list[str]:
    wire = next(wire for word, wire in WIRES.items() if word in how)
    return [name for name in names(wire) if f"/{answer}/" in name]


@pytest.mark.parametrize("how", WAYS)
def test_the_same_answer(url: str, packages: Path, how: str) -> None:
    finish = next(word for name, word in FINISHES.items() if how.startswith(name))
    for seen in ask(how, url, rows(how, "text"), packages):
        # Whoever reads the raw events sees one that has no reason yet.
        finishes = [word for word in seen["finishes"] if word is not None]
        assert (seen["text"], finishes, seen["raised"]) == (DEFAULT_ANSWER, [finish], None)
        assert len(seen["ids"]) <= 1


@pytest.mark.parametrize("how", WAYS)
def test_an_error_is_raised(url: str, packages: Path, how: str) -> None:
    for seen in ask(how, url, rows(how, "error"), packages):
        assert seen["raised"] is not None
        assert DEFAULT_ANSWER.startswith(seen["text"])
