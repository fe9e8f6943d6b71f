"""
The table of attacks: what each does, what has to come of it, and what it is called.

    @attack("door", "400, and nobody is asked")
    def two_lengths(place: Place) -> str:
        '''What the table says that it does.'''
        ...
        return "a figure for the table"

Each function says what it says to a running Trooper and holds what comes back against what it should be. What
all have in common (the eight streams, the pause, memory) is `Place.attacked`'s.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

from attrs import frozen

from attack_place import MOST_PAUSE_S, Answer, Place

Kind: TypeAlias = Literal["door", "keys", "bombs", "provider", "gone", "load", "faults"]
KINDS: Final[tuple[Kind, ...]] = ("door", "keys", "bombs", "provider", "gone", "load", "faults")


@frozen
class Attack:
    """
    One row of the table.

    Attributes:
        kind: of which kind it is.
        name: what it is called.
        does: what it does, in a sentence.
        holds: what has to come of it.
        run: does it to a running Trooper, and returns a figure for the table.
        crowd: how many are at it at once. A turn of the loop goes round all who are ready, so its length is theirs.
    """

    kind: Kind
    name: str
    does: str
    holds: str
    run: Callable[[Place], str]
    crowd: int = 0

    @property
    def most_pause_s(self) -> float:
        """The longest that others may have to wait."""
        return MOST_PAUSE_S + EACH_OF_A_CROWD_S * min(self.crowd, MOST_AT_ONCE)


#: What one of a crowd may cost the others in a turn of the loop; of a larger crowd no more than so many have their turn at once.
EACH_OF_A_CROWD_S: Final = 0.001
MOST_AT_ONCE: Final = 300
ATTACKS: Final[dict[str, Attack]] = {}


def attack(
    kind: Kind, holds: str, crowd: int = 0
) -> Callable[[Callable[[Place], str]], Callable[[Place], str]]:
    """Put a function into the table."""

    def put(run: Callable[[Place], str]) -> Callable[[Place], str]:
        name = run.__name__.replace("_", " ")
        assert name not in ATTACKS, name
        assert run.__doc__ is not None, name
        ATTACKS[name] = Attack(kind, name, " ".join(run.__doc__.split()), holds, run, crowd)
        return run

    return put


CHAT_HEADERS: Final = (b"Content-Type: application/json", b"Content-Length: 0")
QUESTION: Final = [{"role": "user", "content": "Lighthouses?"}]
#: The path of each wire, and what ends a stream of it.
PATHS: Final = {
    "chat": ("/v1/chat/completions", b"data: [DONE]"),
    "messages": ("/v1/messages", b"event: message_stop"),
    "responses": ("/v1/responses", b"event: response.completed"),
}


def body_of(wire: str, model: str, **fields: Any) -> dict[str, Any]:
    """What a client of that wire asks."""
    if wire == "responses":
        return {"model": model, "stream": True, "input": QUESTION, **fields}
    most = {"max_tokens": 4096} if wire == "messages" else {}
    return {"model": model, "stream": True, "messages": QUESTION, **most, **fields}


def key_of(wire: str, key: str) -> dict[str, str]:
    """The header with a client's key."""
    return {"x-api-key": key} if wire == "messages" else {"authorization": f"Bearer {key}"}


def asks(place: Place, wire: str, model: str = "m", key: str = "sk-client", **fields: Any) -> Answer:
    """One question of an ordinary client."""
    return place.ask(PATHS[wire][0], body_of(wire, model, **fields), key_of(wire, key))


def posted(model: str, wire: str = "messages", key: str = "sk-raw", **more: object) -> bytes:
    """The bytes of a request."""
    body = json.dumps(body_of(wire, model, **more)).encode()
    fields = {**key_of(wire, key), "content-type": "application/json", "content-length": str(len(body))}
    lines = [
        f"POST {PATHS[wire][0]} HTTP/1.1",
        "host: 127.0.0.1",
        *(f"{name}: {text}" for name, text in fields.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def is_whole(wire: str, answer: Answer) -> bool:
    """Whether a stream came to its end, and says of no error."""
    ended = PATHS[wire][1] in answer.body
    return answer.status == 200 and ended and b"event: error" not in answer.body


def told_error(answer: Answer) -> bool:
    """Whether a client was told that it has no answer, or not all of it: by the status, or in the stream."""
    if answer.status != 200:
        return answer.status >= 400
    return b'"error"' in answer.body or b"event: response.failed" in answer.body


def nobody_asked(place: Place) -> bool:
    """Whether no provider has heard of it."""
    return not place.hostile.asked and not place.team.asked


def refused(place: Place, answers: dict[str, Answer], *statuses: int) -> str:
    """Each of them has one of these statuses, in the shape of an API's error; nobody was asked."""
    wrong = {
        name: (one.status, one.body[:200]) for name, one in answers.items() if one.status not in statuses
    }
    assert not wrong, wrong
    for name, one in answers.items():
        assert one.json()["error"], (name, one)
    assert nobody_asked(place), place.team.asked + place.hostile.asked
    return f"{len(answers)} × {' or '.join(map(str, statuses))}"
