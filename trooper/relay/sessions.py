"""
What clients ask of their sessions: `/sessions`, `/sitrep/ID`, `/recovery/ID`.

A session is there for the credentials that own it and for nobody else: to all
others it is as if there were none of that name. A browser shows none of it as a
page, nothing is kept by caches, and each answer is bounded.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, cast
from urllib.parse import parse_qsl

import msgspec
import trio
from attrs import frozen

from trooper.aside.work import Job, Lost
from trooper.core.conversation import Role
from trooper.core.local_model import LocalModel
from trooper.core.outcome import Answer
from trooper.core.recovery import Appended, Recovery
from trooper.errors import RequestRejected
from trooper.relay import session_words as words
from trooper.relay.request import ClientRequest
from trooper.relay.session import forget, last_told
from trooper.services import Services
from trooper.store import Session
from trooper.store.last_turns import LastTurn
from trooper.store.records import TURNS_OF_SESSION
from trooper.store.store import Place
from trooper.targets.sitrep import Sitrep, recovered_from, sitrep

_HEADERS: Final = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)
_PATH: Final = re.compile(r"/(?P<what>sessions|sitrep|recovery)(?:/(?P<id>[^/]+)(?:/(?P<below>append))?)?")
_ID: Final = re.compile(r"[0-9a-f]{32}")
_NEXT: Final = re.compile(r"([0-9]{1,12}\.[0-9]{1,9})-([0-9a-f]{32})")

#: Sessions and turns on a page: as many as were asked for, and where nobody said.
_MOST_SESSIONS: Final = 1_000
_SESSIONS: Final = 100
_TURNS: Final = 50
#: A page is ended by its size, too.
_PAGE_BYTES: Final = 4 << 20
#: So many are made into words before others have their turn.
_STEP: Final = 250

#: What may be put beside a session, in one request and in all.
_MOST_MESSAGES: Final = 100
_MOST_APPENDED: Final = 500
_MOST_APPENDED_CHARS: Final = 1 << 18
_MOST_BODY_BYTES: Final = 1 << 20
_ROLES: Final = {role.value: role.value for role in Role} | {"developer": "system"}

#: Up to so many bytes a conversation is looked through where others wait; a larger one aside, in so many seconds.
_AT_ONCE_BYTES: Final = 1 << 16
_ASIDE_S: Final = 30.0


@frozen
class Asked:
    """What is asked: `what` is the first word of the path, `below` the word behind the id."""

    method: str
    what: str
    session_id: str
    below: str

    @property
    def methods(self) -> tuple[str, ...]:
        """What can be done there."""
        if self.below:
            return ("POST",)
        return ("GET", "DELETE") if self.what == "sessions" and self.session_id else ("GET",)


def asked(method: str, path: str) -> Asked | None:
    """What a request wants to know of sessions; `None` where it is about something else."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    what, session_id, below = match["what"], match["id"] or "", match["below"] or ""
    if (not session_id or below) and what != "sessions":
        return None
    return Asked(method, what, session_id, below)


async def reply(services: Services, request: ClientRequest, wanted: Asked) -> Answer:
    """
    The answer to a question about sessions.

    Raises:
        RequestRejected: it cannot be answered.
    """
    if wanted.method not in wanted.methods:
        allowed = ", ".join(wanted.methods)
        raise RequestRejected(
            405,
            "method_not_allowed",
            f"{wanted.method} is not known here; {allowed} is.",
            ((b"allow", allowed.encode()),),
        )
    query = dict(parse_qsl(request.query.decode("latin-1"), max_num_fields=None))
    if not wanted.session_id:
        async with _turn(services, request):
            return await _list(services, request, query)
    session = await _owned(services, request, wanted.session_id)
    match (wanted.what, wanted.method, wanted.below):
        case ("sessions", "POST", _):
            return await _append(services, request, session)
        case ("sessions", "DELETE", _):
            return await _delete(services, session)
        case ("sessions", _, _):
            async with _turn(services, request):
                return await _show(services, session, query)
        case ("sitrep", _, _):
            return await _sitrep(services, request, session)
        case _:
            return await _recovery(services, request, session)


async def _owned(services: Services, request: ClientRequest, session_id: str) -> Session:
    """The session, if it is the client's; everybody else hears that there is none."""
    session = None
    if _ID.fullmatch(session_id):
        session = await _owned_by(services, request.owner, session_id)
        if session is None:
            # Another process may have put it a moment ago.
            await services.shared_turns.settle()
            session = await _owned_by(services, request.owner, session_id)
    if session is None:
        raise RequestRejected(
            404,
            "session_not_found",
            "There is no such session of yours. GET /sessions lists those of the credential that asks;"
            f" one is kept for {words.lasting(services.config.store.keep_s)} after its last use.",
        )
    return session


