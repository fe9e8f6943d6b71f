"""
What the processes of one data directory ask each other, and reply (`neighbours`).

Who asks for an answer has to know its id and its owner's digest. Who asks for a session has compared its owners with who
asks him; its id is a keyed digest, which nobody chooses.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from trooper.core.recovery import Appended
from trooper.store.last_turns import Mark, Told


class FindAnswer(msgspec.Struct, frozen=True, tag="answer"):
    """Who has this answer of this owner?"""

    id: str
    owner: str


class FindParts(msgspec.Struct, frozen=True, tag="parts"):
    """Who has answers of this owner with these parts?"""

    ids: tuple[str, ...]
    owner: str


class Forget(msgspec.Struct, frozen=True, tag="forget"):
    """Their owners have deleted these answers: pairs of an id and an owner."""

    answers: tuple[tuple[str, str], ...]


class FindSession(msgspec.Struct, frozen=True, tag="find_session"):
    """
    What do you know of what was said in this session?

    Attributes:
        unless: the turn that is known already: one that does not follow it is not wanted.
    """

    id: str
    unless: Mark | None = None


class Append(msgspec.Struct, frozen=True, tag="append"):
    """The owner has put these messages beside this session."""

    id: str
    owner: str
    messages: tuple[Appended, ...]


class ForgetSession(msgspec.Struct, frozen=True, tag="forget_session"):
    """One of its owners has deleted this session."""

    id: str
    owners: tuple[str, ...]


class Found(msgspec.Struct, frozen=True, tag="found"):
    """The answer, by its id."""

    id: str
    request: bytes
    response: bytes
    provider_knows: bool
    part_ids: tuple[str, ...]


class FoundParts(msgspec.Struct, frozen=True, tag="found_parts"):
    """
    The answers, each once, in the order in which their parts were named.

    Attributes:
        is_more: there are others, for which there was no room in one reply.
    """

    answers: tuple[Found, ...]
    is_more: bool = False


class FoundSession(msgspec.Struct, frozen=True, tag="found_session"):
    """What is known of it; the turn only where it was wanted."""

    told: Told


class Nothing(msgspec.Struct, frozen=True, tag="nothing"):
    """There is none, or there is none any more."""


class Settle(msgspec.Struct, frozen=True, tag="settle"):
    """Write what you have put, so that everybody finds it in the store."""


AboutAnswers: TypeAlias = FindAnswer | FindParts | Forget
AboutSessions: TypeAlias = FindSession | Append | ForgetSession | Settle
Question: TypeAlias = AboutAnswers | AboutSessions
Reply: TypeAlias = Found | FoundParts | FoundSession | Nothing
