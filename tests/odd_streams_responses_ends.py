"""Odd streams of the Responses wire: calls and ends."""

from __future__ import annotations

from typing import Any, Final

from odd_stream import Called, Kind, Mirror, OddStream, data, dumped
from odd_streams_responses import (
    HELLO,
    OPEN,
    RESPONSE,
    USAGE,
    completed,
    created,
    ends,
    event,
    item,
    message,
    row,
)

CITY: Final = '{"city": "Bern"}'


def call(arguments: object = "", **fields: Any) -> dict[str, Any]:
    """A call's item."""
    return {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_1",
        "name": "get_weather",
        "arguments": arguments,
        **fields,
    }


def part(text: object, **fields: Any) -> bytes:
    """A part of a call's arguments."""
    return event(
        "function_call_arguments.delta", **{"item_id": "fc_1", "output_index": 0, "delta": text, **fields}
    )


def whole(text: object, **fields: Any) -> bytes:
    """All of a call's arguments."""
    return event(
        "function_call_arguments.done", **{"item_id": "fc_1", "output_index": 0, "arguments": text, **fields}
    )


BEGUN: Final = (created(), item("added", call()))
DONE: Final = item("done", call(CITY))


def called(
    name: str, source: str, *pieces: bytes, calls: tuple[Called, ...] = (("get_weather", CITY),), **more: Any
) -> OddStream:
    """A row that is one call."""
    return row(
        f"call: {name}", Kind.CALLS, source, *pieces, completed(output=[call(CITY)]), calls=calls, **more
    )


