"""
What `trooper check` says of the store: where it is, how large, what is kept, and what is wrong with it.
"""

from __future__ import annotations

import trio

from trooper.config import Config
from trooper.services import store_of
from trooper.store import Standing

_MIB = 1024 * 1024
MEND = "Name a folder that Trooper may write with --data-dir or TROOPER_DATA_DIR; :memory: there keeps nothing on disk."


async def standing_of(config: Config) -> Standing:
    """What is said of the store that `config` asks for; it is opened, and so made where it is missing."""
    async with trio.open_nursery() as nursery:
        async with store_of(config, nursery) as opened:
            standing = opened.store.standing()
        nursery.cancel_scope.cancel(reason="it was looked at")
    return standing


def store_lines(standing: Standing) -> list[str]:
    """The sentences for people, each a line."""
    trouble = standing.trouble
    if not standing.on_disk:
        lines = ["Nothing is kept on disk: what clients come back to is gone with the process."]
    else:
        size = f"{standing.file_bytes / _MIB:.1f} MiB"
        sessions, answers = _counted(standing.sessions, "session"), _counted(standing.answers, "answer")
        what = f"{sessions} and {answers}, without what was said"
        if standing.content_on_disk:
            sealed = "encrypted" if standing.sealed else "not encrypted"
            said = f"last in sessions and in {_counted(standing.contents, 'answer')}"
            size_of_it = f"{standing.content_bytes / _MIB:.1f} MiB"
            what = f"{sessions}, {answers}, and what was said {said} ({size_of_it}, {sealed})"
        lines = [f"Kept in {standing.place} ({size}): {what}."]
    if trouble is not None:
        lines += [f"  {standing.place}: {trouble.meaning} ({standing.words}).", f"  {MEND}"]
    return lines


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
