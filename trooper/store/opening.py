"""
Which store a process has: the one in its folder, or memory where there is none that can be used.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import structlog
import trio
from attrs import field, frozen

from trooper.store.folder import KEY_BYTES, Folder, NoFolder, is_on_network, open_folder
from trooper.store.memory import PLACE, MemoryStore
from trooper.store.store import Caps, Store, Trouble

log = structlog.get_logger("trooper.store")

#: How long the start waits for a disk.
_FOLDER_LIMIT_S: Final = 10.0
#: With these the file is somebody else's, and stays so.
_NOT_OURS: Final = frozenset({Trouble.NEWER, Trouble.FOREIGN})


@frozen
class Opened:
    """
    A store that is open.

    Attributes:
        store: it.
        key: what owners are told apart by. In a folder it is the same for all
            processes, and after a restart.
    """

    store: Store
    key: bytes = field(repr=False)


@asynccontextmanager
async def open_store(
    place: str,
    caps: Caps,
    nursery: trio.Nursery,
    *,
    content_on_disk: bool = False,
    seal_key: str = "",
    now: Callable[[], float] = time.time,
) -> AsyncIterator[Opened]:
    """
    Open the store at `place`; close it at the end, when what was put is written.

    Args:
        place: a folder, or `:memory:`.
        caps: how much it may hold.
        nursery: where it writes; it may be cancelled before the end.
        content_on_disk: whether contents are written.
        seal_key: what they are sealed with; empty: they are not.
        now: the time; for tests.

    Raises:
        ImportError: contents are to be sealed, and nothing here can do so.
    """
    if place == PLACE:
        yield Opened(MemoryStore(caps, now), secrets.token_bytes(KEY_BYTES))
        return
    path = Path(place)
    folder: Folder | NoFolder = NoFolder(Trouble.NO_ANSWER, f"not within {_FOLDER_LIMIT_S:g} s")
    with trio.move_on_after(_FOLDER_LIMIT_S):
        folder = await trio.to_thread.run_sync(open_folder, path, abandon_on_cancel=True)
    if isinstance(folder, NoFolder):
        yield Opened(
            _in_memory(place, folder.trouble, folder.words, caps, now), secrets.token_bytes(KEY_BYTES)
        )
        return
    if is_on_network(path):
        _warn_of_network(place)
    # Imported here: who has no folder needs none of it.
    from trooper.store.database import Database
    from trooper.store.sealing import seal_of
    from trooper.store.sqlite import SqliteStore

    seal = None
    if content_on_disk and seal_key:
        seal = await trio.to_thread.run_sync(seal_of, seal_key, folder.key)
    store = SqliteStore(Database(folder, caps, seal, now), content_on_disk)
    try:
        # A batch of nothing: the file is there, or it is known why not.
        await store.database.write(())
        failure = store.database.failure
        if failure is not None and failure.trouble in _NOT_OURS:
            yield Opened(_in_memory(place, failure.trouble, failure.words, caps, now), folder.key)
            return
        nursery.start_soon(store.run)
        yield Opened(store, folder.key)
    finally:
        await store.aclose()


def _in_memory(place: str, trouble: Trouble, words: str, caps: Caps, now: Callable[[], float]) -> MemoryStore:
    log.warning(
        "store_in_memory",
        trouble=trouble.value,
        reason=words,
        folder=place,
        effect="Nothing is kept on disk until the next start.",
        mend="Name a folder that Trooper may write with --data-dir or TROOPER_DATA_DIR, or say :memory: there.",
    )
    return MemoryStore(caps, now, trouble, words, place)


def _warn_of_network(place: str) -> None:
    log.warning(
        "store_on_network",
        folder=place,
        effect="Where a second machine uses the folder, the file in it breaks.",
        mend="Name a folder on a disk of this machine with --data-dir or TROOPER_DATA_DIR, or let no other machine use it.",
    )
