"""
What is said about a key: its meaning and the reason for its default.
`docs/configuration.md` is generated from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trooper.config.wires import Wire


def documented(doc: str, reason: str, *, default: str = "", is_selective: bool = False) -> Mapping[str, Any]:
    """
    What the documentation says about a key.

    `<clouds>`, `<locals>` and `<default URLs>` in `doc` and `default` stand for
    what the table of wires says; `filled` puts it there.

    Args:
        default: words for a default that is not one plain value.
        is_selective: only targets have the key whose wire names it in its `settings`.
    """
    return {"doc": doc, "reason": reason, "default": default, "is_selective": is_selective}


def filled(text: str, wires: Sequence[Wire]) -> str:
    """`text` with the names and places of `wires` in it."""
    text = text.replace("<clouds>", listed([f'`"{w.name}"`' for w in wires if not w.is_local], ", "))
    text = text.replace("<locals>", listed([f'`"{w.name}"`' for w in wires if w.is_local], " or "))
    return text.replace("<default URLs>", _default_urls(wires))


def listed(names: Sequence[str], last: str) -> str:
    """`names` with commas, and `last` before the last one."""
    return last.join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _default_urls(wires: Sequence[Wire]) -> str:
    names: dict[str, list[str]] = {}
    for wire in wires:
        if wire.is_local:
            place = f"`{wire.default_url}`"
            place = f"`{wire.host_variable}`, else {place}" if wire.host_variable else place
            names.setdefault(place, []).append(f"`{wire.name}`")
        elif wire.default_target is not None:
            names.setdefault(f"`{wire.default_url}`", []).append(f"`{wire.default_target.name}`")
    return "; ".join(f"{', '.join(who)}: {place}" for place, who in names.items())
