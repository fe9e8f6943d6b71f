"""Names that others choose: what is kept of them, what is shown, and of how many."""

from __future__ import annotations

import pytest

from trooper.core import names
from trooper.core.names import ByName, Latest


@pytest.mark.parametrize("name", ["", "gpt-4o", "m" * 256, "ü" * 256])
def test_a_name_is_kept_as_it_is(name: str) -> None:
    assert names.is_short(name)
    assert names.kept(name) == name


@pytest.mark.parametrize("name", ["m" * 257, "m" * 5_000_000, "\ud800" * 300])
def test_of_a_longer_one_a_digest_is_kept(name: str) -> None:
    assert not names.is_short(name)
    assert len(names.kept(name)) < 64
    assert names.kept(name) == names.kept(name)
    assert names.kept(name) != names.kept(name + "m")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        *(("gpt-4o", "gpt-4o"), ("", ""), ("m" * 128, "m" * 128), ("m" * 129, "unprintable")),
        *(("a\nb", "unprintable"), ("\x1b[2J", "unprintable"), ("m" * 5_000_000, "unprintable")),
    ],
)
def test_what_is_shown_is_short_and_printable(name: str, shown: str) -> None:
    assert names.shown(name) == shown


def test_what_can_be_said_may_be_as_long_as_a_name() -> None:
    assert names.is_sayable("m" * 256)
    assert not names.is_sayable("m" * 257)
    assert not names.is_sayable("\x1b")


def test_things_are_known_by_long_names_too_and_by_so_many() -> None:
    known: ByName[int] = ByName(most=2)
    long = "a" * 5_000_000
    known[long] = 1
    assert known.setdefault("b", 2) == 2
    assert (known.get(long), known.get("b"), long in known, "c" in known) == (1, 2, True, False)
    assert max(map(len, known._known)) < 64
    # The first ones count; the rest are not known.
    known["c"] = 3
    assert known.setdefault("d", 4) == 4
    assert (known.get("c"), known.get("d", 0), len(known), list(known.values())) == (None, 0, 2, [1, 2])
    known["b"] = 5
    assert known.setdefault("b", 6) == 5


def test_what_was_learned_last_is_known() -> None:
    known: Latest[str, int] = Latest(most=2)
    known["a"], known["b"] = 1, 2
    known["a"] = 3
    known["c"] = 4
    assert ("b" in known, known["a"], known.get("c"), known.get("b", 0), len(known)) == (False, 3, 4, 0, 2)
    known.pop("a")
    known.pop("a")
    assert known.get("a") is None
