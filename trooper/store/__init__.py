"""
What outlives a request: sessions, answers that clients may go on from by their id, what was learned.
"""

from __future__ import annotations

from trooper.store.answers import Answers, Kept
from trooper.store.last_turns import LastTurns
from trooper.store.memory import MemoryStore
from trooper.store.neighbours import Neighbours
from trooper.store.questions import AboutAnswers, Question, Reply
from trooper.store.records import Content, Known, PastAnswer, Session, Turn, TurnLeg
from trooper.store.remembered import Remembered
from trooper.store.shared_turns import SharedTurns
from trooper.store.sockets import place_for
from trooper.store.store import Caps, Standing, Store, Trouble

__all__ = [
    "AboutAnswers",
    "Answers",
    "Caps",
    "Content",
    "Kept",
    "Known",
    "LastTurns",
    "MemoryStore",
    "Neighbours",
    "PastAnswer",
    "Question",
    "Remembered",
    "Reply",
    "Session",
    "SharedTurns",
    "Standing",
    "Store",
    "Trouble",
    "Turn",
    "TurnLeg",
    "place_for",
]
