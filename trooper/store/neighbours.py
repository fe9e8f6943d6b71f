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

import re
import secrets
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import structlog
import trio
from attrs import define, field

from trooper.core.names import Latest
from trooper.store.questions import FindAnswer, FindParts, Found, FoundParts, Question, Reply
from trooper.store.sockets import is_own_users, listen, names_in, path_of

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
#: How often it is looked whether the own socket is still there: folders for a while are cleaned up by others.
_LOOK_S: Final = 60.0
_READ_BYTES: Final = 262_144
_NAME: Final = re.compile(r"[0-9a-f]{16}")
_LENGTH: Final = struct.Struct(">I")


_questions: Final = msgspec.msgpack.Decoder(Question)
_replies: Final = msgspec.msgpack.Decoder(Reply)
T = TypeVar("T")


class _Unreadable(Exception):
    """The other side says something that is no frame of ours."""


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
    #: Who was there by the last look into the folder that came to an end, and which one that was of those begun.
    _seen: Sequence[str] = field(factory=list, init=False)
    _seen_by: int = field(default=0, init=False)
    _looks: int = field(default=0, init=False)
    _one_looks: trio.Lock = field(factory=trio.Lock, init=False)
    _hangs: bool = field(default=False, init=False)
    _looking: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(1), init=False)
    #: Who was silent → until when he is left alone.
    _silent: Latest[str, float] = field(factory=lambda: Latest(_MOST_NEIGHBOURS), init=False)

    # -- asking ------------------------------------------------------------------

    async def near(self) -> Sequence[str]:
        """
        Whose sockets are there.

        The folder is looked into in a thread: its disk may hang, and then those are near who were there before.
        """
        folder, asked = self.folder, self._looks
        if folder is None or (self._hangs and not self._looking.available_tokens):
            # One has waited in vain, and is still at it: nobody else has to.
            return self._seen
        with trio.move_on_after(WITHIN_S) as waiting, suppress(OSError, RuntimeError):
            async with self._one_looks:
                # What was begun since then is as good as a look of one's own.
                if self._seen_by <= asked:
                    self._looks += 1
                    look = self._looks
                    names = await trio.to_thread.run_sync(
                        names_in, folder, abandon_on_cancel=True, limiter=self._looking
                    )
                    self._seen = [name for name in names if name != self.name][:_MOST_NEIGHBOURS]
                    self._seen_by = look
        self._hangs = waiting.cancelled_caught
        return self._seen

    async def find(self, question: FindAnswer, holder: str = "") -> Found | None:
        """
        The answer, from `holder`, or else from whoever has it; `None` if nobody says so in time.

        Args:
            holder: the name that the store knows who has it by. What stands there is not trusted.
        """
        if self.folder is None:
            return None
        if self._is_another(holder):
            found = await self._first([holder], question)
            if found is not None:
                return found
        # He may be gone, and somebody else may have found it before.
        return await self._first([name for name in await self.near() if name != holder], question)

    async def find_parts(self, wanted: Mapping[str, str], owner: str) -> Sequence[Found]:
        """
        The answers that have these parts, each once, as far as anybody says so in time: one question for each neighbour.

        Args:
            wanted: the parts, and for each the name that the store knows who has its answer by, or nothing.
        """
        found: dict[str, Found] = {}
        missing = dict.fromkeys(wanted)

        async def ask(name: str, part_ids: Sequence[str]) -> None:
            is_more = True
            while is_more and (asked := tuple(part_id for part_id in part_ids if part_id in missing)):
                reply = await self._ask(name, FindParts(asked, owner))
                if not isinstance(reply, FoundParts):
                    return
                for answer in reply.answers:
                    found.setdefault(answer.id, answer)
                    for part_id in answer.part_ids:
                        missing.pop(part_id, None)
                # Who says that there is more, and gives nothing, is not asked without end.
                is_more = reply.is_more and not all(part_id in missing for part_id in asked)
            if not missing:
                nursery.cancel_scope.cancel(reason="all are found")

        by_holder: dict[str, list[str]] = {}
        for part_id, holder in wanted.items():
            if self._is_another(holder):
                by_holder.setdefault(holder, []).append(part_id)
        async with trio.open_nursery() as nursery:
            for name in self._not_silent(tuple(by_holder)[:_MOST_NEIGHBOURS]):
                nursery.start_soon(ask, name, by_holder[name])
        if missing:
            # As for one answer.
            near = await self.near()
            async with trio.open_nursery() as nursery:
                for name in self._not_silent(near):
                    nursery.start_soon(ask, name, [part_id for part_id in missing if wanted[part_id] != name])
        return tuple(found.values())

    def _is_another(self, name: str) -> bool:
        """Whether a neighbour may be called so. What the store says is not trusted."""
        return self.folder is not None and name != self.name and _NAME.fullmatch(name) is not None

    async def _first(self, names: Sequence[str], question: FindAnswer) -> Found | None:
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
            for name in self._not_silent(await self.near()):
                nursery.start_soon(ask, name)
        return replies

    def _not_silent(self, names: Sequence[str]) -> Sequence[str]:
        now = trio.current_time()
        return [name for name in names if self._silent.get(name, 0.0) <= now]

    async def tell(self, news: Question) -> bool:
        """Tell everybody something; whether all who live have heard it."""
        if self.folder is None:
            return True
        deaf: list[str] = []

        async def tell(name: str) -> None:
            if await self._ask(name, news) is None:
                deaf.append(name)

        looks = self._looks
        async with trio.open_nursery() as nursery:
            for name in await self.near():
                nursery.start_soon(tell, name)
        # Who has gone meanwhile has forgotten all. Where nobody can look, nobody knows who has not heard it.
        is_known = self._seen_by > looks
        return is_known and (not deaf or not set(deaf) & set(await self.near()))

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
        path = path_of(self.folder or Path(), name)
        try:
            stream = await trio.open_unix_socket(path)
        except ConnectionRefusedError:
            # Nobody listens: he has died without a goodbye.
            await trio.to_thread.run_sync(partial(path.unlink, missing_ok=True), abandon_on_cancel=True)
            return None
        async with stream:
            if not is_own_users(stream.socket):
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
        if self.folder is None:
            task_status.started()
            return
        try:
            listener = await self._listener(self.folder)
        except OSError as error:
            _not_shared(error)
            self.folder = None
            task_status.started()
            return

        async def handle(stream: trio.SocketStream) -> None:
            await _answer(stream, answer)

        path = path_of(self.folder, self.name)
        try:
            async with trio.open_nursery() as nursery:
                task_status.started()
                while True:
                    async with trio.open_nursery() as listening:
                        await listening.start(
                            partial(trio.serve_listeners, handle, [listener], handler_nursery=nursery)
                        )
                        await _is_gone(path)
                        listening.cancel_scope.cancel(reason="nobody finds the socket any more")
                    listener = await self._listen_anew(self.folder)
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    async def _listener(self, folder: Path) -> trio.SocketListener:
        sock = await trio.to_thread.run_sync(listen, folder, self.name)
        for name in await self.near():
            path = path_of(folder, name)
            with trio.move_on_after(WITHIN_S), suppress(OSError):
                try:
                    await (await trio.open_unix_socket(path)).aclose()
                except ConnectionRefusedError:
                    path.unlink(missing_ok=True)
        return trio.SocketListener(trio.socket.from_stdlib_socket(sock))

    async def _listen_anew(self, folder: Path) -> trio.SocketListener:
        is_told = False
        while True:
            try:
                listener = await self._listener(folder)
            except OSError as error:
                if not is_told:
                    _not_shared(error)
                is_told = True
                await trio.sleep(_LOOK_S)
            else:
                log.info(
                    "socket_made_again", effect="its folder was removed; other workers find answers again"
                )
                return listener


async def _is_gone(path: Path) -> None:
    """Wait until there is no such file."""
    while True:
        if not await trio.to_thread.run_sync(path.exists, abandon_on_cancel=True):
            return
        await trio.sleep(_LOOK_S)


def _not_shared(error: OSError) -> None:
    log.warning(
        "answers_not_shared",
        reason=(error.strerror or str(error)).lower(),
        effect="an answer is found by the worker alone that gave it",
    )


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
            if is_own_users(stream.socket):
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
