"""
What a fake model says: which words, in which lines, and how it ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, get_args

from attrs import Factory, field, frozen

from trooper.testing.odd import GoesOn, exactly
from trooper.testing.ollama.decoding import Ask, Rejected
from trooper.testing.ollama.models import Model, Prompt
from trooper.testing.ollama.runner import count

#: So much of an answer stands nowhere else in it.
_LONG_CHARS: Final = 200
MISMATCH = " [cannot continue]"

How: TypeAlias = Literal[
    "status", "error_line", "eof", "reset", "fin", "stall", "bad_line", "cut_line", "done"
]
HOWS: tuple[How, ...] = get_args(How)


@frozen
class OllamaFault:
    """
    How an answer goes wrong, after `at` lines of it.

    `status` is a real status before anything else. `error_line` before the
    first line is a status too, as on the real server; `eof` before the first
    line is a 200 with no byte in it. `fin` cuts the chunked body, `cut_line`
    ends it cleanly inside a line. `done` says that it is all, with `reason`.
    """

    how: How
    at: int = 0
    status: int = 500
    error: str = "an error was encountered while running the model: unexpected EOF"
    reason: str = "stop"

    @classmethod
    def parse(cls, text: str) -> OllamaFault:
        """
        Read `how@lines`; `status@503` names a status.

        Raises:
            ValueError: there is no such way or place; the words say which there are.
        """
        name, _, number = text.partition("@")
        how = next((known for known in HOWS if known == name), None)
        if how is None:
            raise ValueError(f"there is no fault {name!r}; there are {', '.join(HOWS)}")
        if not re.fullmatch(r"\d{0,9}", number, re.ASCII):
            raise ValueError(f"{number!r} is no number of lines")
        if how == "status":
            if number and not 400 <= int(number) <= 599:
                raise ValueError(f"{number} is no status of a failure; use 400 to 599")
            return cls("status", status=int(number or 500))
        return cls(how, int(number or 0))


@frozen
class ToolUse:
    """
    A tool call the model makes when the request offers tools.

    `arguments` are an object by the document; some versions and models make a
    text of it, or null.
    """

    name: str
    arguments: object = Factory(dict)
    id: str = "call_8u4mycfw"

    @property
    def told(self) -> object:
        """The arguments as they stand on the wire."""
        return dict(self.arguments) if isinstance(self.arguments, Mapping) else self.arguments

    def wire(self, index: int) -> dict[str, Any]:
        """As Ollama writes it."""
        return {
            "id": self.id,
            "function": {"index": index, "name": self.name, "arguments": self.told},
        }


@frozen
class Line:
    """One line of an answer; `tokens` is how many tokens it took."""

    content: str = ""
    thinking: str = ""
    calls: tuple[ToolUse, ...] = ()
    tokens: int = 1


@frozen
class Saying:
    """All lines, what goes on the done line, and the reason for the end."""

    lines: tuple[Line, ...]
    last: Line = field(default=Line(tokens=0))
    reason: str = "stop"
    endless: bool = False
    echo: str = ""
    mismatch: str | None = None


@frozen
class Words:
    """What a model would say, before limits."""

    answer: str
    thinking: str = ""
    calls: tuple[ToolUse, ...] = ()
    before_calls: str = ""
    json_answer: str = '{"ok": true}'
    tokens_per_line: int = 1
    content_on_done: bool = False
    #: Whether the calls come, too, where only the rest of `before_calls` is asked for.
    calls_in_rest: bool = False
    #: How it goes on from a half answer.
    goes_on: GoesOn = exactly


def say(model: Model, ask: Ask, prompt: Prompt, words: Words, room: int) -> Saying:
    """Decide the whole answer; `room` is what the window has left, as far as it binds."""
    text, mismatch = _text(model, ask, prompt, words)
    text = _stopped(text, ask.options.get("stop", list(model.stop)))
    thinking, content = count(_thinking(model, ask, prompt, words)), count(text)
    calls = _calls(ask, prompt, words)
    limit = int(ask.options.get("num_predict", -1))
    if limit == 0:
        # The field is left out of the runner's request on B and C.
        limit = 1 if model.path == "A" else -1
    endless = ask.options.get("num_predict") == 0 and model.path != "A"
    limit = min(limit, room) if limit > 0 else room
    said = min(len(thinking) + len(content), limit)
    cost = sum(3 + len(count(json.dumps(call.told))) for call in calls)
    cut = said < len(thinking) + len(content) or (bool(calls) and said + cost > limit)
    if calls and cut:
        if model.path == "A":
            error = "unexpected end of JSON input"
            raise Rejected(
                500, f'llama-server returned invalid tool call arguments for "{calls[0].name}": {error}'
            )
        calls, cost = (), 0
    lines = _lines(thinking[:said], content[: max(0, said - len(thinking))], words.tokens_per_line)
    # The server repeats what it was sent, not what its template puts behind that.
    repeats = ask.chat and model.echo and bool(prompt.prefill)
    echo = model.echo_prefix + prompt.prefill.removesuffix(model.adds) if repeats else ""
    if echo:
        lines = _echoed(lines, echo)
    if model.prefill_as_thinking and prompt.prefill and ask.chat and ask.think is not False:
        lines = [Line("", line.content, (), line.tokens) for line in lines]
    lines, last = _arranged(model, lines, Line(calls=calls, tokens=cost), words)
    return Saying(tuple(lines), last, "length" if cut else "stop", endless, echo, mismatch)


def _arranged(model: Model, lines: list[Line], calls: Line, words: Words) -> tuple[list[Line], Line]:
    """Put the calls where this path puts them; the second value goes on the done line."""
    if calls.calls:
        return (lines, calls) if model.path == "A" else ([*lines, calls], Line(tokens=0))
    if words.content_on_done and lines and lines[-1].content:
        return lines[:-1], lines[-1]
    return lines, Line(tokens=0)


def _text(model: Model, ask: Ask, prompt: Prompt, words: Words) -> tuple[str, str | None]:
    if _calls(ask, prompt, words):
        return words.before_calls.removeprefix(prompt.prefill), None
    whole = words.answer if ask.format is None else words.json_answer
    if ask.format is not None and (model.path != "A" or ask.raw):
        # The grammar starts again at its root, whatever was there before.
        return whole, None
    if prompt.question is None:
        return MISMATCH, "the question was not in the prompt"
    for known in (prompt.prefill, prompt.prefill.rstrip()):
        if (rest := rest_behind(whole, known)) is not None:
            # Behind white space that is not in the answer a model begins a word.
            rest = rest if known == prompt.prefill else rest.lstrip(" ")
            return words.goes_on(known, rest) if known else rest, None
    if counted := re.fullmatch(r"(?:\d+, )*(\d+),", prompt.prefill):
        return f" {int(counted[1]) + 1},", None
    return MISMATCH, prompt.prefill


def rest_behind(whole: str, known: str) -> str | None:
    """What follows `known` in an answer; of a long one it may be shown a part that is not its beginning."""
    if whole.startswith(known):
        return whole[len(known) :]
    if len(known) < _LONG_CHARS or whole.count(known) != 1:
        return None
    return whole[whole.index(known) + len(known) :]


def _thinking(model: Model, ask: Ask, prompt: Prompt, words: Words) -> str:
    wanted = model.thinks and ask.chat and ask.think is not False and not prompt.prefill
    return words.thinking if wanted else ""


def _calls(ask: Ask, prompt: Prompt, words: Words) -> tuple[ToolUse, ...]:
    # Who has the result of a call answers; a call again would never end.
    has_results = ask.chat and bool(ask.messages) and ask.messages[-1].get("role") == "tool"
    goes_on = words.calls_in_rest and words.before_calls.startswith(prompt.prefill)
    begins = not prompt.prefill or goes_on
    return words.calls if ask.tools and begins and not has_results else ()


def _stopped(text: str, stops: Sequence[str]) -> str:
    places = [at for stop in stops if stop and (at := text.find(stop)) >= 0]
    return text[: min(places)] if places else text


def _lines(thinking: Sequence[str], content: Sequence[str], size: int) -> list[Line]:
    lines = [Line(thinking=token) for token in thinking]
    for at in range(0, len(content), size):
        group = content[at : at + size]
        lines.append(Line("".join(group), tokens=len(group)))
    return lines


def _echoed(lines: list[Line], prefill: str) -> list[Line]:
    if not lines:
        return [Line(prefill, tokens=0)]
    first, *rest = lines
    return [Line(prefill + first.content, first.thinking, first.calls, first.tokens), *rest]
