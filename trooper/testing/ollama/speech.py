"""
An answer on the wire: its lines, its pace, and how it goes wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import trio
from attrs import define, field, frozen

from trooper.testing.chat import dumps
from trooper.testing.http import Response
from trooper.testing.ollama import listing
from trooper.testing.ollama.decoding import Ask, Rejected
from trooper.testing.ollama.models import Prompt
from trooper.testing.ollama.saying import Line, OllamaFault, Saying

#: An answer without end must not keep virtual time from moving.
_SLOWEST_ENDLESS_S = 0.01


@define(eq=False)
class Generation:
    """One answer: what was asked, what it cost, and how it ended."""

    model: str
    ask: Ask = field(repr=False)
    prompt: Prompt = field(repr=False)
    prompt_tokens: int
    evaluated_tokens: int
    started_at: float
    first_line_at: float | None = None
    ended_at: float | None = None
    said_tokens: int = 0
    ending: str = "aborted"


@frozen
class Stopwatch:
    """The durations of an answer's last line, in seconds."""

    began: float
    loaded: float
    evaluated: float

    def metrics(self, prompt_tokens: int, said_tokens: int) -> dict[str, int]:
        """As the last line reports them, in nanoseconds."""
        now = trio.current_time()
        values = {
            "total_duration": now - self.began,
            "load_duration": self.loaded - self.began,
            "prompt_eval_duration": self.evaluated - self.loaded,
            "eval_duration": now - self.evaluated,
        }
        counts = {"prompt_eval_count": prompt_tokens, "eval_count": said_tokens}
        return {key: int(value * 1e9) for key, value in values.items()} | counts


@frozen
class Pace:
    """How fast lines come, and in what pieces they are written."""

    token_s: float = 0.0
    cut_bytes: int | None = None


@define(eq=False)
class Speech:
    """Writes one answer, line by line or whole, until it ends or goes wrong."""

    pace: Pace
    ask: Ask
    response: Response
    generation: Generation
    watch: Stopwatch
    lines: list[Line] = field(init=False, factory=list)

    @property
    def said(self) -> str:
        """The content written so far."""
        return "".join(line.content for line in self.lines)

    async def speak(self, saying: Saying, fault: OllamaFault | None) -> str:
        """Say everything; returns the done reason, or how it went wrong."""
        for number, line in enumerate(saying.lines):
            if fault is not None and fault.at == number:
                return await self._fail(fault)
            await trio.sleep(line.tokens * self.pace.token_s)
            await self._say(line)
        while saying.endless:
            await trio.sleep(max(self.pace.token_s, _SLOWEST_ENDLESS_S))
            await self._say(Line(f" and {len(self.lines)}"))
        if fault is not None:
            return await self._fail(fault)
        await trio.sleep(saying.last.tokens * self.pace.token_s)
        await self._finish(saying)
        return saying.reason

    async def _say(self, line: Line) -> None:
        self.lines.append(line)
        self.generation.said_tokens += line.tokens
        if self.generation.first_line_at is None:
            self.generation.first_line_at = trio.current_time()
            if self.ask.stream:
                await self._head()
        if self.ask.stream:
            if line.content and self.response.mark is not None:
                self.response.mark.content()
            await self._write(encoded(line_value(self.ask, line)))

    async def _finish(self, saying: Saying) -> None:
        self.generation.said_tokens += saying.last.tokens
        metrics = self.watch.metrics(self.generation.prompt_tokens, self.generation.said_tokens)
        if not self.ask.stream:
            await answer_json(
                self.response, 200, done_value(self.ask, self._whole(saying.last), saying.reason, metrics)
            )
            return
        if not self.lines:
            await self._head()
        await self._write(encoded(done_value(self.ask, saying.last, saying.reason, metrics)))
        await self.response.end()

    def _whole(self, last: Line) -> Line:
        lines = [*self.lines, last]
        content, thinking = "".join(x.content for x in lines), "".join(x.thinking for x in lines)
        return Line(content, thinking, tuple(call for x in lines for call in x.calls))

    async def _fail(self, fault: OllamaFault) -> str:
        started = self.ask.stream and bool(self.lines)
        match fault.how:
            case "stall":
                await self.response.hang()
            case "reset":
                await self.response.reset()
            case "fin":
                await self.response.fin()
            case "error_line" if not started:
                raise Rejected(500, fault.error)
            case _ if not self.ask.stream:
                # The real server hands out what it has, and says that it is not done.
                await answer_json(self.response, 200, line_value(self.ask, self._whole(Line())))
            case _:
                if not started:
                    await self._head()
                await self._write(_last_words(fault, self.ask))
                await self.response.end()
        return fault.how

    async def _head(self) -> None:
        await self.response.head(200, [("content-type", "application/x-ndjson")])

    async def _write(self, data: bytes) -> None:
        size = self.pace.cut_bytes or len(data) or 1
        for at in range(0, len(data), size):
            await self.response.send(data[at : at + size])


def _last_words(fault: OllamaFault, ask: Ask) -> bytes:
    match fault.how:
        case "error_line":
            return encoded({"error": fault.error})
        case "bad_line":
            return b"not json at all\n"
        case "cut_line":
            return encoded(line_value(ask, Line(" half")))[:-20]
        case "done":
            return encoded(done_value(ask, Line(tokens=0), fault.reason, {}))
        case _:
            return b""


def line_value(ask: Ask, line: Line) -> dict[str, Any]:
    """One line of a stream."""
    value: dict[str, Any] = {"model": ask.model, "created_at": listing.now()}
    if not ask.chat:
        return (
            value
            | {"response": line.content}
            | ({"thinking": line.thinking} if line.thinking else {})
            | {"done": False}
        )
    message: dict[str, Any] = {"role": "assistant", "content": line.content}
    if line.thinking:
        message["thinking"] = line.thinking
    if line.calls:
        message["tool_calls"] = [call.wire(index) for index, call in enumerate(line.calls)]
    return value | {"message": message, "done": False}


def done_value(ask: Ask, line: Line, reason: str, metrics: Mapping[str, int]) -> dict[str, Any]:
    """The line that ends a stream; metrics that are zero are left out."""
    present = {key: value for key, value in metrics.items() if value}
    return line_value(ask, line) | {"done": True, "done_reason": reason} | present


def rendered_value(ask: Ask, prompt: Prompt) -> dict[str, Any]:
    """What `_debug_render_only` answers."""
    empty: dict[str, Any] = {"message": {"role": "", "content": ""}} if ask.chat else {"response": ""}
    value = {"model": ask.model, "created_at": listing.now()} | empty | {"done": False}
    return value | {"_debug_info": {"rendered_template": prompt.text}}


def encoded(value: object) -> bytes:
    """One line of NDJSON."""
    return _escaped(dumps(value)) + b"\n"


def _escaped(data: bytes) -> bytes:
    """Go's encoder escapes these everywhere."""
    for character in "<>&\u2028\u2029":
        data = data.replace(character.encode(), f"\\u{ord(character):04x}".encode())
    return data


async def answer_json(response: Response, status: int, value: object) -> None:
    """A whole answer: what is not streamed is one plain JSON object."""
    await response.whole(
        status, [("content-type", "application/json; charset=utf-8")], _escaped(dumps(value))
    )
