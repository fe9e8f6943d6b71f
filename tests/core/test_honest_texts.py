"""Texts that repeat themselves stay as they are, wherever they are cut (`core.honest`)."""

from __future__ import annotations

import pytest

from honest_texts import KEPT
from trooper.core.boundary import is_boundary
from trooper.core.seam import Join, prefill


def places(text: str) -> list[int]:
    """Where the gate lets a stream end."""
    return [at for at in range(1, len(text)) if is_boundary(text, at)]


def going_on(text: str, at: int) -> tuple[str, str]:
    """What is new of an honest rest, and the rest without the blanks that the client has."""
    shown = prefill(text[:at])
    rest = text[len(shown.text) :]
    join = Join(shown, echoes=False)
    out = join.feed(rest) + join.finish()
    assert join.unfit is None, text[:at]
    return out, text[at:]


@pytest.mark.parametrize("name", [*KEPT])
def test_nothing_is_left_out_of_it(name: str) -> None:
    text = KEPT[name]
    for at in places(text):
        out, rest = going_on(text, at)
        assert out == rest, (text[max(0, at - 60) : at], rest[:60])
