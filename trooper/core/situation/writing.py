"""Writes the situation report from what was found in the turns that are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from trooper.core.conversation import Message, Role, TextPart
from trooper.core.names import shown
from trooper.core.situation.choosing import Chosen, chosen, lines_of
from trooper.core.situation.dropped import Dropped
from trooper.core.situation.facts import looked_through
from trooper.core.situation.languages import LABELS, Labels, language_of
from trooper.core.tokens import tokens_at_most

#: Between two excerpts of one message, and in front of what a tool gave.
_BETWEEN: Final = " | "
_GAVE: Final = "->"
#: With less room beside its heading nothing is worth saying.
_LEAST_TOKENS: Final = 12


def written(dropped: Dropped, room_tokens: int) -> str:
    """
    Return a report on what is `dropped`, of at most so many tokens (`core.tokens.tokens_at_most`).

    Empty where nothing is worth saying, or where there is no room.
    """
    turns = dropped.turns
    if dropped.begun:
        turns = (*turns, Message(Role.ASSISTANT, (TextPart(dropped.begun),)))
    if not turns or room_tokens < _LEAST_TOKENS:
        return ""
    labels = LABELS[language_of(looked_through(turn).votes for turn in (*dropped.first, *turns))]
    # The count stands at the end: with one turn more, what stands before it is still the same.
    frame = (labels.heading, labels.count.format(count=len(dropped.turns)))
    room = room_tokens - sum(map(tokens_at_most, frame))
    if room < _LEAST_TOKENS:
        return ""
    choice = chosen(turns, "\n".join(message.text for message in dropped.first), room)
    while choice:
        report = _report(frame, turns, choice, labels)
        over = tokens_at_most(report) - room_tokens
        if over <= 0:
            return report
        choice = _without(choice, over)
    return ""


def _without(choice: Sequence[Chosen], tokens: int) -> list[Chosen]:
    """Leave out what was chosen last, so many tokens of it."""
    kept = list(choice)
    while kept and tokens > 0:
        tokens -= max(1, kept.pop().fact.tokens)
    return kept


def _report(
    frame: tuple[str, str], turns: Sequence[Message], choice: Sequence[Chosen], labels: Labels
) -> str:
    names = {call.id: call.name for turn in turns for call in turn.tool_calls}
    lines = [frame[0]]
    before: object = None
    for line in lines_of(choice):
        message, call = turns[line[0].message], line[0].fact.call
        said = _BETWEEN.join(one.fact.text for one in line)
        label = _label(message, call, names, labels, before)
        lines.append(f"{label} {said}")
        before = message.tool_calls[call].id if call >= 0 else message.role
    return "\n".join((*lines, frame[1]))


def _label(message: Message, call: int, names: Mapping[str, str], labels: Labels, before: object) -> str:
    """Who speaks."""
    if call >= 0:
        return f"{shown(message.tool_calls[call].name)}:"
    match message.role:
        case Role.USER:
            return f"{labels.user}:"
        case Role.ASSISTANT | Role.SYSTEM:
            return f"{labels.assistant}:"
        case Role.TOOL if before == message.tool_call_id:
            return _GAVE
        case Role.TOOL:
            return f"{shown(names.get(message.tool_call_id, ''))} {_GAVE}".strip()
