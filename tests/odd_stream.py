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
        spoken: what a client of another wire is told of its calls; `calls` where nothing else is said.
        unsayable: other wires have no words for it.
        finish_reason: why it ended, in the chat wire's words, where that does not follow from `spoken`.
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
    unsayable: bool = False
    finish_reason: str = ""
    opaque: int | None = None
    is_unread: bool = False
    undecided: bool = False
    outcome: str = field(kw_only=True)
    spoken: tuple[Called, ...] = field(kw_only=True)
    _finish_at: int | None = field(default=None, alias="finish")

    @outcome.default
    def _default_outcome(self) -> str:
        return "completed" if self.healthy else "failed"

    @spoken.default
    def _default_spoken(self) -> tuple[Called, ...]:
        return self.calls

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


def objects_in(body: bytes) -> list[dict[str, Any]]:
    """Every JSON object in a body, in order."""
    return [value for value in _values(body) if isinstance(value, dict)]


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
            done = (
                bool(types & {"response.completed", "response.incomplete", "response.done"})
                or "[DONE]" in values
            )
            return Seen(_responses_text(objects), _responses_calls(objects), failed, done)


def _deltas(objects: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for value in objects:
        for choice in value.get("choices") or ():
            key = "delta" if isinstance(choice, dict) and "delta" in choice else "message"
            said = isinstance(choice, dict) and choice.get(key)
            yield said if isinstance(said, dict) else {}


def _chat_text(objects: list[dict[str, Any]]) -> str:
    return "".join(words(delta.get("content")) for delta in _deltas(objects))


def _chat_calls(objects: list[dict[str, Any]]) -> tuple[Called, ...]:
    calls: list[list[str]] = []
    by_key: dict[object, list[str]] = {}
    last: list[str] | None = None
    for delta in _deltas(objects):
        told = delta.get("tool_calls") or ()
        for call in filter(None, [told] if isinstance(told, dict) else told):
            index, call_id = call.get("index"), _call_id(call)
            function = call.get("function") or {}
            name, arguments = function.get("name") or "", _arguments(function.get("arguments"))
            known = by_key.get(call_id) if call_id else None
            known = known or (last if index is None else by_key.get(int(index)))
            if known is None and not (call_id or name):
                known = last
            if known is None or _begins(known, call_id, name, arguments):
                known = [call_id, name, arguments]
                calls.append(known)
            elif not (call_id and _is_json(known[2]) and arguments == known[2]):
                known[0] = known[0] or call_id
                known[1] = name if name.startswith(known[1]) else known[1] + name
                known[2] += arguments
            by_key |= {
                key: known
                for key in (index if index is None else int(index), call_id)
                if key not in (None, "")
            }
            last = known
    for position, call in enumerate(_last_words(objects)):
        function = call.get("function") or {}
        told = [_call_id(call), function.get("name") or "", _arguments(function.get("arguments"))]
        calls[position : position + 1] = [told]
    return tuple((name, arguments or "{}") for _, name, arguments in calls)


def _call_id(call: dict[str, Any]) -> str:
    call_id = call.get("id") or ""
    return "" if call_id == "null" else str(call_id)


def _begins(known: list[str], call_id: str, name: str, arguments: str) -> bool:
    """Whether a piece with a name is another call than the one it seems to belong to."""
    if not name:
        return False
    if call_id and known[0] and call_id != known[0]:
        return True
    is_again = bool(call_id) and arguments == known[2]
    return _is_json(known[2]) and known[2] != "{}" and bool(arguments) and not is_again


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _last_words(objects: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The calls of a message that stands beside the finish, and says all once more."""
    choices = [
        choice for value in objects for choice in value.get("choices") or () if isinstance(choice, dict)
    ]
    messages = [
        choice.get("message") for choice in choices if choice.get("finish_reason") and "delta" in choice
    ]
    return [call for said in messages if isinstance(said, dict) for call in said.get("tool_calls") or ()]


def _arguments(value: object) -> str:
    return json.dumps(value) if isinstance(value, dict | list) else str(value or "")


def blocks_in(objects: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any], list[dict[str, Any]]]]:
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
            or as_text(start.get("input") or {}),
        )
        for kind, start, deltas in blocks_in(objects)
        if kind == "tool_use"
    )


def _responses_text(objects: list[dict[str, Any]]) -> str:
    said = "".join(_said_first(objects))
    for value in objects if not said else ():
        if value.get("type") == "response.completed":
            items = (value.get("response") or {}).get("output") or []
            told = [item for item in items if isinstance(item, dict) and item.get("type") != "reasoning"]
            said = "".join(words(item.get("content")) for item in told)
    return said


def _said_first(objects: list[dict[str, Any]]) -> Iterator[str]:
    """Deltas; the end of a text, or of an item, which had none."""
    told = False
    for value in objects:
        match value.get("type"):
            case "response.output_text.delta":
                told = True
                yield words(value.get("delta"))
            case "response.output_text.done" if not told:
                told = True
                yield words(value.get("text"))
            case "response.output_item.done" if (value.get("item") or {}).get("type") == "message":
                yield "" if told else words(value["item"].get("content"))
                told = False
            case _:
                pass


def _responses_calls(objects: list[dict[str, Any]]) -> tuple[Called, ...]:
    items = [value.get("item") for value in objects if value.get("type") == "response.output_item.done"]
    for value in objects:
        if value.get("type") == "response.completed" and not items:
            items = (value.get("response") or {}).get("output") or []
    return tuple(call for item in items if isinstance(item, dict) and (call := _called(item)) is not None)


def _called(item: dict[str, Any]) -> Called | None:
    """The text of a custom call is read as the one string of its arguments; xAI runs some of those itself."""
    kind, name = item.get("type"), item.get("name") or ""
    if kind == "custom_tool_call" and not name.startswith("x_"):
        return name, _arguments({"input": item.get("input") or ""})
    return (name, _arguments(item.get("arguments")) or "{}") if kind == "function_call" else None
