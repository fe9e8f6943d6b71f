"""Processes of one data directory ask each other for answers, and nobody else can."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import struct
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs

from trooper.store import neighbours as module
from trooper.store.neighbours import Neighbours
from trooper.store.questions import FindAnswer, FindParts, Forget, Found, FoundParts, Nothing
from trooper.store.sockets import place_for

ANN = "a" * 32
ASKED = FindAnswer("resp_1", ANN)
GONE = Forget((("resp_1", ANN),))
ANSWER = Found("resp_1", b"asked", b"said", provider_knows=True, part_ids=("msg_1",))


def knows(question: Any) -> Any:
    if isinstance(question, FindParts):
        is_his = question.owner == ANN and "msg_1" in question.ids
        return FoundParts((ANSWER,) if is_his else ())
    return ANSWER if question == ASKED else Nothing()


@asynccontextmanager
async def listening(
    folder: Path | None, answer: Any = knows, most_bytes: int = 1_000
) -> AsyncIterator[Neighbours]:
    """One of the processes."""

    async def reply(question: Any) -> Any:
        return answer(question)

    async with trio.open_nursery() as nursery:
        one = Neighbours(folder, most_bytes)
        await nursery.start(one.serve, reply)
        yield one
        nursery.cancel_scope.cancel()


def left_by_the_dead(folder: Path, name: str = "0" * 16) -> Path:
    """A socket that nobody listens on any more."""
    path = folder / f"{name}.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.fspath(path))
    return path


def modes(folder: Path) -> dict[str, int]:
    """Who may do what with a folder and the files in it."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}


@pytest.fixture
def near(tmp_path: Path) -> Path:
    folder = tmp_path / "near"
    folder.mkdir(mode=0o700)
    return folder


@asynccontextmanager
async def saying(near: Path, words: bytes, name: str = "f" * 16) -> AsyncIterator[None]:
    """A neighbour that says something else, and then nothing."""

    async def say(stream: trio.SocketStream) -> None:
        # Who only looks whether it lives has left already.
        with suppress(trio.BrokenResourceError):
            await stream.send_all(words)
        await trio.sleep_forever()

    sock = trio.socket.socket(socket.AF_UNIX)
    await sock.bind(os.fspath(near / f"{name}.sock"))
    sock.listen()
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, say, [trio.SocketListener(sock)])
        yield
        nursery.cancel_scope.cancel()


async def test_an_answer_of_another_process_is_found(tmp_path: Path) -> None:
    near = tmp_path / "no" / "yet"
    async with listening(near) as one, listening(near, lambda _: Nothing()) as two, listening(near) as three:
        assert await two.find(ASKED) == ANSWER
        assert await two.find_parts({"msg_1": "", "msg_2": ""}, ANN) == (ANSWER,)
        assert await two.find_parts({"msg_1": one.name}, ANN) == (ANSWER,)
        assert await two.find_parts({"msg_1": three.name}, ANN) == (ANSWER,)
        assert await two.find_parts({"msg_1": two.name}, "b" * 32) == ()
        assert await two.find(ASKED, holder=one.name) == ANSWER
        assert await two.find(FindAnswer("resp_1", "b" * 32)) is None
        # Whoever has it by the store may have it no more, or never.
        assert await three.find(ASKED, holder=two.name) == ANSWER
        assert await three.find(ASKED, holder=three.name) == ANSWER
    assert modes(near) == {"yet": 0o700}


@pytest.mark.parametrize("mode", [0o700, 0o755])
async def test_nobody_else_can_enter(tmp_path: Path, mode: int) -> None:
    near = tmp_path / "near"
    near.mkdir(mode)
    async with listening(near) as one:
        assert modes(near) == {"near": 0o700, f"{one.name}.sock": 0o600}