CALLS: Final = (
    called("no deltas", "BerriAI/litellm#27144", *BEGUN, whole(CITY), DONE),
    called("the arguments in the item alone", "Gitlawb/openclaude#1259", *BEGUN, DONE),
    called(
        "an item that is empty when it is done",
        "earendil-works/pi#917",
        *BEGUN,
        whole(CITY),
        item("done", call("{}")),
    ),
    called(
        "an empty delta at first",
        "BerriAI/litellm#39288",
        *BEGUN,
        part(""),
        part(CITY[:7]),
        part(CITY[7:]),
        whole(CITY),
        DONE,
    ),
    called(
        "a null delta at first",
        "neighbour of BerriAI/litellm#40207",
        *BEGUN,
        part(None),
        part(CITY),
        whole(CITY),
        DONE,
    ),
    called(
        "null when it is done",
        "neighbour of BerriAI/litellm#40207",
        *BEGUN,
        part(CITY),
        whole(None),
        item("done", call(None)),
    ),
    called(
        "arguments that are an object",
        "neighbour of openai/openai-dotnet#433",
        *BEGUN,
        part(CITY),
        whole({"city": "Bern"}),
        item("done", call({"city": "Bern"})),
        undecided=True,
    ),
    called(
        "a name when it is done",
        "iii-hq/workers#1020",
        created(),
        item("added", call(name=None)),
        whole(CITY),
        DONE,
        undecided=True,
    ),
    called("no item before it is done", "agentjido/req_llm#662", created(), DONE),
    called("the call in the end alone", "UOR-Foundation/uor-r4#692", created()),
    called(
        "no call's id",
        "Oaklight/llm-rosetta#56",
        created(),
        item("added", call(call_id=None)),
        part(CITY),
        whole(CITY),
        item("done", call(CITY, call_id=None)),
    ),
    called(
        "no indices",
        "Oaklight/llm-rosetta#56",
        created(),
        event("output_item.added", item=call()),
        event("function_call_arguments.delta", item_id="fc_1", delta=CITY),
        event("function_call_arguments.done", item_id="fc_1", arguments=CITY),
        event("output_item.done", item=call(CITY)),
    ),
    called(
        "indices that are strings",
        "neighbour of openai/openai-python#3410",
        created(),
        item("added", call(), "0"),
        part(CITY, output_index="0"),
        whole(CITY, output_index="0"),
        item("done", call(CITY), "0"),
    ),
    called("the item done and no arguments done", "ogx-ai/ogx#5309", *BEGUN, part(CITY), DONE),
    called(
        "arguments at once in the first item",
        "neighbour of farion1231/cc-switch#2557",
        created(),
        item("added", call(CITY)),
        DONE,
    ),
)
ENDS: Final = (
    ends("output is null", "openai/openai-python#3312", completed(output=None)),
    ends("output is empty", "QuantumNous/new-api#4362", completed()),
    ends(
        "no output",
        "Oaklight/llm-rosetta#56",
        event("completed", response={"id": "resp_odd1", "status": "completed"}),
    ),
    ends("an empty response", "neighbour of openai/openai-python#3321", event("completed", response={})),
    ends("a null response", "neighbour of openai/openai-python#3321", event("completed", response=None)),
    ends("no response", "neighbour of openai/openai-python#3321", event("completed")),
    ends(
        "a response that is a string",
        "neighbour of openai/openai-python#3321",
        event("completed", response="resp_odd1"),
    ),
    ends("usage is null", "neighbour of livekit/agents#6596", completed(HELLO, usage=None)),
    ends("usage is empty", "zed-industries/zed#42893", completed(HELLO, usage={})),
    ends(
        "counts that are null",
        "openai/openai-agents-python#1179",
        completed(HELLO, usage={"input_tokens": None, "output_tokens": None}),
    ),
    ends(
        "counts that are fractions",
        "cloudflare/ai#651",
        completed(HELLO, usage={"input_tokens": 9.0, "output_tokens": 2.5}),
    ),
    ends("status is null", "neighbour of openai/openai-python#3312", completed(HELLO, status=None)),
    ends(
        "details that are a string",
        "neighbour of openai/openai-python#3312",
        completed(HELLO, incomplete_details="none"),
    ),
    ends(
        "created as a string",
        "epam/ai-dial-adapter-openai#141",
        completed(HELLO, created_at="2026-11-29T00:00:00Z"),
    ),
    ends("an error that is null", "simonw/llm#839", completed(HELLO, error=None)),
    ends(
        "output of other kinds",
        "neighbour of openai/openai-python#3312",
        completed(output=[None, "x", {"type": None}, message(HELLO, content=None)]),
    ),
    ends(
        "content that is a string",
        "neighbour of tashfeenahmed/freellmapi#851",
        completed(output=[message(HELLO, content=HELLO)]),
    ),
    ends("a type alone", "issue 12", data({"type": "response.completed"})),
    ends("the other wire's terminator", "caozhiyuan/copilot-api#338", completed(HELLO), data(b"[DONE]")),
    ends(
        "the other wire's terminator with a name",
        "earendil-works/pi#3708",
        completed(HELLO),
        data(b"[DONE]", "done"),
    ),
    ends(
        "the end without its empty line",
        "sudoprivacy/sudocode#576",
        completed(HELLO)[:-1],
        mirror=Mirror.BEGINS,
    ),
    ends(
        "the end without any line end",
        "neighbour of sudoprivacy/sudocode#576",
        completed(HELLO)[:-2],
        mirror=Mirror.BEGINS,
    ),
    ends("the end twice", "diegosouzapw/OmniRoute#4937", completed(HELLO), completed(HELLO)),
    ends(
        "limits behind the end",
        "raine/claude-code-proxy#16",
        completed(HELLO),
        data({"type": "codex.rate_limits", "rate_limits": {}}),
    ),
    ends(
        "an error behind the end",
        "Wei-Shaw/sub2api#1471",
        completed(HELLO),
        data({"type": "error", "error": {"message": "stream_read_error"}}),
    ),
    ends(
        "incomplete, and nobody says why",
        "openai/openai-python#3286",
        completed(HELLO, "incomplete", incomplete_details=None),
    ),
    ends(
        "incomplete, and the reason is null",
        "openai/openai-python#3286",
        completed(HELLO, "incomplete", incomplete_details={"reason": None}),
    ),
    row(
        "text behind the end",
        Kind.EARLY,
        "neighbour of BerriAI/litellm#27139",
        *OPEN[:5],
        completed(),
        *OPEN[5:],
        text=HELLO,
    ),
    row("no end", Kind.EARLY, "caozhiyuan/copilot-api#338", *OPEN, text=HELLO, healthy=False),
    row(
        "the other wire's terminator and no end",
        Kind.EARLY,
        "caozhiyuan/copilot-api#338",
        *OPEN,
        data(b"[DONE]"),
        text=HELLO,
        healthy=False,
    ),
    row(
        "an error inside the last event",
        Kind.EARLY,
        "Wei-Shaw/sub2api#1471",
        *OPEN,
        b'event: response.completed\ndata: {"type": "response.completed", "resp\ndata: '
        + dumped({"type": "error", "error": {"message": "stream_read_error"}})
        + b"\n\n",
        text=HELLO,
        healthy=False,
    ),
    row(
        "failed, and no error",
        Kind.EARLY,
        "neighbour of openai/openai-python#3312",
        *OPEN[:4],
        event("failed", response={**RESPONSE, "status": "failed", "error": None}),
        text="Hello",
        healthy=False,
    ),
    row(
        "failed, and no response",
        Kind.EARLY,
        "neighbour of openai/openai-python#3312",
        *OPEN[:4],
        event("failed"),
        text="Hello",
        healthy=False,
    ),
    row(
        "a flat error",
        Kind.EARLY,
        "OpenAI Responses API",
        *OPEN[:4],
        data({"type": "error", "code": "server_error", "message": "x", "param": None}, "error"),
        text="Hello",
        healthy=False,
        outcome="server_error",
    ),
    row(
        "a used window",
        Kind.EARLY,
        "raine/claude-code-proxy#139",
        created(),
        data({"type": "error", "status_code": 429, "error": {"type": "usage_limit_reached", "message": "x"}}),
        healthy=False,
    ),
    row(
        "an error event without data",
        Kind.EARLY,
        "neighbour of octos-org/octos#13",
        *OPEN[:4],
        b"event: error\n\n",
        text="Hello",
        healthy=False,
    ),
    row(
        "half a call in a whole answer",
        Kind.EARLY,
        "earendil-works/pi#5964",
        *BEGUN,
        part('{"ci'),
        completed(),
        calls=(("get_weather", '{"ci'),),
        healthy=False,
    ),
)
EMPTY: Final = (
    row(
        "nothing, with counts",
        Kind.EMPTY,
        "google-gemini/deprecated-generative-ai-python#744",
        created(),
        completed(),
    ),
    row(
        "nothing in its message, with counts",
        Kind.EMPTY,
        "googleapis/python-genai#811",
        created(),
        item("added", {"type": "message", "content": []}),
        completed(output=[message("")]),
    ),
    row(
        "nothing within the limit",
        Kind.EMPTY,
        "stanford-crfm/helm#3804",
        created(),
        completed("", "incomplete", incomplete_details={"reason": "max_output_tokens"}),
    ),
    row(
        "nothing, counts as a fraction",
        Kind.EMPTY,
        "cloudflare/ai#651",
        created(),
        completed(usage={"input_tokens": 9, "output_tokens": 2.0}),
    ),
    row(
        "nothing and no counts",
        Kind.EMPTY,
        "issue 12",
        created(),
        completed(usage=None),
        healthy=False,
        outcome="empty_200",
    ),
    row(
        "nothing and counts of 0",
        Kind.EMPTY,
        "issue 12",
        created(),
        completed(usage={**USAGE, "output_tokens": 0}),
        healthy=False,
        outcome="empty_200",
    ),
)
ROWS: Final = (*CALLS, *ENDS, *EMPTY)
