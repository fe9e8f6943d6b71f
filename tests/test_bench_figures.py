"""The bench without its processes: how figures come from moments."""

from __future__ import annotations

from typing import Any

import pytest

from measured import LIMITED, RESET, SILENCE
from trooper.bench.cuts import ANSWER, Moments, Spoiled
from trooper.bench.spread import Spread, milliseconds
from trooper.bench.stage import Taken, moments, spoiled
from trooper.testing import chat_events
from trooper.testing.client import Heard


def heard(*at: float, comment_at: float | None = None) -> Taken:
    """A client that heard a word at each of these times."""
    words = chat_events("word " * len(at))[1:]
    stream = [Heard(raw, moment) for raw, moment in zip(words, at, strict=False)]
    return Taken(200, "id", stream, whole=True)


def marks(fault_at: float | None, last: float | None, came: float, first: float | None) -> tuple[Any, Any]:
    return {"fault_at": fault_at, "last_content_at": last}, {"came_at": came, "first_content_at": first}


def test_the_figures_of_a_cut() -> None:
    cut = Moments(
        fault=10.0,
        local_asked=10.002,
        local_first=10.052,
        decided=10.001,
        last_heard=9.995,
        continued=10.0535,
    )

    assert cut.detection_s == pytest.approx(0.001)
    assert cut.asked_s == pytest.approx(0.002)
    assert cut.overhead_s == pytest.approx(0.0035)
    assert cut.gap_s == pytest.approx(0.0585)


def test_a_cut_of_a_reset() -> None:
    provider, local = marks(fault_at=5.0, last=4.9, came=5.1, first=5.2)

    assert moments(RESET, heard(1.0, 4.95, 5.25, 5.3), provider, local, 0.5, 5.05) == Moments(
        fault=5.0, local_asked=5.1, local_first=5.2, decided=5.05, last_heard=4.95, continued=5.25
    )


def test_a_silence_begins_with_the_end_of_patience() -> None:
    provider, local = marks(fault_at=5.0, last=4.9, came=5.5, first=5.6)
    found = moments(SILENCE, heard(4.95, 5.65), provider, local, 0.5, 5.41)

    assert isinstance(found, Moments)
    assert (found.fault, found.last_heard) == (5.4, 4.95)


def test_a_held_word_that_is_let_out_is_part_of_the_switch() -> None:
    provider, local = marks(fault_at=5.0, last=4.9, came=5.1, first=5.2)
    found = moments(RESET, heard(4.95, 5.06, 5.25), provider, local, 0.5, 5.05)

    assert isinstance(found, Moments)
    assert (found.last_heard, found.continued) == (4.95, 5.25)


def test_before_content_there_is_no_gap() -> None:
    provider, local = marks(fault_at=5.0, last=None, came=5.1, first=5.2)
    found = moments(LIMITED, heard(5.25), provider, local, 0.5, 5.05)

    assert isinstance(found, Moments)
    assert found.gap_s is None
    assert found.asked_s == pytest.approx(0.1)


@pytest.mark.parametrize(("fault_at", "first", "at"), [(None, 5.2, 5.3), (5.0, None, 5.3), (5.0, 5.2, 5.1)])
def test_a_missing_moment_spoils_the_cut(fault_at: float | None, first: float | None, at: float) -> None:
    provider, local = marks(fault_at, 4.9, 5.1, first)

    assert isinstance(moments(RESET, heard(4.9, at), provider, local, 0.5, None), Spoiled)


def taken(*events: bytes, status: int = 200, whole: bool = True) -> Taken:
    return Taken(status, "id", [Heard(raw) for raw in events], whole)


GOOD = chat_events(ANSWER)
ERROR = b'data: {"error": {"message": "no"}}\n\n'


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        pytest.param(taken(*GOOD), "", id="exact"),
        pytest.param(taken(b": trooper seam\n\n", *GOOD), "", id="comments do not count"),
        pytest.param(taken(*GOOD, whole=False), "it did not end in time", id="it hangs"),
        pytest.param(taken(status=503), "status 503", id="a status"),
        pytest.param(taken(), "not one [DONE] at the end", id="nothing"),
        pytest.param(taken(*GOOD[:-1]), "not one [DONE] at the end", id="no end"),
        pytest.param(taken(*GOOD, GOOD[-1]), "not one [DONE] at the end", id="two ends"),
        pytest.param(taken(*GOOD, GOOD[3]), "not one [DONE] at the end", id="more behind the end"),
        pytest.param(taken(*GOOD[:-1], ERROR, GOOD[-1]), "an error in the stream", id="an error"),
        pytest.param(taken(*GOOD[:-2], GOOD[-1]), "finish reasons: none", id="no finish"),
        pytest.param(taken(*GOOD[:-1], *GOOD[-2:]), "finish reasons: ['stop', 'stop']", id="two finishes"),
        pytest.param(
            taken(*GOOD[:5], *GOOD[6:]), "the text differs: 221 characters for 227", id="a word lost"
        ),
        pytest.param(
            taken(*GOOD[:5], GOOD[4], *GOOD[5:]), "the text differs: 231 characters for 227", id="twice"
        ),
    ],
)
def test_what_is_not_one_whole_answer_shows_no_figure(stream: Taken, why: str) -> None:
    assert spoiled(stream, ANSWER) == why


def test_a_real_models_words_are_its_own() -> None:
    assert spoiled(taken(*chat_events("Something else.")), None) == ""
    assert spoiled(taken(*chat_events("Something else.")[:-1]), None) != ""


def test_percentiles() -> None:
    assert Spread.of(map(float, range(101))) == Spread(101, 50, 90, 99, 100)
    assert Spread.of([3.0]) == Spread(1, 3, 3, 3, 3)
    assert Spread.of([]) is None
    assert milliseconds([0.002, None, 0.002]) == Spread(2, 2, 2, 2, 2)
    assert Spread(2, 1.23456, 2, 3, 4).as_json() == {"n": 2, "p50": 1.235, "p90": 2, "p99": 3, "max": 4}
