"""
Answers of a local model that have gone wrong: lines of an Ollama.
"""

from __future__ import annotations

import json

from attrs import field, frozen
from hypothesis import strategies as st

from fuzz_streams import PATHS, odd_event, short
from fuzz_values import Shown
from trooper.testing import DEFAULT_ANSWER, tokens


def ollama_lines(text: str) -> list[bytes]:
    """What an Ollama says, line by line."""
    when = {"model": "qwen2.5:3b", "created_at": "2026-11-27T10:00:00.0Z"}
    lines = [
        {**when, "message": {"role": "assistant", "content": word}, "done": False} for word in tokens(text)
    ]
    end = {**when, "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
    counts = {"prompt_eval_count": 30, "eval_count": len(lines), "total_duration": 5_000_000}
    return [json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in [*lines, end | counts]]


_LINES = (
    *(
        b"\n",
        b"{}\n",
        b"null\n",
        b"[]\n",
        b"not json\n",
        b'{"error": "x"}\n',
        b'{"error": null}\n',
        b"\xff\n",
        b'{"done": true}\n',
    ),
    *(
        b'{"message": {"role": "assistant", "content": "x"}, "done": false}',
        b'{"message": null, "done": false}\n',
    ),
    *(
        b'{"message": {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}, "done": false}\n',
    ),
    *(
        b'{"message": {"role": "assistant", "content": "", "thinking": "hm"}, "done": false}\n',
        b"\r\n",
        b"\n" * 3_000,
    ),
    *(
        b'{"message": {"role": "assistant", "content": "' + b"y" * 300_000 + b'"}, "done": false}\n',
        b"[" * 9_000 + b"\n",
    ),
    *(
        b'{"message": {"role": "assistant", "content": ""}, "done": true, "done_reason": "length"}\n',
        b"x" * 70_000,
    ),
    *(
        b'{"message": {"role": "assistant", "content": ""}, "done": true, "done_reason": "load"}\n',
        b'{"done": 1}\n',
    ),
)


@frozen
class LocalSaid(Shown):
    """
    What a local model says to go on from the beginning of the default answer.

    Attributes:
        path: the client's wire.
        streams: whether the client asks for a stream.
        events: so many the cloud has said before.
        body: of the local model's answer.
        status: of it.
        write_bytes: in pieces of that size.
        ends: whether its body ends; else the connection is cut.
    """

    path: str
    streams: bool
    events: int
    body: bytes = field(repr=short)
    status: int = 200
    write_bytes: int = 1 << 20
    ends: bool = True


@st.composite
def local_answers(draw: st.DrawFn) -> LocalSaid:
    """A local model's answer: healthy, cut, or odd."""
    lines = ollama_lines(DEFAULT_ANSWER[draw(st.sampled_from([0, 0, 20, 72, 100])) :])
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.sampled_from([0, len(lines) - 1]) | st.integers(0, len(lines)))
        at = max(0, min(at, len(lines) - 1))
        match draw(st.integers(0, 5)):
            case 0:
                lines[at : at + 1] = []
            case 1:
                lines[at:at] = lines[at : at + 1] * draw(st.sampled_from([1, 2, 300]))
            case 2:
                lines[at:at] = [draw(st.sampled_from(_LINES))]
            case _:
                lines[at : at + 1] = [
                    draw(odd_event(line)).rstrip(b"\n") + b"\n" for line in lines[at : at + 1]
                ]
    body = b"".join(lines)
    if draw(st.integers(0, 3)) == 0:
        body = body[: draw(st.integers(0, len(body)))]
    return LocalSaid(
        draw(st.sampled_from(PATHS)),
        draw(st.sampled_from([True, True, False])),
        draw(st.integers(0, 30)),
        body,
        draw(st.sampled_from([200] * 8 + [500, 404, 503, 204])),
        draw(st.sampled_from([1 << 20, 1_460, 50])),
        draw(st.integers(0, 4)) > 0,
    )
