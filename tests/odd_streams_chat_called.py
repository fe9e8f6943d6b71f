"""Odd streams of the chat wire: whose a piece of a call is, and what a call says twice."""

from __future__ import annotations

from typing import Any, Final

from odd_stream import Called, Kind, OddStream
from odd_streams_chat import BEGIN, DONE, END, chunk, row, say
from odd_streams_chat_calls import (
    BARE,
    CALLED,
    CITY,
    CLOCK,
    FIRST,
    HALVES,
    WEATHER,
    WHOLE,
    called,
    calling,
    piece,
)

BOTH: Final = (WEATHER, CLOCK)
SECOND: Final = piece(*CLOCK, call="call_2", index=1)
PARIS: Final = '{"city": "Paris"}'


def twice(name: str, source: str, *pieces: bytes, **more: Any) -> OddStream:
    """An answer that is two calls."""
    return called(name, source, *pieces, CALLED, calls=BOTH, **more)


def unnamed(*calls: Called, index: object = ...) -> tuple[dict[str, Any], ...]:
    """Calls that nothing but their names tells apart."""
    return tuple(piece(name, arguments, call=..., index=index) for name, arguments in calls)


def repeating(*calls: dict[str, Any], content: str | None = None) -> bytes:
    """A finish, with the whole message once more beside it."""
    message = {"role": "assistant", "content": content, "tool_calls": list(calls)}
    return chunk({}, "tool_calls", {"message": message})


