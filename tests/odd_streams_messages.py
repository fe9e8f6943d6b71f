"""Odd streams of the Messages wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from odd_stream import Kind, OddStream, data

MESSAGE: Final[Mapping[str, Any]] = {
    "id": "msg_odd1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [],
    "stop_reason": None,
    "usage": {"input_tokens": 9, "output_tokens": 1},
}


def event(kind: str, **fields: Any) -> bytes:
    """One event, under its own name."""
    return data({"type": kind, **fields}, kind)


def begin(**fields: Any) -> bytes:
    """The first event; what `fields` names takes the place of the usual."""
    return event("message_start", message={**MESSAGE, **fields})


def block(kind: str, index: object = 0, **fields: Any) -> bytes:
    """The start of a content block."""
    return event("content_block_start", index=index, content_block={"type": kind, **fields})


def delta(kind: str, index: object = 0, **fields: Any) -> bytes:
    """A delta of a content block."""
    return event("content_block_delta", index=index, delta={"type": kind, **fields})


def say(text: object, index: object = 0, **fields: Any) -> bytes:
    """A text delta."""
    return delta("text_delta", index, text=text, **fields)


def stop(index: object = 0) -> bytes:
    """The end of a content block."""
    return event("content_block_stop", index=index)


def end(reason: object = "end_turn", usage: object = ..., **fields: Any) -> bytes:
    """The stop reason and the counts."""
    counts = {"output_tokens": 12} if usage is ... else usage
    return event(
        "message_delta", delta={"stop_reason": reason, "stop_sequence": None, **fields}, usage=counts
    )


TEXT: Final = block("text", text="")
LAST: Final = event("message_stop")
#: Where the odd event stands: inside a word.
ODD_AT: Final = 3


def around(*odd: bytes) -> tuple[bytes, ...]:
    """A usual answer with something odd inside a word of it."""
    return (
        begin(),
        TEXT,
        say("The light"),
        *odd,
        say("house keeps"),
        say(" its watch."),
        stop(),
        end(),
        LAST,
    )


def text(said: str = "") -> str:
    """What `around` says."""
    return f"The light{said}house keeps its watch."


def row(name: str, kind: Kind, source: str, *pieces: bytes, **more: Any) -> OddStream:
    """A row of this wire."""
    return OddStream(f"messages: {name}", "messages", kind, source, pieces, **more)


def odd(
    name: str, source: str, *pieces: bytes, said: str = "", kind: Kind = Kind.UNKNOWN, **more: Any
) -> OddStream:
    """A row with something odd inside a word."""
    return row(name, kind, source, *around(*pieces), text=text(said), **more)


HELLO: Final = "Hello, keeper."


def ends(name: str, source: str, *pieces: bytes, kind: Kind = Kind.ENDS, **more: Any) -> OddStream:
    """A row whose end is odd."""
    return row(f"end: {name}", kind, source, begin(), TEXT, say(HELLO), stop(), *pieces, text=HELLO, **more)


def starts(name: str, source: str, first: bytes, **more: Any) -> OddStream:
    """A row whose first event is odd."""
    return row(
        f"start: {name}",
        Kind.UNKNOWN,
        source,
        first,
        TEXT,
        say(HELLO),
        stop(),
        end(),
        LAST,
        text=HELLO,
        **more,
    )


def served(name: str, source: str, *blocks: bytes, **more: Any) -> OddStream:
    """A row with blocks of the provider's own tools between two texts."""
    before, behind = (
        (begin(), TEXT, say("I look. "), stop()),
        (block("text", 9, text=""), say("Found.", 9), stop(9)),
    )
    return row(
        name,
        Kind.ORDER,
        source,
        *before,
        *blocks,
        *behind,
        end(),
        LAST,
        text="I look. Found.",
        **more,
    )


def used(kind: str = "server_tool_use", name: str = "web_search") -> tuple[bytes, ...]:
    """A call of a tool that the provider runs."""
    arguments = delta("input_json_delta", 1, partial_json='{"query": "lighthouse"}')
    return (block(kind, 1, id="srvtoolu_1", name=name, input={}), arguments, stop(1))


def result(kind: str, content: object) -> tuple[bytes, ...]:
    """What that tool found."""
    return (block(kind, 2, tool_use_id="srvtoolu_1", content=content), stop(2))


def called(
    name: str, source: str, *pieces: bytes, arguments: str = '{"city": "Bern"}', **more: Any
) -> OddStream:
    """A row that is one call."""
    reason = more.pop("reason", "tool_use")
    calls = more.pop("calls", (("get_weather", arguments),))
    return row(f"call: {name}", Kind.CALLS, source, begin(), *pieces, end(reason), LAST, calls=calls, **more)


def arguments(part: object, index: object = 0) -> bytes:
    """A part of a call's arguments."""
    return delta("input_json_delta", index, partial_json=part)


def use(index: object = 0, name: str = "get_weather", **fields: Any) -> bytes:
    """The start of a call."""
    return block("tool_use", index, id=f"toolu_{index}", name=name, **{"input": {}, **fields})


FOUND: Final = [{"type": "web_search_result", "url": "https://a.example", "encrypted_content": "QUJD"}]
USED: Final = {"output_tokens": 12, "server_tool_use": {"web_search_requests": 1}, "cache_creation": {"x": 0}}

