"""Faults, several at once: the cloud fails, and so does what should stand in for it."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from attack_place import Place
from attack_provider import response, saying
from attacks import PATHS, asks, attack, is_whole, told_error
from attacks_bombs import FAILS
from attacks_provider import STREAM
from trooper.testing import DEFAULT_ANSWER, ChatAnswer, tokens
from trooper.testing.provider import WIRES as SPOKEN
from wire_validator import validate_chat

_ANSWER: Final = ChatAnswer(tuple(tokens(DEFAULT_ANSWER, 4)))
_WHOLE: Final = {wire: b"".join(SPOKEN[path].events(_ANSWER)) for wire, (path, _) in PATHS.items()}


def _cut(wire: str, at: int) -> bytes:
    """A provider's answer up to there, and its connection is gone."""
    body = _WHOLE[wire]
    return STREAM + b"content-length: %d\r\n\r\n" % len(body) + body[:at]


@attack("faults", "whole, each, and the text is the one that was begun")
def cuts_at_any_byte(place: Place) -> str:
    """Ninety streams on three wires are cut at bytes by chance; the local model is there."""
    chance = random.Random(16)
    cuts = []
    for number in range(90):
        wire = list(PATHS)[number % 3]
        # Behind the last words nothing is missing but the end, which is the local model's to say.
        at = chance.randrange(len(_WHOLE[wire]))
        cuts.append((wire, f"cut-{number}", at))
        provider = place.team if wire == "chat" else place.hostile
        provider.says(f"cut-{number}", _cut(wire, at))
    with ThreadPoolExecutor(12) as clients:
        answers = list(clients.map(lambda one: asks(place, one[0], one[1], "sk-cut"), cuts))
    for (wire, _, at), got in zip(cuts, answers, strict=True):
        assert is_whole(wire, got), (wire, at, got.body[-300:])
        if wire == "chat":
            assert validate_chat(got.body).text == DEFAULT_ANSWER, at
    return f"{len(cuts)} cuts"


@attack("faults", "an error that says so, and no success")
def nobody_behind_a_cloud_that_dies(place: Place) -> str:
    """A reset, a stall, a 429, a 500, half an answer, where no local model stands behind."""
    told = 0
    for wire in PATHS:
        provider = place.team if wire == "chat" else place.hostile
        half = len(_WHOLE[wire]) // 2
        faults = (
            b"",
            STREAM[:20],
            _cut(wire, half),
            STREAM + b"\r\n" + _WHOLE[wire][:half],
            FAILS,
            FAILS.replace(b"503 Down", b"429 Slow"),
            FAILS.replace(b"503 Down", b"500 Oh"),
        )
        for number, fault in enumerate(faults):
            provider.says("alone-dead", fault)
            got = asks(place, wire, "alone-dead", f"sk-dead-{number}")
            assert told_error(got), (wire, number, got)
            assert not is_whole(wire, got), (wire, number, got)
            told += 1
    return f"{told} errors"


@attack("faults", "an error that says so, and no success")
def a_local_model_that_dies_too(place: Place) -> str:
    """The cloud dies in the middle, and the local model dies in the middle of going on."""
    for wire in PATHS:
        provider = place.team if wire == "chat" else place.hostile
        for at in (0, len(_WHOLE[wire]) // 3):
            provider.says("dying-m", _cut(wire, at))
            got = asks(place, wire, "dying-m")
            assert told_error(got), (wire, at, got)
            assert not is_whole(wire, got), (wire, at, got)
    return "3 wires, 2 places"


@attack("faults", "its client is answered elsewhere, others go on with it")
def limits_of_one_client(place: Place) -> str:
    """One client's key is told 429 with `Retry-After`; forty others have the same provider."""
    body = response(_WHOLE["messages"])
    limited = FAILS.replace(b"503 Down", b"429 Slow").replace(
        b"close\r\n", b"close\r\nretry-after: 30\r\n", 1
    )
    place.hostile.says(
        "m", lambda stream, asked: stream.sendall(limited if b"sk-greedy" in asked.head else body)
    )
    for number in range(40):
        greedy = asks(place, "messages", "m", "sk-greedy")
        assert is_whole("messages", greedy), greedy
        other = asks(place, "messages", "m", f"sk-other-{number}")
        assert other.body == _WHOLE["messages"], other
    asked = sum(b"sk-greedy" in one.head for one in place.hostile.asked)
    assert asked == 1, asked
    return f"asked {asked} × for the one, 40 × for the others"


@attack("faults", "answers go on, and so do the eight")
def a_log_that_nobody_reads(place: Place) -> str:
    """Standard output and standard error are full while two hundred answers are told of."""
    place.team.says("alone-log", saying(response(_WHOLE["chat"])))
    with place.trooper.process.unread(), ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: asks(place, "chat", "alone-log"), range(200)))
    assert all(got.body == _WHOLE["chat"] for got in answers)
    return f"{len(answers)} answers"
