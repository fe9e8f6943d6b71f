"""Odd streams of the Responses wire: calls that are said twice, and where they are said."""

from __future__ import annotations

from typing import Any, Final

from odd_stream import Called, Kind, OddStream
from odd_streams_responses import HELLO, OPEN, completed, created, event, item, message, row, say
from odd_streams_responses_ends import BEGUN, CITY, DONE, call, called, part, whole

PARIS: Final = '{"city": "Paris"}'
#: An event of the provider's own kind of call.
CUSTOM: Final = {
    "type": "custom_tool_call",
    "id": "ctc_1",
    "call_id": "call_1",
    "name": "shell",
    "input": "ls",
}


def ended(
    name: str, source: str, *pieces: bytes, output: object, calls: tuple[Called, ...], **more: Any
) -> OddStream:
    """A row of calls with another end than the usual."""
    kind = "incomplete" if "finish_reason" in more else "completed"
    last = completed(kind=kind, output=output)
    return row(f"call: {name}", Kind.CALLS, source, *pieces, last, calls=calls, **more)


def other(arguments: object) -> dict[str, Any]:
    """The item of another call."""
    return call(arguments, id="fc_2", call_id="call_2", name="get_time")


LAST_WORDS: Final = (
    called(
        "arguments that are done have what the deltas lost",
        "anomalyco/opencode#44862",
        *BEGUN,
        part(CITY[:7]),
        whole(CITY),
        DONE,
    ),
    called(
        "an item that is done has what the deltas lost",
        "anomalyco/opencode#44862",
        *BEGUN,
        part(CITY[:7]),
        DONE,
    ),
    called(
        "the end has what the deltas lost",
        "neighbour of anomalyco/opencode#44862",
        *BEGUN,
        part(CITY[:7]),
    ),
    ended(
        "calls of one index side by side, told apart by id",
        "neighbour of anomalyco/opencode#44862",
        *BEGUN,
        item("added", other("")),
        part(CITY[:7]),
        part("{", item_id="fc_2"),
        part(CITY[7:]),
        part("}", item_id="fc_2"),
        whole(CITY),
        whole("{}", item_id="fc_2"),
        output=[call(CITY), other("{}")],
        calls=(("get_weather", CITY), ("get_time", "{}")),
    ),
    ended(
        "calls side by side",
        "neighbour of anomalyco/opencode#44862",
        *BEGUN,
        item("added", other(""), 1),
        part(CITY[:7]),
        part("{", item_id="fc_2", output_index=1),
        part(CITY[7:]),
        part("}", item_id="fc_2", output_index=1),
        whole(CITY),
        output=[call(CITY), other("{}")],
        calls=(("get_weather", CITY), ("get_time", "{}")),
    ),
    ended(
        "the end leaves out ids, and the items of other kinds",
        "neighbour of anomalyco/opencode#44862",
        created(),
        item("added", {"type": "reasoning", "id": "rs_1", "summary": []}),
        item("added", call(), 1),
        part(CITY, output_index=1),
        item("done", call(CITY), 1),
        output=[{"type": "function_call", "name": "get_weather", "arguments": CITY}],
        calls=(("get_weather", CITY),),
    ),
    called(
        "arguments that are done are others",
        "anomalyco/opencode#44862",
        *BEGUN,
        part('{"city": "B'),
        part("rn"),
        whole(CITY),
        DONE,
    ),
    ended(
        "whole deltas, and arguments that are done are others",
        "anomalyco/opencode#44862",
        *BEGUN,
        part(CITY),
        whole(PARIS),
        item("done", call(PARIS)),
        output=[call(PARIS)],
        calls=(("get_weather", PARIS),),
    ),
    called(
        "arguments that are done with other blanks",
        "neighbour of anomalyco/opencode#44862",
        *BEGUN,
        part(CITY),
        whole('{"city":"Bern"}'),
        item("done", call('{ "city": "Bern" }')),
    ),
    called(
        "the end says less",
        "neighbour of earendil-works/pi#917",
        *BEGUN,
        part(CITY),
        whole(""),
        item("done", call("")),
    ),
    called(
        "no arguments that are done, and all of them in the item",
        "neighbour of Gitlawb/openclaude#1259",
        *BEGUN,
        whole(None),
        DONE,
    ),
)
TYPES: Final = (
    called(
        "an object in the item that is done",
        "neighbour of openai/openai-dotnet#433",
        *BEGUN,
        item("done", call({"city": "Bern"})),
    ),
    called(
        "an object when the arguments are done",
        "neighbour of openai/openai-dotnet#433",
        *BEGUN,
        whole({"city": "Bern"}),
        item("done", call(None)),
    ),
    ended(
        "an object in the end alone",
        "neighbour of openai/openai-dotnet#433",
        created(),
        output=[call({"city": "Bern"})],
        calls=(("get_weather", CITY),),
    ),
    ended(
        "arguments that are encoded twice",
        "vllm-project/vllm#54964",
        *BEGUN,
        item("done", call('"{\\"city\\": \\"Bern\\"}"')),
        output=[],
        calls=(("get_weather", '"{\\"city\\": \\"Bern\\"}"'),),
        spoken=(("get_weather", CITY),),
    ),
    ended(
        "a list for arguments",
        "neighbour of openai/openai-dotnet#433",
        *BEGUN,
        item("done", call('["Bern"]')),
        output=[],
        calls=(("get_weather", '["Bern"]'),),
        unsayable=True,
    ),
    called(
        "all arguments in the first event, and deltas",
        "neighbour of farion1231/cc-switch#2557",
        created(),
        item("added", call(CITY)),
        part(CITY[:7]),
        part(CITY[7:]),
        whole(CITY),
        DONE,
    ),
    called(
        "all arguments in the first event alone",
        "neighbour of farion1231/cc-switch#2557",
        created(),
        item("added", call(CITY)),
    ),
)
PLACES: Final = (
    ended(
        "two calls whose events take turns",
        "envoyproxy/ai-gateway#2579",
        *BEGUN,
        item("added", other(""), 1),
        part(CITY[:7]),
        part('{"zone": ', item_id="fc_2", output_index=1),
        part(CITY[7:]),
        whole(CITY),
        DONE,
        part('"CET"}', item_id="fc_2", output_index=1),
        item("done", other('{"zone": "CET"}'), 1),
        output=[call(CITY), other('{"zone": "CET"}')],
        calls=(("get_weather", CITY), ("get_time", '{"zone": "CET"}')),
    ),
    ended(
        "a second call in the end alone",
        "neighbour of UOR-Foundation/uor-r4#692",
        *BEGUN,
        part(CITY),
        DONE,
        output=[call(CITY), other('{"zone": "CET"}')],
        calls=(("get_weather", CITY), ("get_time", '{"zone": "CET"}')),
    ),
    ended(
        "a custom tool in the end alone",
        "OpenAI Responses API, custom tools",
        created(),
        output=[CUSTOM],
        calls=(("shell", '{"input":"ls"}'),),
    ),
    ended(
        "a custom tool that is only done",
        "OpenAI Responses API, custom tools",
        created(),
        item("done", CUSTOM),
        output=[],
        calls=(("shell", '{"input":"ls"}'),),
    ),
    ended(
        "a custom tool in pieces",
        "OpenAI Responses API, custom tools",
        created(),
        item("added", CUSTOM | {"input": ""}),
        event("custom_tool_call_input.delta", item_id="ctc_1", output_index=0, delta="l"),
        event("custom_tool_call_input.delta", item_id="ctc_1", output_index=0, delta="s"),
        event("custom_tool_call_input.done", item_id="ctc_1", output_index=0, input="ls"),
        item("done", CUSTOM),
        output=[CUSTOM],
        calls=(("shell", '{"input":"ls"}'),),
    ),
    ended(
        "a custom tool whose end is empty",
        "neighbour of UOR-Foundation/uor-r4#692",
        created(),
        item("added", CUSTOM | {"input": ""}),
        event("custom_tool_call_input.delta", item_id="ctc_1", output_index=0, delta="ls"),
        event("custom_tool_call_input.done", item_id="ctc_1", output_index=0, input=""),
        output=[],
        calls=(("shell", '{"input":"ls"}'),),
    ),
    ended(
        "the limit in the middle of a call",
        "OpenAI Responses API, incomplete responses",
        *BEGUN,
        part(CITY[:7]),
        output=[],
        calls=(("get_weather", CITY[:7]),),
        spoken=(),
        finish_reason="length",
    ),
)
TEXTS: Final = (
    row(
        "a text that is done has what the deltas lost",
        Kind.UNKNOWN,
        "neighbour of anomalyco/opencode#44862",
        *OPEN[:4],
        event("output_text.done", item_id="msg_1", output_index=0, content_index=0, text=HELLO),
        item("done", message(HELLO)),
        completed(HELLO),
        text=HELLO,
    ),
    row(
        "an item that is done has what the deltas lost",
        Kind.UNKNOWN,
        "neighbour of anomalyco/opencode#44862",
        *OPEN[:4],
        item("done", message(HELLO)),
        completed(HELLO),
        text=HELLO,
    ),
    row(
        "a text that is trimmed when it is done",
        Kind.UNKNOWN,
        "mlx-node/mlx-node#45",
        *OPEN[:3],
        say(f"{HELLO} \n"),
        event("output_text.done", item_id="msg_1", output_index=0, content_index=0, text=HELLO),
        item("done", message(HELLO)),
        completed(HELLO),
        text=f"{HELLO} \n",
    ),
)
ROWS: Final = (*LAST_WORDS, *TYPES, *PLACES, *TEXTS)
