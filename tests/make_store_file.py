"""
Makes the file of this version's store for `tests/store/files`: once, before the schema changes, and never again.

    PYTHONPATH=.:tests python tests/make_store_file.py

What is in it `expected` says; the tests look whether all later versions find that.
"""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import trio
from attrs import evolve

from stores import ANN, BEN, NOW, Clock, answer, by_part, opened, session, turn
from trooper.store import Content, Known, Store
from trooper.store.schema import MIGRATIONS

FILES = Path(__file__).parent / "store" / "files"
KEY = bytes(range(32))
CONTENT = Content(b'{"input":"a lighthouse"}', b'{"output":"it shines"}')


def put(store: Store) -> None:
    """Some of everything."""
    store.put_session(session("s", ANN, BEN))
    store.put_turn(turn("t1", "s", at=NOW + 1))
    store.put_turn(turn("t2", "s", at=NOW + 2, tokens=3, local_tokens=4))
    store.put_session(session("other", BEN, used_at=NOW + 5))
    store.put_answer(answer("r", parts=("m1", "m2")), CONTENT)
    store.put_unknown(ANN, ["u1"], NOW)
    store.put_known(Known("ratio", "sha256:1", b'{"tokens_per_char":0.25}', NOW))


async def expected(store: Store) -> None:
    """That all of it is found."""
    s = evolve(session("s", ANN, BEN), used_at=NOW + 2, turns=2, tokens=14, local_tokens=4)
    assert await store.find_session("s") == s
    assert await store.list_sessions(BEN) == [session("other", BEN, used_at=NOW + 5), s]
    assert list(await store.list_turns("s")) == [
        turn("t1", "s", at=NOW + 1),
        turn("t2", "s", at=NOW + 2, tokens=3, local_tokens=4),
    ]
    assert await by_part(store, "m2", ANN) == answer("r", parts=("m1", "m2"))
    assert await store.find_content("r", ANN) == CONTENT
    assert await store.find_unknown(["u1", "u2"]) == {"u1"}
    assert await store.find_known("ratio", "sha256:1") == Known(
        "ratio", "sha256:1", b'{"tokens_per_char":0.25}', NOW
    )


async def _make(folder: Path) -> None:
    async with opened(str(folder), None, Clock(), content_on_disk=True) as store:
        put(store)


def main() -> None:
    """Make it."""
    target = FILES / f"v{len(MIGRATIONS)}.sqlite3.gz"
    if target.exists():
        raise SystemExit(f"{target} is there already, and stays as it is")
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "key").write_bytes(KEY)
        trio.run(_make, Path(name))
        target.write_bytes(gzip.compress((Path(name) / "trooper.sqlite3").read_bytes(), mtime=0))


if __name__ == "__main__":
    main()
