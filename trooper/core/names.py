"""
Names that others choose: of models, of calls and items, of versions.

Each may be as long as the body that it stands in, and many things are known by
one. So what is kept of a name is short, whatever it is, and so is what is shown
of it; and of names that somebody can make up without end so many are known.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Iterable, Iterator
from typing import Final, Generic, TypeVar, overload

from attrs import define, field

V = TypeVar("V")
K = TypeVar("K")
D = TypeVar("D")

#: No model, call or item has a longer one; those of clouds with an account and a region in them have a hundred.
MOST_CHARS: Final = 256
#: In a log line, where it stands beside others.
_MOST_SHOWN_CHARS: Final = 128
#: What every provider takes for the name of a function.
_FUNCTION: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NOT_IN_FUNCTIONS: Final = re.compile(r"[^A-Za-z0-9_-]")
_MOST_JOINED_CHARS: Final = 55
#: The word of a wire for a kind of things.
_KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,47}")


def is_short(name: str) -> bool:
    """Whether it is as long as a name, and not longer."""
    return len(name) <= MOST_CHARS


def is_sayable(name: str) -> bool:
    """Whether it is short, and can be printed."""
    return is_short(name) and name.isprintable()


def kept(name: str) -> str:
    """What is kept of `name`, to find it again: a longer one by its digest."""
    if is_short(name):
        return name
    return digest(name)


def digest(text: str) -> str:
    """A short name for a text of any length, the same in every process."""
    return f"blake2b:{hashlib.blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"


def shown(name: str) -> str:
    """`name` as far as it is one, for logs and notes."""
    return name if len(name) <= _MOST_SHOWN_CHARS and name.isprintable() else "unprintable"


def joined(namespace: str, name: str, taken: Container[str] = ()) -> str:
    """
    One name for a tool that is called by two, as every provider takes it.

    The same for the same two; where it would not do, or is `taken`, it ends in a digest of them.
    """
    if not namespace:
        return name
    whole = f"{namespace}{'' if namespace.endswith('_') else '__'}{name}"
    if _FUNCTION.fullmatch(whole) and whole not in taken:
        return whole
    told = f"{namespace}\0{name}".encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(told, digest_size=4).hexdigest()
    return f"{_NOT_IN_FUNCTIONS.sub('_', whole[:_MOST_JOINED_CHARS])}_{digest}"


def kinds_shown(kinds: Iterable[str], most: int = 16) -> tuple[str, ...]:
    """What things are called that are told in a log and a note: each once, in order, and of words alone."""
    told = dict.fromkeys(kind if _KIND.fullmatch(kind) else "other" for kind in kinds)
    return tuple(sorted(told))[:most]


@define
class ByName(Generic[V]):
    """
    Things by the names that somebody else gives them; beyond `most` of them no more are known.

    Nearly every name is short, and one answer may have thousands: each of them asks for its length alone.
    """

    most: int = 4_096
    _known: dict[str, V] = field(factory=dict, init=False)

    @overload
    def get(self, name: str) -> V | None: ...
    @overload
    def get(self, name: str, otherwise: D) -> V | D: ...
    def get(self, name: str, otherwise: D | None = None) -> V | D | None:
        """What is known by that name."""
        return self._known.get(name if len(name) <= MOST_CHARS else kept(name), otherwise)

    def setdefault(self, name: str, value: V) -> V:
        """What is known by that name; `value`, from now on, if nothing is."""
        name = name if len(name) <= MOST_CHARS else kept(name)
        if name not in self._known and len(self._known) < self.most:
            self._known[name] = value
        return self._known.get(name, value)

    def values(self) -> Iterable[V]:
        """All that are known."""
        return self._known.values()

    def __setitem__(self, name: str, value: V) -> None:
        name = name if len(name) <= MOST_CHARS else kept(name)
        if name in self._known or len(self._known) < self.most:
            self._known[name] = value

    def __contains__(self, name: str) -> bool:
        return (name if len(name) <= MOST_CHARS else kept(name)) in self._known

    def __len__(self) -> int:
        return len(self._known)


@define
class Latest(Generic[K, V]):
    """What was learned last; beyond `most` the oldest is forgotten, and found out once more when it is needed."""

    most: int = 256
    _known: dict[K, V] = field(factory=dict, init=False)

    @overload
    def get(self, key: K) -> V | None: ...
    @overload
    def get(self, key: K, otherwise: D) -> V | D: ...
    def get(self, key: K, otherwise: D | None = None) -> V | D | None:
        """What was learned of `key`."""
        return self._known.get(key, otherwise)

    def pop(self, key: K) -> None:
        """Forget what was learned of `key`, if anything was."""
        self._known.pop(key, None)

    def values(self) -> Iterator[V]:
        """All that was learned."""
        return iter(self._known.values())

    def __setitem__(self, key: K, value: V) -> None:
        self._known.pop(key, None)
        self._known[key] = value
        while len(self._known) > self.most:
            del self._known[next(iter(self._known))]

    def __getitem__(self, key: K) -> V:
        return self._known[key]

    def __contains__(self, key: K) -> bool:
        return key in self._known

    def __len__(self) -> int:
        return len(self._known)
