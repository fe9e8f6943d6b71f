"""Odd streams of the chat wire with tool calls in them."""

from __future__ import annotations

from typing import Any, Final

from odd_stream import Called, Kind, OddStream
from odd_streams_chat import BEGIN, DONE, END, OURS, chunk, row, say

CITY: Final = '{"city": "Bern"}'
WEATHER: Final = ("get_weather", CITY)
CLOCK: Final = ("get_time", '{"zone": "CET"}')
CALLED: Final = chunk({}, "tool_calls")


def piece(
    name: str | None = None,
    arguments: object = "",
    *,
    call: object = None,
    index: object = 0,
    **more: Any,
) -> dict[str, Any]:
    """One entry of a delta's `tool_calls`."""
    function = {"name": name, "arguments": arguments}
    entry = {"index": index, "id": call, "type": "function", "function": function, **more}
    return {key: value for key, value in entry.items() if value is not ...}


def calling(*pieces: dict[str, Any], **more: Any) -> bytes:
    """A chunk with parts of calls in it."""
    return chunk({"tool_calls": list(pieces)}, **more)


def called(
    name: str, source: str, *pieces: bytes, calls: tuple[Called, ...] = (WEATHER,), **more: Any
) -> OddStream:
    """An answer that is calls."""
    return row(f"call: {name}", Kind.CALLS, source, BEGIN, *pieces, DONE, calls=calls, **more)


FIRST: Final = piece("get_weather", "", call="call_1")
WHOLE: Final = piece("get_weather", CITY, call="call_1")
HALVES: Final = (CITY[:7], CITY[7:])
#: A call without the number that tells it apart.
BARE: Final = piece("get_weather", CITY, call="call_1", index=...)
OTHER_BARE: Final = piece(*CLOCK, call="call_2", index=...)