APART: Final = (
    twice(
        "two calls with one index, in pieces",
        "InternLM/lmdeploy#3412",
        calling(FIRST),
        calling(piece(None, CITY, call="")),
        calling(piece("get_time", "", call="call_2")),
        calling(piece(None, CLOCK[1], call="")),
    ),
    twice(
        "two calls with one index, an id in each piece",
        "sgl-project/sglang#6310",
        calling(FIRST),
        *(calling(piece(None, half, call="call_1")) for half in HALVES),
        calling(piece("get_time", "", call="call_2")),
        calling(piece(None, CLOCK[1], call="call_2")),
    ),
    twice(
        "two calls with one index and no ids",
        "omnigent-ai/omnigent#28",
        *map(calling, unnamed(*BOTH, index=0)),
    ),
    twice(
        "two calls with empty ids and no index",
        "microsoft/autogen#4878",
        calling(*(piece(name, arguments, call="", index=...) for name, arguments in BOTH)),
    ),
    called(
        "two calls of one function that nothing tells apart",
        "su-kaka/gcli2api#406",
        *map(calling, unnamed(WEATHER, ("get_weather", PARIS))),
        CALLED,
        calls=(WEATHER, ("get_weather", PARIS)),
    ),
    called(
        "two calls without arguments that only their names tell apart",
        "neighbour of NVIDIA/TensorRT-LLM#19228",
        calling(*unnamed(("look", ""), ("listen", ""))),
        CALLED,
        calls=(("look", ""), ("listen", "")),
        spoken=(("look", "{}"), ("listen", "{}")),
    ),
    twice(
        "one id for two calls",
        "neighbour of sgl-project/sglang#6310",
        calling(WHOLE),
        calling(piece(*CLOCK, call="call_1", index=1)),
    ),
    twice(
        "two calls whose pieces take turns",
        "OpenAI chat API, parallel calls",
        calling(FIRST, piece("get_time", "", call="call_2", index=1)),
        calling(piece(None, HALVES[0]), piece(None, CLOCK[1][:5], index=1)),
        calling(piece(None, CLOCK[1][5:], index=1)),
        calling(piece(None, HALVES[1])),
    ),
    twice(
        "indices that begin at 1",
        "neighbour of openai/openai-python#3410",
        calling(piece(*WEATHER, call="call_1", index=1)),
        calling(piece(*CLOCK, call="call_2", index=2)),
    ),
    twice(
        "indices that jump",
        "neighbour of openai/openai-python#3410",
        calling(WHOLE),
        calling(piece(*CLOCK, call="call_2", index=5)),
    ),
    twice(
        "indices that are strings",
        "neighbour of openai/openai-python#3410",
        calling(piece(*WEATHER, call="call_1", index="0")),
        calling(piece(*CLOCK, call="call_2", index="1")),
    ),
    called(
        "an index that grows with each piece",
        "neighbour of openai/openai-python#3246",
        calling(FIRST),
        *(calling(piece(None, half, index=number)) for number, half in enumerate(HALVES, 1)),
        CALLED,
    ),
    called(
        "an index that grows with each piece, and an id",
        "neighbour of openai/openai-python#3246",
        calling(FIRST),
        *(calling(piece(None, half, call="call_1", index=number)) for number, half in enumerate(HALVES, 1)),
        CALLED,
    ),
    called(
        "an id that is made up with each piece",
        "neighbour of zed-industries/zed#53605",
        calling(FIRST),
        *(calling(piece(None, half, call=f"call_{number}")) for number, half in enumerate(HALVES, 7)),
        CALLED,
    ),
    called(
        "null as a text for an id",
        "zed-industries/zed#53605",
        calling(FIRST),
        *(calling(piece("", half, call="null")) for half in HALVES),
        CALLED,
    ),
    twice(
        "null as a text for all ids",
        "mistralai/client-js#69",
        calling(piece(*WEATHER, call="null"), piece(*CLOCK, call="null", index=1)),
    ),
)
NAMES: Final = (
    called(
        "a name in every piece",
        "NousResearch/hermes-agent#11984",
        *(calling(piece("get_weather", part, call="call_1")) for part in ("", *HALVES)),
        CALLED,
    ),
    called(
        "a name in every piece and no ids",
        "neighbour of NousResearch/hermes-agent#11984",
        *(calling(piece("get_weather", part, call=...)) for part in ("", *HALVES)),
        CALLED,
    ),
    called(
        "a name in pieces",
        "NVIDIA-NeMo/Switchyard#785",
        calling(piece("get_", "", call="call_1")),
        calling(piece("weather", "")),
        calling(piece(None, CITY)),
        CALLED,
    ),
    called(
        "a name that grows",
        "neighbour of NVIDIA-NeMo/Switchyard#785",
        calling(piece("get_", "", call="call_1")),
        calling(piece("get_weather", CITY)),
        CALLED,
    ),
    called(
        "a null function at first",
        "vllm-project/vllm#19425",
        chunk({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": None}]}),
        calling(),
        calling(piece("get_weather", HALVES[0])),
        calling(piece(None, HALVES[1])),
        CALLED,
    ),
    called(
        "a call that is sent again as a whole",
        "neighbour of openai/openai-agents-js#712",
        calling(WHOLE),
        calling(WHOLE),
        CALLED,
    ),
)


def given(name: str, source: str, arguments: object, told: str | None, **more: Any) -> OddStream:
    """A call whose arguments are no text of an object; `told` is what other wires hear."""
    text = arguments if isinstance(arguments, str) else "" if arguments is None else None
    calls = more.pop("calls", (("get_weather", text or ""),))
    spoken = () if told is None else (("get_weather", told),)
    whole = calling(piece("get_weather", arguments, call="call_1"))
    return called(name, source, whole, CALLED, calls=calls, spoken=spoken, unsayable=told is None, **more)


ARGUMENTS: Final = (
    given(
        "arguments that are encoded twice",
        "vllm-project/vllm#54964",
        '"{\\"city\\": \\"Bern\\"}"',
        CITY,
    ),
    given("null as a text for arguments", "use-agent-os/agent-os#2042", "null", "{}"),
    given("an empty list for arguments, as a text", "neighbour of use-agent-os/agent-os#2042", "[]", "{}"),
    given("a text for arguments", "neighbour of vllm-project/vllm#54964", '"Bern"', None),
    given(
        "a list for arguments",
        "neighbour of openai/openai-dotnet#433",
        ["Bern"],
        None,
        calls=(("get_weather", '["Bern"]'),),
    ),
    given(
        "a number for arguments",
        "neighbour of openai/openai-dotnet#433",
        7,
        None,
        calls=(("get_weather", "7"),),
    ),
    given("arguments that are no JSON", "wanxingai/LightAgent#31", "{city: Bern}", None),
)
TWICE: Final = (
    called(
        "the whole once more with the finish",
        "neighbour of Amm1rr/WebAI-to-API#55",
        calling(FIRST),
        calling(piece(None, CITY)),
        repeating(WHOLE),
    ),
    called(
        "the whole with the finish has what its pieces lost",
        "neighbour of anomalyco/opencode#44862",
        calling(FIRST),
        calling(piece(None, HALVES[0])),
        repeating(WHOLE),
    ),
    called(
        "the whole with the finish is another",
        "neighbour of anomalyco/opencode#44862",
        calling(FIRST),
        calling(piece(None, '{"city": "B')),
        repeating(piece("get_weather", PARIS, call="call_1")),
        calls=(("get_weather", PARIS),),
    ),
    called(
        "a call that only the whole with the finish has",
        "neighbour of Amm1rr/WebAI-to-API#55",
        repeating(WHOLE),
    ),
    called(
        "a second call that only the whole with the finish has",
        "neighbour of Amm1rr/WebAI-to-API#55",
        calling(WHOLE),
        repeating(WHOLE, SECOND),
        calls=BOTH,
    ),
)
ENDS: Final = (
    row(
        "the reason is calls, and there is none",
        Kind.CALLS,
        "mastra-ai/mastra#14187",
        BEGIN,
        say("Nothing to run."),
        CALLED,
        DONE,
        text="Nothing to run.",
    ),
    called(
        "the limit in the middle of a call",
        "OpenAI chat API, finish reasons",
        say("I look."),
        calling(FIRST),
        calling(piece(None, HALVES[0])),
        chunk({}, "length"),
        text="I look.",
        calls=(("get_weather", HALVES[0]),),
        spoken=(),
        finish_reason="length",
    ),
    called(
        "the limit in the middle of the second call",
        "OpenAI chat API, finish reasons",
        calling(WHOLE),
        calling(piece("get_time", CLOCK[1][:6], call="call_2", index=1)),
        chunk({}, "length"),
        calls=(WEATHER, ("get_time", CLOCK[1][:6])),
        spoken=(WEATHER,),
        finish_reason="length",
    ),
    twice(
        "stop behind two calls",
        "jekalmin/extended_openai_conversation#281",
        calling(BARE),
        calling(SECOND),
        END,
    ),
    called(
        "stop behind a call and text",
        "neighbour of jekalmin/extended_openai_conversation#281",
        calling(WHOLE),
        say("I looked."),
        END,
        text="I looked.",
    ),
)
ROWS: Final = (*APART, *NAMES, *ARGUMENTS, *TWICE, *ENDS)
