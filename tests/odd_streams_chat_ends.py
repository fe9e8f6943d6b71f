"""Odd streams of the chat wire: how they are framed, how they end, and calls."""

from __future__ import annotations

from typing import Any, Final

from odd_stream import Kind, Mirror, OddStream, data
from odd_streams_chat import BEGIN, DONE, END, TOP, USAGE, chunk, row, say

COUNTS: Final = {"prompt_tokens": 9, "completion_tokens": 31, "total_tokens": 40}


def stopped(piece: str, word: object = "stop") -> bytes:
    """Text and a finish reason in one chunk."""
    return chunk({"content": piece}, word)


def early(name: str, source: str, *pieces: bytes, said: str = "Hello, keeper.", **more: Any) -> OddStream:
    """An answer whose end seems to come before it does."""
    return row(name, Kind.EARLY, source, BEGIN, *pieces, text=said, **more)


EVERY: Final = tuple(map(stopped, ("Hello", ", kee", "per.")))
LAST: Final = 4
EARLY: Final = (
    early("a stop in every chunk", "BerriAI/litellm#2195", *EVERY, DONE, finish=LAST),
    early(
        "a stop in every chunk, and the end of the body",
        "BerriAI/litellm#2195",
        *EVERY,
        mirror=Mirror.BEGINS,
        finish=LAST,
    ),
    early("a stop in every chunk, then a cut", "issue 12", *EVERY, healthy=False, reset=True),
    early(
        "a stop in the first chunk",
        "open-webui/open-webui#23921",
        chunk({"content": ""}, "stop"),
        say("Hello"),
        say(", keeper."),
        END,
        DONE,
        finish=LAST,
    ),
    early(
        "a stop with the thoughts",
        "open-webui/open-webui#16377",
        chunk({"reasoning_content": "Hm."}, "stop"),
        say("Hello"),
        say(", keeper."),
        END,
        DONE,
        reasoning="Hm.",
        finish=LAST,
    ),
    early(
        "a stop, and text behind it",
        "BerriAI/litellm#27139",
        say("Hello"),
        END,
        say(", keeper."),
        DONE,
        finish=2,
    ),
    early(
        "a stop, text, and another stop",
        "BerriAI/litellm#27139",
        say("Hello"),
        END,
        say(", keeper."),
        END,
        DONE,
    ),
    early(
        "a stop, text, and a cut", "issue 12", say("Hello"), END, say(", keeper."), healthy=False, reset=True
    ),
    early(
        "a stop with the last text",
        "NousResearch/hermes-agent#91373",
        say("Hello"),
        stopped(", keeper."),
        DONE,
    ),
    early("usage late", "agentjido/req_llm#767", say("Hello, keeper."), END, USAGE, DONE),
    early(
        "usage twice",
        "maximhq/bifrost#191",
        say("Hello, keeper."),
        chunk({}, "stop", usage=COUNTS),
        USAGE,
        DONE,
    ),
    early(
        "usage in the choice",
        "maximhq/bifrost#191",
        say("Hello, keeper."),
        chunk({}, "stop", {"usage": COUNTS}),
        DONE,
    ),
    early(
        "usage behind the terminator",
        "Continuum-AI-Corp/OrcaRouter-Lite#127",
        say("Hello, keeper."),
        END,
        DONE,
        USAGE,
    ),
    early(
        "filter marks behind the stop",
        "run-llama/LlamaIndexTS#2118",
        say("Hello, keeper."),
        END,
        data(
            {
                "id": "",
                "choices": [
                    {"index": 0, "finish_reason": None, "content_filter_offsets": {"check_offset": 4}}
                ],
            }
        ),
        DONE,
    ),
    early(
        "an empty chunk behind the stop",
        "NousResearch/hermes-agent#99344",
        say("Hello, keeper."),
        END,
        say(""),
        DONE,
    ),
    early("two terminators", "diegosouzapw/OmniRoute#4937", say("Hello, keeper."), END, DONE, DONE),
    early(
        "a comment behind the terminator",
        "openai/openai-go#227",
        say("Hello, keeper."),
        END,
        DONE,
        b": bye\n\n",
    ),
    early(
        "an error behind the terminator",
        "neighbour of diegosouzapw/OmniRoute#4937",
        say("Hello, keeper."),
        END,
        DONE,
        data({"error": {"message": "late"}}),
    ),
)
WORDS: Final = {
    "an empty word": ("neighbour of open-webui/open-webui#23921", ""),
    "false": ("neighbour of open-webui/open-webui#23921", False),
    "0": ("neighbour of open-webui/open-webui#23921", 0),
    "the word null": ("jakobdylanc/llmcord#84", "null"),
    "unspecified": ("BerriAI/litellm#27139", "FINISH_REASON_UNSPECIFIED"),
}
ENDINGS: Final = {
    "upper case": ("BerriAI/litellm#27139", "STOP"),
    "another wire's word": ("neighbour of BerriAI/litellm#27139", "end_turn"),
    "the end token": ("neighbour of BerriAI/litellm#27139", "eos_token"),
    "a number": ("neighbour of BerriAI/litellm#27139", 1),
    "an object": ("neighbour of BerriAI/litellm#27139", {"type": "stop"}),
}
HELLO: Final = say("Hello, keeper.")
ENDS: Final = (
    *(
        early(
            f"a reason in every chunk that is {name}",
            source,
            stopped("Hello", word),
            stopped(", keeper.", word),
            END,
            DONE,
            finish=3,
        )
        for name, (source, word) in WORDS.items()
    ),
    *(
        row(
            f"the reason is {name}",
            Kind.ENDS,
            source,
            BEGIN,
            HELLO,
            chunk({}, word),
            DONE,
            text="Hello, keeper.",
            finish=2,
        )
        for name, (source, word) in ENDINGS.items()
    ),
    row("no reason at all", Kind.ENDS, "waybarrios/vllm-mlx#628", BEGIN, HELLO, DONE, text="Hello, keeper."),
    row(
        "the reason under another name",
        Kind.ENDS,
        "jakobdylanc/llmcord#84",
        BEGIN,
        HELLO,
        chunk({}, None, {"finishReason": "stop"}),
        DONE,
        text="Hello, keeper.",
        finish=3,
    ),
    row(
        "no terminator",
        Kind.ENDS,
        "perplexityai/api-discussion#209",
        BEGIN,
        HELLO,
        END,
        mirror=Mirror.BEGINS,
        text="Hello, keeper.",
    ),
    row(
        "a null delta at the end",
        Kind.ENDS,
        "microsoft/agent-framework#5734",
        BEGIN,
        HELLO,
        chunk(None, "stop"),
        DONE,
        text="Hello, keeper.",
    ),
    row(
        "no delta at the end",
        Kind.ENDS,
        "openai/openai-node#1982",
        BEGIN,
        HELLO,
        data({**TOP, "choices": [{"index": 0, "finish_reason": "stop"}]}),
        DONE,
        text="Hello, keeper.",
    ),
    row(
        "a terminator without a blank",
        Kind.ENDS,
        "SamSaffron/term-llm#487",
        BEGIN,
        HELLO,
        END,
        b"data:[DONE]\n\n",
        text="Hello, keeper.",
    ),
    row(
        "a terminator without its empty line",
        Kind.ENDS,
        "sudoprivacy/sudocode#576",
        BEGIN,
        HELLO,
        END,
        b"data: [DONE]\n",
        text="Hello, keeper.",
        mirror=Mirror.BEGINS,
    ),
    row(
        "a terminator without any line end",
        Kind.ENDS,
        "neighbour of sudoprivacy/sudocode#576",
        BEGIN,
        HELLO,
        END,
        b"data: [DONE]",
        text="Hello, keeper.",
        mirror=Mirror.BEGINS,
    ),
    row(
        "a terminator with a name",
        Kind.ENDS,
        "earendil-works/pi#3708",
        BEGIN,
        HELLO,
        END,
        data(b"[DONE]", "done"),
        text="Hello, keeper.",
    ),
    row(
        "a terminator and blanks",
        Kind.ENDS,
        "neighbour of earendil-works/pi#3708",
        BEGIN,
        HELLO,
        END,
        b"data: [DONE] \n\n\n\n",
        text="Hello, keeper.",
    ),
)
EMPTY: Final = (
    row(
        "nothing, and a stop with counts",
        Kind.EMPTY,
        "google-gemini/deprecated-generative-ai-python#744",
        BEGIN,
        chunk({}, "stop", usage=COUNTS),
        DONE,
        finish=1,
    ),
    row(
        "nothing, a stop, and counts behind it",
        Kind.EMPTY,
        "googleapis/python-genai#811",
        BEGIN,
        END,
        data({**TOP, "choices": [], "usage": COUNTS}),
        DONE,
        finish=2,
    ),
    row(
        "nothing within the limit",
        Kind.EMPTY,
        "stanford-crfm/helm#3804",
        BEGIN,
        chunk({}, "length", usage=COUNTS),
        DONE,
        finish=1,
    ),
    row(
        "nothing, filtered",
        Kind.EMPTY,
        "BerriAI/litellm#6104",
        BEGIN,
        chunk({}, "content_filter", usage=COUNTS),
        DONE,
        finish=1,
    ),
    row(
        "thoughts and no answer",
        Kind.EMPTY,
        "googleapis/python-genai#811",
        BEGIN,
        chunk({"reasoning_content": "Hm."}),
        END,
        DONE,
        reasoning="Hm.",
    ),
    row(
        "nothing and no counts", Kind.EMPTY, "issue 12", BEGIN, END, DONE, healthy=False, outcome="empty_200"
    ),
    row(
        "nothing and counts of 0",
        Kind.EMPTY,
        "issue 12",
        BEGIN,
        chunk({}, "stop", usage={"prompt_tokens": 9, "completion_tokens": 0}),
        DONE,
        healthy=False,
        outcome="empty_200",
    ),
)
ROWS: Final = (*EARLY, *ENDS, *EMPTY)
