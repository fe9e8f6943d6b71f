"""
What may go out now and what waits.

Theory of operation
-------------------
The gate holds whole upstream events, bytes untouched and in order, so that at
any moment the client's text can be brought to a place that a model can
continue from. It keeps one promise:

    let T be all text so far and b the last boundary in T (`core.boundary`);
    an event goes out as soon as its text ends at or before b.

So the client never runs ahead of b, and what is held always contains the rest
of the text up to b. When the leg dies the voice speaks that rest and drops
the fragment behind it: nobody has seen it. With a provider that sends a token
at a time the price is one token of delay.

Three things open the hold:

* More than `hold_chars` without a boundary (base64, long URLs): everything
  goes out, and events run through until the next boundary comes by. The bound
  is characters, not time: a slow provider is no reason for a broken word.
* An event that is not text, or that nobody here understands, ends the word:
  the text before it goes out, and then the event. Nothing ever overtakes.
* `max_held_bytes`: a peer that floods us with events which say nothing.

Bytes that nobody could read wait for the next event that somebody can: noise
is what many failures begin with, and then the client need not have it.

Tool calls wait until they are whole (unless `holds_calls` is false), all that
are open together; what follows an open call waits behind it. Past
`max_tool_bytes`, and when whoever owns the gate finds that it has been long
enough (`release_calls`), calls are held no more: this one and those behind it
go out in the pieces they come in.

A gate that `holds_all` keeps the whole answer back until its finish: for
structured answers, where half a document is of no use to anybody.

An `open` gate holds nothing but what could not be read. It is used where no
continuation can follow: then waiting would buy nothing.

This file may not know any wire; it never changes or splits an event.
"""

from __future__ import annotations

from collections import deque
from typing import Final, assert_never

from attrs import define, field

from trooper.core.boundary import context_start, last_boundary
from trooper.core.events import (
    Begin,
    Done,
    Finish,
    NextChoice,
    Other,
    PartEnd,
    Reasoning,
    Received,
    Refusal,
    Text,
    ToolCallDelta,
    Unread,
    Usage,
)
from trooper.core.tool_calls import OpenCalls

#: So many events wait for the end of a word, and so many for that of a call, however short they are: each is an object.
_MOST_EVENTS: Final = 1_024
_MOST_PIECES: Final = 32_768


