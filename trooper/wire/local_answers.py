"""
What the readers of local servers share: when an answer is one, and whether the
model's window has held it.
"""

from __future__ import annotations

from attrs import define, field

from trooper.core.events import FinishReason, Usage
from trooper.core.prompt_reading import PromptRead
from trooper.wire.framed import FramedReader


@define
class LocalReader(FramedReader):
    """
    The `Reader` of a local server's answer.

    Args:
        call_id: what the ids of tool calls begin with, where the server gives none.
        window_tokens: the window that the model is loaded with; 0 if unknown.

    Attributes:
        prompt_read: how the server says it has read the prompt; `None` before it has.
    """

    call_id: str = field(default="call", kw_only=True)
    window_tokens: int = field(default=0, kw_only=True)
    prompt_read: PromptRead | None = field(default=None, init=False)
    _said: bool = field(default=False, init=False)
    # A thought has come, or blanks.
    _mused: bool = field(default=False, init=False)

    def _note(self, text: str | None, thinking: str | None, *, has_calls: bool) -> None:
        """A piece of the answer has come."""
        self._said = self._said or has_calls or bool(text and not text.isspace())
        self._mused = self._mused or bool(thinking or text)

    def _is_answer(self, reason: FinishReason) -> bool:
        """
        Whether what has come is an answer: a thought is none, and blanks are
        none, unless their length was the limit's business.
        """
        return self._said or (self._mused and reason is FinishReason.LENGTH)

    def _overflows(self, usage: Usage) -> bool:
        """Whether that is more than the window holds: then the question has been pushed out of it."""
        return 0 < self.window_tokens < usage.prompt_tokens + usage.completion_tokens
