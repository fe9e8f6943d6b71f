"""Histories of any form are said anew in linear time: steps are counted, not seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import pytest

from trooper.core import fitting, history
from trooper.core.conversation import Conversation, Message, Role, TextPart, ToolCall
from trooper.core.groups import measured
from trooper.core.seam import NOTHING
from trooper.core.shortening import Fit, Wanted, shorten
from trooper.core.situation.writing import written
from trooper.wire.openai_chat.read_request import read_conversation as read_chat
from trooper.wire.openai_responses.read_request import read_conversation as read_responses


def call(call_id: str, arguments: str = "{}") -> ToolCall:
    return ToolCall(call_id, "look", arguments)


def said(*calls: ToolCall) -> Message:
    return Message(Role.ASSISTANT, (), calls)


def result(call_id: str) -> Message:
    return Message(Role.TOOL, (TextPart("ok"),), tool_call_id=call_id)


HISTORIES: dict[str, Callable[[int], list[Message]]] = {
    "one role": lambda n: [Message(Role.USER, (TextPart("hi"),))] * n,
    "unanswered": lambda n: [said(call(f"c{i}")) for i in range(n)],
    "answered late": lambda n: [
        *(said(call(f"c{i}")) for i in range(n)),
        *(result(f"c{i}") for i in range(n)),
    ],
    "one id": lambda n: [message for _ in range(n) for message in (said(call("c")), result("c"))],
    "one turn": lambda n: [said(*(call("c") for _ in range(n))), *(result("c") for _ in range(n))],
    "no arguments": lambda n: [said(*(call(f"c{i}", "[]") for i in range(n)))],
    "results alone": lambda n: [result("c")] * n,
}


def steps(function: Callable[[], object]) -> int:
    """How many lines of ours are run."""
    count = 0

    def trace(frame: FrameType, event: str, _arg: object) -> Any:
        nonlocal count
        if "trooper" not in frame.f_code.co_filename:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


def conversation(messages: Sequence[Message]) -> Conversation:
    return Conversation(tuple(messages))


def shortened(asked: Conversation) -> Fit:
    wanted = Wanted(3072, 1024, written)
    return shorten(measured(asked, 0, 4096), NOTHING, wanted).fit()


WORK: dict[str, Callable[[list[Message]], object]] = {
    "plain": history.plain,
    "paired": history.paired,
    "shorten": lambda messages: shortened(conversation(messages)),
    "bounded": lambda messages: fitting.bounded(conversation(messages), 50),
    "split_prefill": lambda messages: history.split_prefill(conversation(messages)),
}


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("name", HISTORIES)
def test_twice_as_much_is_twice_the_work(name: str, work: str) -> None:
    small, large = HISTORIES[name](100), HISTORIES[name](200)
    few = steps(lambda: WORK[work](small))
    assert steps(lambda: WORK[work](large)) <= 2.2 * few + 100


def items(count: int) -> bytes:
    one = b'{"type":"function_call","call_id":"c","name":"look","arguments":"{}"}'
    return b'{"input":[' + b",".join([one] * count) + b"]}"


def tools(count: int) -> bytes:
    offered = ",".join(f'{{"function":{{"name":"t{n}"}}}}' for n in range(count))
    allowed = ",".join(f'{{"function":{{"name":"t{n}"}}}}' for n in reversed(range(count)))
    choice = f'{{"allowed_tools":{{"mode":"auto","tools":[{allowed}]}}}}'
    return f'{{"messages":[],"tools":[{offered}],"tool_choice":{choice}}}'.encode()


@pytest.mark.parametrize(("read", "body"), [(read_responses, items), (read_chat, tools)])
def test_reading_is_linear_too(read: Callable[[bytes], object], body: Callable[[int], bytes]) -> None:
    few = steps(lambda: read(body(100)))
    assert steps(lambda: read(body(200))) <= 2.2 * few + 100
