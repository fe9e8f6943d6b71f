"""
What is said below the story: the times and the proof, whole and in short.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trooper.demo.proof import Claim
from trooper.demo.screen import Line
from trooper.demo.times import Moment, Span


def whole_end(
    times: Sequence[Moment], spans: Sequence[Span], claims: Sequence[Claim], size_bytes: int
) -> Iterator[Line]:
    """The timeline, the proof claim by claim, and the verdict."""
    yield Line()
    yield Line("Times")
    for moment in times:
        yield Line(f"  {moment.at_s:8.3f} s   {moment.what}")
    for span in spans:
        yield Line(f"  {1000 * span.lasted_s:8.1f} ms  {span.what}")
    yield Line()
    yield Line(f"Proof, from the {size_bytes} bytes that the client got")
    for claim in claims:
        yield _told(claim)
    yield Line()
    yield Line(_verdict(claims))


def short_end(spans: Sequence[Span], claims: Sequence[Claim]) -> Iterator[Line]:
    """The verdict in one line, with what does not hold."""
    yield Line()
    for claim in claims:
        if not claim.holds:
            yield _told(claim)
    if all(claim.holds for claim in claims):
        gap = f" Gap at the seam: {1000 * spans[0].lasted_s:.1f} ms." if spans else ""
        yield Line(f"{_verdict(claims)}{gap} All of it: trooper demo | cat")
    else:
        yield Line(_verdict(claims))


def _told(claim: Claim) -> Line:
    sign, style = ("✓", "green") if claim.holds else ("✗", "red")
    return Line(f"  {sign} {claim.name}: {claim.found}", style)


def _verdict(claims: Sequence[Claim]) -> str:
    holds = all(claim.holds for claim in claims)
    return "The proof holds." if holds else "The proof does not hold. --log shows what Trooper says."
