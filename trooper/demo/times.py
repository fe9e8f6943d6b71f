"""
When what happened: the client's clock, and what Trooper's own report adds to it.
"""

from __future__ import annotations

from attrs import frozen

from trooper.demo.proof import split_at_seam
from trooper.demo.stage import Performance


@frozen
class Moment:
    """A line of the timeline: seconds since the question, and what happened."""

    at_s: float
    what: str


@frozen
class Span:
    """How long something lasted."""

    lasted_s: float
    what: str


def moments(performed: Performance) -> list[Moment]:
    """The timeline, in order."""
    found = []
    if (last := _last_word_s(performed)) is not None:
        found.append(Moment(last, "client: the cloud's last word"))
    for leg in performed.report.get("legs", ())[:1]:
        detected_s = performed.began_s + leg["ended_s"]
        found.append(Moment(detected_s, f"Trooper: fault detected ({leg['outcome']})"))
    if (first := _first_word_s(performed)) is not None:
        found.append(Moment(first, "client: the local model's first word"))
    found += [Moment(event.at_s, "client: the end") for event in performed.stream[-1:]]
    return found


def gap(performed: Performance) -> list[Span]:
    """The silence that the client saw, and what it was made of. Empty when nobody went on."""
    first = _first_word_s(performed)
    legs = performed.report.get("legs", ())
    if first is None or len(legs) < 2:
        return []
    last = _last_word_s(performed) or 0.0
    detected_s = performed.began_s + legs[0]["ended_s"]
    model_s = max((legs[-1].get("first_content_s") or 0.0) - legs[-1]["started_s"], 0.0)
    return [
        Span(first - last, "gap: the silence at the client; of this"),
        Span(detected_s - last, "  until Trooper knew of the fault"),
        Span(model_s, "  the local model's own time to its first word"),
        Span(first - detected_s - model_s, "  Trooper's own work"),
    ]


def _last_word_s(performed: Performance) -> float | None:
    """
    When the cloud was last heard. A held word that is let out because the
    cloud has died does not end the silence: it is part of the switch.
    """
    legs = performed.report.get("legs", ())
    died_s = performed.began_s + legs[0]["ended_s"] if len(legs) > 1 else performed.stream[-1].at_s
    before, _ = split_at_seam(performed.stream)
    return next((e.at_s for e in reversed(before) if e.text and e.at_s < died_s), None)


def _first_word_s(performed: Performance) -> float | None:
    _, after = split_at_seam(performed.stream)
    return next((event.at_s for event in after if event.text), None)