async def test_a_process_of_another_user_is_not_heard_and_not_asked(
    near: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = []

    def hear(question: Any) -> Any:
        heard.append(question)
        return ANSWER

    uid = os.geteuid()
    async with listening(near, hear) as one, listening(near) as two:
        monkeypatch.setattr(os, "geteuid", lambda: uid + 1)
        assert await two.find(ASKED) is None
        # Our side looks first; and here is a client that does not.
        async with await trio.open_unix_socket(near / f"{one.name}.sock") as stream:
            assert await stream.receive_some() == b""
    assert heard == []


async def test_the_socket_of_a_dead_process_is_removed(near: Path) -> None:
    early = left_by_the_dead(near)
    async with listening(near) as one:
        assert not early.exists()
        late = left_by_the_dead(near)
        assert await one.find(ASKED, holder="0" * 16) is None
        assert not late.exists()
        assert await one.find(ASKED, holder="0" * 16) is None
        left_by_the_dead(near)
        assert await one.find(ASKED) is None
        assert not late.exists()


@pytest.mark.parametrize("holder", ["../../x", "0" * 15, "0" * 17, "\ud800", "x" * 16, "/" * 16])
async def test_what_the_store_says_is_no_path(near: Path, holder: str) -> None:
    async with listening(near), listening(near) as two:
        assert await two.find(ASKED, holder=holder) == ANSWER
        assert await two.find_parts({"msg_1": holder}, ANN) == (ANSWER,)


async def test_nor_is_it_a_way_out_of_the_folder(tmp_path: Path, near: Path) -> None:
    async with listening(tmp_path / "other") as other, listening(near, lambda _: Nothing()) as one:
        holder = f"../other/{other.name}"
        assert await one.find(ASKED, holder=holder) is None
        assert await one.find_parts({"msg_1": holder}, ANN) == ()


async def test_who_has_it_by_the_store_is_asked_alone(near: Path, autojump_clock: Any) -> None:
    heard = []

    def hear(question: Any) -> Any:
        heard.append(question)
        return ANSWER

    async with listening(near) as one, listening(near, hear), listening(near) as three:
        assert await three.find(ASKED, holder=one.name) == ANSWER
        assert await three.find_parts({"msg_1": one.name}, ANN) == (ANSWER,)
        assert heard == []


@pytest.mark.parametrize(
    "words",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        struct.pack(">I", 2_000_000_000),
        struct.pack(">I", 4) + b"\xc1\xc1\xc1\xc1",
        struct.pack(">I", 1) + b"\x80",
    ],
    ids=["another protocol", "too long", "no msgpack", "another value"],
)
async def test_what_is_no_reply_is_none(near: Path, words: bytes) -> None:
    async with saying(near, words), listening(near) as one:
        assert await one.find(ASKED) is None
        # It was not silent: it is asked again.
        assert await one.find(ASKED) is None


async def test_who_is_silent_is_left_alone_for_a_while(near: Path, autojump_clock: Any) -> None:
    async with saying(near, b""), listening(near, lambda _: Nothing()) as one:
        async with listening(near):
            # Somebody else has it.
            assert await one.find(ASKED) == ANSWER
        began_at = trio.current_time()
        assert await one.find(ASKED, holder="f" * 16) is None
        assert trio.current_time() - began_at == module.WITHIN_S
        assert await one.find(ASKED, holder="f" * 16) is None
        assert trio.current_time() - began_at == module.WITHIN_S
        await trio.sleep(60)
        later = trio.current_time()
        assert await one.find(ASKED, holder="f" * 16) is None
        assert trio.current_time() - later == module.WITHIN_S


@pytest.mark.parametrize(
    "words",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack(">I", 2_000_000),
        struct.pack(">I", 2) + b"\xa0",
        b"\0\0\0\1\xc1",
    ],
    ids=["nothing", "another protocol", "too long", "half", "no msgpack"],
)
async def test_what_is_no_question_harms_nobody(near: Path, autojump_clock: Any, words: bytes) -> None:
    async with listening(near) as one, listening(near, lambda _: Nothing()) as two:
        async with await trio.open_unix_socket(near / f"{one.name}.sock") as stream:
            await stream.send_all(words)
            with suppress(trio.BrokenResourceError):
                assert await stream.receive_some() == b""
        assert await two.find(ASKED) == ANSWER


async def test_a_large_answer_comes_whole_and_one_that_is_too_large_does_not(near: Path) -> None:
    large = Found("resp_1", bytes(3_000_000), b"x" * 999_000, provider_knows=False, part_ids=())
    async with listening(near, lambda _: large), listening(near, most_bytes=4_000_000) as two:
        assert await two.find(ASKED) == large
        two.most_bytes = 3_000_000
        assert await two.find(ASKED) is None


