"""
The stores that the behaviours of a store are tried with, and records to put in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import apsw
import trio
from attrs import define

from trooper.store import Caps, PastAnswer, Session, Store, Turn, TurnLeg
from trooper.store.opening import open_store

#: Some day in 2026.
NOW = 1_796_000_000.0
ANN, BEN = "a" * 32, "b" * 32


@define
class Clock:
    """A time that a test moves on."""

    at: float = NOW

    def __call__(self) -> float:
        return self.at


def session(name: str = "s", *owners: str, used_at: float = NOW, **more: float) -> Session:
    began_at = more.get("began_at", used_at)
    return Session(name, owners or (ANN,), "digest", began_at, used_at)


def turn(name: str = "t", of: str = "s", *, at: float = NOW, tokens: int = 7, local_tokens: int = 0) -> Turn:
    cloud = TurnLeg("openai", "gpt", "first", "completed", is_local=False, tokens=tokens)
    local = TurnLeg("ollama", "qwen", "continue", "completed", is_local=True, tokens=local_tokens)
    legs = (cloud, local) if local_tokens else (cloud,)
    return Turn(name, of, at, "openai-chat", "gpt", "completed", legs)


def answer(name: str = "r", owner: str = ANN, *, at: float = NOW, parts: tuple[str, ...] = ()) -> PastAnswer:
    return PastAnswer(name, owner, at, provider_knows=False, part_ids=parts, held_by="worker", session_id="s")


@asynccontextmanager
async def opened(
    place: str, caps: Caps | None = None, clock: Clock | None = None, **more
) -> AsyncIterator[Store]:
    """The store of a place, as services have it."""
    async with trio.open_nursery() as nursery:
        async with open_store(place, caps or Caps(), nursery, now=clock or Clock(), **more) as found:
            yield found.store
        nursery.cancel_scope.cancel()


def memory(_folder: Path) -> str:
    return ":memory:"


def sqlite(folder: Path) -> str:
    return str(folder / "data")


STORES: dict[str, Callable[[Path], str]] = {"memory": memory, "sqlite": sqlite}


def another(place: str) -> closing[apsw.Connection]:
    """
    A connection of somebody else.

    Not by Python's own library: the kernel's locks are a process's, and two libraries in one do not see each other's.
    """
    return closing(apsw.Connection(f"{place}/trooper.sqlite3"))


async def put_much(store: Store, first: int = 0) -> list[str]:
    names = [f"{number}" for number in range(first, first + 300)]
    for name in names:
        store.put_session(session(name, used_at=NOW + int(name)))
        store.put_turn(turn("t", name))
    return names


async def found(store: Store) -> list[str]:
    return sorted((s.id for s in await store.list_sessions(ANN)), key=int)


async def by_part(store: Store, part_id: str, owner: str = ANN) -> PastAnswer | None:
    """The answer that has this part."""
    return next((found for _, found in await store.find_answers_by_parts([part_id], owner)), None)


def integrity(place: str) -> str:
    with another(place) as db:
        return str(db.pragma("integrity_check"))
