"""
A conversation's history in the form that every local server takes.

Chat templates are stricter than clouds: some keep only one system message,
some refuse two neighbours of one role, and all parse the arguments of a call.
This file may not know any wire, server or model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import evolve

from trooper.core.conversation import Conversation, Message, Role, TextPart, ToolCall
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
    in_words: set[str] = set()
    for message in messages:
        if message.role is Role.SYSTEM:
            continue
        worded = _in_words(message)
        in_words |= {call.id for call in message.tool_calls if call not in worded.tool_calls}
        if message.role is Role.TOOL and message.tool_call_id in in_words:
            worded = _result_in_words(message)
        if told and _mergeable(told[-1], worded):
            told[-1] = _merge(told[-1], worded)
        else:
            told.append(worded)
    return told


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
    placed: set[int] = set()
    ids: set[str] = set()
    told: list[Message] = []
    for at, message in enumerate(messages):
        if message.role is Role.TOOL:
            told += [] if at in placed else [_result_in_words(message)]
            continue
        found = [(call, _result_of(call, messages, at, placed)) for call in message.tool_calls]
        answered = [(call, result) for call, result in found if result is not None]
        told.append(_said_in_words(message, tuple(call for call, _ in answered)))
        renamed = [(call, result, _unused(call.id, ids)) for call, result in answered]
        if renamed:
            calls = tuple(evolve(call, id=new) for call, _, new in renamed)
            told[-1] = evolve(told[-1], tool_calls=calls)
        told += [evolve(messages[result], tool_call_id=new) for _, result, new in renamed]
    return told


def _result_of(call: ToolCall, messages: Sequence[Message], at: int, placed: set[int]) -> int | None:
    """Where the result of a call in turn `at` is: the first that nobody has, before the id is used anew."""
    if not is_object(call.arguments or "{}"):
        return None
    for later in range(at + 1, len(messages)):
        message = messages[later]
        if message.role is Role.TOOL and message.tool_call_id == call.id and later not in placed:
            placed.add(later)
            return later
        if any(other.id == call.id for other in message.tool_calls):
            return None
    return None


def _unused(given: str, ids: set[str]) -> str:
    new, number = given or "call_0", 0
    while new in ids:
        number += 1
        new = f"{given or 'call'}_{number}"
    ids.add(new)
    return new


def _result_in_words(message: Message) -> Message:
    return evolve(message, role=Role.USER, tool_call_id="")


def _in_words(message: Message) -> Message:
    return _said_in_words(message, tuple(c for c in message.tool_calls if is_object(c.arguments or "{}")))


def _said_in_words(message: Message, calls: tuple[ToolCall, ...]) -> Message:
    """`message` with `calls` only; its other calls become text."""
    if len(calls) == len(message.tool_calls):
        return message
    unsaid = "\n".join(f"{c.name}({c.arguments})" for c in message.tool_calls if c not in calls)
    words = TextPart(f"\n{unsaid}" if message.text else unsaid)
    return evolve(message, parts=(*message.parts, words), tool_calls=calls)


def _mergeable(last: Message, message: Message) -> bool:
    roles = (Role.USER, Role.ASSISTANT)
    return last.role is message.role and message.role in roles and not last.tool_calls


def _merge(last: Message, message: Message) -> Message:
    between = (_BETWEEN,) if last.text and message.text else ()
    return evolve(message, parts=(*last.parts, *between, *message.parts))


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
