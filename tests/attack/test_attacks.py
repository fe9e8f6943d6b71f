"""
Every attack of the table, through each way to serve, beside eight streams of others.

With `--write` the figures go into results.json, of which the table in docs/security.md is made.
"""

from __future__ import annotations

import pytest

from attack_place import Held, Kept, Place
from attack_results import Results
from attack_table import ATTACKS

#: What holds the loop, or leaks, by its own nature does so each time. Where a machine is shared, processor time is not all
#: one's own: other cores' work takes caches away, and a virtual machine's time that was stolen counts as used.
TRIES = 3


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(name: str, place: Place, results: Results) -> None:
    attack = ATTACKS[name]
    for tries_left in reversed(range(TRIES)):
        try:
            with place.attacked(attack.most_pause_s) as figures:
                told = attack.run(place)
        except (Held, Kept):
            if not tries_left:
                raise
        else:
            break
    results.add(attack, place.way, figures, told)
