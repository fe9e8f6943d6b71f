"""
One budget of bytes over the bodies of all requests.

Each body has a limit of its own; a few large ones at once are still more than
a machine has. A body counts as it comes, so that who only announces one takes
nothing from anybody; who announces more than is left is refused before it is read.
One that is alone has its own limit, and no other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from attrs import define, field

from trooper.errors import RequestRejected

#: What takes up room takes seconds; sooner there is hardly more.
_RETRY_AFTER_S: Final = 5
IN_A_WHILE: Final = ((b"retry-after", str(_RETRY_AFTER_S).encode()),)


def no_memory() -> RequestRejected:
    """The answer to a request for which the machine has less room than the budget."""
    return RequestRejected(
        503,
        "no_memory",
        "There is no memory left for this request's body. Give Trooper more, or lower [server] max_total_bytes.",
        headers=IN_A_WHILE,
    )


@define(eq=False)
class Budget:
    """The bytes of all requests together; `limit_bytes` at most."""

    limit_bytes: int
    held_bytes: int = field(default=0, init=False)

    def check(self, size: int, own_bytes: int) -> None:
        """Raise `RequestRejected` where so many more bytes have no room for one who holds `own_bytes`."""
        if self.held_bytes > own_bytes and self.held_bytes + size > self.limit_bytes:
            raise RequestRejected(
                503,
                "requests_too_large",
                f"The bodies of all requests together are larger than {self.limit_bytes} bytes."
                " [server] max_total_bytes sets the limit.",
                headers=IN_A_WHILE,
            )

    @contextmanager
    def share(self) -> Iterator[Share]:
        """What one request holds; given back at its end."""
        share = Share(self)
        try:
            yield share
        finally:
            share.give_back()


@define(eq=False)
class Share:
    """What one request holds of the budget."""

    _budget: Budget
    held_bytes: int = field(default=0, init=False)

    def check(self, size: int) -> None:
        """Raise `RequestRejected` where so many more bytes have no room."""
        self._budget.check(size, self.held_bytes)

    def add(self, size: int) -> None:
        """Hold so many more bytes; raises `RequestRejected` where they have no room."""
        self._budget.check(size, self.held_bytes)
        self._budget.held_bytes += size
        self.held_bytes += size

    def give_back(self) -> None:
        """Hold nothing any more."""
        self._budget.held_bytes -= self.held_bytes
        self.held_bytes = 0
