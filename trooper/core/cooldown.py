"""
Which targets asked to be left alone, and until when.

A rate limit with a `Retry-After` is remembered for exactly that long, per
target, model and credential: one model's limit, or one client's key, must not
block another's (a made-up, account-wide pause took other clients from 4 s to
64 s in the field). Without the header nothing is remembered.

Until then it is not asked, whoever is left: who would ask all the same wears
out the provider's patience with everybody who shares the key.

Bounded: the oldest entry leaves when `max_entries` are reached, and of a long
name of a model its digest is kept.
"""

from __future__ import annotations

from attrs import define, field

from trooper.core import names

#: A provider that asks for more than a day is told apart by quota, not by time.
MAX_COOLDOWN_S = 86_400.0


@define
class Cooldowns:
    """Absolute times until which a key is to be skipped; `now` comes from the caller."""

    enabled: bool = True
    max_entries: int = 4096
    _until: dict[tuple[str, str, str], float] = field(factory=dict, init=False)

    def observe(self, key: tuple[str, str, str], retry_after_s: float | None, now: float) -> None:
        """Remember that `key` asked for `retry_after_s` seconds of rest."""
        if not self.enabled or retry_after_s is None or retry_after_s <= 0:
            return
        key = _kept(key)
        self._until.pop(key, None)
        if len(self._until) >= self.max_entries:
            self._until.pop(next(iter(self._until)))
        self._until[key] = now + min(retry_after_s, MAX_COOLDOWN_S)

    def left_s(self, key: tuple[str, str, str], now: float) -> float:
        """For how many seconds more `key` is not to be asked; 0 where it may be."""
        key = _kept(key)
        until = self._until.get(key)
        if until is None:
            return 0.0
        if until <= now:
            del self._until[key]
            return 0.0
        return until - now

    def is_cooling(self, key: tuple[str, str, str], now: float) -> bool:
        """Whether `key` is not to be asked now."""
        return self.left_s(key, now) > 0


def _kept(key: tuple[str, str, str]) -> tuple[str, str, str]:
    """The key as it is kept: its model has the name that a client has given it."""
    target, model, credential = key
    return target, names.kept(model), credential
