"""
What makes a process larger for good is done once before anything is measured: a large request
is read, both processes aside are started, an answer of each wire is gone on with.
"""

from __future__ import annotations

from attack_place import Place
from attack_table import ATTACKS
from attacks import asks
from attacks_provider import FAILS

#: What is done, beside a large request.
_ONCE = ("compressed answers", "schemas that are none")


def warm_up(place: Place) -> None:
    """Do it, and take what the process holds then for what it may hold."""
    place.team.otherwise = lambda stream, _: stream.sendall(FAILS)
    assert asks(place, "chat", "m", padding="word " * 4_000_000).status == 200
    for name in _ONCE:
        ATTACKS[name].run(place)
    place.until(lambda: place.watched.clients == 0, "clients of the warm-up")
    place.settle()
