"""
A strict reader of an OpenAI chat stream, as evidence about the proxy.

It is written from the specifications alone (server-sent events, UTF-8, the
chat API) and shares no code with trooper, so that the two cannot be wrong in
the same way. Anything out of order is a `WireViolation`.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import Factory, define, frozen


class WireViolation(AssertionError):
    """The stream breaks a rule of the wire."""


@frozen
class ErrorSeen:
    """An in-band error, as an SDK would raise it."""

    message: str
    type: str | None
    code: str | int | None


@frozen
class CallSeen:
    """
    A whole tool call; `arguments` is JSON text that parses to an object, or any text of one that is `custom`.
    """

    id: str
    name: str
    arguments: str
    custom: bool = False
    namespace: str = ""


@frozen
class ChatResult:
    """What a client gets out of the stream. `finish_reason` is that of choice 0."""

    id: str = ""
    created: int = 0
    model: str = ""
    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    tool_calls: tuple[CallSeen, ...] = ()
    finish_reason: str | None = None
    texts: tuple[str, ...] = ()
    usage: Mapping[str, Any] | None = None
    error: ErrorSeen | None = None
    done: bool = False
    comments: tuple[str, ...] = ()
    trooper: Mapping[str, Any] | None = None


@frozen
class SseEvent:
    """A dispatched event, or a comment (`event` is `:`)."""

    data: str
    event: str = "message"


def parse_sse(body: bytes) -> Iterator[SseEvent]:
    """
    Read a stream by the letter of the specification.

    An event that is not closed by an empty line is a violation here: the
    specification drops it silently, and then the client has lost something.
    """
    try:
        text = "".join(codecs.iterdecode([body], "utf-8", "strict"))
    except UnicodeDecodeError as error:
        raise WireViolation(f"the body is not UTF-8: {error}") from error
    data: list[str] = []
    name = ""
    pending = False
    for line in _lines(text.removeprefix("\ufeff")):
        if line == "":
            if data:
                yield SseEvent("\n".join(data), name or "message")
            data, name, pending = [], "", False
        elif line.startswith(":"):
            yield SseEvent(line[1:].removeprefix(" "), ":")
        else:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            pending = True
            if field == "data":
                data.append(value)
            elif field == "event":
                name = value
    if pending:
        raise WireViolation("the body ends inside an event")


def _lines(text: str) -> Iterator[str]:
    """Lines end in LF, CR or CRLF and in nothing else (`str.splitlines` knows eight more)."""
    *lines, rest = re.split("\r\n|\r|\n", text)
    yield from lines
    if rest:
        raise WireViolation("the body ends inside a line")


@define
class _Call:
    id: str
    name: str
    arguments: str = ""
    custom: bool = False


@define
class _Choice:
    began: bool = False
    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: list[_Call] = Factory(list)
    finish_reason: str | None = None


@define
class _Reader:
    include_usage: bool
    identity: tuple[str, int, str] | None = None
    choices: dict[int, _Choice] = Factory(dict)
    usage: Mapping[str, Any] | None = None
    error: ErrorSeen | None = None
    done: bool = False
    comments: list[str] = Factory(list)
    trooper: Mapping[str, Any] | None = None

    def take(self, event: SseEvent) -> None:
        if event.event == ":":
            self.comments.append(event.data)
            return
        must(not self.done, "something follows [DONE]")
        must(self.error is None, "something follows an in-band error")
        if event.data == "[DONE]":
            self._take_done()
            return
        chunk = json_object(event.data)
        if chunk.get("error"):
            self.error = _error(chunk["error"])
            return
        must(event.event == "message", f"a chunk has the event name {event.event!r}")
        self._take_chunk(chunk)

    def _take_done(self) -> None:
        must(bool(self.choices), "[DONE] without any chunk")
        for index, choice in self.choices.items():
            must(choice.finish_reason is not None, f"[DONE], but choice {index} has no finish_reason")
        self.done = True

    def _take_chunk(self, chunk: dict[str, Any]) -> None:
        must(chunk.get("object") == "chat.completion.chunk", f"object is {chunk.get('object')!r}")
        identity = (chunk.get("id"), chunk.get("created"), chunk.get("model"))
        must(_typed(identity, (str, int, str)), f"id, created or model is missing: {identity}")
        must(self.identity in (None, identity), f"identity changed: {self.identity} → {identity}")
        self.identity = identity  # type: ignore[assignment]  # checked by `_typed`
        if "trooper" in chunk:
            must(self.trooper is None, "the key trooper comes twice")
            must(isinstance(chunk["trooper"], dict), "the key trooper is not an object")
            self.trooper = chunk["trooper"]
        choices = chunk.get("choices")
        must(isinstance(choices, list), "choices is not a list")
        assert isinstance(choices, list)
        must(self.usage is None, "a chunk follows the usage chunk")
        if chunk.get("usage") is not None:
            self._take_usage(chunk["usage"], choices)
            return
        must(bool(choices), "a chunk has neither choice nor usage")
        for choice in choices:
            self._take_choice(choice)

    def _take_usage(self, usage: Any, choices: list[Any]) -> None:
        must(self.include_usage, "usage that nobody asked for")
        must(choices == [], "the usage chunk has choices")
        finished = bool(self.choices) and all(c.finish_reason is not None for c in self.choices.values())
        must(finished, "usage before the finish")
        must(isinstance(usage, dict), "usage is not an object")
        counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")]
        must(_typed(counts, (int, int, int)), f"usage is incomplete: {counts}")
        must(counts[0] + counts[1] == counts[2], f"usage does not add up: {counts}")
        self.usage = usage

    def _take_choice(self, choice: dict[str, Any]) -> None:
        index, delta = choice.get("index"), choice.get("delta")
        must(isinstance(index, int), "a choice has no index")
        must(isinstance(delta, dict), "a choice has no delta")
        assert isinstance(index, int)
        assert isinstance(delta, dict)
        state = self.choices.setdefault(index, _Choice())
        must(state.finish_reason is None, f"choice {index} goes on after its finish_reason")
        if delta.get("role") is not None:
            must(not state.began, f"choice {index} has its role again, or not first")
            must(delta["role"] == "assistant", f"the role is {delta['role']!r}")
        else:
            must(state.began, f"choice {index} begins without a role")
        state.began = True
        state.text += _text(delta, "content")
        state.refusal += _text(delta, "refusal")
        state.reasoning += _text(delta, "reasoning_content") or _text(delta, "reasoning")
        for piece in delta.get("tool_calls") or ():
            _take_call(state, piece)
        if choice.get("finish_reason") is not None:
            must(isinstance(choice["finish_reason"], str), "finish_reason is not a string")
            must(choice["finish_reason"] in _REASONS, f"finish_reason is {choice['finish_reason']!r}")
            state.finish_reason = choice["finish_reason"]
            _check_calls(state)

    def result(self) -> ChatResult:
        must(self.done or self.error is not None, "the stream ends without [DONE] and without an error")
        must(not (self.done and self.include_usage and self.usage is None), "the usage chunk is missing")
        first = self.choices.get(0, _Choice())
        identity = self.identity or ("", 0, "")
        return ChatResult(
            *identity,
            text=first.text,
            reasoning=first.reasoning,
            refusal=first.refusal,
            tool_calls=tuple(CallSeen(c.id, c.name, c.arguments, c.custom) for c in first.calls),
            finish_reason=first.finish_reason,
            texts=tuple(self.choices[index].text for index in sorted(self.choices)),
            usage=self.usage,
            error=self.error,
            done=self.done,
            comments=tuple(self.comments),
            trooper=self.trooper,
        )


_REASONS = ("stop", "length", "tool_calls", "content_filter", "function_call")


def validate_chat(body: bytes, *, include_usage: bool = False) -> ChatResult:
    """Read a whole streamed body, or say which rule it breaks."""
    reader = _Reader(include_usage)
    for event in parse_sse(body):
        reader.take(event)
    return reader.result()


def validate_whole(body: bytes) -> ChatResult:
    """The same for an answer that is not streamed: a completion, or an error object."""
    whole = json_object(_utf8(body))
    if whole.get("error"):
        return ChatResult(error=_error(whole["error"]))
    must(whole.get("object") == "chat.completion", f"object is {whole.get('object')!r}")
    identity = (whole.get("id"), whole.get("created"), whole.get("model"))
    must(_typed(identity, (str, int, str)), f"id, created or model is missing: {identity}")
    choices = whole.get("choices")
    must(isinstance(choices, list) and bool(choices), "there is no choice")
    assert isinstance(choices, list)
    must([c.get("index") for c in choices] == list(range(len(choices))), "the choices are not in order")
    states = [_whole_choice(choice) for choice in choices]
    usage = whole.get("usage")
    must(usage is None or isinstance(usage, dict), "usage is not an object")
    first = states[0]
    return ChatResult(
        *identity,  # type: ignore[arg-type]  # checked by `_typed`
        text=first.text,
        reasoning=first.reasoning,
        refusal=first.refusal,
        tool_calls=tuple(CallSeen(c.id, c.name, c.arguments, c.custom) for c in first.calls),
        finish_reason=first.finish_reason,
        texts=tuple(state.text for state in states),
        usage=usage,
        done=True,
        trooper=whole.get("trooper"),
    )


def _whole_choice(choice: dict[str, Any]) -> _Choice:
    message, reason = choice.get("message"), choice.get("finish_reason")
    must(isinstance(message, dict), "a choice has no message")
    assert isinstance(message, dict)
    must(message.get("role") == "assistant", f"the role is {message.get('role')!r}")
    must(reason in _REASONS, f"finish_reason is {reason!r}")
    state = _Choice(True, _text(message, "content"), finish_reason=reason)
    state.refusal = _text(message, "refusal")
    state.reasoning = _text(message, "reasoning_content") or _text(message, "reasoning")
    for index, call in enumerate(message.get("tool_calls") or ()):
        _take_call(state, {"index": index} | call)
    _check_calls(state)
    return state


def _take_call(state: _Choice, piece: Mapping[str, Any]) -> None:
    index, known = piece.get("index"), len(state.calls)
    custom = "custom" in piece
    must(not custom or "function" not in piece, f"tool call {index} is of two kinds")
    function = piece.get("custom" if custom else "function") or {}
    must(isinstance(index, int) and 0 <= index <= known, f"tool call index {index} is not the next one")
    assert isinstance(index, int)
    if index == known:
        must(
            _typed((piece.get("id"), function.get("name")), (str, str)),
            f"tool call {index} has no id or name",
        )
        must(bool(piece["id"]) and bool(function["name"]), f"tool call {index} has an empty id or name")
        kind = "custom" if custom else "function"
        must(piece.get("type", "function") == kind, f"tool call {index} has type {piece.get('type')!r}")
        must(piece["id"] not in [c.id for c in state.calls], f"the tool call id {piece['id']} comes twice")
        state.calls.append(_Call(piece["id"], function["name"], custom=custom))
    else:
        must(custom == state.calls[index].custom, f"tool call {index} changes its kind")
        again = piece.get("id") is not None or function.get("name") is not None
        must(not again, f"tool call {index} has its id or name again")
    state.calls[index].arguments += _text(function, "input" if custom else "arguments")


def _check_calls(state: _Choice) -> None:
    # A call that was cut by the token limit is the one honest incomplete call.
    if state.finish_reason == "length":
        return
    for call in state.calls:
        if call.custom:
            continue
        try:
            value = json.loads(call.arguments)
        except json.JSONDecodeError as error:
            raise WireViolation(f"the arguments of {call.name} do not parse: {call.arguments!r}") from error
        must(isinstance(value, dict), f"the arguments of {call.name} are not an object")
    if state.finish_reason == "tool_calls":
        must(bool(state.calls), "the finish_reason is tool_calls, but there is none")


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name)
    must(text is None or isinstance(text, str), f"{name} is not a string: {text!r}")
    return text or ""


def _error(error: Any) -> ErrorSeen:
    must(isinstance(error, dict), f"an error is not an object: {error!r}")
    must(isinstance(error.get("message"), str), "an error has no message")
    return ErrorSeen(error["message"], error.get("type"), error.get("code"))


def json_object(text: str) -> dict[str, Any]:
    """The object that a text is."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise WireViolation(f"not JSON: {text[:80]!r}") from error
    must(isinstance(value, dict), f"not an object: {text[:80]!r}")
    assert isinstance(value, dict)
    return value


def _utf8(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise WireViolation(f"the body is not UTF-8: {error}") from error


def _typed(values: Any, types: tuple[type, ...]) -> bool:
    return all(isinstance(v, t) and not isinstance(v, bool) for v, t in zip(values, types, strict=True))


def must(holds: bool, otherwise: str) -> None:
    """A rule of the wire."""
    if not holds:
        raise WireViolation(otherwise)
