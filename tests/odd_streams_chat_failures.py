"""Odd streams of the chat wire that are not whole, although their terminator says so."""

from __future__ import annotations

from typing import Any, Final

from odd_stream import Kind, OddStream, data, dumped
from odd_streams_chat import BEGIN, DONE, OURS, TOP, chunk, row, say

NOT_JSON: Final = data(b'{"choices": [{"index": 0, "delta": {"content": " th')
ERROR: Final = dumped({"error": {"message": "Overloaded", "type": "server_error", "code": 500}})


def failing(name: str, source: str, *pieces: bytes, **more: Any) -> OddStream:
    """An answer that is not whole, though its terminator says so."""
    return row(
        name,
        Kind.EARLY,
        source,
        BEGIN,
        say("The light"),
        *pieces,
        DONE,
        text="The light",
        healthy=False,
        **more,
    )


ROWS: Final = (
    failing("a bad line and no reason", "issue 12", NOT_JSON),
    failing(
        "a page of HTML and no reason",
        "diegosouzapw/OmniRoute#4937",
        data(b"<html><body>Too many requests</body></html>"),
    ),
    failing("an error in words and no reason", "lucasjinreal/Crane#121", data(b"error: engine stopped")),
    failing("bare JSON that is an error", "stacklok/toolhive#6037", ERROR + b"\n\n"),
    failing("bare JSON between two events", "stacklok/toolhive#6085", ERROR + b"\n"),
    failing("an error as a field", "neighbour of lucasjinreal/Crane#121", b"error: engine stopped\n\n"),
    failing("an error event without data", "octos-org/octos#13", b"event: error\n\n"),
    failing("an error event in words", "octos-org/octos#13", data(b"Internal Network Failure", "error")),
    failing("an error in a string", "octos-org/octos#13", data({"error": "Stream error: reset"})),
    failing(
        "an error with a code in words",
        "langchain-ai/langchainjs#11579",
        data(
            {
                "error": {"code": "server_error", "message": "x"},
                "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
            }
        ),
        outcome="server_error",
    ),
    failing(
        "an error that Groq hides",
        "Groq API, x_groq.error",
        data({**TOP, "choices": [], "x_groq": {"id": "1", "error": "over capacity"}}),
    ),
    failing(
        "half a call",
        "earendil-works/pi#5964",
        chunk({"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "f", "arguments": '{"pa'}}]}),
        calls=(("f", '{"pa'),),
    ),
    failing(
        "a call that began empty and went on",
        OURS,
        *(
            chunk({"tool_calls": [{"index": 0, "id": i, "function": {"name": n, "arguments": a}}]})
            for i, n, a in (("c1", "f", "{}"), (None, None, '{"pa'))
        ),
        calls=(("f", '{}{"pa'),),
    ),
)
