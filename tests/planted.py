"""
Sessions of an agent, drawn by chance, with facts planted in them that are said once: does a report tell them?

The same number makes the same session.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Final

from attrs import define, field, frozen

from planted_kinds import TUNED, Kind
from planted_noise import RESULTS, assistant_noise, code_noise, toml_noise, user_noise
from planted_words import THINGS, one
from trooper.core.conversation import Message, Role, TextPart, ToolCall

TURNS: Final = 40


@frozen
class Planted:
    """
    A fact.

    Attributes:
        where: `user`, `assistant`, `call` or `result`.
        said: the sentence or the line that tells it.
        telling: what has to stand in a prompt that knows it.
    """

    kind: str
    where: str
    said: str
    telling: tuple[str, ...]

    def is_in(self, text: str) -> bool:
        return all(one in text for one in self.telling)


@define
class Session:
    """A session, and what was planted in it."""

    messages: list[Message] = field(factory=list)
    planted: list[Planted] = field(factory=list)


def session(seed: int, kinds: Sequence[Kind] = TUNED, facts: int = 12, turns: int = TURNS) -> Session:
    """A session of so many turns, and facts of `kinds` at different ages in them."""
    chance = random.Random(seed)
    made = Session()
    places = chance.sample(range(1, turns - 1), facts)
    planted = dict[int, Planted]()
    for place, kind in zip(places, _drawn(chance, kinds, facts), strict=True):
        where, said, telling = kind(chance)
        planted[place] = Planted(kind.__name__, where, said, telling)
    made.planted = [planted[place] for place in sorted(places)]
    size = chance.randint(2_000, 4_600)
    for turn in range(turns):
        made.messages += _turn(chance, turn, planted.get(turn), size)
    return made


def _drawn(chance: random.Random, kinds: Sequence[Kind], facts: int) -> list[Kind]:
    """Each kind as often as any other."""
    drawn: list[Kind] = []
    while len(drawn) < facts:
        drawn += chance.sample(list(kinds), len(kinds))
    return drawn[:facts]


def _inserted(chance: random.Random, text: str, said: str) -> str:
    return one(chance, [f"{text} {said}", f"{said} {text}", f"{text}\n\n{said}"])


def _turn(chance: random.Random, turn: int, fact: Planted | None, size: int) -> list[Message]:
    where = fact.where if fact else ""
    said = fact.said if fact else ""
    asked = user_noise(chance)
    if where == "user":
        asked = _inserted(chance, asked, said)
    answer = assistant_noise(chance)
    if where == "assistant":
        answer = _inserted(chance, answer, said)
    lines = one_noise(chance, size)
    if where == "result":
        lines.insert(chance.randrange(len(lines) + 1), said)
    call = ToolCall(f"call_{turn}", *_call(chance, said if where == "call" else "", fact))
    return [
        Message(Role.USER, (TextPart(asked),)),
        Message(
            Role.ASSISTANT, (TextPart(assistant_noise(chance) if chance.random() < 0.5 else ""),), (call,)
        ),
        Message(Role.TOOL, (TextPart("\n".join(lines)),), tool_call_id=call.id),
        Message(Role.ASSISTANT, (TextPart(answer),)),
    ]


def one_noise(chance: random.Random, size: int) -> list[str]:
    return chance.choice(RESULTS)(chance, chance.randint(size // 2, size * 2))


def _call(chance: random.Random, said: str, fact: Planted | None) -> tuple[str, str]:
    path = f"src/{one(chance, THINGS)}/{one(chance, THINGS)}.py"
    if fact and said and fact.kind == "written_path":
        return "write_file", json.dumps({"path": said, "content": "\n".join(code_noise(chance, 500))})
    if said.startswith("git "):
        return "bash", json.dumps({"command": said})
    if said:
        lines = chance.choice([toml_noise, code_noise])(chance, 900)
        lines.insert(chance.randrange(len(lines) + 1), said)
        return "write_file", json.dumps({"path": path, "content": "\n".join(lines)})
    made: list[tuple[str, dict[str, object]]] = [
        ("read_file", {"path": path}),
        ("bash", {"command": f"pytest -q tests/test_{one(chance, THINGS)}.py"}),
        ("grep", {"pattern": one(chance, THINGS), "path": "src"}),
        (
            "edit_file",
            {
                "path": path,
                "old_string": code_noise(chance, 300)[0],
                "new_string": "\n".join(code_noise(chance, 600)),
            },
        ),
        ("bash", {"command": f"cd src/{one(chance, THINGS)} && ls -la | head -{chance.randint(10, 80)}"}),
    ]
    name, arguments = chance.choice(made)
    return name, json.dumps(arguments)
