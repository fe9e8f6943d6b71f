"""
What an application gets out of a client: words, calls, a reason for the end, or an exception.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from attrs import define, field, frozen


@frozen
class Read:
    """One answer, as a client gives it. `raised` is the exception's class and words."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, Any], ...] = ()
    finish: str | None = None
    raised: tuple[str, str] | None = None


@define
class ChatReading:
    """Puts an SDK's chunks of OpenAI's chat together, as people do who read the raw stream."""

    text: str = ""
    reasoning: str = ""
    finish: str | None = None
    _calls: list[list[str]] = field(factory=list)
    _at: dict[object, list[str]] = field(factory=dict)

    def chunk(self, chunk: Any) -> None:
        for choice in (chunk.choices or ())[:1]:
            if choice.delta is not None:
                self._delta(choice.delta)
            self.finish = getattr(choice, "finish_reason", None) or self.finish

    def _delta(self, delta: Any) -> None:
        # As applications do: what is no object of the SDK's has no attributes.
        self._content(delta.content)
        for name in ("reasoning", "reasoning_content", "reasoning_text"):
            said = getattr(delta, name, None)
            self.reasoning += said if isinstance(said, str) else ""
        for place, call in enumerate(getattr(delta, "tool_calls", None) or ()):
            self._call(place, call)

    def _content(self, content: Any) -> None:
        if not isinstance(content, list):
            self.text += content if isinstance(content, str) else ""
            return
        # Where the SDK has no type for parts, they are as they came.
        parts = (part if isinstance(part, dict) else part.model_dump() for part in content)
        for part in parts:
            match part:
                case {"type": "text", "text": str(text)}:
                    self.text += text
                case {"type": "thinking", "thinking": list(inner)}:
                    self.reasoning += "".join(thought.get("text", "") for thought in inner)

    def _call(self, place: int, call: Any) -> None:
        key = getattr(call, "index", None)
        key = place if key is None else key
        name = getattr(call.function, "name", None)
        # A name and an id begin a call, also under the index of another one.
        if key not in self._at or (name and getattr(call, "id", None)):
            self._at[key] = [name or "", ""]
            self._calls.append(self._at[key])
        arguments = getattr(call.function, "arguments", None) or ""
        self._at[key][1] += arguments if isinstance(arguments, str) else json.dumps(arguments)

    @property
    def read(self) -> Read:
        return Read(self.text, self.reasoning, called(self._calls), self.finish)


def called(calls: Iterable[Iterable[Any]]) -> tuple[tuple[str, Any], ...]:
    """Names, and arguments as values; no arguments are an empty object."""
    return tuple(
        (name, json.loads(arguments or "{}") if isinstance(arguments, str) else dict(arguments))
        for name, arguments in calls
    )
