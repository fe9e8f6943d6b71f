"""
Which conversation a request belongs to, by what its client says of it.

The first of these that says something is the key: the header `X-Session-ID`,
the body's `prompt_cache_key`, its `metadata.user_id`, the headers that Codex
and Claude Code name their sessions in; else the beginning of the conversation,
its system prompt and the user's first turn.

What holds
----------
* A session is called by a keyed digest, and never by its key: who has seen the
  name of a session, in a header or a list, cannot make a request that joins it.
* A key that nobody can guess and nobody shares is like a password for its
  session: whoever has it, and a credential that a provider has just taken, is
  in. So a client whose token rotates stays in its session. Where this Trooper
  has keys to its own door, one more thing is asked: the same key to the door.
* Such a key is the UUID that Codex or Claude Code has drawn for a run (version
  4 or 7), as it stands in its header, or in the user id of Claude Code, and
  nothing else is. In their sources it is seen where it comes from; of no other key it is known.
* All others name a session only together with the credential, and so does a
  beginning; who forges one is in a session of his own. A digest of the system
  prompt looks like chance, is the same for everybody of one program, and is
  what a `prompt_cache_key` is for. It counts by itself only where it is a
  UUID beside the header of an agent, as Codex sends its thread; an `X-Session-ID`, which anybody makes, never.

Work is bounded: of the beginning some texts are looked at, and only so much of each.
"""

from __future__ import annotations

import enum
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from attrs import field, frozen

from trooper.core import digest
from trooper.core.headers import Headers, find

#: What Trooper's first version read. `core.secret.OF_CONVERSATIONS` has all of these names.
OWN_HEADER: Final = b"x-session-id"
#: Of Codex (0.169), of older ones, of Claude Code (2.1.197); the same in all requests of a run.
AGENT_HEADERS: Final = (b"session-id", b"session_id", b"x-claude-code-session-id")

#: A longer key is cut: nobody's has as many characters.
_MOST_CHARS: Final = 1_024
#: Versions 4 and 7 are drawn by chance; all others can be reckoned from a time, an address or a name.
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
#: Chance gives a UUID some 13 different digits; with fewer it is one that somebody has typed.
_LEAST_DIFFERENT: Final = 8

#: `user_<digest>_account_<id>_session_<id>`, as Claude Code wrote it until 2.1.7x.
_JOINED: Final = re.compile(r"user_.*_session_([0-9A-Za-z-]{1,128})")

#: How much of a list of turns is looked at for the first of them: more where that did not do.
_LOOKS_BYTES: Final = (1 << 14, 1 << 17, 1 << 20)
#: A text with more commas may be a hundred thousand values, and is not read.
_MOST_COMMAS: Final = 20_000
#: Of one text so much of either end tells it from others, and its length.
_END_CHARS: Final = 1 << 13
#: In front of the first user's turn stand at most so many.
_MOST_TURNS: Final = 32
_SYSTEM: Final = ("system", "developer")
_BETWEEN: Final = re.compile(r"[ \t\r\n,]*+")
_decoder: Final = json.JSONDecoder(parse_int=str, parse_float=str)


class KeyKind(enum.Enum):
    """What tells a session from others."""

    HEADER = "x-session-id"
    CACHE_KEY = "prompt_cache_key"
    USER_ID = "metadata.user_id"
    AGENT = "agent"
    #: The beginning of the conversation.
    BEGINNING = "beginning"


@frozen
class Marks:
    """
    What of a request's body may tell its conversation from others; JSON as it came, where it is bytes.

    Attributes:
        cache_key, user_id: texts; empty where there are none.
        system: the system prompt, where it has a field of its own.
        turns: the list of messages, or the one text that stands for it.
        has_tools: whether tools are offered.
        may_be_stored: unless the client said `store: false`.
    """

    cache_key: str = ""
    user_id: str = ""
    system: bytes | memoryview = field(default=b"", repr=False)
    turns: bytes | memoryview = field(default=b"", repr=False)
    has_tools: bool = False
    may_be_stored: bool = True


@frozen
class SessionKey:
    """
    What a session is told apart by.

    `is_unguessable`: it names the session by itself; else only together with the credential.
    """

    kind: KeyKind
    value: bytes = field(repr=False)
    is_unguessable: bool = False

    def shared_id(self, key: bytes, door: str) -> str:
        """
        What everybody's session of this key is called; only of an unguessable one.

        Args:
            key: what only this Trooper knows.
            door: which key to this Trooper's own door was shown, by a digest; empty where it has none.
        """
        return digest.owner(key, (b"shared session", door.encode(), self.value))

    def own_id(self, key: bytes, credential: str) -> str:
        """What the session of one credential is called."""
        return digest.owner(key, (b"own session", self.kind.value.encode(), credential.encode(), self.value))


