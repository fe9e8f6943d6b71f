"""Words of made-up sessions."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final


def _words(text: str) -> list[str]:
    return text.split()


NAMES: Final = _words(
    "Ines Marta Jonas Priya Tomasz Aiko Lars Chidi Noor Elif Mateo Sanna Ruben Ivana Kofi Leila"
)
SURNAMES: Final = _words(
    "Albrecht Kowalczyk Okafor Lindqvist Haddad Moreau Tanaka Petrov Novak Silva Brandt Osei"
)
THINGS: Final = _words(
    "ledger billing search catalog inventory payments gateway mailer scheduler reporting export auth session "
    "upload thumbnail invoice shipping pricing webhook importer audit metrics cache queue tenant profile"
)
VERBS: Final = _words("check fix refactor explain review extend simplify rename test document move clean")
ADJECTIVES: Final = _words("slow flaky odd empty large small nested stale missing duplicate old new")
ANIMALS: Final = _words("heron otter lynx badger osprey marten ibex puffin")


def one(chance: random.Random, words: Sequence[str]) -> str:
    return chance.choice(words)


def person(chance: random.Random) -> str:
    return f"{one(chance, NAMES)} {one(chance, SURNAMES)}"


def number(chance: random.Random, low: int = 1000, high: int = 60000) -> str:
    return str(chance.randint(low, high))


def hexes(chance: random.Random, length: int) -> str:
    return "a" + "".join(chance.choice("0123456789abcdef") for _ in range(length - 2)) + "7"
