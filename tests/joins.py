"""A text cut and joined again; shared by the tests of the seam."""

from __future__ import annotations

from collections.abc import Sequence

from pieces import singles
from trooper.core.seam import Join, prefill

LONG = "The keeper writes down every ship."


def joined(join: Join, pieces: Sequence[str]) -> str:
    return "".join(join.feed(piece) for piece in pieces) + join.finish()


def new(given_text: str, said: str, *, echoes: bool | None = False, stop: Sequence[str] = ()) -> str:
    """What the client gets, whole or character by character."""
    whole, dribbled = (Join(prefill(given_text), echoes, stop) for _ in range(2))
    out = joined(whole, [said])
    assert joined(dribbled, singles(said)) == out
    assert dribbled.stopped == whole.stopped
    return out
