"""
A conversation's history in the form that every local server takes.

Chat templates are stricter than clouds: some keep only one system message,
some refuse two neighbours of one role, and all parse the arguments of a call.
This file may not know any wire, server or model.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Final

from attrs import define, evolve, field

from trooper.core.conversation import Conversation, Message, Part, Role, TextPart, ToolCall
from trooper.core.structured import begins_anew
from trooper.core.tool_calls import is_object

_BETWEEN = TextPart("\n\n")


def split_prefill(conversation: Conversation) -> tuple[Conversation, str]:
    """Take a prefill of the client's own off the end of the conversation."""
    messages = conversation.messages
    end = len(messages)
    # All of them: local servers refuse two assistant messages at the end.
    while end and messages[end - 1].role is Role.ASSISTANT and not messages[end - 1].tool_calls:
        end -= 1
    return evolve(conversation, messages=messages[:end]), "\n\n".join(
        m.text for m in messages[end:] if m.text
    )


def own_beginning(conversation: Conversation, said: str) -> tuple[Conversation, str]:
    """
    The same, and how an answer begins that goes on with `said`: some providers answer a prefill with a whole
    document of its own.
    """
    without, own_prefill = split_prefill(conversation)
    is_apart = conversation.is_structured and not conversation.continues_prefill
    return without, "" if is_apart and begins_anew(own_prefill, said) else own_prefill


def plain(messages: Sequence[Message]) -> list[Message]:
    """
    The same history with one system message, in front; with neighbours of one
    role merged; and with calls whose arguments are no object said in words,
    and so their results.
    """
    system = [m.text for m in messages if m.role is Role.SYSTEM and m.text]
    told: list[Message] = []
    if system:
        told.append(Message(Role.SYSTEM, (TextPart("\n\n".join(system)),)))
    runs: list[list[Message]] = []
    in_words: set[str] = set()
    for message in messages:
        if message.role is Role.SYSTEM:
            continue
        worded = _in_words(message)
        kept = set(worded.tool_calls)
        in_words |= {call.id for call in message.tool_calls if call not in kept}
        if message.role is Role.TOOL and message.tool_call_id in in_words:
            worded = _result_in_words(message)
        if runs and _mergeable(runs[-1][-1], worded):
            runs[-1].append(worded)
        else:
            runs.append([worded])
    return [*told, *map(_merged, runs)]


def call_names(messages: Sequence[Message]) -> dict[str, str]:
    """The id of each call → the name of its function."""
    return {call.id: call.name for m in messages for call in m.tool_calls}


def paired(messages: Sequence[Message]) -> list[Message]:
    """
    The same history with each call's result right behind its turn.

    Clouds refuse a history otherwise, and agents send it: a result after the
    user's next words, a result whose call was compacted away, a call that was
    interrupted, an id that comes again. Results without a call, and calls
    without a result or with arguments that are no object, are said in words,
    so that nothing is lost; ids are made different where they are not.
    """
    found = _Results(messages)
    ids = _Ids()
    told: list[Message] = []
    for at, message in enumerate(messages):
        if message.role is Role.TOOL:
            told += [] if at in found.placed else [_result_in_words(message)]
            continue
        results = [(call, found.of(call, at)) for call in message.tool_calls]
        answered = [(call, result) for call, result in results if result is not None]
        told.append(_said_in_words(message, tuple(call for call, _ in answered)))
        renamed = [(call, result, ids.unused(call.id)) for call, result in answered]
        if renamed:
            calls = tuple(evolve(call, id=new) for call, _, new in renamed)
            told[-1] = evolve(told[-1], tool_calls=calls)
        told += [evolve(messages[result], tool_call_id=new) for _, result, new in renamed]
    return told


