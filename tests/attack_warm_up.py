"""
What makes a process larger for good is done once before anything is measured: a large request
is read, both processes aside are started, an answer of each wire is gone on with.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from attack_place import Place
from attack_table import ATTACKS
from attacks import asks
from attacks_faults import cuts_at_any_byte
from attacks_provider import FAILS

#: What is done, beside a large request.
_ONCE = ("schemas that take for ever", "compressed answers", "three hundred streams")


def warm_up(place: Place) -> None:
    """Do it, and take what the process holds then for what it may hold."""
    place.team.otherwise = lambda stream, _: stream.sendall(FAILS)
    with ThreadPoolExecutor(4) as clients:
        text = "word " * 4_000_000
        answers = clients.map(lambda n: asks(place, "chat", "m", f"sk-{n}", padding=text), range(2))
        assert all(got.status == 200 for got in answers)
    for name in _ONCE:
        ATTACKS[name].run(place)
    cuts_at_any_byte(place)
    place.until(lambda: place.watched.clients == 0, "clients of the warm-up")
    place.settle()
