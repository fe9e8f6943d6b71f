"""
How much is drawn: on every run the same and little of it, or by chance and as
long as somebody wants to wait (`TROOPER_HYPOTHESIS=deep`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, settings

from attack_place import Place
from attack_results import Results
from attacks import Attack, Kind

#: How many times more is drawn in `deep`.
DEEPER = 80


def drawing(count: int) -> settings:
    """Settings for a test of the `attack` session that draws `count` examples where it has to be quick."""
    quick = settings.default is None or settings.default.derandomize
    return settings(
        max_examples=count if quick else count * DEEPER,
        deadline=None,
        database=None,
        # To explain a failure costs a thousand runs; what is drawn small is what is looked at.
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


def borne(
    place: Place, results: Results, name: str, kind: Kind, holds: Callable[[], None], counts: Counter[str]
) -> None:
    """Run what draws, with eight streams beside it, and keep its figures."""

    def drawn() -> None:
        counts.clear()
        holds()

    _, figures = place.bears(drawn)
    row = Attack(kind, name, does=name, holds="", run=lambda _: "")
    results.add(row, place.way, figures, f"{sum(counts.values())} drawn")
    tell(name, counts)


def begun(place: Place) -> int:
    """An example begins: providers have been asked nothing. How many lines the log has."""
    place.hostile.asked.clear()
    place.team.asked.clear()
    return len(place.trooper.process.lines)


def is_quiet(place: Place, lines: int) -> None:
    """Nothing broke in Trooper since its log had so many lines, and it serves."""
    assert place.ask("/healthz").status == 200
    # The stand-in has to live as well: else nothing is shown any more.
    assert place.local.process.process.poll() is None, place.local.process.said
    said = "".join(place.trooper.process.lines[lines:])
    assert "Traceback" not in said, said
    assert "connection_failed" not in said, said


def tell(title: str, counts: Counter[str]) -> None:
    """What was drawn and what became of it, for whoever reads the output (`-s`)."""
    print(
        f"\n{title}: {sum(counts.values())}",
        *(f"    {n:6d} {what}" for what, n in counts.most_common()),
        sep="\n",
    )