FIELDS: Final = (
    odd("a ping of nothing", "diegosouzapw/OmniRoute#8762", data({}, "ping")),
    odd("a ping without a name", "caidaoli/ccLoad#69", data({"type": "ping"})),
    odd(
        "a ping that says something",
        "neighbour of diegosouzapw/OmniRoute#8762",
        event("ping", cost="0", delta=None, index=0),
    ),
    odd("a ping without data", "neighbour of openai/openai-python#2721", b"event: ping\n\n"),
    odd("a ping whose data is empty", "neighbour of openai/openai-python#2721", b"event: ping\ndata:\n\n"),
    odd("a ping that is null", "neighbour of Kilo-Org/kilocode#3083", data(None, "ping")),
    odd("a comment", "openai/openai-go#227", b": keep-alive\n\n"),
    odd("an event of nothing", "neighbour of earendil-works/pi#2468", data({})),
    odd(
        "an event of another name",
        "Claude docs, streaming, other events",
        event("message_note", note={"x": 1}),
        undecided=True,
    ),
    odd(
        "an event of another name and an empty delta",
        "neighbour of librefang/librefang#5911",
        event("message_note", delta=None, content_block=None),
    ),
    odd(
        "an unknown delta",
        "NVIDIA/NeMo-Relay#1035",
        delta("compaction_delta", content="So far."),
        kind=Kind.ORDER,
        opaque=ODD_AT,
    ),
    odd(
        "a citation",
        "Claude docs, citations",
        delta("citations_delta", citation={"type": "char_location", "cited_text": "x"}),
    ),
    odd("text that is null", "neighbour of traceloop/openllmetry#4079", say(None)),
    odd("text that is empty", "neighbour of traceloop/openllmetry#4079", say("")),
    odd("text that is a number", "neighbour of cloudflare/ai#651", say(6), said="6"),
    odd(
        "a delta that is null",
        "neighbour of microsoft/agent-framework#5734",
        event("content_block_delta", index=0, delta=None),
    ),
    odd(
        "text with more fields",
        "neighbour of librefang/librefang#5911",
        say("-", logprobs=None, citations=[]),
        said="-",
    ),
    odd("an index that is a string", "neighbour of openai/openai-python#3410", say("-", "0"), said="-"),
    odd("an index that is null", "neighbour of openai/openai-python#3410", say("-", None), said="-"),
    odd("an index that is a fraction", "neighbour of BoundaryML/baml#1746", say("-", 0.0), said="-"),
    odd("an index that jumps", "MadAppGang/claudish#127", say("-", 7), said="-"),
    odd(
        "an error that is null",
        "issue 12",
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": "-"}, error=None),
        said="-",
    ),
    odd(
        "an error that is empty",
        "neighbour of zed-industries/zed#42893",
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": "-"}, error={}),
        said="-",
    ),
    odd(
        "a name that is none",
        "earendil-works/pi#1993",
        data({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "-"}}),
        said="-",
    ),
    odd(
        "a name that contradicts",
        "mudler/LocalAI#340",
        data(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "-"}}, "ping"
        ),
        said="-",
    ),
    odd(
        "counts on the way",
        "neutree-ai/neutree#404",
        event("message_delta", delta={"stop_reason": None}, usage={"output_tokens": 3}),
    ),
    odd(
        "counts on the way that are null",
        "neutree-ai/neutree#404",
        event("message_delta", delta={}, usage=None),
    ),
    odd("a second beginning", "neighbour of NVIDIA/NeMo-Relay#1035", begin(), undecided=True),
    odd(
        "a raw tab in a string",
        "matthiasn/lotti#4310",
        data(b'{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "-\t-"}}'),
        kind=Kind.BYTES,
        said="-\t-",
        undecided=True,
    ),
    odd(
        "a line that is no JSON",
        "diegosouzapw/OmniRoute#4937",
        data(b"<html></html>"),
        kind=Kind.BYTES,
        opaque=ODD_AT,
        is_unread=True,
    ),
    odd(
        "two events without an empty line",
        "orhanerday/ChatGPT#8",
        say("-")[:-1],
        say("+"),
        kind=Kind.BYTES,
        said="-+",
        undecided=True,
    ),
    starts("usage is null at first", "neighbour of livekit/agents#6596", begin(usage=None)),
    starts(
        "no usage at first",
        "Oaklight/llm-rosetta#56",
        event("message_start", message={"id": "msg_1", "role": "assistant"}),
    ),
    starts(
        "counts are null at first",
        "neighbour of livekit/agents#6596",
        begin(usage={"input_tokens": None, "output_tokens": None}),
    ),
    starts(
        "counts are fractions at first",
        "cloudflare/ai#651",
        begin(usage={"input_tokens": 9.0, "output_tokens": 0.5}),
    ),
    starts("content is null at first", "neighbour of RooCodeInc/Roo-Code#9105", begin(content=None)),
    starts("an id that is null", "openai/openai-node#1982", begin(id=None, model=None)),
    starts("an id that is a number", "neighbour of openai/openai-node#1982", begin(id=17)),
    starts("no message", "neighbour of Oaklight/llm-rosetta#56", event("message_start", message=None)),
    starts(
        "a stop reason at first that is empty",
        "neighbour of open-webui/open-webui#23921",
        begin(stop_reason=""),
    ),
    starts(
        "a container and what is managed",
        "maximhq/bifrost#1565",
        begin(container={"id": "c_1"}, context_management={"applied_edits": []}),
    ),
)
ROWS: Final = FIELDS
