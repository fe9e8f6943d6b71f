"""
Keeps what the client has been given of the answer.

Fed with the events that have left the gate, and nothing else. Answers the two
questions a failure raises: how far has the client's stream got, and what
exactly does it end in.

A finish is the end only while nothing follows: content takes it back. A
doubtful one counts with the terminator, and not before.

Bounded: past `cap_bytes` of text the transcript forgets it and stays
`capped`. The live stream goes on without a net (the policy of linkerd's
replay buffer): a long answer is no reason to break a healthy stream.
"""

from __future__ import annotations

from typing import assert_never

from attrs import define, field

from trooper.core.conversation import ToolCall
from trooper.core.events import (
    Begin,
    Done,
    Event,
    Finish,
    NextChoice,
    Other,
    PartEnd,
    Reasoning,
    Refusal,
    Text,
    ToolCallDelta,
    Unread,
    Usage,
)
from trooper.core.outcome import Phase
from trooper.core.overlap import NOTHING_LOST, Lost
from trooper.core.pieces import Pieces
from trooper.core.tool_calls import ToolCalls


@define
class Transcript:
    """The answer so far, as the client has it."""

    cap_bytes: int
    begin: Begin | None = field(default=None, init=False)
    finish: Finish | None = field(default=None, init=False)
    terminated: bool = field(default=False, init=False)
    capped: bool = field(default=False, init=False)
    refused: bool = field(default=False, init=False)
    #: The client has bytes that nobody here could read.
    has_unread: bool = field(default=False, init=False)
    continuable: bool = field(default=True, init=False)
    #: What legs that failed had begun behind what the client has.
    lost: Lost = field(default=NOTHING_LOST, init=False)
    reasoning_chars: int = field(default=0, init=False)
    text_events: int = field(default=0, init=False)
    #: The last part is whole by its target's word.
    part_ended: bool = field(default=False, init=False)
    # A finish that is none yet.
    _doubtful: Finish | None = field(default=None, init=False)
    _text: Pieces = field(factory=Pieces, init=False)
    _bytes: int = field(default=0, init=False)
    _calls: ToolCalls = field(factory=ToolCalls, init=False)

    def add(self, events: tuple[Event, ...]) -> None:
        """Take in events that the client has been given, in order."""
        for event in events:
            match event:
                case Text(text):
                    self.text_events += 1
                    self.part_ended = False
                    if self.lost.fragment:
                        self.lost = Lost(call=self.lost.call)
                    self.finish = self._doubtful = None
                    if self._counts(text):
                        self._text.add(text)
                case Reasoning(text):
                    self.reasoning_chars += len(text)
                    self.finish = None
                case ToolCallDelta():
                    self.finish = None
                    if self._counts(event.arguments):
                        self._calls.add(event)
                    else:
                        self.continuable = False
                case PartEnd():
                    self.part_ended = True
                case Refusal():
                    self.refused = True
                    self.finish = None
                case Begin():
                    self.begin = self.begin or event
                case Finish(doubtful=False):
                    self.finish = self.finish or event
                case Finish():
                    self._doubtful = event
                case Done():
                    self.terminated = True
                    self.finish = self.finish or self._doubtful
                case Other(continuable=False):
                    self.continuable = False
                    self.doubt_finish()
                case Other(works=True):
                    # What the client has of it stays, and the text goes on behind it.
                    self.doubt_finish()
                case NextChoice():
                    # Another answer begins in the same stream: the finish before
                    # it was not the end, and two texts cannot be continued.
                    self.finish = None
                    self.continuable = False
                case Unread():
                    self.has_unread = True
                case Usage() | Other():
                    pass
                case _ as never:
                    assert_never(never)

    def note_lost(self, lost: Lost) -> None:
        """
        A leg has failed, and the client was not shown what it had begun.

        The fragment stands where the text ends now. That there was to be a
        call holds for whoever goes on, until somebody has made one.
        """
        self.lost = Lost(lost.fragment or self.lost.fragment, lost.call or self.lost.call)

    def doubt_finish(self) -> None:
        """Something has followed the finish, if there was one: only the terminator makes it the end."""
        self._doubtful, self.finish = self.finish or self._doubtful, None

    def _counts(self, text: str) -> bool:
        """Whether `text` still fits under the cap; forgets everything when it does not."""
        if self.capped:
            return False
        # Most text is ASCII, and then its length is its size; encoding each
        # token just to count it would double the cost of remembering it.
        self._bytes += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        if self._bytes > self.cap_bytes:
            self.capped = True
            self._text.clear()
            return False
        return True

    @property
    def text(self) -> str:
        """The visible text; empty once `capped`."""
        return self._text.text

    @property
    def has_text(self) -> bool:
        """Whether the client has seen any text at all."""
        return self.text_events > 0

    @property
    def has_content(self) -> bool:
        """Whether the client has seen anything that a restart would repeat or contradict."""
        return self.has_text or self.refused or len(self._calls) > 0 or not self.continuable

    @property
    def has_a_net(self) -> bool:
        """Whether what the client has could be continued by somebody else."""
        return self.continuable and not self.refused and not self.capped and not self.has_unread

    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls the client has been given whole."""
        return self._calls.whole()

    def open_call(self) -> tuple[int, ToolCall] | None:
        """The index and the half of the call that the client has a part of."""
        return self._calls.open_call()

    @property
    def call_count(self) -> int:
        """How many calls the client has, or a part of."""
        return len(self._calls)

    @property
    def calls_are_whole(self) -> bool:
        """Whether no tool call stands open at the client."""
        return self._calls.all_whole

    @property
    def phase(self) -> Phase:
        """How far the stream has got; `PREAMBLE` stands for all that comes before content."""
        if self.finish is not None:
            return Phase.FINISHED
        if len(self._calls) > 0:
            return Phase.TOOL_CALL
        if self.has_text or self.refused or not self.continuable:
            return Phase.TEXT
        if self.reasoning_chars > 0:
            return Phase.REASONING
        return Phase.PREAMBLE