async def test_everybody_hears_what_is_deleted(near: Path, autojump_clock: Any) -> None:
    heard = []

    def hear(question: Any) -> Any:
        heard.append(question)
        return Nothing()

    async with listening(near, hear), listening(near, hear), listening(near) as three:
        left_by_the_dead(near)
        assert await three.tell(GONE)
        assert heard == [GONE] * 2
        async with saying(near, b""):
            assert not await three.tell(GONE)
            # Who is silent is told again, and not asked again.
            began_at = trio.current_time()
            assert await three.gather(ASKED) == [Nothing()] * 2
            assert trio.current_time() == began_at
            assert not await three.tell(GONE)
            assert trio.current_time() == began_at + module.WITHIN_S


async def test_a_folder_that_hangs_holds_up_nobody_else(near: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow disk, a home on a network: the kernel does not come back."""
    goes_on, hangs, iterdir = threading.Event(), threading.Event(), Path.iterdir

    def hanging(path: Path) -> Any:
        hangs.set()
        assert goes_on.wait(60)
        return iterdir(path)

    async with listening(near), listening(near, lambda _: Nothing()) as two:
        assert await two.find(ASKED) == ANSWER
        with monkeypatch.context() as patch:
            patch.setattr(Path, "iterdir", hanging)
            patch.setattr(module, "WITHIN_S", 0.2)
            try:
                # The loop goes on, or nobody would be here to say so; and who was there is asked.
                assert await two.find(ASKED) == ANSWER
                assert hangs.is_set()
                # A second one does not wait at all.
                patch.setattr(module, "WITHIN_S", 60.0)
                assert await two.find(ASKED) == ANSWER
                # Somebody may be there whom nobody has told.
                assert not await two.tell(GONE)
            finally:
                goes_on.set()
        async with two._looking:
            """The one that hung is out."""
        assert await two.tell(GONE)


async def test_a_socket_whose_folder_is_removed_is_made_again(near: Path, autojump_clock: Any) -> None:
    async with listening(near) as one, listening(near, lambda _: Nothing()) as two:
        shutil.rmtree(near)
        with capture_logs() as logs:
            # Nobody can say whether everybody has heard it.
            assert not await two.tell(GONE)
            await trio.sleep(2 * module._LOOK_S)
            assert await two.find(ASKED) == ANSWER
            assert await two.tell(GONE)
        assert modes(near) == {"near": 0o700, f"{one.name}.sock": 0o600, f"{two.name}.sock": 0o600}
        assert [line["event"] for line in logs] == ["socket_made_again"] * 2


async def test_many_at_once(near: Path) -> None:
    async with listening(near), listening(near, lambda _: Nothing()) as two:
        found = []

        async def find() -> None:
            found.append(await two.find(ASKED))

        async with trio.open_nursery() as nursery:
            for _ in range(500):
                nursery.start_soon(find)
        assert found == [ANSWER] * 500


async def test_where_nobody_can_listen_everybody_is_alone(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    async with listening(file / "near") as one:
        assert one.folder is None
        assert await one.find(ASKED) is None
        assert await one.find_parts({"msg_1": "0" * 16}, ANN) == ()
        assert await one.tell(GONE)
        assert await one.gather(ASKED) == []
    async with listening(None) as one:
        assert await one.find(ASKED) is None


async def test_a_folder_that_is_a_link_is_somebody_elses(tmp_path: Path, near: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(near)
    async with listening(link) as one:
        assert one.folder is None
        assert list(modes(near)) == ["near"]


def test_where_the_sockets_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = Path("/", "d" * 90)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert place_for(Path("/data")) == Path("/data/near")
    assert place_for(deep) == place_for(deep)
    assert place_for(deep) != place_for(Path("/", "d" * 91))
    below = place_for(deep)
    assert below is not None
    assert below.name.startswith(f"trooper-{os.geteuid()}-")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    other = place_for(deep)
    assert other is not None
    assert other.parent == Path("/run/user/7")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/" + "r" * 90)
    assert place_for(deep) == below
    monkeypatch.delattr(socket, "AF_UNIX")
    assert place_for(Path("/data")) is None
