"""
Every attack of the table, through each way to serve, beside eight streams of others.

With `--write` the figures go into results.json, of which the table in docs/security.md is made.
"""

from __future__ import annotations

import pytest

from attack_place import Place
from attack_results import Results
from attack_table import ATTACKS


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(name: str, place: Place, results: Results) -> None:
    attack = ATTACKS[name]
    told, figures = place.bears(lambda: attack.run(place), attack.most_pause_s)
    results.add(attack, place.way, figures, told)
