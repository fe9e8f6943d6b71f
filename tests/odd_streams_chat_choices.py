"""Odd streams of the chat wire: choices and deltas that are something else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from odd_stream import Kind, data
from odd_streams_chat import BEGIN, DONE, END, ODD_AT, TOP, chunk, odd, row, say

#: `choices` of other types. Name → source, value.
CHOICES: Final[Mapping[str, tuple[str, Any]]] = {
    "an empty object": ("neighbour of RooCodeInc/Roo-Code#9105", {}),
    "an empty string": ("neighbour of RooCodeInc/Roo-Code#9105", ""),
    "false": ("neighbour of RooCodeInc/Roo-Code#9105", False),
    "a list of nothing": ("neighbour of earendil-works/pi#2468", [{}]),
    "a list of lists": ("neighbour of earendil-works/pi#2468", [[]]),
}
#: `delta` of other types.
DELTAS: Final[Mapping[str, tuple[str, Any]]] = {
    "an empty list": ("neighbour of microsoft/agent-framework#5734", []),
    "an empty string": ("neighbour of microsoft/agent-framework#5734", ""),
    "false": ("neighbour of microsoft/agent-framework#5734", False),
}
MESSAGE: Final = {"role": "assistant", "content": "-"}

ROWS: Final = (
    *(
        odd(f"choices is {name}", source, data({**TOP, "choices": value}))
        for name, (source, value) in CHOICES.items()
    ),
    *(odd(f"the delta is {name}", source, chunk(value)) for name, (source, value) in DELTAS.items()),
    odd("the delta is text", "neighbour of swuecho/chat#687", chunk("-"), undecided=True),
    odd(
        "a message for a delta",
        "NVIDIA/NeMo-Agent-Toolkit#889",
        data({**TOP, "choices": [{"index": 0, "message": MESSAGE, "finish_reason": None}]}),
        said="-",
        undecided=True,
    ),
    odd(
        "more about a stop that was none",
        "sgl-project/sglang#6310",
        say("-", choice={"matched_stop": None, "stop_reason": None, "token_ids": []}),
        said="-",
    ),
    odd(
        "a summary in an object",
        "diegosouzapw/OmniRoute#2159",
        chunk({"reasoning": {"summary": "Hm."}}),
        undecided=True,
    ),
    odd(
        "another choice",
        "langfuse/langfuse#16998",
        data({**TOP, "choices": [{"index": 1, "delta": {"content": "Or"}, "finish_reason": None}]}),
        kind=Kind.ORDER,
        opaque=ODD_AT,
        undecided=True,
    ),
    row(
        "two choices in one chunk that are one",
        Kind.UNKNOWN,
        "neighbour of langfuse/langfuse#16998",
        BEGIN,
        data(
            {**TOP, "choices": [{"index": 0, "delta": {"content": text}} for text in ("Hello", ", keeper.")]}
        ),
        END,
        DONE,
        text="Hello, keeper.",
    ),
    row(
        "nothing, and counts of the thoughts alone",
        Kind.EMPTY,
        "router-for-me/CLIProxyAPI#5733",
        BEGIN,
        chunk(
            {},
            "stop",
            usage={
                "prompt_tokens": 21,
                "completion_tokens": 0,
                "total_tokens": 81,
                "completion_tokens_details": {"reasoning_tokens": 60},
            },
        ),
        DONE,
        finish=1,
    ),
    row(
        "nothing, and counts as Groq has them",
        Kind.EMPTY,
        "langchain-ai/langchain#30379",
        BEGIN,
        chunk({}, "stop", x_groq={"id": "1", "usage": {"prompt_tokens": 9, "completion_tokens": 3}}),
        DONE,
        finish=1,
    ),
    row(
        "nothing, and counts as a fraction",
        Kind.EMPTY,
        "cloudflare/ai#651",
        BEGIN,
        chunk({}, "stop", usage={"prompt_tokens": 9.0, "completion_tokens": 3.0}),
        DONE,
        finish=1,
    ),
    row(
        "an exception of Bedrock's",
        Kind.EARLY,
        "anthropics/anthropic-sdk-python#1477",
        BEGIN,
        say("The light"),
        data({"internalServerException": {"message": "Try again."}}),
        DONE,
        text="The light",
        healthy=False,
        outcome="server_error",
    ),
)
