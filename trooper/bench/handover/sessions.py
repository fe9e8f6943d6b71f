"""
Sessions of an agent: forty turns, long results of tools, and twelve facts, each of them said once.

The same seed makes the same sessions, and each is made alone: a shorter run has
the first of a longer one. Nothing here knows what decides what is kept, and
nothing of what decides that imports this (a test sees to both).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final

from attrs import define, evolve, frozen

from trooper.bench.handover import kinds, kinds_apart
from trooper.bench.handover.noise import NOISE, SPOKEN, Make, Use
from trooper.bench.handover.planted import Place, Planted
from trooper.bench.handover.tongues import TONGUES, Tongue
from trooper.bench.handover.tools import TOOLS
from trooper.bench.handover.words import Words
from trooper.core.tokens import tokens_at_most

TURNS: Final = 40
#: By the count on the safe side; the tokenizer of a small model makes about a quarter fewer.
_LEAST_TOKENS, _MOST_TOKENS = 42_000, 56_000
#: Of what tools say: numbers, names and signs.
_CHARS_PER_TOKEN: Final = 2.4
#: Every fifth session is in another language than English.
_OTHER_TONGUES: Final = ("de", "fr", "es", "zh")
_EVERY: Final = 5
#: The last one that is answered.
_LATEST_TURN: Final = TURNS - 2
_TOOLS_TOKENS: Final = tokens_at_most(json.dumps(TOOLS))
#: What begins like a command is one; else it is what is written into a file.
_COMMANDS: Final = ("git ", "cp ", "cat ", "sed ", "ssh ", "echo ", "if ")
_SYSTEM: Final = (
    "You are a careful assistant for work on software. You have tools to look into the project and to change it. Look"
    " before you change something, change as little as is needed, and say what you have done in a few sentences. Answer"
    " in the language of the user. When you are not sure, ask."
)


@frozen
class Sown:
    """
    A fact in its session.

    Attributes:
        turn: the turn of the user in which it is said, from 0.
        is_apart: its kind was written by somebody who knows nothing of all this.
    """

    planted: Planted
    turn: int
    is_apart: bool

    @property
    def is_first(self) -> bool:
        """Whether it is of the first turn: who somebody is, and what for all this is done."""
        return self.turn == 0


@frozen
class Session:
    """
    One conversation, as the chat API has it. Its last message is a question of the user.

    Attributes:
        tongue: its language.
        facts: in the order in which they are said.
    """

    number: int
    tongue: str
    messages: tuple[Mapping[str, Any], ...]
    facts: tuple[Sown, ...]

    @property
    def request(self) -> dict[str, Any]:
        """What a client sends, without a model."""
        return {"messages": list(self.messages), "tools": list(TOOLS)}

    @property
    def tokens(self) -> int:
        """How many tokens it is at most, without what templates add."""
        return sum(map(tokens_at_most, texts(self.messages))) + _TOOLS_TOKENS

    def asking(self, question: str) -> tuple[Mapping[str, Any], ...]:
        """Its messages with another question as the last one."""
        return (*self.messages[:-1], {"role": "user", "content": question})


def texts(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """All that is said in some messages: texts, and each argument of the calls."""
    for message in messages:
        yield str(message.get("content") or "")
        for call in message.get("tool_calls", ()):
            arguments = json.loads(call["function"]["arguments"])
            yield from (str(value) for value in arguments.values())


@define(eq=False)
class _Turn:
    """What becomes one turn: what is asked, what is done, what is said of it."""

    user: list[str]
    before: str
    uses: list[Use]
    says: list[str]


def sessions(seed: int, many: int) -> Iterator[Session]:
    """The first sessions of this seed."""
    for number in range(many):
        yield session(seed, number)


def session(seed: int, number: int) -> Session:
    """One session."""
    rng = random.Random(f"{seed}/{number}")  # noqa: S311  # the same each time
    tongue = "en"
    if number % _EVERY == _EVERY - 1:
        tongue = _OTHER_TONGUES[number // _EVERY % len(_OTHER_TONGUES)]
    words = Words(rng)
    turns = [_turn(words, rng, TONGUES[tongue]) for _ in range(TURNS - 1)]
    turns[0].user = [TONGUES[tongue].opening.format(**_names(words))]
    last = TONGUES[tongue].last
    _fill(turns, words, rng)
    facts = _facts(rng, _told(turns, last))
    for sown in facts:
        _say(sown, turns[sown.turn], words, rng)
    return Session(number, tongue, (*_messages(turns), {"role": "user", "content": last}), facts)


def _names(words: Words) -> dict[str, str]:
    return {
        "file": words.file(),
        "function": words.function(),
        "noun": f"{words.adjective()} {words.noun()}",
        "other": words.noun(),
    }


def _turn(words: Words, rng: random.Random, tongue: Tongue) -> _Turn:
    asks = [rng.choice(tongue.asks)]
    if rng.random() < 0.4:
        asks.insert(rng.randrange(2), rng.choice(tongue.chat))
    says = rng.sample(tongue.explains, rng.randrange(2, 5))
    before = rng.choice(tongue.before) if rng.random() < 0.7 else ""
    return _Turn(
        [words_.format(**_names(words)) for words_ in asks],
        before.format(**_names(words)),
        [],
        [words_.format(**_names(words)) for words_ in says],
    )


def _fill(turns: Sequence[_Turn], words: Words, rng: random.Random) -> None:
    """Let tools be used until the session is as long as it shall be."""
    said = (text for turn in turns for text in (*turn.user, turn.before, *turn.says))
    left = rng.randrange(_LEAST_TOKENS, _MOST_TOKENS) - _TOOLS_TOKENS - sum(map(tokens_at_most, said))
    plan = [turn for turn in turns for _ in range(rng.choice((1, 1, 2, 2, 3)))]
    # Few results are very long, and most are not.
    weights = [rng.choice((1, 2, 2, 3, 4, 6, 10)) * (0.7 + 0.6 * rng.random()) for _ in plan]
    for at, turn in enumerate(plan):
        chars = max(200, round(_CHARS_PER_TOKEN * left * weights[at] / sum(weights[at:])))
        make: Make = rng.choice(SPOKEN if not turn.uses and rng.random() < 0.5 else NOISE)
        use = make(words, rng, chars)
        turn.uses.append(use)
        left -= tokens_at_most(use.result)


def _told(turns: Sequence[_Turn], last: str) -> str:
    """All of it, to look for what must not be there yet."""
    found = [last, _SYSTEM, json.dumps(TOOLS, ensure_ascii=False)]
    for turn in turns:
        found += [*turn.user, turn.before, *turn.says]
        for use in turn.uses:
            found += [*(str(value) for value in use.arguments.values()), use.result]
    return "\n".join(found).casefold()


def _facts(rng: random.Random, told: str) -> tuple[Sown, ...]:
    """One fact of each kind, of which nothing is told elsewhere; evenly spread behind the first turn."""
    own = {**kinds.KINDS, **kinds_apart.KINDS_APART}
    later = [kind for kind in own if kind not in kinds.FIRST]
    rng.shuffle(later)
    turns = dict.fromkeys(kinds.FIRST, 0)
    for at, kind in enumerate(later):
        turns[kind] = 1 + int((at + rng.random()) * _LATEST_TURN / len(later))
    found: list[Sown] = []
    for kind in sorted(own, key=turns.__getitem__):
        others = [sown.planted for sown in found]
        planted = next(p for _ in count() if _is_new(p := own[kind](rng), told, others))
        found.append(Sown(planted, turns[kind], kind in kinds_apart.KINDS_APART))
    return tuple(found)


def _is_new(planted: Planted, told: str, others: Sequence[Planted]) -> bool:
    said = planted.said.casefold()
    return all(
        telling.casefold() not in told and all(telling.casefold() not in o.said.casefold() for o in others)
        for telling in planted.telling
    ) and all(telling.casefold() not in said for other in others for telling in other.telling)


def _say(sown: Sown, turn: _Turn, words: Words, rng: random.Random) -> None:
    """Put a fact where it is said."""
    said = sown.planted.said
    match sown.planted.place:
        case Place.USER:
            # Who introduces himself does it first.
            at = len(turn.user) - 1 if sown.is_first else rng.randrange(len(turn.user) + 1)
            turn.user.insert(at, said)
        case Place.ASSISTANT:
            turn.says.insert(rng.randrange(len(turn.says) + 1), said)
        case Place.CALL:
            turn.uses.insert(rng.randrange(len(turn.uses) + 1), _written(said, words))
        case Place.RESULT:
            spoken = [at for at, use in enumerate(turn.uses) if use.tool == "run_command" and use.result]
            if not spoken:
                spoken = [len(turn.uses)]
                turn.uses.append(rng.choice(SPOKEN)(words, rng, 900))
            use = turn.uses[spoken[0]]
            lines = use.result.split("\n")
            lines.insert(rng.randrange(len(lines) + 1), said)
            turn.uses[spoken[0]] = evolve(use, result="\n".join(lines))


def _written(said: str, words: Words) -> Use:
    if said.startswith(_COMMANDS):
        return Use("run_command", {"command": said}, "")
    path, place = words.file(), words.function()
    return Use(
        "edit_file", {"path": path, "find": place, "replace": f"{said}\n"}, f"1 place changed in {path}"
    )


def _messages(turns: Sequence[_Turn]) -> Iterator[Mapping[str, Any]]:
    yield {"role": "system", "content": _SYSTEM}
    ids = count(1)
    for turn in turns:
        yield {"role": "user", "content": " ".join(turn.user)}
        for at, use in enumerate(turn.uses):
            call = f"call_{next(ids):06}"
            function = {"name": use.tool, "arguments": json.dumps(use.arguments, ensure_ascii=False)}
            said = turn.before if at == 0 and turn.before else None
            yield {
                "role": "assistant",
                "content": said,
                "tool_calls": [{"id": call, "type": "function", "function": function}],
            }
            yield {"role": "tool", "tool_call_id": call, "content": use.result}
        yield {"role": "assistant", "content": " ".join(turn.says)}
