"""
Is the stream that the client got one answer? Judged from its bytes alone, by
code that shares nothing with the code that wrote them.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from trooper.testing.client import Heard, Splitter

SEAM = "trooper seam "
_DONE = "[DONE]"
_GOOD_FINISHES = ("stop", "length")


@frozen
class Claim:
    """Something that must be true of the stream, and what was found."""

    name: str
    holds: bool
    found: str


def split_at_seam(stream: Sequence[Heard]) -> tuple[Sequence[Heard], Sequence[Heard]]:
    """What came before the seam and what came after it; without one, all came before."""
    at = next((i for i, event in enumerate(stream) if event.comment.startswith(SEAM)), len(stream))
    return stream[:at], stream[at + 1 :]


def text_of(events: Sequence[Heard]) -> str:
    """The text that these events say."""
    return "".join(event.text for event in events)


def prove(stream: Sequence[Heard], sent_by_cloud: bytes, answer: str | None) -> list[Claim]:
    """
    Everything that must hold.

    Args:
        stream: what the client has heard.
        sent_by_cloud: what the cloud had put on the wire when it died.
        answer: the whole answer, where the model that goes on is known to
            have it; `None` where its words are its own.
    """
    return [
        _one_identity(stream),
        _one_role(stream),
        _one_seam(stream),
        _one_finish(stream),
        _one_terminator(stream),
        _untouched(stream, sent_by_cloud),
        _goes_on(stream) if answer is None else _whole(stream, answer),
    ]


def _one_identity(stream: Sequence[Heard]) -> Claim:
    found = {
        (c.get("id"), c.get("created"), c.get("model")) for c in (e.chunk for e in stream) if "choices" in c
    }
    words = ", ".join(sorted(str(identity[0]) for identity in found))
    return Claim("one id", len(found) == 1, words or "none")


def _one_role(stream: Sequence[Heard]) -> Claim:
    speaking = [event.delta for event in stream if event.delta]
    roles = [delta["role"] for delta in speaking if delta.get("role")]
    first = bool(speaking) and bool(speaking[0].get("role"))
    return Claim("one role", len(roles) == 1 and first, f"{', '.join(map(str, roles)) or 'none'}")


def _one_seam(stream: Sequence[Heard]) -> Claim:
    seams = [e.comment.removeprefix(SEAM) for e in stream if e.comment.startswith(SEAM)]
    return Claim("one seam", len(seams) == 1, "; ".join(seams) or "none")


def _one_finish(stream: Sequence[Heard]) -> Claim:
    at = [i for i, event in enumerate(stream) if event.choice.get("finish_reason")]
    reasons = [str(stream[i].choice["finish_reason"]) for i in at]
    last_word = max((i for i, event in enumerate(stream) if event.text), default=-1)
    holds = len(at) == 1 and reasons[0] in _GOOD_FINISHES and at[0] >= last_word
    errors = [str(event.chunk["error"]) for event in stream if event.chunk.get("error")]
    return Claim("one finish", holds, ", ".join([*reasons, *errors]) or "none")


def _one_terminator(stream: Sequence[Heard]) -> Claim:
    count = sum(event.data == _DONE for event in stream)
    last = bool(stream) and stream[-1].data == _DONE
    return Claim("one [DONE]", count == 1 and last, f"{count}{', at the very end' if last else ''}")


def _untouched(stream: Sequence[Heard], sent_by_cloud: bytes) -> Claim:
    """
    Each event before the seam is the cloud's own, byte for byte.

    The last may be a part of the cloud's: text that waited for the end of its
    word is let out up to there when the cloud dies.
    """
    splitter = Splitter()
    sent = [Heard(raw) for raw in (*splitter.feed(sent_by_cloud), *splitter.end())]
    theirs = [event for event in sent if event.delta.get("role") or event.text]
    ours = [event for event in split_at_seam(stream)[0] if event.delta.get("role") or event.text]
    same = next(
        (i for i, event in enumerate(ours) if i >= len(theirs) or event.raw != theirs[i].raw), len(ours)
    )
    rest, their_rest = text_of(ours[same:]), text_of(theirs[same:])
    holds = len(ours) - same <= 1 and their_rest.startswith(rest)
    return Claim("untouched", holds, f"{same} of the cloud's {len(theirs)} events, byte for byte")


def _whole(stream: Sequence[Heard], answer: str) -> Claim:
    text = text_of(stream)
    if text == answer:
        return Claim("nothing lost, nothing twice", True, f"all {len(answer)} characters of the answer")
    same = next(
        (i for i, (a, b) in enumerate(zip(text, answer, strict=False)) if a != b), min(len(text), len(answer))
    )
    return Claim("nothing lost, nothing twice", False, f"differs at {same}: {text[same : same + 20]!r}")


def _goes_on(stream: Sequence[Heard]) -> Claim:
    said = len(text_of(split_at_seam(stream)[1]))
    return Claim("goes on", said > 0, f"{said} characters of the model's own: only the form is proved")