async def _owned_by(services: Services, owner: str, session_id: str) -> Session | None:
    session = await services.store.find_session(session_id)
    return session if session is not None and owner in session.owners else None


@asynccontextmanager
async def _turn(services: Services, request: ClientRequest) -> AsyncIterator[None]:
    """The client's turn to be told a list: what is long for the disk, and for the loop."""
    if not await services.lists.take(request.owner):
        raise RequestRejected(
            429,
            "too_many_lists",
            "Too many lists are asked for already. Wait for the answers, then ask for the next page.",
            ((b"retry-after", b"1"),),
        )
    try:
        yield
    finally:
        services.lists.leave(request.owner)


async def _list(services: Services, request: ClientRequest, query: Mapping[str, str]) -> Answer:
    limit, after = _limit(query, _SESSIONS, _MOST_SESSIONS), query.get("after", "")
    place = _place(after) if after else None
    sessions = await services.store.list_sessions(request.owner, most=limit + 1, after=place)
    told: list[bytes] = []
    for number, session in enumerate(sessions[:limit]):
        told.append(msgspec.json.encode(words.of_session(session)))
        if number % _STEP == _STEP - 1:
            await trio.lowlevel.checkpoint()
    last = sessions[limit - 1] if len(sessions) > limit else None
    return _page({}, b"sessions", told, {"next": None if last is None else f"{last.used_at!r}-{last.id}"})


def _place(said: str) -> Place:
    """Where a page has ended, as its `next` says it."""
    match = _NEXT.fullmatch(said)
    if match is None:
        raise _bad("after", "it has to be what `next` of a page says; begin anew without it")
    return Place(float(match[1]), match[2])


async def _show(services: Services, session: Session, query: Mapping[str, str]) -> Answer:
    limit, before = _limit(query, _TURNS, TURNS_OF_SESSION), query.get("before", "")
    turns = await services.store.list_turns(session.id)
    if before:
        at = next((number for number, turn in enumerate(turns) if turn.id == before), None)
        if at is None:
            raise _bad("before", "it names no turn of this session; begin anew without it")
        turns = turns[:at]
    told: list[bytes] = []
    size_bytes = 0
    for turn in reversed(turns[-limit:]):
        one = msgspec.json.encode(words.of_turn(turn))
        if told and size_bytes + len(one) > _PAGE_BYTES:
            break
        told.insert(0, one)
        size_bytes += len(one)
    more = turns[-len(told)].id if len(turns) > len(told) else None
    appended = len(await services.shared_turns.find_appended(session.id))
    about = {"session": words.of_session(session), "appended": appended}
    return _page(about, b"turns", told, {"earlier": more})


async def _delete(services: Services, session: Session) -> Answer:
    if not await forget(services, session):
        raise RequestRejected(
            503,
            "not_deleted",
            "One of Trooper's workers has not said that it has deleted this session. Try again.",
        )
    return _told({"id": session.id, "deleted": True})


async def _sitrep(services: Services, request: ClientRequest, session: Session) -> Answer:
    turn, appended = await _last(services, session)
    target, model = _local_model(services, request, turn)
    more = (*_reader(services, turn), turn.said, appended, model)
    came = await _looked_through(
        services, request, turn, Job(sitrep, turn.request, more, cast("Any", Sitrep | None), _ASIDE_S)
    )
    return _told({"session": session.id, **words.of_sitrep(came, target, model)})


async def _recovery(services: Services, request: ClientRequest, session: Session) -> Answer:
    turn, appended = await _last(services, session)
    more = (*_reader(services, turn), turn.said)
    job = Job(recovered_from, turn.request, more, cast("Any", Recovery | None), _ASIDE_S)
    came = await _looked_through(services, request, turn, job)
    return _told({"session": session.id, **words.of_recovery(came, turn, appended)})


async def _last(services: Services, session: Session) -> tuple[LastTurn, tuple[Appended, ...]]:
    """The last turn, and what was put beside the session."""
    told = await last_told(services, session)
    if told.turn is None:
        raise RequestRejected(
            409,
            "session_content_gone",
            "The session is known, and what was said in it is not: that is in the memory of the process that had"
            " it, unless it may be on disk.",
        )
    return told.turn, told.appended


async def _looked_through(services: Services, request: ClientRequest, turn: LastTurn, job: Job[Any]) -> Any:
    if len(turn.request) <= _AT_ONCE_BYTES:
        came = job.function(job.body, *msgspec.to_builtins(job.more))
    else:
        came = await services.aside.ask(job, request.owner)
    if came is None or isinstance(came, Lost):
        raise RequestRejected(
            422,
            "session_unreadable",
            "What was asked last in this session cannot be read by anybody but its provider.",
        )
    return came


