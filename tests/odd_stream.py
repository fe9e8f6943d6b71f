"""
What an odd stream is: an answer in a shape that no public document has and that some provider sends.

The bytes are ours, written after descriptions; the source says whose shape it is.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from attrs import field, frozen

Pieces: TypeAlias = tuple[bytes, ...]
#: Name and arguments of a tool call.
Called: TypeAlias = tuple[str, str]


class Kind(enum.Enum):
    """Which harm a strict reader would do."""

    ORDER = "order and hold"
    CALLS = "held tool calls"
    EARLY = "ends believed too early"
    ENDS = "ends not recognised"
    BYTES = "bytes dropped"
    UNKNOWN = "unknown taken for content"
    HUGE = "one event over 1 MiB"
    BODY = "what kind of body it is"
    EMPTY = "an empty answer with a reason"


class Mirror(enum.Enum):
    """What of the provider's bytes the client of a healthy stream gets."""

    #: These and no others.
    EXACT = enum.auto()
    #: These, and behind them what is missing of the end.
    BEGINS = enum.auto()
    #: Theirs or ours, as long as they say the same.
    SAYS = enum.auto()


_FINISH = {
    "chat": re.compile(rb'"finish_reason": "[a-z_]+"'),
    "messages": re.compile(rb'"stop_reason": "[a-z_]+"'),
    "responses": re.compile(rb"response\.(completed|incomplete)"),
}


def _finish(row: OddStream) -> int:
    said = _FINISH[row.wire]
    return next((at for at, piece in enumerate(row.pieces) if said.search(piece)), len(row.pieces) - 1)


def _made(pieces: Pieces | Callable[[], Pieces]) -> Pieces | Callable[[], Pieces]:
    return pieces if callable(pieces) else tuple(pieces)


@frozen
class OddStream:
    """
    One answer.

    Attributes:
        wire: "chat", "messages" or "responses".
        source: whose shape it is: a project with the number of an issue or pull request, or a document.
        made: its events, or what makes them where they are large.
        stream: whether the client asked for a stream.
        healthy: whether it is an answer that needs no help.
        reset: whether the connection is reset behind it; else the body ends.
        text, reasoning, calls: what a reader reads.
        opaque: the first event behind which nobody can go on; `None` if somebody always can.
        is_unread: the opaque event is not readable at all, so that it may wait for what follows.
        undecided: the reader may understand the odd event or not; the client gets it in any case.
        finish: the first event with which the answer is known to be whole.
        outcome: the word of the leg; "failed" is any but "completed".
    """

    name: str
    wire: str
    kind: Kind
    source: str
    made: Pieces | Callable[[], Pieces] = field(converter=_made, repr=False)
    content_type: str = "text/event-stream"
    stream: bool = True
    healthy: bool = True
    reset: bool = False
    mirror: Mirror = Mirror.EXACT
    text: str = ""
    reasoning: str = ""
    calls: tuple[Called, ...] = ()
    opaque: int | None = None
    is_unread: bool = False
    undecided: bool = False
    outcome: str = field(kw_only=True)
    _finish_at: int | None = field(default=None, alias="finish")

    @outcome.default
    def _default_outcome(self) -> str:
        return "completed" if self.healthy else "failed"

    @property
    def pieces(self) -> Pieces:
        """Its events, in order."""
        return self.made() if callable(self.made) else self.made

    @property
    def body(self) -> bytes:
        """All of it."""
        return b"".join(self.pieces)

    @property
    def is_huge(self) -> bool:
        """Whether it is too large to be played byte by byte."""
        return callable(self.made)

    @property
    def is_events(self) -> bool:
        """Whether it is a stream of events, whatever its header says."""
        return not self.body.lstrip(b"\xef\xbb\xbf \r\n").startswith(b"{")

    @property
    def finish(self) -> int:
        """The first event with which the answer is known to be whole."""
        return _finish(self) if self._finish_at is None else self._finish_at


def dumped(value: object) -> bytes:
    """JSON, with blanks behind colons and characters as they are."""
    return json.dumps(value, ensure_ascii=False).encode()


