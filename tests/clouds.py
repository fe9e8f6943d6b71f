"""
A cloud that goes on from a half answer, on any wire and by any way: it finds
the half answer where the wire has it, and says exactly the rest.
"""

from __future__ import annotations

from typing import Any

from attrs import define, evolve, field

from trooper.testing import ChatAnswer, FaultAt, Request, ScriptedProvider, tokens
from trooper.testing.odd import GoesOn, exactly
from trooper.testing.provider import Plan


@define(eq=False)
class GoingOn:
    """
    The script of such a cloud.

    Attributes:
        answer: the whole answer; what it says when nothing is given.
        repeats: how many characters of the half answer it says once more.
        starts_anew: it begins again from the beginning, whatever it is given.
        goes_on: how it goes on from a half answer.
        halves: what it was given, request by request.
        mismatches: half answers that are none of this answer's.
    """

    answer: ChatAnswer
    repeats: int = 0
    starts_anew: bool = False
    goes_on: GoesOn = exactly
    halves: list[str] = field(factory=list)
    mismatches: list[str] = field(factory=list)
    ways: list[str] = field(factory=list)

    def __call__(self, request: Request) -> Plan:
        half, way = half_of(request)
        self.halves.append(half)
        self.ways.append(way)
        text = "".join(self.answer.tokens)
        if not half or self.starts_anew:
            return self.answer
        if not text.startswith(half):
            self.mismatches.append(half)
            return ChatAnswer(tokens=(" [cannot continue]",))
        at = max(0, len(half) - self.repeats)
        said = self.goes_on(half, text[at:])
        return evolve(self.answer, tokens=tuple(tokens(said)), reasoning=())


def going_on(answer: ChatAnswer | str, **how: Any) -> ScriptedProvider:
    """A provider with such a script."""
    said = ChatAnswer(tokens=tuple(tokens(answer))) if isinstance(answer, str) else answer
    return ScriptedProvider(script=GoingOn(said, **how))


def half_of(request: Request) -> tuple[str, str]:
    """The half answer in a request, and how it is asked for; empty where there is none."""
    body = request.json()
    assert isinstance(body, dict)
    turns = body.get("messages") or body.get("input")
    if isinstance(turns, str) or not turns:
        return "", ""
    last = turns[-1]
    if last.get("role") == "assistant":
        if last.get("prefix"):
            return text_of(last), "prefix"
        if body.get("continue_final_message"):
            assert body["add_generation_prompt"] is False
            return text_of(last), "continue_final_message"
        return text_of(last), "prefill"
    cut_off = last.get("role") == "user" and "cut off" in text_of(last)
    if cut_off and len(turns) > 1 and turns[-2].get("role") == "assistant":
        return text_of(turns[-2]), "instruction"
    return "", ""


def text_of(turn: dict[str, Any]) -> str:
    content = turn.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


__all__ = ["FaultAt", "GoingOn", "going_on", "half_of", "text_of"]