@define
class _Results:
    """Where the results of calls are; asked in the order of the calls, so that nothing is looked through twice."""

    messages: Sequence[Message]
    placed: set[int] = field(factory=set, init=False)
    #: By the id of a call: where it has results, and where it is made.
    _results: dict[str, deque[int]] = field(init=False)
    _calls: dict[str, deque[int]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._results, self._calls = defaultdict(deque), defaultdict(deque)
        for at, message in enumerate(self.messages):
            if message.role is Role.TOOL:
                self._results[message.tool_call_id].append(at)
            for call_id in {call.id for call in message.tool_calls}:
                self._calls[call_id].append(at)

    def of(self, call: ToolCall, at: int) -> int | None:
        """Where the result of a call in turn `at` is: the first that nobody has, before the id is used anew."""
        if not is_object(call.arguments or "{}"):
            return None
        results, calls = self._results[call.id], self._calls[call.id]
        while calls and calls[0] <= at:
            calls.popleft()
        while results and results[0] <= at:
            results.popleft()
        if not results or (calls and calls[0] < results[0]):
            return None
        self.placed.add(results[0])
        return results.popleft()


@define
class _Ids:
    """Ids that are given out, each once."""

    _given: set[str] = field(factory=set, init=False)
    _numbers: dict[str, int] = field(factory=dict, init=False)

    def unused(self, wanted: str) -> str:
        """`wanted`, or one like it."""
        new = wanted or "call_0"
        while new in self._given:
            number = self._numbers[wanted] = self._numbers.get(wanted, 0) + 1
            new = f"{wanted or 'call'}_{number}"
        self._given.add(new)
        return new


def _result_in_words(message: Message) -> Message:
    return evolve(message, role=Role.USER, tool_call_id="")


def _in_words(message: Message) -> Message:
    return _said_in_words(message, tuple(c for c in message.tool_calls if is_object(c.arguments or "{}")))


def _said_in_words(message: Message, calls: tuple[ToolCall, ...]) -> Message:
    """`message` with `calls` only; its other calls become text."""
    if len(calls) == len(message.tool_calls):
        return message
    kept = set(calls)
    unsaid = "\n".join(f"{c.name}({c.arguments})" for c in message.tool_calls if c not in kept)
    words = TextPart(f"\n{unsaid}" if message.text else unsaid)
    return evolve(message, parts=(*message.parts, words), tool_calls=calls)


def _mergeable(last: Message, message: Message) -> bool:
    roles = (Role.USER, Role.ASSISTANT)
    return last.role is message.role and message.role in roles and not last.tool_calls


def _merged(run: Sequence[Message]) -> Message:
    """Neighbours as one turn."""
    if len(run) == 1:
        return run[0]
    parts: list[Part] = []
    has_text = False
    for message in run:
        says = bool(message.text)
        parts += (_BETWEEN,) if has_text and says else ()
        parts += message.parts
        has_text = has_text or says
    return evolve(run[-1], parts=tuple(parts))


#: The arguments of a call that is only there to see where a template puts them.
_MARK: Final = "trooper_arguments"


def with_call(
    messages: Sequence[Message], said: str, calls: Sequence[ToolCall], call: ToolCall
) -> tuple[Message, ...]:
    """
    The history with the half answer behind it: its text, its whole calls, and
    the half call with arguments that are found again by `before_arguments`.

    A result follows, so that no server takes the turn for one to go on with.
    """
    marked = evolve(call, arguments=f'{{"{_MARK}": 1}}')
    turn = Message(Role.ASSISTANT, (TextPart(said),) if said else (), (*calls, marked))
    return (*messages, turn, Message(Role.TOOL, (TextPart("ok"),), tool_call_id=call.id))


def before_arguments(rendered: str, name: str) -> str:
    """
    A prompt made of `with_call`, up to where the half call's arguments begin.

    A template that shows no calls gets the form that most models know.
    """
    at = rendered.rfind(_MARK)
    begin = rendered.rfind("{", 0, at) if at >= 0 else -1
    if begin >= 0:
        return rendered[:begin]
    return f'{rendered}\n<tool_call>\n{{"name": "{name}", "arguments": '