def data(value: object, name: str = "") -> bytes:
    """One event; bytes are its data as they are."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + (value if isinstance(value, bytes) else dumped(value)) + b"\n\n"


# -- what the client reads ---------------------------------------------------------------------------


@frozen
class Seen:
    """What a tolerant client makes of the bytes that it has."""

    text: str = ""
    calls: tuple[Called, ...] = ()
    failed: bool = False
    done: bool = False


def _values(body: bytes) -> Iterator[Any]:
    """Every piece of JSON behind a `data:` that can be read, and the terminator as a word."""
    for event in re.split(rb"\r?\n\r?\n|\r\r", body.removeprefix(b"\xef\xbb\xbf")):
        every = re.split(rb"\r\n|\n|\r", event)
        lines = [line.partition(b"data:")[2].strip() for line in every if b"data:" in line]
        names = [line[6:].strip().decode() for line in every if line.startswith(b"event:")]
        whole = _loaded(b"\n".join(lines))
        for value in [_loaded(line) for line in lines] if whole is None else [whole]:
            if isinstance(value, dict):
                yield {"type": "".join(names), **value}
            elif value is not None:
                yield value


def _loaded(text: bytes) -> Any:
    if text == b"[DONE]":
        return "[DONE]"
    try:
        return json.loads(text.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None


def words(content: object) -> str:
    """The visible text in a value of any type."""
    match content:
        case bool():
            return ""
        case str():
            return content
        case int() | float():
            return json.dumps(content)
        case list():
            return "".join(map(words, content))
        case dict() if content.get("type", "text") in ("text", "output_text"):
            return words(content.get("text"))
        case _:
            return ""


def seen(wire: str, body: bytes) -> Seen:
    """Read what a client of `wire` was given, with as much tolerance as there can be."""
    values = list(_values(body))
    objects = [value for value in values if isinstance(value, dict)]
    types = {value.get("type") for value in objects}
    failed = any(value.get("error") for value in objects) or bool(types & {"error", "response.failed"})
    match wire:
        case "chat":
            return Seen(_chat_text(objects), _chat_calls(objects), failed, "[DONE]" in values)
        case "messages":
            return Seen(_messages_text(objects), _messages_calls(objects), failed, "message_stop" in types)
        case _:
            done = bool(types & {"response.completed", "response.incomplete"})
            return Seen(_responses_text(objects), _responses_calls(objects), failed, done)


def _deltas(objects: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for value in objects:
        for choice in value.get("choices") or ():
            said = isinstance(choice, dict) and (choice.get("delta") or choice.get("message"))
            yield said if isinstance(said, dict) else {}


def _chat_text(objects: list[dict[str, Any]]) -> str:
    return "".join(words(delta.get("content")) for delta in _deltas(objects))


def _chat_calls(objects: list[dict[str, Any]]) -> tuple[Called, ...]:
    calls: list[list[str]] = []
    by_key: dict[object, tuple[str, list[str]]] = {}
    last: object = None
    for delta in _deltas(objects):
        for call in filter(None, delta.get("tool_calls") or ()):
            index, name = call.get("index"), call.get("id") or ""
            # Without a number: one with a name of its own is another one, else it goes on.
            last = int(index) if index is not None else name or last
            known, said = by_key.get(last, ("", None))
            if said is None or name not in ("", known):
                said = ["", ""]
                calls.append(said)
            by_key[last] = (name or known, said)
            function = call.get("function") or {}
            said[0] += function.get("name") or ""
            said[1] += _arguments(function.get("arguments"))
    return tuple((name, arguments or "{}") for name, arguments in calls)


def _arguments(value: object) -> str:
    return json.dumps(value) if isinstance(value, dict) else str(value or "")


def _blocks(objects: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any], list[dict[str, Any]]]]:
    """Kind, start and deltas of each content block."""
    blocks: list[tuple[str, dict[str, Any], list[dict[str, Any]]]] = []
    by_index: dict[object, int] = {}
    for value in objects:
        match value:
            case {"type": "content_block_start", "content_block": dict(start)}:
                by_index[str(value.get("index"))] = len(blocks)
                blocks.append((start.get("type") or "", start, []))
            case {"type": "content_block_delta", "delta": dict(delta)}:
                at = by_index.get(str(value.get("index")))
                if at is None:
                    at = by_index[str(value.get("index"))] = len(blocks)
                    blocks.append(("text", {}, []))
                blocks[at][2].append(delta)
    return blocks


def _messages_text(objects: list[dict[str, Any]]) -> str:
    texts: list[str] = []
    for value in objects:
        match value:
            case {"type": "content_block_start", "content_block": {"type": "text", "text": text}}:
                texts.append(words(text))
            case {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}:
                texts.append(words(text))
    return "".join(texts)


def as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _messages_calls(objects: list[dict[str, Any]]) -> tuple[Called, ...]:
    return tuple(
        (
            start.get("name") or "",
            "".join(as_text(delta.get("partial_json") or "") for delta in deltas)
            or json.dumps(start.get("input") or {}),
        )
        for kind, start, deltas in _blocks(objects)
        if kind == "tool_use"
    )


def _responses_text(objects: list[dict[str, Any]]) -> str:
    by_type: dict[str, list[Any]] = {}
    for value in objects:
        by_type.setdefault(str(value.get("type")), []).append(value)
    if said := by_type.get("response.output_text.delta"):
        return "".join(words(value.get("delta")) for value in said)
    if said := by_type.get("response.output_text.done"):
        return "".join(words(value.get("text")) for value in said)
    items = [value.get("item") for value in by_type.get("response.output_item.done", ())]
    for value in by_type.get("response.completed", ()):
        items = items or (value.get("response") or {}).get("output") or []
    return "".join(words((item or {}).get("content")) for item in items)


def _responses_calls(objects: list[dict[str, Any]]) -> tuple[Called, ...]:
    items = [value.get("item") for value in objects if value.get("type") == "response.output_item.done"]
    for value in objects:
        if value.get("type") == "response.completed" and not items:
            items = (value.get("response") or {}).get("output") or []
    return tuple(
        (item.get("name") or "", _arguments(item.get("arguments")) or "{}")
        for item in items
        if isinstance(item, dict) and item.get("type") == "function_call"
    )
