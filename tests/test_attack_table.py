"""The table of attacks, and the page that is made of it: the session that plays them is `attack`."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent.parent / "docs"))

from generate_security import BEGIN, END, Outdated, page, section

from attack_results import Results
from attack_table import ATTACKS, FILES
from attacks import KINDS

FACTS = {"ways": 3, "pause_ms": 50, "each_ms": 1, "most": 300, "kept_mib": 24}
ROW = {"told": "2 × 400", "pause_ms": 1.4, "kept_mib": -0.2, "took_s": 0.1}


def results(*names: str) -> dict[str, Any]:
    ways = dict.fromkeys(("a", "b", "c"), ROW)
    versions = {"hypercorn": "1", "trio": "2"}
    return {
        "date": "2026-11-30",
        "python": "3.11",
        "versions": versions,
        "attacks": {name: {"kind": "door", "ways": ways} for name in names},
        "drawn": {"bytes": {"kind": "door", "ways": ways}},
    }


def attack(**fields: Any) -> Any:
    return SimpleNamespace(**{"kind": "door", "does": "Says `a|b`.", "holds": "400", **fields})


def test_there_are_attacks_of_every_kind() -> None:
    assert {attack.kind for attack in ATTACKS.values()} == set(KINDS)
    assert {attack.run.__module__ for attack in ATTACKS.values()} == {file.__name__ for file in FILES}


def test_the_order_is_that_of_the_kinds() -> None:
    kinds = [KINDS.index(attack.kind) for attack in ATTACKS.values()]
    assert kinds == sorted(kinds)


def test_each_attack_says_in_a_sentence_what_it_does() -> None:
    assert [
        name for name, attack in ATTACKS.items() if not attack.does.endswith(".") or not attack.holds
    ] == []


def test_the_page_has_a_row_for_each() -> None:
    told = section({"one": attack(), "two": attack()}, results("one", "two"), FACTS)
    assert "2 attacks, 3 ways" in told
    assert told.splitlines()[-4:-1] == [
        r"| **door** | one | Says `a\|b`. | 400 | 1 / 1 / 1 | 0 | 2 × 400 |",
        r"|  | two | Says `a\|b`. | 400 | 1 / 1 / 1 | 0 | 2 × 400 |",
        "| **by chance** | bytes | Drawn by hypothesis. | an answer in its form, or an error | 1 / 1 / 1 | 0 | 2 × 400 |",
    ]


@pytest.mark.parametrize("ran", [(), ("one",), ("one", "two", "three"), ("two", "one"), ("one", "other")])
def test_figures_of_other_attacks_are_refused(ran: tuple[str, ...]) -> None:
    with pytest.raises(Outdated, match="nox -s attack -- --write"):
        section({"one": attack(), "two": attack()}, results(*ran), FACTS)


def test_what_stands_around_the_table_stays() -> None:
    assert page(f"a\n{BEGIN}old\n{END}b\n", "new\n") == f"a\n{BEGIN}new\n{END}b\n"


def test_a_page_without_a_place_is_said_to_be_one() -> None:
    with pytest.raises(Outdated, match="marks"):
        page("a\n", "new\n")


def test_a_run_in_which_something_did_not_hold_is_not_kept() -> None:
    with pytest.raises(ValueError, match="one, two"):
        Results({"one": {"kind": "door", "ways": {"trooper serve": ROW}}}).write(["one", "two"])
