"""
Streams that are odd but whole: a proxy that fails over on one of them is wrong.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Sequence

from trooper.testing.chat import DONE, sse
from trooper.testing.faults.shape import Action, Events, Fault, Position, sends
from trooper.testing.script import End, Fin, Hang, Head, Reset, Script, Send, Status, Step

_OFFSETS = {
    "id": "",
    "object": "",
    "created": 0,
    "model": "",
    "choices": [
        {
            "index": 0,
            "finish_reason": None,
            "logprobs": None,
            "content_filter_offsets": {"check_offset": 44, "start_offset": 44, "end_offset": 198},
            "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}},
        }
    ],
}
_PROMPT_FILTER = {
    "id": "",
    "object": "",
    "created": 0,
    "model": "",
    "choices": [],
    "prompt_filter_results": [
        {"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}
    ],
}


def _odd(
    name: str,
    title: str,
    pieces: Callable[[Events], Sequence[bytes]],
    *,
    ending: Step | None = None,
    action: Action = "pass",
    kind: str = "",
) -> Fault:
    def stream(events: Events, _: Position) -> Script:
        return Script((Head(), *sends(pieces(events)), ending or End()))

    return Fault(name, title, kind, "after", "", action, stream)


def _lines(end: bytes) -> Callable[[Events], Sequence[bytes]]:
    return lambda events: [event.replace(b"\n", end) for event in events.all]


def _one_garbage_line(events: Events, position: Position) -> Script:
    lead = events.whole_lead(position)
    rest = events.all[len(lead) :]
    return Script((Head(), *sends(lead), Send(b"data: {not json\n\n"), *sends(rest), End()))


def _many_lines(events: Events) -> Sequence[bytes]:
    return [_spread(event) for event in events.all]


def _spread(event: bytes) -> bytes:
    if event == DONE:
        return event
    value = json.loads(event.removeprefix(b"data: "))
    lines = json.dumps(value, indent=1, ensure_ascii=False).encode().split(b"\n")
    return b"".join(b"data: " + line + b"\n" for line in lines) + b"\n"


def _comment_inside(events: Events) -> Sequence[bytes]:
    return [event.removesuffix(b"\n") + b": a comment inside a frame\n\n" for event in events.all]


def _finish_with_text(events: Events) -> Sequence[bytes]:
    last = json.loads(events.content[-1].removeprefix(b"data: "))
    last["choices"][0]["finish_reason"] = "stop"
    return [*events.preamble, *events.content[:-1], sse(last), *events.rest]


def _finish_everywhere(events: Events) -> Sequence[bytes]:
    said = [json.loads(event.removeprefix(b"data: ")) for event in events.content]
    for value in said:
        value["choices"][0]["finish_reason"] = "stop"
    return [*events.preamble, *map(sse, said), *events.rest]


def _in_parts(events: Events) -> Sequence[bytes]:
    said = [json.loads(event.removeprefix(b"data: ")) for event in events.content]
    for value in said:
        delta = value["choices"][0]["delta"]
        delta["content"] = [{"type": "text", "text": delta["content"]}]
    return [*events.preamble, *map(sse, said), *events.tail]


def _two_in_a_frame(events: Events) -> Sequence[bytes]:
    first, second, *others = events.content
    return [*events.preamble, first.removesuffix(b"\n") + second, *others, *events.tail]


def _empty_but_counted(events: Events) -> Sequence[bytes]:
    usage = {"prompt_tokens": 12, "completion_tokens": 2, "total_tokens": 14}
    value = events.chunk_value({}) | {"choices": [], "usage": usage}
    return [*events.preamble, *events.tail[:1], sse(value), DONE]


def _null_error(events: Events) -> Sequence[bytes]:
    return [
        e if e == DONE else sse(json.loads(e.removeprefix(b"data: ")) | {"error": None}) for e in events.all
    ]


def _late_usage(events: Events) -> Sequence[bytes]:
    usage = {"prompt_tokens": 12, "completion_tokens": 9, "total_tokens": 21}
    value = events.chunk_value({}) | {"choices": [], "usage": usage}
    return [*events.finish, sse(value), DONE]


def _refusal(events: Events) -> Sequence[bytes]:
    words = ["I'm", " sorry,", " I", " can't", " help", " with", " that."]
    return [*events.preamble, *(events.chunk({"refusal": w}) for w in words), *events.tail]


def _two_choices(events: Events) -> Sequence[bytes]:
    second = [json.loads(e.removeprefix(b"data: ")) for e in events.finish]
    for value in second:
        value["choices"][0]["index"] = 1
    return [*events.finish, *map(sse, second), *events.rest]


def _unknown_fields(events: Events) -> Sequence[bytes]:
    return [b"retry: 3000\nid: 7\nevent: message\nnonsense: x\nnothing\n" + event for event in events.all]


def _gzip(events: Events, _: Position) -> Script:
    packer = zlib.compressobj(wbits=31)
    pieces = [packer.compress(e) + packer.flush(zlib.Z_SYNC_FLUSH) for e in events.all] + [packer.flush()]
    return Script((Head(headers=(("content-encoding", "gzip"),)), *sends(pieces), End()))


def _gzip_whole(body: bytes) -> Script:
    return Script((Status(200, gzip.compress(body), (("content-encoding", "gzip"),)),))


def _byte_by_byte(events: Events) -> Sequence[bytes]:
    stream = b"".join(events.all)
    return [stream[at : at + 1] for at in range(len(stream))]


def _without_done(events: Events) -> Sequence[bytes]:
    return [event for event in events.all if event != DONE]


def _ends_with(reason: str) -> Callable[[Events], Sequence[bytes]]:
    return lambda events: [*events.preamble, *events.content, events.chunk({}, reason), *events.rest]


HEALTHY: tuple[Fault, ...] = (
    Fault(
        "one-garbage-line",
        "One line is not JSON, the rest is whole.",
        "",
        "both",
        "pass",
        "pass",
        _one_garbage_line,
    ),
    _odd("length", "The token limit was reached.", _ends_with("length")),
    _odd("content-filter", "A content filter stopped the answer.", _ends_with("content_filter")),
    _odd("finish-eos", 'The finish reason is "eos".', _ends_with("eos")),
    _odd("refusal", "The model refuses.", _refusal),
    _odd(
        "finish-no-done", "A finish reason, then a clean end without [DONE].", _without_done, action="finish"
    ),
    _odd(
        "finish-then-silence",
        "A finish reason, then nothing, and the connection stays open.",
        _without_done,
        ending=Hang(),
        action="finish",
    ),
    _odd(
        "finish-then-reset", "A finish reason, then a reset.", _without_done, ending=Reset(), action="finish"
    ),
    _odd("finish-then-fin", "A finish reason, then a cut.", _without_done, ending=Fin(), action="finish"),
    _odd(
        "finish-then-error",
        "A finish reason, then an error object.",
        lambda e: [*e.finish, sse({"error": {"message": "late", "type": "server_error", "code": None}})],
        action="finish",
    ),
    _odd(
        "finish-half-done",
        "A finish reason, then half of [DONE].",
        lambda e: [*e.finish, b"data: [DO"],
        action="finish",
    ),
    _odd(
        "no-final-blank-line",
        "The blank line after [DONE] is missing.",
        lambda e: [*e.finish, *e.rest[:-1], b"data: [DONE]\n"],
        action="finish",
    ),
    _odd(
        "done-no-newline",
        "Nothing follows [DONE], not even a newline.",
        lambda e: [*e.finish, *e.rest[:-1], b"data: [DONE]"],
        action="finish",
    ),
    _odd(
        "done-no-finish", "[DONE] comes without a finish reason.", lambda e: [*e.preamble, *e.content, DONE]
    ),
    _odd("done-then-silence", "After [DONE] the connection stays open.", lambda e: e.all, ending=Hang()),
    _odd("finish-with-text", "The last chunk has text and a finish reason.", _finish_with_text),
    _odd("usage-after-finish", "A usage chunk without choices follows the finish.", _late_usage),
    _odd(
        "offsets-after-finish",
        "An Azure chunk with filter offsets follows the finish.",
        lambda e: [*e.finish, sse(_OFFSETS), *e.rest],
    ),
    _odd("prompt-filter-first", "The first chunk has no choices.", lambda e: [sse(_PROMPT_FILTER), *e.all]),
    _odd("finish-in-every-chunk", "Every chunk has a finish reason.", _finish_everywhere),
    _odd("content-in-parts", "The content is a list of parts.", _in_parts),
    _odd(
        "control-character",
        "A string has a raw control character in it.",
        lambda e: [
            *e.preamble,
            e.content[0].replace(b'"content":"', b'"content":"\x01'),
            *e.content[1:],
            *e.tail,
        ],
    ),
    _odd("two-events-in-a-frame", "The empty line between two events is missing.", _two_in_a_frame),
    _odd(
        "unknown-content",
        "A delta has an image in it.",
        lambda e: [
            *e.preamble,
            *e.content,
            e.chunk({"images": [{"type": "image_url", "image_url": {}, "x": "y"}]}),
            *e.tail,
        ],
    ),
    _odd("empty-but-counted", "Nothing is said, and its tokens are counted.", _empty_but_counted),
    _odd(
        "bytes-behind-done",
        "A comment and an event follow [DONE].",
        lambda e: [*e.all, b": bye\n\ndata: {}\n\n"],
    ),
    Fault(
        "stream-as-json",
        "The stream is called application/json.",
        "",
        "after",
        "",
        "pass",
        lambda e, _: Script((Head(content_type="application/json"), *sends(e.all), End())),
    ),
    _odd("error-null", "Every chunk has a key error that is null.", _null_error),
    _odd("two-choices", "Two choices, one after the other.", _two_choices),
    _odd(
        "data-no-space", "No blank after data:.", lambda e: [x.replace(b"data: ", b"data:", 1) for x in e.all]
    ),
    _odd("crlf", "Lines end in CRLF.", _lines(b"\r\n")),
    _odd("cr", "Lines end in CR.", _lines(b"\r")),
    _odd("multi-line-data", "The JSON of an event is spread over data lines.", _many_lines),
    _odd("bom", "The stream begins with a byte order mark.", lambda e: [b"\xef\xbb\xbf", *e.all]),
    _odd("comment-inside-frame", "A comment stands inside a frame.", _comment_inside),
    _odd("unknown-fields", "Events have id, retry, event and unknown fields.", _unknown_fields),
    _odd("byte-by-byte", "Every byte comes alone.", _byte_by_byte),
    _odd("one-piece", "The whole stream comes in one piece.", lambda e: [b"".join(e.all)]),
    Fault(
        "gzip", "The stream is compressed, though nobody asked.", "", "after", "", "pass", _gzip, _gzip_whole
    ),
    Fault(
        "finish-no-content",
        "A finish reason without any content.",
        "empty_200",
        "before",
        "restart",
        "",
        # Without counts, which would make it an answer.
        lambda e, _: Script((Head(), *sends([*e.preamble, *e.tail[:1], *e.tail[-1:]]), End())),
    ),
)
