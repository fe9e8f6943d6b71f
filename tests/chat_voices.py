"""
Both voices of the OpenAI chat wire, and how what they say is read; shared by their
tests.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from spoken import TROUBLE, calls_of, text_of
from trooper.core.events import Event, Reasoning, Refusal, Text
from trooper.wire.client_side import Voice
from trooper.wire.openai_chat.voice import ChatVoice
from trooper.wire.openai_chat.whole_voice import WholeChatVoice
from wire_validator import ChatResult

BIG = 1 << 20


def new_voice(*, wants_usage: bool = False) -> ChatVoice:
    return ChatVoice("chatcmpl-own", 1_790_000_500, "asked-for", wants_usage)


def new_whole() -> WholeChatVoice:
    return WholeChatVoice("chatcmpl-own", 1_790_000_500, "asked-for")


def lacks_usage(voice: Voice) -> bool:
    return voice.lacks_usage  # Behind a call: mypy takes a property for something that stays.


def decoded(event: bytes) -> Any:
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    return json.loads(event[len(b"data: ") :])


def check_said(result: ChatResult, events: Sequence[Event]) -> None:
    assert result.text == text_of(Text, events)
    assert result.reasoning == text_of(Reasoning, events)
    assert result.refusal == text_of(Refusal, events)
    assert result.tool_calls == calls_of(events)


ERROR = {
    "error": {
        "message": TROUBLE.message,
        "type": "trooper_error",
        "param": None,
        "code": "conn_reset",
    }
}