def _reader(services: Services, turn: LastTurn) -> tuple[str, str]:
    """Where the reader of the turn's wire is, and its name."""
    side = next(row.client for row in services.wires.rows if row.wire.name == turn.wire and row.client)
    return side.read_conversation.__module__, side.read_conversation.__name__


def _local_model(services: Services, request: ClientRequest, turn: LastTurn) -> tuple[str, LocalModel | None]:
    """The local model that would go on, as it is known now, and its target."""
    wire = next(row.wire for row in services.wires.rows if row.wire.name == turn.wire)
    for link in services.chain(turn.model, wire):
        standby = services.standbys.get(link.target.name)
        if standby is not None:
            has_reports = services.config.server.report != "none"
            return link.target.name, standby.known(link.model) if has_reports else None
    return "", None


async def _append(services: Services, request: ClientRequest, session: Session) -> Answer:
    before = await services.shared_turns.find_appended(session.id)
    messages = _messages(request.body, services.now())
    chars = sum(len(one.text) for one in (*before, *messages))
    if len(before) + len(messages) > _MOST_APPENDED or chars > _MOST_APPENDED_CHARS:
        raise RequestRejected(
            413,
            "too_much_appended",
            f"Beside a session there is room for {_MOST_APPENDED} messages of {_MOST_APPENDED_CHARS:,} characters in"
            f" all; {len(before)} are there.",
        )
    heard = await services.shared_turns.append(session.id, request.owner, messages)
    now = services.now()
    services.store.put_session(Session(session.id, (request.owner,), session.key_kind, session.began_at, now))
    told = {"session": session.id, "appended": len(before) + len(messages), "heard_by_all": heard}
    return _told(told)


def _messages(body: bytes, at: float) -> tuple[Appended, ...]:
    shape = 'Send {"messages": [{"role": "user", "content": "…"}]}.'
    if len(body) > _MOST_BODY_BYTES:
        raise RequestRejected(
            413, "too_much_appended", f"At most {_MOST_BODY_BYTES:,} bytes are taken at once."
        )
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise RequestRejected(400, "body_not_json", f"The body is not JSON. {shape}") from None
    messages = told.get("messages") if isinstance(told, dict) else None
    if not isinstance(messages, list) or not messages:
        raise _bad("messages", f"it has to be a list of at least one message. {shape}")
    if len(messages) > _MOST_MESSAGES:
        raise _bad("messages", f"at most {_MOST_MESSAGES} are taken at once")
    return tuple(_message(number, one, at) for number, one in enumerate(messages))


def _message(number: int, told: object, at: float) -> Appended:
    if not isinstance(told, dict):
        raise _bad(f"messages[{number}]", "it has to be an object with `role` and `content`")
    role, content = told.get("role"), told.get("content")
    if not isinstance(role, str) or role not in _ROLES:
        raise _bad(f"messages[{number}].role", f"it has to be one of {', '.join(_ROLES)}")
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else None for part in content]
        content = "\n".join(parts) if all(isinstance(part, str) for part in parts) else None  # type: ignore[arg-type]
    if not isinstance(content, str) or not content.strip():
        raise _bad(
            f"messages[{number}].content", "it has to be a text, or a list of parts with a `text` each"
        )
    return Appended(_ROLES[role], content, at)


def _limit(query: Mapping[str, str], usual: int, most: int) -> int:
    said = query.get("limit", str(usual))
    if not (said.isascii() and said.isdigit() and len(said) < 8 and 1 <= int(said) <= most):
        raise _bad("limit", f"it has to be a number from 1 to {most:,}")
    return int(said)


def _bad(what: str, problem: str) -> RequestRejected:
    return RequestRejected(400, "invalid_value", f"`{what}`: {problem}")


def _told(value: Mapping[str, object]) -> Answer:
    return Answer(200, _HEADERS, msgspec.json.encode(value) + b"\n")


def _page(
    before: Mapping[str, object], name: bytes, items: Sequence[bytes], behind: Mapping[str, object]
) -> Answer:
    """A list, its items said already, between what is known about it."""
    fields = [b'"%s":[%s]' % (name, b",".join(items))]
    fields = [*_fields(before), *fields, *_fields(behind)]
    return Answer(200, _HEADERS, b"{%s}\n" % b",".join(fields))


def _fields(told: Mapping[str, object]) -> Sequence[bytes]:
    return [msgspec.json.encode(told)[1:-1]] if told else []