def key_of(headers: Headers, marks: Marks) -> SessionKey:
    """The key of a request's session: what the client says, or how the conversation begins."""
    agents = next(filter(None, (_said(find(headers, name)) for name in AGENT_HEADERS)), "")
    if said := _said(find(headers, OWN_HEADER)):
        return SessionKey(KeyKind.HEADER, _cut(said))
    if said := marks.cache_key.strip():
        return SessionKey(KeyKind.CACHE_KEY, _cut(said), is_drawn(said) and is_drawn(agents))
    if marks.user_id.strip():
        if said := _session_in(marks.user_id).strip():
            return SessionKey(KeyKind.USER_ID, _cut(said), is_drawn(said))
        # It says who the end user is: no secret, whatever it looks like.
        return SessionKey(KeyKind.USER_ID, _cut(marks.user_id))
    if agents:
        return SessionKey(KeyKind.AGENT, _cut(agents), is_drawn(agents))
    return SessionKey(KeyKind.BEGINNING, _beginning(marks))


def is_drawn(said: str) -> bool:
    """Whether a key is a UUID that was drawn by chance, by its form; one that only holds such a one is not."""
    return _UUID.fullmatch(said.lower()) is not None and len(set(said.lower())) > _LEAST_DIFFERENT


def _said(value: bytes) -> str:
    return value.decode("latin-1").strip()


def _cut(said: str) -> bytes:
    return said[:_MOST_CHARS].encode("utf-8", "surrogatepass")


def _session_in(user_id: str) -> str:
    """The session in what Claude Code calls its user: JSON, or names that are joined."""
    if len(user_id) > _MOST_CHARS:
        return ""
    if user_id.lstrip().startswith("{"):
        try:
            told = _decoder.decode(user_id)
        except (ValueError, RecursionError):
            return ""
        session = told.get("session_id") if isinstance(told, dict) else None
        return session if isinstance(session, str) else ""
    joined = _JOINED.fullmatch(user_id)
    return joined[1] if joined else ""


def _beginning(marks: Marks) -> bytes:
    """A digest of the system prompt and the user's first turn: of their texts, since marks beside these move."""
    told = hashlib.blake2b(digest_size=32)
    for who, text in _first_texts(marks):
        ends = text if len(text) <= 2 * _END_CHARS else text[:_END_CHARS] + text[-_END_CHARS:]
        said = ends.encode("utf-8", "surrogatepass")
        told.update(b"%s %d %d " % (who, len(text), len(said)) + said)
    return told.digest()


def _first_texts(marks: Marks) -> Iterator[tuple[bytes, str]]:
    for value in _values(marks.system, 1):
        yield b"system", _text(value)
    for number, turn in enumerate(_turns(marks.turns)):
        if isinstance(turn, str):
            yield b"user", turn
            return
        if not isinstance(turn, Mapping) or number == _MOST_TURNS:
            return
        role = turn.get("role")
        if role in _SYSTEM:
            yield b"system", _text(turn.get("content"))
        elif role == "user":
            yield b"user", _text(turn.get("content"))
            return


def _turns(raw: bytes | memoryview) -> Sequence[object]:
    """The first turns, up to the user's first one; how much has to be read for that, nobody knows before."""
    found: list[object] = []
    for most in _LOOKS_BYTES:
        found = list(_values(raw[:most], _MOST_TURNS, is_list=True))
        if len(raw) <= most or any(_is_users(turn) for turn in found):
            return found
    # None of it can be told from another: by how it stands there.
    return found or [bytes(raw[: _LOOKS_BYTES[0]]).decode("utf-8", "replace")]


def _is_users(turn: object) -> bool:
    return isinstance(turn, str) or (isinstance(turn, Mapping) and turn.get("role") == "user")


def _values(raw: bytes | memoryview, most: int, *, is_list: bool = False) -> Iterator[object]:
    """The value that `raw` is, or the first ones of the list; as far as they are whole."""
    began = bytes(raw[: _LOOKS_BYTES[-1]])
    if not began or began.count(b",") > _MOST_COMMAS:
        return
    text = began.decode("utf-8", "replace").lstrip()
    inside = is_list and text.startswith("[")
    at = 1 if inside else 0
    try:
        for _ in range(most if inside else 1):
            at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]
            if at >= len(text) or text[at] == "]":
                return
            value, at = _decoder.raw_decode(text, at)
            yield value
            if _is_users(value):
                return
    except (ValueError, RecursionError):
        return


def _text(content: object) -> str:
    """The texts of a content: a text, or parts of which some have one."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(
            part if isinstance(part, str) else str(part.get("text") or "")
            for part in content
            if isinstance(part, str | dict)
        )
    return ""
