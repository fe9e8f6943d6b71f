"""
What the findings about single targets mean together: who answers whom, who
finishes a broken answer, and what could be asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

from trooper.config import Config
from trooper.config.cloudless import cloudless, local_by_wish, local_words

_COULD_BE_FETCHED = (
    "Trooper can run a small model itself: trooper fetch-model, then trooper serve --embedded."
)
_IS_FETCHED = (
    "The small model is there, and used by trooper demo alone; trooper serve --embedded asks for it."
)


@frozen
class Finding:
    """
    What a target said.

    Attributes:
        words: what was found, in lines for a person.
        mend: what to do about it; empty when all is well.
        facts: the same for programs.
    """

    name: str
    place: str
    url: str
    usable: bool
    words: tuple[str, ...]
    mend: str = ""
    facts: Mapping[str, Any] = field(factory=dict)

    @property
    def could_finish(self) -> bool:
        """Whether it could go on with another one's answer."""
        return self.usable and self.facts.get("continues") != "none"


def verdicts(config: Config, findings: Sequence[Finding], *, has_small_model: bool) -> list[str]:
    """The sentences for people, each a line."""
    lines = [line for clients in cloudless(config) for line in (*clients.words, f"  {clients.mend}")]
    lines += [local_words(pattern, targets) for pattern, targets in local_by_wish(config).items()]
    lines += _who_finishes(config, findings)
    if all(target.gguf is None for target in config.targets):
        has_local = any(finding.place == "local" and finding.usable for finding in findings)
        lines += [_IS_FETCHED] if has_small_model else [] if has_local else [_COULD_BE_FETCHED]
    return lines


def _who_finishes(config: Config, findings: Sequence[Finding]) -> list[str]:
    able = {finding.name for finding in findings if finding.could_finish}
    chains: dict[str, list[str]] = {}
    for name, targets in config.listed_chains().items():
        who = next((target.name for target in targets[1:] if target.name in able), "")
        chains.setdefault(who, []).append(name)
    return [
        f"{_subject(names, is_all=len(chains) == 1)} "
        + (f"is finished by {who}." if who else "ends in an error: nobody could go on.")
        for who, names in chains.items()
    ]


def _subject(chains: Sequence[str], *, is_all: bool) -> str:
    return "A broken answer" if is_all else f"A broken answer of chain {', '.join(chains)}"
