"""
The answer, free of any wire.

A wire's reader turns each whole upstream event into a `Received`: the bytes
as they came and what they say. A voice turns events back into bytes. This
file may not know any wire's field names.
"""

from __future__ import annotations

import enum
from typing import Final, TypeAlias, assert_never

from attrs import field, frozen

from trooper.core.prompt_reading import PromptRead

#: How a frozen value fills in what follows from its other attributes.
_set: Final = object.__setattr__


class FinishReason(enum.Enum):
    """Why an answer ended, in the terms all wires share."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"


#: Reasons to stop in the middle of a call.
CUT_SHORT: Final = (FinishReason.LENGTH, FinishReason.CONTENT_FILTER)


@frozen
class Begin:
    """
    The answer's identity. Preamble: it carries no content.

    `has_role` says that the wire's word for "the assistant speaks" was in it;
    a client must be told that exactly once. `prompt_tokens` where a target
    counts them at the beginning.
    """

    id: str = ""
    created: int = 0
    model: str = ""
    has_role: bool = False
    prompt_tokens: int | None = None


@frozen
class Text:
    """A piece of the visible answer; never empty."""

    text: str


@frozen
class Reasoning:
    """A piece of the model's thinking; never empty."""

    text: str


@frozen
class Refusal:
    """A piece of refusal text. An answer with one in it is never continued."""

    text: str


@frozen
class ToolCallDelta:
    """
    A piece of one tool call. `index` tells the call apart within the answer;
    `id` and `name` come with the first piece, `arguments` are JSON text.

    One that `replaces` says all arguments anew, and the name if it has one: by
    its target's last word the pieces before it were wrong.
    """

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""
    replaces: bool = False


@frozen
class Usage:
    """
    Token counts as a target reports them, or as we `estimated` them.

    `prompt_tokens` is the whole prompt, cached tokens included.
    """

    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False


@frozen
class Finish:
    """
    The answer is complete by its target's word, until content follows: that
    takes the word back. `raw` is the word.

    A `doubtful` one is worth nothing until the terminator, or a clean end of
    the body: some targets say it in every piece, and an answer in which
    nothing was said may be none.
    """

    reason: FinishReason
    raw: str = ""
    doubtful: bool = False


@frozen
class Done:
    """The wire's terminator."""


@frozen
class PartEnd:
    """
    A part of the answer (a text block, a call) is whole by its target's word.

    What follows begins another part. Wires without parts never say it.
    """


@frozen
class NextChoice:
    """What follows belongs to another choice (`n > 1`, one run per choice)."""

    index: int


@frozen
class Other:
    """
    Something well-formed that no other event describes.

    `continuable` is false when it may carry content: what we do not
    understand we cannot continue from. Then it is a sign of life, too, since
    silence is measured on content. One that `thinks` says that a thought has
    begun, of which nothing has come yet. One that `works` is of a tool that the
    provider runs itself: no other wire has words for it, and the text behind it
    can be gone on with all the same. Where it `shows` something, an image, an
    answer without it is not the same. One that is `unread` was too much to be
    looked at; that is told to the operator, and changes nothing. One with `read`
    says how far the target is with the prompt.
    """

    continuable: bool = True
    thinks: bool = False
    works: bool = False
    shows: bool = False
    unread: bool = field(default=False, eq=False)
    read: PromptRead | None = field(default=None, eq=False)


@frozen
class Unread:
    """
    Bytes of which nothing can be read: no JSON, or nothing that is an event.

    Noise before a failure, or a piece of the answer that only its client can
    read: what follows tells. It is no content, and once a client has it nobody
    can go on from there. One that does not even begin like an event may not
    say anything (`may_say`): another wire's client need not have it.
    """

    may_say: bool = True


Event: TypeAlias = (
    Begin
    | Text
    | Reasoning
    | Refusal
    | ToolCallDelta
    | PartEnd
    | Usage
    | Finish
    | Done
    | NextChoice
    | Other
    | Unread
)


@frozen
class Received:
    """
    One whole upstream event: its bytes, untouched, and what they say.

    The rest is read off these two once, since several layers ask for it.

    Attributes:
        text: the visible text, joined.
        has_content: whether it says something that a client waits for.
        has_finish: whether its target says, and is to be believed, that the answer is complete.
        is_part: its bytes end inside an event; nothing of ours may stand before the end of that.
        size_bytes: what it costs to keep: its bytes, or about its words where
            those of another wire were not kept. Never 0.
    """

    raw: bytes
    events: tuple[Event, ...] = ()
    is_part: bool = False
    text: str = field(default="", init=False)
    has_content: bool = field(default=False, init=False)
    has_finish: bool = field(default=False, init=False)
    size_bytes: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        texts: list[str] = []
        said, content = 1, False
        for event in self.events:
            match event:
                case Text(text):
                    texts.append(text)
                    said += len(text)
                case Reasoning(text) | Refusal(text):
                    said += len(text)
                    content = True
                case ToolCallDelta():
                    said += len(event.arguments) + len(event.name)
                    content = True
                case Finish(doubtful=False):
                    _set(self, "has_finish", True)
                    content = True
                case Other(continuable=False) | Other(works=True):
                    content = True
                case Begin() | PartEnd() | Usage() | Finish() | Done() | NextChoice() | Other() | Unread():
                    pass
                case _ as never:
                    assert_never(never)
        _set(self, "size_bytes", len(self.raw) or said)
        if texts:
            # Joined once: an answer of many blocks in one piece comes as one event.
            _set(self, "text", texts[0] if len(texts) == 1 else "".join(texts))
        if texts or content:
            _set(self, "has_content", True)
