"""
Tool calls as they can be said in another wire than they came in.

Theory of operation
-------------------
On its own wire a call passes as its provider wrote it. Every other wire wants
what the strictest of them wants: one call after the other, with its name in
front, an id that no other call has, and arguments that are one JSON object.
So the pieces of a leg's calls are collected here, behind the gate, and said in
that form.

A call is said once it is whole and something has followed it: its end, the next
call, a word, the end of the answer. Until then its target may still say it
anew (`ToolCallDelta.replaces`), and what it said last is what counts. Where
calls do not wait, the pieces of the first one that is not whole go out as they
come, and those of the others behind it, and so does a word: in most wires it
would end the call.

Some say `{}` first and then the arguments: such braces are said last of all.

A freeform call (`core.freeform`) has to be the one string that its client takes. Its pieces
go out once that string has begun, and nothing else may stand beside it.

What cannot be said like that, and what contradicts that which the client has,
makes the leg a failure. Arguments are never repaired.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Final, assert_never

from attrs import define, evolve, field

from trooper.core.events import (
    CUT_SHORT,
    Begin,
    Done,
    Event,
    Finish,
    FinishReason,
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
from trooper.core.freeform import MOST_HEAD_CHARS, as_arguments, begins_plain, input_of, is_plain
from trooper.core.tool_calls import OpenCalls, as_object, is_same

#: What is as short as this may be braces that say nothing.
_BRACES_CHARS: Final = 16


@define
class _Call:
    """One call: what its target has said of it, and how much of that the client has."""

    id: str = ""
    name: str = ""
    said: list[str] = field(factory=list)
    unsaid: list[str] = field(factory=list)
    #: Which call it is to the client, once that has its beginning.
    index: int | None = None
    #: Its target has said its end: braces are all there is.
    ended: bool = False
    #: The client has all of it.
    told: bool = False

    @property
    def text(self) -> str:
        return "".join((*self.said, *self.unsaid))

    @property
    def head(self) -> str:
        """How what was not said begins."""
        head = ""
        for piece in self.unsaid:
            head += piece
            if len(head) > MOST_HEAD_CHARS:
                break
        return head

    @property
    def is_braces(self) -> bool:
        """Whether it is nothing but braces, or the first of them."""
        # No piece is empty: so many of them are no braces, and a long one is asked for its length alone.
        if self.said or len(self.unsaid) > _BRACES_CHARS or sum(map(len, self.unsaid)) > _BRACES_CHARS:
            return False
        return "".join(self.text.split()) in ("", "{", "{}")

    @property
    def is_nothing(self) -> bool:
        """Whether its pieces have said nothing at all."""
        return not (self.id or self.name or self.text.strip())

    @property
    def is_object(self) -> bool:
        """Whether it begins like one."""
        first = next((piece for piece in self.unsaid if piece.strip()), "")
        return bool(self.said) or first.lstrip().startswith("{")


@define
class SpokenCalls:
    """
    The calls of one leg, for a voice of another wire.

    Args:
        next_index: how many calls the client has already.
        half: the index of the one that it has a part of: only its rest is said.
        ids: those that the client has.
        streams: the client gets pieces of the answer; else all calls are said at its end.
        max_bytes: the bound on what waits; past it the first call goes out in its pieces.
        freeform: the names of the tools that take a text.
    """

    next_index: int = 0
    half: int | None = None
    ids: set[str] = field(factory=set)
    streams: bool = True
    max_bytes: int = 4_194_304
    freeform: Container[str] = ()
    #: Each is said as a whole; else in its pieces, one call after the other.
    waits: bool = True
    #: A call cannot be said, and the client has nothing of it.
    broken: bool = field(default=False, init=False)
    #: The client has something of a call that its target has unsaid.
    contradicted: bool = field(default=False, init=False)
    _calls: dict[int, _Call] = field(factory=dict, init=False)
    # Which of them are whole, by a scan that looks at each character once.
    _open: OpenCalls = field(factory=OpenCalls, init=False)
    _waiting: int = field(default=0, init=False)
    # What has come while the client has a part of a call, and is no part of it.
    _behind: list[Text | Reasoning | Refusal] = field(factory=list, init=False)

    @property
    def holds(self) -> bool:
        """Whether a call waits that has begun."""
        return self.waits and not all(call.told for call in self._calls.values())

    def said_in(self, events: Sequence[Event]) -> tuple[Event, ...]:
        """What can be said of `events` now: their calls in that form, all else in its place."""
        said: list[Event] = []
        for event in events:
            match event:
                case ToolCallDelta():
                    said += [*self._add(event), *self._put_off()]
                    continue
                case PartEnd():
                    said += [*self._part_ended(), *self._put_off()]
                case Text() | Reasoning() | Refusal():
                    said += [*self._followed(), *self._put_off()]
                    if self._is_in_a_call:
                        self._put_behind(event)
                        continue
                case Finish():
                    said += self.finish(event.reason)
                    if not self.broken and not self.contradicted:
                        reason = _told(event.reason, has_calls=self.next_index > 0)
                        said.append(evolve(event, reason=reason))
                    continue
                case NextChoice():
                    self._calls.clear()
                    self._open, self.next_index, self._waiting = OpenCalls(), 0, 0
                case Begin() | Usage() | Done() | Other() | Unread():
                    pass
                case _ as never:
                    assert_never(never)
            said.append(event)
        return tuple(said)

    def _add(self, delta: ToolCallDelta) -> list[ToolCallDelta]:
        if delta.index == self.half:
            return [delta]
        said: list[ToolCallDelta] = []
        call = self._calls.get(delta.index)
        if call is None:
            said = self._followed()
            call = self._calls[delta.index] = _Call()
        call.id = call.id or delta.id
        if delta.replaces:
            self._say_anew(call, delta)
        else:
            self._add_to(call, delta)
        if self.streams and self._waiting > self.max_bytes:
            self.waits = False
        said += () if self.waits else self._in_order()
        self.broken = self.broken or (self.streams and self._waiting > self.max_bytes)
        return said

    def _part_ended(self) -> list[ToolCallDelta]:
        # Of its calls those that have arguments: not all of them need have ended.
        for index, call in self._calls.items():
            call.ended = call.ended or self._open.is_whole(index)
        return self._followed()

    def _followed(self) -> list[ToolCallDelta]:
        return self._in_order() if self.streams else []

    @property
    def _is_in_a_call(self) -> bool:
        return any(call.index is not None and not call.told for call in self._calls.values())

    def _put_behind(self, event: Text | Reasoning | Refusal) -> None:
        self._behind.append(event)
        self._waiting += len(event.text)
        self.contradicted = self.contradicted or self._waiting > self.max_bytes

    def _put_off(self) -> list[Event]:
        """What was put behind a call that is whole now."""
        if not self._behind or self._is_in_a_call:
            return []
        events, self._behind = self._behind, []
        self._waiting -= sum(len(event.text) for event in events)
        return list(events)

    def cut_off(self) -> list[Event]:
        """Nothing more comes, and nobody said so: say the calls that are whole."""
        if not self.waits:
            return [*self._in_order(), *self._put_off()]
        return [p for index, call in self._calls.items() if self._is_whole(index) for p in self._tell(call)]

    def finish(self, reason: FinishReason) -> list[Event]:
        """
        The answer is over: say the rest.

        Half a call is nobody's to run. Where the answer was cut short it is left
        out, as far as the client has none of it, and so is one of which only the
        name has come; else it is `broken`.
        """
        said: list[Event] = []
        for call in self._calls.values():
            begun = call.ended or not call.is_braces or reason not in CUT_SHORT
            whole = self._as_said(call) if call.name and begun else None
            if whole is not None:
                call.unsaid = call.unsaid if call.said else [whole]
                said += self._tell(call)
            elif reason not in CUT_SHORT and not call.is_nothing:
                self.broken = self.broken or call.index is None
                self.contradicted = self.contradicted or call.index is not None
        behind, self._behind = self._behind, []
        return [] if self.broken else [*said, *behind]

    def _add_to(self, call: _Call, delta: ToolCallDelta) -> None:
        if call.told and delta.arguments.strip():
            self.contradicted = True
        call.name = call.name or delta.name
        follows_braces = delta.arguments.strip() and call.is_braces and call.text.rstrip().endswith("}")
        if follows_braces:
            # Some say that there are none before they say them.
            self._waits_anew(call, "")
        if delta.arguments:
            call.unsaid.append(delta.arguments)
            self._waiting += len(delta.arguments)
        self._open.add(evolve(delta, replaces=True) if follows_braces else delta)

    def _say_anew(self, call: _Call, delta: ToolCallDelta) -> None:
        name, said = delta.name or call.name, "".join(call.said)
        if call.index is not None and name != call.name:
            self.contradicted = True
        elif call.told or not delta.arguments.startswith(said):
            self.contradicted = self.contradicted or not is_same(delta.arguments, call.text)
        else:
            call.name = name
            self._waits_anew(call, delta.arguments[len(said) :])
            self._open.add(delta)

    def _waits_anew(self, call: _Call, arguments: str) -> None:
        self._waiting += len(arguments) - sum(map(len, call.unsaid))
        call.unsaid = [arguments] if arguments else []

    def _is_whole(self, index: int) -> bool:
        """Whether a call can be said as it stands: braces may be none yet."""
        call = self._calls[index]
        return self._open.is_whole(index) and call.is_object and (call.ended or not call.is_braces)

    def _as_said(self, call: _Call) -> str | None:
        """All arguments of a call as its client takes them; `None` where they are none, or not the ones it has."""
        whole = as_object(call.text)
        if whole is None or call.name not in self.freeform:
            return whole
        if call.index is not None:
            return whole if is_plain(call.text) else None
        text = input_of(whole)
        return None if text is None else as_arguments(text)

    def _may_begin(self, call: _Call) -> bool:
        """Whether what there is of a call that is not whole can be said."""
        if not call.name or not call.is_object or call.is_braces:
            return False
        return call.name not in self.freeform or call.index is not None or begins_plain(call.head)

    def _in_order(self) -> list[ToolCallDelta]:
        """All calls up to the first that is not whole; of that one what there is, where it need not wait."""
        said: list[ToolCallDelta] = []
        for index, call in self._calls.items():
            if call.told:
                continue
            if self._is_whole(index):
                said += self._tell(call)
                if self.broken or self.contradicted:
                    break
                continue
            if not self.waits and self._may_begin(call):
                said += self._piece(call)
            break
        return said

    def _tell(self, call: _Call) -> list[ToolCallDelta]:
        if call.told:
            return []
        if call.name in self.freeform:
            whole = self._as_said(call)
            if whole is None:
                # No such text, and nobody says what it was meant to be.
                self.broken = self.broken or call.index is None
                self.contradicted = self.contradicted or call.index is not None
                return []
            if call.index is None:
                self._waiting += len(whole) - sum(map(len, call.unsaid))
                call.unsaid = [whole]
        call.told = True
        return self._piece(call)

    def _piece(self, call: _Call) -> list[ToolCallDelta]:
        piece = "".join(call.unsaid)
        self._waiting -= len(piece)
        call.said += call.unsaid
        call.unsaid = []
        if call.index is not None:
            return [ToolCallDelta(call.index, arguments=piece)] if piece else []
        call.index, self.next_index = self.next_index, self.next_index + 1
        # The voice makes an id up where there is none, and where two calls have one.
        call_id = "" if call.id in self.ids else call.id
        self.ids.add(call.id)
        return [ToolCallDelta(call.index, call_id, call.name, piece)]


def _told(reason: FinishReason, *, has_calls: bool) -> FinishReason:
    """
    Why an answer ended, as other wires say it.

    Some say "stop" behind calls, and some that there are calls where there are
    none: an agent must hear whether it has something to run.
    """
    match reason:
        case FinishReason.STOP if has_calls:
            return FinishReason.TOOL_CALLS
        case FinishReason.TOOL_CALLS if not has_calls:
            return FinishReason.STOP
        case _:
            return reason
