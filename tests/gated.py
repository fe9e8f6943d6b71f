"""Events before a gate, and a client behind it; shared by the tests of the gate."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, field

from trooper.core.events import Event, Received, Text
from trooper.core.gate import Gate


def event(*events: Event, raw: bytes = b"") -> Received:
    return Received(raw or repr(events).encode(), events)


def said(*texts: str) -> list[Received]:
    return [event(Text(text)) for text in texts]


def text_of(items: Iterable[Received]) -> str:
    return "".join(item.text for item in items)


def push_all(gate: Gate, items: Iterable[Received]) -> list[str]:
    """What goes out at each push."""
    return [text_of(gate.push(item)) for item in items]


@define
class Client:
    """A gate, and everything that has come in and gone out."""

    gate: Gate = field(factory=Gate)
    pushed: list[Received] = field(factory=list)
    given: list[Received] = field(factory=list)

    def push(self, item: Received) -> None:
        self.pushed.append(item)
        self.given += self.gate.push(item)
        # In order, untouched, nothing lost, nothing twice.
        assert self.given == self.pushed[: len(self.given)]
        held = self.pushed[len(self.given) :]
        assert list(self.gate._held) == held
        assert self.gate.held_bytes == sum(len(h.raw) for h in held)

    def flush(self) -> None:
        self.given += self.gate.flush()
        assert self.given == self.pushed
        assert self.gate.held_bytes == 0

    @property
    def text(self) -> str:
        return text_of(self.given)

    @property
    def all_text(self) -> str:
        return text_of(self.pushed)
