"""The JSON of sessions: what a program reads, field by field."""

from __future__ import annotations

import pytest
from attrs import evolve

from stores import NOW, session, turn
from trooper.core.conversation import ToolCall
from trooper.core.local_model import LocalModel
from trooper.core.recovery import Appended, OpenCall, Recovery, Said, Step
from trooper.relay.session_words import lasting, moment, of_recovery, of_session, of_sitrep, of_turn
from trooper.store.last_turns import LastTurn
from trooper.targets.sitrep import Sitrep


def test_moments_are_those_of_the_standard() -> None:
    assert moment(NOW) == "2026-11-30T00:53:20Z"


def test_a_session_says_nothing_of_its_owners() -> None:
    told = of_session(session("s", turns=3.0))
    assert set(told) == {"id", "key", "began_at", "used_at", "turns", "tokens", "local_tokens"}


def test_a_turn_has_its_legs() -> None:
    one = turn(tokens=5, local_tokens=7)
    told = of_turn(
        evolve(one, legs=(one.legs[0], evolve(one.legs[1], reason="refused", shortened={"turns": 2})))
    )
    assert (told["tokens"], told["local_tokens"], told["answer_id"]) == (12, 7, None)
    legs = told["legs"]
    assert isinstance(legs, list)
    assert [(leg["target"], leg["reason"], leg["shortened"]) for leg in legs] == [
        ("openai", None, {}),
        ("ollama", "refused", {"turns": 2}),
    ]


def test_a_report_says_for_whom_it_is() -> None:
    report = Sitrep("text", is_carried=True, shortened={"turns": 1})
    told = of_sitrep(report, "ollama", LocalModel("qwen", window_tokens=4096))
    assert (told["target"], told["model"], told["window_tokens"]) == ("ollama", "qwen", 4096)
    bare = of_sitrep(report, "", None)
    assert (bare["target"], bare["model"], bare["window_tokens"]) == (None, None, None)


def test_where_it_stands() -> None:
    said = Said("Half", (), ToolCall("c", "n", "{"), "failed")
    last = LastTurn("t", "o", NOW, "openai-chat", "m", b"{}", said)
    recovery = Recovery(
        "task",
        "asked",
        (Step("read", "{}", "x"),),
        0,
        (OpenCall("c", "n", "{", False),),
        "Half",
        False,
        False,
    )
    told = of_recovery(recovery, last, (Appended("user", "note", NOW),))
    assert told["steps"] == [{"call": "read", "arguments": "{}", "result": "x"}]
    assert told["open"] == [{"id": "c", "call": "n", "arguments": "{", "is_whole": False}]
    assert told["answer"] == {"text": "Half", "is_whole": False, "is_lost": False}
    assert told["appended"] == [{"role": "user", "text": "note", "at": moment(NOW)}]
    assert told["ending"] == "failed"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (86_400.0, "24 hours"),
        (3_600.0, "1 hour"),
        (5_400.0, "1.5 hours"),
        (60.0, "1 minute"),
        (120.0, "2 minutes"),
    ],
)
def test_how_long_something_is_kept(seconds: float, said: str) -> None:
    assert lasting(seconds) == said
