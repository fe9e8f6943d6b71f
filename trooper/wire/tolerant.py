"""
What can be read of answers that are not quite as their wire's document has them.

Providers send numbers for texts, lists of parts for a text, null for what is
missing, two events in one frame, raw control characters in strings. The
client gets all that as it came; here it is only read, as far as that goes.
Used behind a typed decoder that did not take an event: the slow road.

A field of another type costs what it would have said, and nothing else.
"""

from __future__ import annotations

import functools
import json
import re
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

import msgspec
from attrs import frozen

from trooper.core.events import Event, Other, Reasoning, Refusal, Text
from trooper.core.framing import parse_sse
from trooper.core.json_text import NOT_JSON, whole_number
from trooper.wire.weight import is_intricate

S = TypeVar("S", bound=msgspec.Struct)

#: The terminator of the chat wire, which imitations of the others send, too.
DONE: Final = b"[DONE]"

#: What thinking is called, by whom it may be said twice: the first that says something counts.
REASONING_KEYS: Final = (
    "reasoning_content",
    "reasoning",
    "reasoning_text",
    "thinking",
    "thought",
    "thoughts",
    "thinking_content",
    "thinking_text",
    "cot_summary",
    "reasoning_summary",
    "reasoning_details",
    "thinking_blocks",
)
#: Where the words of a part are.
_TEXT_KEYS: Final = ("text", "thinking", "reasoning", "content", "summary", "thought")
#: How deep nothing may be wrapped to be seen as nothing.
_MAX_DEPTH: Final = 8


@frozen
class Read:
    """
    A value that was read leniently.

    `is_lossy`: characters of it are lost to us, not to the client. They are
    replaced in `value`, and nobody can go on from it.
    """

    value: object
    is_lossy: bool = False


def read_leniently(data: bytes) -> Read | None:
    """
    The JSON value that `data` is, if a lenient client could read it.

    Takes NaN, raw control characters in strings, halves of a surrogate pair,
    bytes that are not UTF-8, and numbers without end.
    """
    try:
        return Read(msgspec.json.decode(data))
    except NOT_JSON:
        pass
    try:
        text, is_lossy = data.decode(), False
    except UnicodeDecodeError:
        text, is_lossy = data.decode("utf-8", "replace"), True
    try:
        endless: list[float] = []
        value = json.loads(text, strict=False, parse_int=functools.partial(_number, endless))
        is_lossy = is_lossy or bool(endless)
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            # Half a pair, whose other half may be in the next event.
            whole = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
            value, is_lossy = json.loads(whole), True
    except (ValueError, RecursionError):
        return None
    return Read(value, is_lossy)


def _number(endless: list[float], digits: str) -> int | float:
    number = whole_number(digits)
    if isinstance(number, float):
        endless.append(number)
    return number


def texts_in(data: bytes) -> Sequence[bytes]:
    """The data of one event; one by one, where it is those of several between which the empty line is missing."""
    if not data.strip():
        return ()
    if b"\n" not in data or read_leniently(data) is not None:
        return (data,)
    lines = [line for line in data.split(b"\n") if line.strip()]
    readable = (line.strip() == DONE or read_leniently(line) is not None for line in lines)
    return lines if any(readable) else (data,)


def objects_in(raw: bytes) -> Sequence[Mapping[str, object]]:
    """
    The JSON objects that one event holds: one, if it is framed as it should be, and
    none, if it is intricate. Some say their type in its name.
    """
    if is_intricate(raw):
        return ()
    sse = parse_sse(raw)
    read = map(read_leniently, texts_in(sse.data or b""))
    named = {"type": sse.name} if sse.name else {}
    return [{**named, **one.value} for one in read if one is not None and isinstance(one.value, dict)]


def is_nothing(value: object, _depth: int = 0) -> bool:
    """Whether `value` says nothing: null, false, zero, empty, or made of such alone."""
    match value:
        case None | False | 0 | "":
            return True
        case dict():
            return _depth < _MAX_DEPTH and all(is_nothing(item, _depth + 1) for item in value.values())
        case list():
            return _depth < _MAX_DEPTH and all(is_nothing(item, _depth + 1) for item in value)
        case _:
            return False