@define
class Gate:
    """Holds events back; owned by the conductor of one request."""

    hold_chars: int = 32
    max_held_bytes: int = 262_144
    max_tool_bytes: int = 4_194_304
    is_open: bool = False
    holds_all: bool = False
    holds_calls: bool = True
    holds_noise: bool = True
    #: A tool call waits until it is whole.
    holds_call: bool = field(default=False, init=False)
    #: What was held behind the last boundary when the leg died.
    dropped: str = field(default="", init=False)
    _held: deque[Received] = field(factory=deque, init=False)
    _held_bytes: int = field(default=0, init=False)
    # The text that is held, behind a few characters that have gone out.
    _text: str = field(default="", init=False)
    _sent_chars: int = field(default=0, init=False)
    # The text length of each held event, in step with `_held`.
    _lengths: deque[int] = field(factory=deque, init=False)
    _running: bool = field(default=False, init=False)
    # More of a call is held that was whole, and has gone out.
    _adds_to_whole: bool = field(default=False, init=False)
    # Something that nobody could read is held.
    _unread: bool = field(default=False, init=False)
    _calls: OpenCalls = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._calls = OpenCalls(self.max_tool_bytes)

    def push(self, item: Received) -> list[Received]:
        """Take the next event; return the events that may go out now, in order."""
        if self.is_open:
            return [item] if item.has_content and not self._unread else self._push_to_open(item)
        if self.holds_all:
            return self._push_to_whole(item)
        if self._unread and _can_be_read(item):
            return [*self._release_all(), *self.push(item)]
        text, ends_word, unread = item.text, False, False
        deltas: list[ToolCallDelta] = []
        # One loop for all that is asked below: this is on every token's way.
        for event in item.events:
            match event:
                case Text() | Begin() | PartEnd() | Usage() | Other(continuable=True, works=False):
                    # A word; or preamble, keep-alives and the like, which neither end one nor begin one.
                    continue
                case ToolCallDelta() if self.holds_calls:
                    deltas.append(event)
                case ToolCallDelta() | Reasoning() | Refusal() | Finish() | Done() | NextChoice() | Other():
                    ends_word = True
                case Unread():
                    unread, ends_word = self.holds_noise, ends_word or not self.holds_noise
                case _ as never:
                    assert_never(never)
        if deltas or self.holds_call:
            return self._push_tool_call(item, deltas)
        if ends_word and not text:
            return [*self._release_all(), item]
        if not text and not self._held and not unread:
            return [item]
        self._hold(item, text)
        self._unread = self._unread or unread
        if ends_word:
            return self._release_all()
        if self._unread:
            is_full = self._held_bytes > self.max_held_bytes or len(self._held) > _MOST_EVENTS
            return self._release_all() if is_full else []
        return self._release_text()

    def flush(self) -> list[Received]:
        """Return everything that is held: the leg has completed, nothing can follow."""
        self._forget_calls()
        return self._release_all()

    def open_up(self) -> list[Received]:
        """Stop holding for good, and return what was held."""
        self.is_open = True
        return self.flush()

    def release_calls(self) -> list[Received]:
        """Hold no calls from here on, however long they are; return what was held."""
        self.holds_calls = False
        return self.flush()

    @property
    def holds_content(self) -> bool:
        """Whether something waits that a client would have waited for."""
        return any(item.has_content for item in self._held)

    @property
    def holds_a_call(self) -> bool:
        """Whether a tool call waits, whole or not."""
        return any(isinstance(event, ToolCallDelta) for item in self._held for event in item.events)

    @property
    def holds_a_hole(self) -> bool:
        """
        Whether something waits without which the answer has a hole, since nobody
        who goes on knows of it: what nobody here understands or could read, and
        more of a call that has gone out as a whole one.
        """
        unread = False
        for item in self._held:
            if unread and _can_be_read(item):
                return True
            unread = unread or any(isinstance(event, Unread) for event in item.events)
            if Other(continuable=False) in item.events:
                return True
        return self._adds_to_whole

    def abandon(self) -> str:
        """
        The leg has died: return the text to be spoken, and drop what is held.

        That is the held text up to its last boundary. The fragment behind it
        is kept as `dropped`; open tool calls and what could not be read are
        forgotten.
        """
        at = 0 if self.holds_all else last_boundary(self._text, self._sent_chars)
        spoken = self._text[self._sent_chars : at] if at > 0 else ""
        self.dropped = "" if self.holds_all else self._text[max(at, self._sent_chars) :]
        self._held.clear()
        self._lengths.clear()
        self._held_bytes = 0
        self._text = ""
        self._sent_chars = 0
        self._running = self._unread = False
        self._forget_calls()
        return spoken

    @property
    def held_bytes(self) -> int:
        """How much is held, for the bound on memory and for tests."""
        return self._held_bytes

    def _push_to_open(self, item: Received) -> list[Received]:
        """Even where nobody could go on, an honest error is better than noise and then one."""
        noise = self.holds_noise and any(isinstance(event, Unread) for event in item.events)
        if not noise and not (self._unread and not _can_be_read(item)):
            return [*self._release_all(), item]
        self._hold(item, "")
        self._unread = True
        is_full = self._held_bytes > self.max_held_bytes or len(self._held) > _MOST_EVENTS
        return self._release_all() if is_full else []

    def _push_to_whole(self, item: Received) -> list[Received]:
        self._hold(item, "")
        if self._held_bytes > self.max_tool_bytes or len(self._held) > _MOST_PIECES:
            return self.open_up()
        finished = any(isinstance(e, Finish | Done) for e in item.events)
        return self._release_all() if finished else []

    def _push_tool_call(self, item: Received, deltas: list[ToolCallDelta]) -> list[Received]:
        # Text of a word that ends here goes out first; then the call waits.
        released = [] if self.holds_call else self._release_all()
        size = item.size_bytes
        for delta in deltas:
            was_whole = self._calls.is_whole(delta.index)
            self._calls.add(delta, size)
            self._adds_to_whole |= was_whole and not self._calls.is_whole(delta.index)
            size = 0  # Of the event that several pieces came in, once.
        self._calls.hold(size)
        self._hold(item, "")
        if self._calls.overflowed or len(self._held) > _MOST_PIECES:
            return released + self.release_calls()
        if any(isinstance(e, Finish | Done | NextChoice) for e in item.events):
            # Whole or not, nothing is added to them.
            return released + self.flush()
        self.holds_call = not self._calls.all_whole
        if not self.holds_call:
            self._calls.released()
            self._adds_to_whole = False
            released += self._release_all()
        return released

    def _forget_calls(self) -> None:
        self._calls = OpenCalls(self.max_tool_bytes)
        self.holds_call = self._adds_to_whole = False

    def _hold(self, item: Received, text: str) -> None:
        self._held.append(item)
        self._lengths.append(len(text))
        self._held_bytes += item.size_bytes
        self._text += text

    def _release_text(self) -> list[Received]:
        text = self._text
        boundary = last_boundary(text, self._sent_chars - 1)
        fragment_chars = len(text) - max(boundary, self._sent_chars)
        is_full = self._held_bytes > self.max_held_bytes or len(self._held) > _MOST_EVENTS
        if fragment_chars > self.hold_chars or is_full:
            return self._release_all(running=True)
        if boundary < self._sent_chars:
            # No boundary among what is held.
            return self._release_all(running=True) if self._running else []
        self._running = False
        released: list[Received] = []
        end = self._sent_chars
        while self._held and end + self._lengths[0] <= boundary:
            end += self._lengths.popleft()
            item = self._held.popleft()
            self._held_bytes -= item.size_bytes
            released.append(item)
        self._forget(end)
        return released

    def _release_all(self, *, running: bool = False) -> list[Received]:
        released = list(self._held)
        self._held.clear()
        self._lengths.clear()
        self._held_bytes = 0
        self._forget(len(self._text))
        self._running = running
        self._unread = False
        return released

    def _forget(self, sent_chars: int) -> None:
        """Keep only as much of the text that has gone out as a boundary can depend on."""
        start = context_start(self._text, sent_chars)
        self._text = self._text[start:]
        self._sent_chars = sent_chars - start


def _can_be_read(item: Received) -> bool:
    """Whether it says anything that somebody here understands to be said."""
    return any(not isinstance(event, Unread) and event != Other() for event in item.events)
