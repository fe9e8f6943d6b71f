"""
Asks the other processes of one data directory for what only they have, and answers them.

Theory of operation
-------------------
What was said is in the memory of the process that said it. Each process listens
on a socket in a folder that no other user can enter, and is known there by a
random name. Who lacks something connects to a neighbour, asks one question (`questions`), and
gets one reply:

    length, 4 bytes ▸ a question as msgpack      length, 4 bytes ▸ a reply as msgpack

Everything has a bound: the number of neighbours, of questions at once,
the size of a frame, the time. A neighbour that is silent is not asked again for
some seconds, so that one that hangs does not hold up everybody's requests. A
socket that nobody listens on is a dead neighbour's, and is removed.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import stat
import struct
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import structlog
import trio
from attrs import define, field

from trooper.core.names import Latest
from trooper.store.questions import FindAnswer, FindPart, Found, Question, Reply

log = structlog.get_logger("trooper.store")

#: An answer comes from memory, within a millisecond; a busy process needs its turn.
WITHIN_S: Final = 2.0
#: So long a neighbour that was silent is not asked.
_LEFT_ALONE_S: Final = 10.0
#: What somebody puts beside a session at once, or `MOST_TOLD` names of answers, which have 256 characters at most.
_QUESTION_BYTES: Final = (1 << 20) + 65_536
#: Answers that are told of in one question.
MOST_TOLD: Final = 500
#: What stands around an answer in a frame; its part ids count as its own.
_FRAME_BYTES: Final = 65_536
#: More workers than that nobody has.
_MOST_NEIGHBOURS: Final = 64
_MOST_AT_ONCE: Final = 64
_BACKLOG: Final = 1_024
_READ_BYTES: Final = 262_144
#: A path of a socket ends there on every system that has them.
_PATH_BYTES: Final = 103
_NAME: Final = re.compile(r"[0-9a-f]{16}")
_SOCKET: Final = re.compile(r"([0-9a-f]{16})\.sock")
_LENGTH: Final = struct.Struct(">I")
_CREDENTIALS: Final = struct.Struct("3i")


_questions: Final = msgspec.msgpack.Decoder(Question)
_replies: Final = msgspec.msgpack.Decoder(Reply)
T = TypeVar("T")


class _Unreadable(Exception):
    """The other side says something that is no frame of ours."""


def place_for(data_dir: Path) -> Path | None:
    """
    The folder for the sockets of a data directory, the same in each of its processes; `None` where there can be none.

    Below it, or, where a socket's path would be too long for the system, below the folder for things of a session.
    """
    if not hasattr(socket, "AF_UNIX") or sys.platform == "win32":
        return None
    digest = blake2b(os.fsencode(data_dir.absolute()), digest_size=8).hexdigest()
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    places = [
        data_dir.absolute() / "near",
        *([Path(runtime, f"trooper-{digest}")] if runtime.startswith("/") else []),
        Path(tempfile.gettempdir(), f"trooper-{os.geteuid()}-{digest}"),
    ]
    longest = f"/{'0' * 16}.sock"
    return next((place for place in places if len(os.fsencode(f"{place}{longest}")) <= _PATH_BYTES), None)


def _is_own_users(sock: trio.socket.SocketType) -> bool:
    """Whether the process at the other end is run by our user; where the system does not say, the folder keeps others out."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None or sys.platform == "win32":
        return True
    credentials = sock.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(credentials)
    return bool(uid == os.geteuid())


def _is_private(folder: Path) -> bool:
    """Whether it is a folder, ours, and nobody else's to enter: in a folder for all anybody may have made it."""
    known = folder.lstat()
    if not stat.S_ISDIR(known.st_mode) or known.st_uid != os.geteuid():
        return False
    if stat.S_IMODE(known.st_mode) & 0o077:
        folder.chmod(0o700)
    return True