def text_of(value: object) -> str:
    """The text that `value` is: a number is one, too; for everything else there is none."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return json.dumps(value)
    return ""


def words_of(value: object, _depth: int = 0) -> str:
    """All words in `value`: a text, or the texts of parts, however deep."""
    if _depth > _MAX_DEPTH:
        return ""
    if isinstance(value, list):
        return "".join(words_of(item, _depth + 1) for item in value)
    if isinstance(value, dict):
        return next((said for key in _TEXT_KEYS if (said := words_of(value.get(key), _depth + 1))), "")
    return text_of(value)


def reasoning_of(said: Mapping[str, object]) -> str:
    """The thinking in a delta or a message, under whichever of its names."""
    told = (said[key] for key in REASONING_KEYS if not is_nothing(said.get(key)))
    return next((words for value in told if (words := words_of(value))), "")


def words_in(message: Mapping[str, object]) -> list[Event]:
    """
    What a message, or a delta of one, says in words: its thinking, its content, its refusal.

    A thought that stands under two names is one.
    """
    thinking, content = reasoning_of(message), content_of(message.get("content"))
    if thinking and "".join(event.text for event in content if isinstance(event, Reasoning)) == thinking:
        content = [event for event in content if not isinstance(event, Reasoning)]
    said = message.get("refusal")
    refusal = "" if is_nothing(said) else words_of(said)
    return [
        *([Reasoning(thinking)] if thinking else ()),
        *content,
        *([Refusal(refusal)] if refusal else ()),
    ]


def content_of(content: object) -> list[Event]:
    """What a content says: a text, a part, or a list of both."""
    if isinstance(content, list):
        return [event for part in content for event in content_of(part)]
    if isinstance(content, dict):
        return _part(content)
    text = text_of(content)
    return [Text(text)] if text else []


def _part(part: Mapping[str, object]) -> list[Event]:
    kind = text_of(part.get("type"))
    if "think" in kind or "reason" in kind or "thought" in kind:
        words = words_of(part) or reasoning_of(part)
        return [Reasoning(words)] if words else []
    if kind == "refusal":
        words = text_of(part.get("refusal"))
        return [Refusal(words)] if words else []
    if kind in ("", "text", "output_text", "text_delta"):
        words = text_of(part.get("text"))
        rest = {key: value for key, value in part.items() if key not in _BESIDE_TEXT}
        unknown: list[Event] = [] if is_nothing(rest) else [Other(continuable=False)]
        return [*([Text(words)] if words else []), *unknown]
    rest = {key: value for key, value in part.items() if key != "type"}
    return [] if is_nothing(rest) else [Other(continuable=False)]


#: What stands beside the text of a part and says nothing that another model would have to know.
_BESIDE_TEXT: Final = frozenset({"type", "text", "id", "index", "annotations", "citations", "logprobs"})


_LAST_WORD: Final = re.compile(r"[A-Za-z][a-z]*\Z")
#: Names, by their last word, of what only belongs to an answer: where it comes from, what else is known of it.
_NAMES_BESIDE: Final = frozenset({"annotations", "citations", "references", "metadata"})
#: The same where it is one word: a seal, how far the answer is.
_WORDS_BESIDE: Final = frozenset({"signature", "opaque", "status", "state"})
#: The same where it is a number: a token's, a place, a count.
_NUMBERS_BESIDE: Final = frozenset(
    {
        *("id", "index", "position", "step", "count", "tokens", "seed", "logprob", "score"),
        *("ms", "time", "ts", "timestamp", "at"),
    }
)
#: The same where it is a list of numbers.
_LISTS_BESIDE: Final = frozenset({"ids", "tokens"})


def unknown_in(value: Mapping[str, object], known: Iterable[str]) -> bool:
    """Whether `value` has something beside `known` that may be a piece of the answer."""
    return any(_may_say(key, item) for key, item in value.items() if key not in known)


def _may_say(name: str, value: object, _depth: int = 0) -> bool:
    found = _LAST_WORD.search(name)
    last_word = found[0].lower() if found else ""
    if is_nothing(value):
        return False
    if last_word in _NAMES_BESIDE:
        # Words are words, also where they are called metadata.
        return last_word == "metadata" and isinstance(value, dict | list) and bool(words_of(value))
    match value:
        case dict() if _depth < _MAX_DEPTH:
            return any(_may_say(key, item, _depth + 1) for key, item in value.items())
        case list():
            return not (last_word in _LISTS_BESIDE and all(map(_is_number, value)))
        case _ if _is_number(value):
            return last_word not in _NUMBERS_BESIDE | _WORDS_BESIDE
        case str():
            return last_word not in _WORDS_BESIDE
        case _:
            return True


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def without_repeats(said: Mapping[str, object]) -> Mapping[str, object]:
    """A message, or a delta of one, without what only repeats its content or its thinking under other names."""
    words = {text for text in (words_of(said.get("content")), reasoning_of(said)) if text}
    return {
        key: value for key, value in said.items() if words_of(value) not in words or not _is_only_words(value)
    }


def _is_only_words(value: object, _depth: int = 0) -> bool:
    """Whether there is nothing in `value` beside what `words_of` finds in it."""
    if isinstance(value, list):
        return _depth < _MAX_DEPTH and all(_is_only_words(item, _depth + 1) for item in value)
    if not isinstance(value, dict):
        return isinstance(value, str)
    said = next((key for key in _TEXT_KEYS if words_of(value.get(key))), "")
    rest = {key: item for key, item in value.items() if key != said and key not in _BESIDE_TEXT}
    return is_nothing(rest) and _depth < _MAX_DEPTH and _is_only_words(value.get(said), _depth + 1)


def fitted(value: Mapping[str, object], struct: type[S]) -> S:
    """`value` as a `struct` of which every field has a default; what does not fit is left out."""
    kept: dict[str, object] = {}
    for name, kinds in _kinds(struct):
        raw = value.get(name)
        if raw is None:
            continue
        found = _fit(raw, kinds)
        if found is not None:
            kept[name] = found
    return struct(**kept)


@functools.cache
def _kinds(struct: type[msgspec.Struct]) -> Sequence[tuple[str, tuple[object, ...]]]:
    """The fields of `struct`, each with the types that it may have."""
    hints = typing.get_type_hints(struct).items()
    return [(name, typing.get_args(h) if isinstance(h, types.UnionType) else (h,)) for name, h in hints]


def _fit(raw: object, kinds: tuple[object, ...]) -> object:
    """`raw` as one of `kinds`, or `None`."""
    for kind in kinds:
        if kind is str and (isinstance(raw, str) or text_of(raw)):
            return text_of(raw)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            if isinstance(raw, dict):
                return fitted(raw, kind)
        elif typing.get_origin(kind) is list and isinstance(raw, list):
            items = typing.get_args(kind)
            return [found for one in raw if (found := _fit(one, items)) is not None]
        elif kind in (int, float) and not isinstance(raw, bool):
            try:
                return msgspec.convert(raw, kind, strict=False)
            except msgspec.ValidationError:
                pass
    return None
