"""Odd streams of the Messages wire: what a call says in the start of its block, and in which type."""

from __future__ import annotations

from typing import Any, Final

from odd_stream import Kind, OddStream
from odd_streams_messages import LAST, TEXT, arguments, begin, block, called, end, row, say, stop, use

CITY: Final = '{"city": "Bern"}'


def given(name: str, source: str, value: object, told: str | None, **more: Any) -> OddStream:
    """A call whose input stands in the start of its block; `told` is what other wires hear."""
    spoken = () if told is None else (("get_weather", told),)
    return called(name, source, use(input=value), stop(), spoken=spoken, unsayable=told is None, **more)


ROWS: Final = (
    called(
        "the same in the start and in parts",
        "Yeachan-Heo/gajae-code#1895",
        use(input={"city": "Bern"}),
        arguments(CITY[:7]),
        arguments(CITY[7:]),
        stop(),
    ),
    called(
        "parts that are another than the start",
        "Yeachan-Heo/gajae-code#1895",
        use(input={"city": "B"}),
        arguments(CITY),
        stop(),
    ),
    called(
        "the arguments in the start of a block that is not stopped",
        "neighbour of majiayu000/litellm-rs#1239",
        use(input={"city": "Bern"}),
    ),
    called(
        "inputs in the starts of blocks of one index, and none is stopped",
        "neighbour of majiayu000/litellm-rs#1239",
        block("tool_use", id="toolu_1", name="get_weather", input={"city": "Bern"}),
        block("tool_use", id="toolu_2", name="get_time", input={"zone": "CET"}),
        calls=(("get_weather", CITY), ("get_time", '{"zone": "CET"}')),
    ),
    given("the arguments in the start as a text", "neighbour of AntSeed/antseed#15", CITY, CITY),
    given("a list in the start", "neighbour of AntSeed/antseed#15", ["Bern"], None, arguments='["Bern"]'),
    given("an empty list in the start", "neighbour of AntSeed/antseed#15", [], "{}", arguments="{}"),
    called(
        "the same call again in an index of its own",
        "neighbour of envoyproxy/ai-gateway#2579",
        use(0),
        arguments(CITY, 0),
        stop(0),
        use(2, "get_time"),
        arguments('{"zone": "CET"}', 2),
        stop(2),
        calls=(("get_weather", CITY), ("get_time", '{"zone": "CET"}')),
    ),
    row(
        "the reason is a call, and there is none",
        Kind.CALLS,
        "mastra-ai/mastra#14187",
        begin(),
        TEXT,
        say("Nothing to run."),
        stop(),
        end("tool_use"),
        LAST,
        text="Nothing to run.",
    ),
    called(
        "the limit in the middle of a call",
        "Claude docs, stop reasons",
        use(),
        arguments(CITY[:7]),
        stop(),
        reason="max_tokens",
        calls=(("get_weather", CITY[:7]),),
        spoken=(),
        finish_reason="length",
    ),
)