ROWS: Final = (
    called(
        "null names in the later parts",
        "sgl-project/sglang#35542",
        calling(FIRST),
        *(calling(piece(None, half)) for half in HALVES),
        CALLED,
    ),
    called(
        "empty names in the later parts",
        "lmstudio-ai/lmstudio-bug-tracker#649",
        calling(FIRST),
        *(calling(piece("", half, call="")) for half in HALVES),
        CALLED,
    ),
    called(
        "null arguments at first",
        "ogx-ai/ogx#5462",
        calling(piece("get_weather", None, call="call_1")),
        *(calling(piece(None, half)) for half in HALVES),
        CALLED,
    ),
    called(
        "empty arguments at first, in braces",
        "openai/openai-agents-js#712",
        calling(piece("get_weather", "{}", call="call_1")),
        *(calling(piece(None, half)) for half in HALVES),
        CALLED,
        calls=(("get_weather", "{}" + CITY),),
        finish=4,
    ),
    called(
        "braces, a pause, and the arguments in one",
        OURS,
        calling(piece("get_weather", "{}", call="call_1")),
        calling(piece(None, CITY)),
        CALLED,
        calls=(("get_weather", "{}" + CITY),),
    ),
    called(
        "arguments that are an object",
        "openai/openai-dotnet#433",
        calling(piece("get_weather", {"city": "Bern"}, call="call_1")),
        CALLED,
        undecided=True,
    ),
    called(
        "no arguments",
        "NVIDIA/TensorRT-LLM#19228",
        calling(piece("look", "", call="call_1")),
        CALLED,
        calls=(("look", ""),),
    ),
    called(
        "null arguments for ever",
        "neighbour of ogx-ai/ogx#5462",
        calling(piece("look", None, call="call_1")),
        CALLED,
        calls=(("look", ""),),
    ),
    called("no index", "openai/openai-python#3246", calling(BARE), CALLED),
    called(
        "a null index",
        "davidmigloz/ai_clients_dart#64",
        calling(piece("get_weather", CITY, call="call_1", index=None)),
        CALLED,
    ),
    called(
        "an index that is a string",
        "neighbour of openai/openai-python#3410",
        calling(piece("get_weather", CITY, call="call_1", index="0")),
        CALLED,
    ),
    called(
        "an index that is a fraction",
        "neighbour of BoundaryML/baml#1746",
        calling(piece("get_weather", CITY, call="call_1", index=0.0)),
        CALLED,
    ),
    called(
        "an index that begins at 1",
        "neighbour of openai/openai-python#3410",
        calling(piece("get_weather", CITY, call="call_1", index=1)),
        CALLED,
    ),
    called(
        "two calls without an index",
        "AstrBotDevs/AstrBot#6692",
        calling(BARE),
        calling(OTHER_BARE),
        CALLED,
        calls=(WEATHER, CLOCK),
    ),
    called(
        "two calls without an index in one list",
        "noho/dayu-agent#45",
        calling(BARE, OTHER_BARE),
        CALLED,
        calls=(WEATHER, CLOCK),
    ),
    called(
        "later parts without an index",
        "openai/openai-python#3246",
        calling(FIRST),
        *(calling(piece(None, half, index=...)) for half in HALVES),
        CALLED,
    ),
    called(
        "two calls with one index",
        "sgl-project/sglang#6310",
        calling(WHOLE),
        calling(piece(*CLOCK, call="call_2")),
        CALLED,
        calls=(WEATHER, CLOCK),
    ),
    called("no id", "openai/codex#7517", calling(piece("get_weather", CITY, call=...)), CALLED),
    called(
        "an id in every part",
        "neighbour of openai/codex#7517",
        calling(FIRST),
        *(calling(piece(None, half, call="call_1")) for half in HALVES),
        CALLED,
    ),
    called(
        "a null type",
        "JetBrains/koog#1590",
        calling(piece("get_weather", CITY, call="call_1", type=None)),
        CALLED,
    ),
    called(
        "no type", "vercel/ai#12905", calling(piece("get_weather", CITY, call="call_1", type=...)), CALLED
    ),
    called(
        "a signature",
        "earendil-works/pi#3234",
        calling(
            piece("get_weather", CITY, call="call_1", extra_content={"google": {"thought_signature": "EjQK"}})
        ),
        CALLED,
    ),
    called(
        "a signature of Vertex and no index",
        "8monkey-ai/hebo-gateway#226",
        calling(
            piece(
                "get_weather",
                CITY,
                call="call_1",
                index=...,
                extra_content={"vertex": {"thought_signature": "AY89"}},
            )
        ),
        CALLED,
    ),
    called(
        "null content beside",
        "vllm-project/vllm-ascend#14501",
        chunk({"content": None, "tool_calls": [WHOLE]}),
        CALLED,
    ),
    called(
        "empty content beside",
        "neighbour of vllm-project/vllm-ascend#14501",
        chunk({"content": "", "role": "assistant", "tool_calls": [WHOLE]}),
        CALLED,
    ),
    called("the reason is stop", "neighbour of BerriAI/litellm#27139", calling(WHOLE), END),
    called(
        "the reason with the call", "neighbour of noho/dayu-agent#45", calling(WHOLE, finish="tool_calls")
    ),
    called(
        "the reason with each part",
        "BerriAI/litellm#27139",
        calling(FIRST, finish="tool_calls"),
        *(calling(piece(None, half), finish="tool_calls") for half in HALVES),
        finish=4,
    ),
    called(
        "text before it in one chunk",
        "neighbour of vllm-project/vllm-ascend#14501",
        chunk({"content": "I look.", "tool_calls": [WHOLE]}),
        CALLED,
        text="I look.",
    ),
    called(
        "text behind it",
        "tashfeenahmed/freellmapi#851",
        calling(WHOLE),
        say("I looked."),
        CALLED,
        text="I looked.",
    ),
    called("an empty list behind it", "RooCodeInc/Roo-Code#9105", calling(WHOLE), calling(), CALLED),
    called(
        "null in the list",
        "neighbour of RooCodeInc/Roo-Code#9105",
        chunk({"tool_calls": [None]}),
        calling(WHOLE),
        CALLED,
        undecided=True,
    ),
    called(
        "no function",
        "neighbour of sgl-project/sglang#35542",
        chunk({"tool_calls": [{"index": 0, "id": "call_1", "type": "function"}]}),
        calling(piece("get_weather", CITY)),
        CALLED,
    ),
    called(
        "a null function",
        "neighbour of sgl-project/sglang#35542",
        calling(WHOLE),
        chunk({"tool_calls": [{"index": 0, "function": None}]}),
        CALLED,
    ),
    called(
        "a custom tool",
        "OpenAI chat API, custom tools",
        chunk(
            {
                "tool_calls": [
                    {"index": 0, "id": "call_1", "type": "custom", "custom": {"name": "shell", "input": "ls"}}
                ]
            }
        ),
        CALLED,
        calls=(("shell", '{"input":"ls"}'),),
    ),
)
