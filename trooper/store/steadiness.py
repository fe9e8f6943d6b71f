"""
Whether the clock can be believed when it says that something is too old.

Theory of operation
-------------------
The time of day may be wrong for a moment: a machine that starts without a clock, a
virtual one that was copied, somebody who sets it by hand. What is deleted by a
wrong time is gone. So it is compared with the one that only counts seconds, and

    runs with it                           → believed
    has leapt, forwards or backwards       → not for an hour; a second leap begins a new one
    says at the start that all is too old  → the same

A machine that has slept wakes with a leap. So what is too old there is forgotten an hour later; it is not shown meanwhile.
"""

from __future__ import annotations

from typing import Final

from attrs import define, field

#: A clock that is put right in small steps is no wrong one.
LEAP_S: Final = 300.0
DOUBTED_S: Final = 3_600.0


@define(eq=False)
class Steadiness:
    """What is known of the time of day of a process."""

    #: The time of day, less the seconds that are counted, when it was asked last.
    _offset_s: float | None = field(default=None, init=False)
    _doubted_until: float = field(default=0.0, init=False)

    def is_believed(self, now: float, counted_s: float, *, seems_late: bool = False) -> bool:
        """
        Whether `now` may be gone by to forget.

        Args:
            now: the time of day, in seconds since the epoch.
            counted_s: seconds of a clock that nobody sets.
            seems_late: by `now` everything is too old; it counts at the start only.
        """
        offset_s = now - counted_s
        has_leapt = seems_late if self._offset_s is None else abs(offset_s - self._offset_s) > LEAP_S
        self._offset_s = offset_s
        if has_leapt:
            self._doubted_until = counted_s + DOUBTED_S
        return not self._doubted_until or counted_s >= self._doubted_until
