"""Odd streams of the Responses wire: events and fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from odd_stream import Kind, OddStream, data

RESPONSE: Final[Mapping[str, Any]] = {
    "id": "resp_odd1",
    "object": "response",
    "created_at": 1_790_000_000,
    "model": "gpt-4o",
    "status": "in_progress",
    "output": [],
    "usage": None,
}
USAGE: Final = {"input_tokens": 9, "output_tokens": 12, "total_tokens": 21}


def event(kind: str, **fields: Any) -> bytes:
    """One event, under its own name."""
    return data({"type": f"response.{kind}", **fields}, f"response.{kind}")


def created(**fields: Any) -> bytes:
    """The first event; what `fields` names takes the place of the usual."""
    return event("created", response={**RESPONSE, **fields})


def message(text: str, **fields: Any) -> dict[str, Any]:
    """A whole message item."""
    part = {"type": "output_text", "text": text, "annotations": []}
    return {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [part],
        **fields,
    }


def completed(text: str = "", kind: str = "completed", **fields: Any) -> bytes:
    """The last event."""
    output = [message(text)] if text else []
    return event(kind, response={**RESPONSE, "status": kind, "output": output, "usage": USAGE, **fields})


def say(text: object, **fields: Any) -> bytes:
    """A text delta."""
    return event(
        "output_text.delta",
        **{"item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": text, **fields},
    )


def item(word: str, value: object, index: object = 0) -> bytes:
    """An item is added or done."""
    return event(f"output_item.{word}", output_index=index, item=value)


ADDED: Final = item("added", {**message(""), "status": "in_progress", "content": []})
PART: Final = event(
    "content_part.added",
    item_id="msg_1",
    output_index=0,
    content_index=0,
    part={"type": "output_text", "text": ""},
)
#: Where the odd event stands: inside a word.
ODD_AT: Final = 4


def closing(text: str) -> tuple[bytes, ...]:
    """What is said once more when a message is done."""
    done = event("output_text.done", item_id="msg_1", output_index=0, content_index=0, text=text)
    part = event(
        "content_part.done",
        item_id="msg_1",
        output_index=0,
        content_index=0,
        part={"type": "output_text", "text": text},
    )
    return (done, part, item("done", message(text)))


def text(said: str = "") -> str:
    """What `around` says."""
    return f"The light{said}house keeps its watch."


def around(*odd: bytes, said: str = "", last: bytes | None = None) -> tuple[bytes, ...]:
    """A usual answer with something odd inside a word of it."""
    whole = text(said)
    deltas = (say("The light"), *odd, say("house keeps"), say(" its watch."))
    return (created(), ADDED, PART, *deltas, *closing(whole), last or completed(whole))


def row(name: str, kind: Kind, source: str, *pieces: bytes, **more: Any) -> OddStream:
    """A row of this wire."""
    return OddStream(f"responses: {name}", "responses", kind, source, pieces, **more)


def odd(
    name: str, source: str, *pieces: bytes, said: str = "", kind: Kind = Kind.UNKNOWN, **more: Any
) -> OddStream:
    """A row with something odd inside a word."""
    return row(name, kind, source, *around(*pieces, said=said), text=text(said), **more)


HELLO: Final = "Hello, keeper."
OPEN: Final = (created(), ADDED, PART, say("Hello"), say(", keeper."), *closing(HELLO))


def ends(name: str, source: str, *pieces: bytes, kind: Kind = Kind.ENDS, **more: Any) -> OddStream:
    """A row whose end is odd."""
    return row(f"end: {name}", kind, source, *OPEN, *pieces, text=HELLO, **more)


def starts(name: str, source: str, first: bytes, **more: Any) -> OddStream:
    """A row whose first event is odd."""
    return row(f"start: {name}", Kind.UNKNOWN, source, first, *OPEN[1:], completed(HELLO), text=HELLO, **more)


def bare(name: str, source: str, *pieces: bytes, **more: Any) -> OddStream:
    """A row that says hello in fewer events than are usual."""
    return row(name, Kind.UNKNOWN, source, *pieces, text=HELLO, **more)


FIELDS: Final = (
    odd(
        "rate limits",
        "router-for-me/CLIProxyAPI#6007",
        data(
            {"type": "codex.rate_limits", "rate_limits": {"primary": {"used_percent": 3}}},
            "codex.rate_limits",
        ),
    ),
    odd(
        "a limit that is reached",
        "router-for-me/CLIProxyAPI#3798",
        data({"type": "codex.rate_limits", "limit_reached": True, "error": None}, "codex.rate_limits"),
    ),
    odd("a name without data", "diegosouzapw/OmniRoute#4715", b"event: codex.rate_limits\n\n"),
    odd(
        "times", "router-for-me/CLIProxyAPI#6007", data({"type": "responsesapi.websocket_timing", "ms": 1.5})
    ),
    odd("a keep-alive", "Soju06/codex-lb#1974", data({"type": "codex.keepalive"}, "codex.keepalive")),
    odd(
        "a keep-alive with a number",
        "neighbour of Soju06/codex-lb#1974",
        data({"type": "keepalive", "sequence_number": 4}, "keepalive"),
    ),
    odd("a ping", "neighbour of diegosouzapw/OmniRoute#8762", data({}, "ping")),
    odd("null", "neighbour of Kilo-Org/kilocode#3083", data(None)),
    odd(
        "progress of the prompt",
        "ggml-org/llama.cpp#25348",
        event("in_progress", response=None, prompt_progress={"total": 9}, timings={}),
    ),
    odd("a queue", "OpenAI Responses API", event("queued", response={**RESPONSE, "status": "queued"})),
    odd("a comment", "openai/openai-go#227", b": keep-alive\n\n"),
    odd("an unknown event", "OpenAI Responses API", event("note", note="x"), undecided=True),
    odd(
        "an unknown event with an empty delta",
        "neighbour of BerriAI/litellm#39288",
        event("note.delta", delta=""),
    ),
    odd(
        "an unknown event with a delta",
        "async-openai, response stream events",
        event("audio.delta", delta="QUJD"),
        kind=Kind.ORDER,
        opaque=ODD_AT,
    ),
    odd(
        "an annotation",
        "OpenAI Responses API, web search",
        event("output_text.annotation.added", output_index=0, annotation={"type": "url_citation"}),
        undecided=True,
    ),
    odd("a delta that is null", "neighbour of microsoft/agent-framework#5734", say(None)),
    odd("a delta that is empty", "BerriAI/litellm#39288", say("")),
    odd("a delta that is a number", "cloudflare/ai#651", say(6), said="6"),
    odd(
        "a delta that is an object", "openai/openai-dotnet#677", say({"text": "-"}), undecided=True, said="-"
    ),
    odd(
        "more fields",
        "OpenAI Responses API, obfuscation",
        say("-", logprobs=[], obfuscation="xyz", sequence_number=4),
        said="-",
    ),
    odd(
        "a number that is a string",
        "neighbour of openai/openai-python#3410",
        say("-", sequence_number="4"),
        said="-",
    ),
    odd(
        "indices that are strings",
        "neighbour of openai/openai-python#3410",
        say("-", output_index="0", content_index="0"),
        said="-",
    ),
    odd(
        "indices that are null",
        "Oaklight/llm-rosetta#56",
        say("-", output_index=None, content_index=None, item_id=None),
        said="-",
    ),
    odd(
        "an index that is a fraction",
        "neighbour of BoundaryML/baml#1746",
        say("-", output_index=0.0),
        said="-",
    ),
    odd("an error that is null", "issue 12", say("-", error=None), said="-"),
    odd("an error that is empty", "neighbour of zed-industries/zed#42893", say("-", error={}), said="-"),
    odd(
        "a name that contradicts",
        "mudler/LocalAI#340",
        data(
            {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "-"},
            "message",
        ),
        said="-",
    ),
    odd(
        "a raw tab in a string",
        "matthiasn/lotti#4310",
        data(
            b'{"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "-\t-"}'
        ),
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
    starts("created is null", "neighbour of epam/ai-dial-adapter-openai#141", created(created_at=None)),
    starts("created is a string", "epam/ai-dial-adapter-openai#141", created(created_at="1790000000")),
    starts("created is a fraction", "simonw/llm#839", created(created_at=1_790_000_000.5)),
    starts("an id that is null", "Oaklight/llm-rosetta#56", created(id=None, model=None)),
    starts(
        "output is null at first", "neighbour of openai/openai-python#3312", created(output=None, status=None)
    ),
    starts("completed from the start", "neighbour of openai/openai-python#3321", created(status="completed")),
    starts("no response", "neighbour of Oaklight/llm-rosetta#56", event("created")),
    bare(
        "deltas and the end alone",
        "Oaklight/llm-rosetta#56",
        created(),
        say("Hello", item_id=None),
        say(", keeper."),
        completed(HELLO),
    ),
    bare(
        "no indices",
        "Oaklight/llm-rosetta#56",
        created(),
        event("output_text.delta", delta=HELLO),
        completed(HELLO),
    ),
    bare("nothing is done", "ogx-ai/ogx#5309", *OPEN[:5], completed(HELLO)),
    bare(
        "no deltas, and the text when it is done",
        "ogx-ai/ogx#5309",
        created(),
        ADDED,
        PART,
        *closing(HELLO),
        completed(HELLO),
    ),
    bare(
        "no deltas, and the item when it is done",
        "agentjido/req_llm#662",
        created(),
        item("done", message(HELLO)),
        completed(HELLO),
    ),
    bare("nothing but the end", "UOR-Foundation/uor-r4#692", completed(HELLO)),
    bare(
        "places that grow with each delta",
        "vllm-project/vllm#29947",
        created(),
        ADDED,
        PART,
        say("Hello", content_index=12),
        say(", keeper.", content_index=13),
        *closing(HELLO),
        completed(HELLO),
    ),
    bare(
        "no names",
        "earendil-works/pi#1983",
        *(piece.split(b"\n", 1)[1] for piece in (*OPEN, completed(HELLO))),
    ),
    bare(
        "names in a field of another name",
        "openai/openai-openapi#489",
        *(piece.replace(b"event: ", b"type: ") for piece in (*OPEN, completed(HELLO))),
    ),
    bare(
        "no blanks behind the colons",
        "QwenLM/qwen-code#8169",
        *(
            piece.replace(b"event: ", b"event:").replace(b"data: ", b"data:")
            for piece in (*OPEN, completed(HELLO))
        ),
    ),
    bare(
        "types in the names alone",
        "neighbour of openai/openai-openapi#489",
        *(
            piece.replace(piece.split(b"\n")[1].split(b", ")[0].removeprefix(b"data: {") + b", ", b"")
            for piece in (*OPEN, completed(HELLO))
        ),
    ),
    row(
        "items that are null",
        Kind.UNKNOWN,
        "neighbour of RooCodeInc/Roo-Code#9105",
        created(),
        item("added", None),
        ADDED,
        say(HELLO),
        item("done", message(HELLO, content=None)),
        completed(HELLO),
        text=HELLO,
    ),
    row(
        "content that is a string",
        Kind.UNKNOWN,
        "neighbour of tashfeenahmed/freellmapi#851",
        created(),
        ADDED,
        say(HELLO),
        item("done", message(HELLO, content=HELLO)),
        completed(HELLO),
        text=HELLO,
    ),
)
ROWS: Final = FIELDS