@define(eq=False)
class Neighbours:
    """
    The other processes of one data directory.

    Attributes:
        folder: where their sockets are, by `place_for`; `None`: nobody is near.
        most_bytes: how large an answer may be.
        name: of this process, in the folder and in the store.
    """

    folder: Path | None = None
    most_bytes: int = 0
    name: str = field(factory=lambda: secrets.token_hex(8))
    _asking: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(_MOST_AT_ONCE), init=False)
    #: Who was silent → until when he is left alone.
    _silent: Latest[str, float] = field(factory=lambda: Latest(_MOST_NEIGHBOURS), init=False)

    # -- asking ------------------------------------------------------------------

    def near(self) -> list[str]:
        """Whose sockets are there."""
        return [] if self.folder is None else self._sockets(self.folder)[:_MOST_NEIGHBOURS]

    async def find(self, question: FindAnswer | FindPart, holder: str = "") -> Found | None:
        """
        The answer, from `holder`, or else from whoever has it; `None` if nobody says so in time.

        Args:
            holder: the name that the store knows who has it by. What stands there is not trusted.
        """
        if self.folder is None:
            return None
        if _NAME.fullmatch(holder) and holder != self.name:
            found = await self._first([holder], question)
            if found is not None:
                return found
        # He may be gone, and somebody else may have found it before.
        return await self._first([name for name in self.near() if name != holder], question)

    async def _first(self, names: Sequence[str], question: FindAnswer | FindPart) -> Found | None:
        """The first answer of those that are asked at once."""
        found: list[Found] = []

        async def ask(name: str) -> None:
            reply = await self._ask(name, question)
            if isinstance(reply, Found):
                found.append(reply)
                nursery.cancel_scope.cancel(reason="it was found")

        async with trio.open_nursery() as nursery:
            for name in self._not_silent(names):
                nursery.start_soon(ask, name)
        return found[0] if found else None

    async def gather(self, question: Question) -> Sequence[Reply]:
        """What everybody says who replies in time."""
        replies: list[Reply] = []

        async def ask(name: str) -> None:
            reply = await self._ask(name, question)
            if reply is not None:
                replies.append(reply)

        async with trio.open_nursery() as nursery:
            for name in self._not_silent(self.near()):
                nursery.start_soon(ask, name)
        return replies

    def _not_silent(self, names: Sequence[str]) -> Sequence[str]:
        now = trio.current_time()
        return [name for name in names if self._silent.get(name, 0.0) <= now]

    async def tell(self, news: Question) -> bool:
        """Tell everybody something; whether all who live have heard it."""
        deaf: list[str] = []

        async def tell(name: str) -> None:
            if await self._ask(name, news) is None and name in self.near():
                deaf.append(name)

        async with trio.open_nursery() as nursery:
            for name in self.near():
                nursery.start_soon(tell, name)
        return not deaf

    async def _ask(self, name: str, question: Question) -> Reply | None:
        """One neighbour's reply; `None` if he is gone, or silent."""
        with trio.move_on_after(WITHIN_S):
            async with self._asking:
                try:
                    reply = await self._exchange(name, question)
                except (OSError, trio.BrokenResourceError, msgspec.MsgspecError, UnicodeError, _Unreadable):
                    return None
            self._silent.pop(name)
            return reply
        self._silent[name] = trio.current_time() + _LEFT_ALONE_S
        log.warning("neighbour_is_silent", effect=f"what it remembers is not found for {_LEFT_ALONE_S:g} s")
        return None

    async def _exchange(self, name: str, question: Question) -> Reply | None:
        path = (self.folder or Path()) / f"{name}.sock"
        try:
            stream = await trio.open_unix_socket(path)
        except ConnectionRefusedError:
            # Nobody listens: he has died without a goodbye.
            path.unlink(missing_ok=True)
            return None
        async with stream:
            if not _is_own_users(stream.socket):
                return None
            await stream.send_all(_framed(question))
            return _replies.decode(await _frame(stream, self.most_bytes + _FRAME_BYTES))

    # -- being asked -------------------------------------------------------------

    async def serve(
        self,
        answer: Callable[[Question], Awaitable[Reply]],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Listen, and answer neighbours until this is cancelled; without a folder there is nothing to do."""
        folder = self.folder
        if folder is None:
            task_status.started()
            return
        path = folder / f"{self.name}.sock"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_private(folder):
                raise PermissionError("it is somebody else's")
            await self._remove_dead(folder)
            listener = await _listen(path)
        except OSError as error:
            log.warning(
                "answers_not_shared",
                reason=(error.strerror or str(error)).lower(),
                effect="an answer is found by the worker alone that gave it",
            )
            self.folder = None
            task_status.started()
            return

        async def handle(stream: trio.SocketStream) -> None:
            await _answer(stream, answer)

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.serve_listeners, handle, [listener])
                task_status.started()
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    async def _remove_dead(self, folder: Path) -> None:
        for name in self._sockets(folder):
            path = folder / f"{name}.sock"
            try:
                with trio.move_on_after(WITHIN_S):
                    await (await trio.open_unix_socket(path)).aclose()
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)
            except OSError:
                continue

    def _sockets(self, folder: Path) -> list[str]:
        try:
            names = sorted(path.name for path in folder.iterdir())
        except OSError:
            return []
        found = (match[1] for name in names if (match := _SOCKET.fullmatch(name)))
        return [name for name in found if name != self.name]


async def _listen(path: Path) -> trio.SocketListener:
    """Listen at `path`, which is there only when somebody does: who finds a socket that nobody listens on removes it."""
    sock = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    early = path.with_name(f".{path.stem}")
    try:
        await sock.bind(os.fspath(early))
        early.chmod(0o600)
        sock.listen(_BACKLOG)
        early.rename(path)
    except BaseException:
        sock.close()
        with suppress(OSError):
            early.unlink(missing_ok=True)
        raise
    return trio.SocketListener(sock)


async def _answer(stream: trio.SocketStream, answer: Callable[[Question], Awaitable[Reply]]) -> None:
    """One question, one reply; who says something else, or nothing, is left."""
    with (
        trio.move_on_after(2 * WITHIN_S),
        suppress(
            OSError,
            trio.BrokenResourceError,
            trio.ClosedResourceError,
            msgspec.MsgspecError,
            UnicodeError,
            _Unreadable,
        ),
    ):
        async with stream:
            if _is_own_users(stream.socket):
                question = _questions.decode(await _frame(stream, _QUESTION_BYTES))
                await stream.send_all(_framed(await answer(question)))


def _framed(said: Question | Reply) -> bytes:
    body = msgspec.msgpack.encode(said)
    return _LENGTH.pack(len(body)) + body


async def _frame(stream: trio.SocketStream, most_bytes: int) -> bytearray:
    """
    One frame's body.

    Raises:
        _Unreadable: it is longer than `most_bytes`, or breaks off.
    """
    head = await _exactly(stream, _LENGTH.size)
    (size,) = _LENGTH.unpack(head)
    if size > most_bytes:
        raise _Unreadable
    return await _exactly(stream, size)


async def _exactly(stream: trio.SocketStream, size: int) -> bytearray:
    read = bytearray()
    while len(read) < size:
        piece = await stream.receive_some(min(_READ_BYTES, size - len(read)))
        if not piece:
            raise _Unreadable
        read += piece
    return read
