"""Errors on the stream of the client (`wire.openai_chat.voice`)."""

from __future__ import annotations

from typing import Any

import pytest

from chat_voices import BIG, ERROR, decoded, new_voice
from spoken import TROUBLE
from trooper.core.events import FinishReason, Text, Usage
from trooper.core.outcome import Completed
from trooper.testing import FAULTS, chat_events
from trooper.wire.openai_chat.reader import ChatReader
from wire_validator import validate_chat


def test_an_error_ends_the_stream_without_a_terminator() -> None:
    voice = new_voice(wants_usage=True)
    out = voice.speak((Text("half"),)) + voice.error(TROUBLE)
    assert decoded(out.partition(b"\n\n")[2]) == ERROR
    assert voice.terminate() == b""
    assert voice.finish(FinishReason.STOP, ()) == b""
    assert voice.usage(Usage(1, 1)) == b""
    result = validate_chat(out, include_usage=True)
    assert result.error is not None
    assert (result.error.message, result.error.code) == (TROUBLE.message, "conn_reset")


@pytest.mark.parametrize(
    ("raw", "is_raised_on"),
    [
        (b'data: {"error": {"message": "m", "type": "server_error"}}\n\n', True),
        (b'data: {"error": "upstream went away"}\n\n', True),
        (b'event: error\ndata: {"error": "m", "message": "m"}\n\n', True),
        (b'data: {"error": {"code": 502}, "choices": [{"delta": {}, "finish_reason": "error"}]}\n\n', True),
        (b'data:{"error": {}}\r\n\r\n', False),
        (b'data: {"object": "error", "message": "m", "code": 500}\n\n', False),
        (b'event: error\ndata: {"message": "Model unloaded."}\n\n', False),
        (b'data: {"choices": [{"delta": {}, "finish_reason": "error"}]}\n\n', False),
        (b'data: {"x_groq": {"error": "over capacity"}, "choices": []}\n\n', False),
        (b'data: [{"error": {"code": 503}}]\n\n', False),
        (b'data: {"throttlingException": {"message": "m"}}\n\n', False),
        (b"event: error\ndata: busy\n\n", False),
        (b"event: error\ndata: \xff\n\n", False),
        (b"event: error\ndata: " + b"[" * 5000 + b"]" * 5000 + b"\n\n", False),
        (b": nothing\n\n", False),
    ],
)
def test_ours_is_added_where_clients_would_miss_theirs(raw: bytes, is_raised_on: bool) -> None:
    voice = new_voice()
    out = voice.own_error(raw, TROUBLE)
    assert out.startswith(raw)
    assert decoded(out[len(raw) :]) == ERROR if not is_raised_on else out == raw
    assert voice.terminate() == b""


@pytest.mark.parametrize(
    "fault", [f for f in FAULTS.values() if f.kind and f.name.startswith(("error-", "finish-"))]
)
def test_every_error_of_the_table_reaches_the_client_as_one(fault: Any) -> None:
    """With failover off the provider's own words go on; each must raise in a client."""
    voice = new_voice()
    reader = ChatReader(BIG)
    out = b""
    for step in fault.build(chat_events(), "middle").steps:
        for item in reader.feed(getattr(step, "data", b"")):
            out += voice.forward(item)
    failed = reader.outcome
    assert failed is not None
    assert not isinstance(failed, Completed)
    said = voice.own_error(failed.raw, TROUBLE) if failed.raw else voice.error(TROUBLE)
    last = decoded(b"data: " + said.rstrip(b"\n").rpartition(b"data: ")[2] + b"\n\n")
    assert last["error"]
    assert b"[DONE]" not in out + said
