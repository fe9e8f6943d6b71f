"""Odd streams of the chat wire: how they are framed, how they end, and calls."""

from __future__ import annotations

from typing import Any, Final

from odd_stream import Kind, Mirror, OddStream, data, dumped
from odd_streams_chat import BEGIN, DONE, END, ODD_AT, OURS, TOP, USAGE, around, chunk, odd, row, say, text

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
        finish=LAST,
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
        "elfenlieds7 in sudoprivacy/sudocode#576",
        BEGIN,
        HELLO,
        END,
        b"data: [DONE]\n",
        text="Hello, keeper.",
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
NOT_JSON: Final = data(b'{"choices": [{"index": 0, "delta": {"content": " th')
ERROR: Final = dumped({"error": {"message": "Overloaded", "type": "server_error", "code": 500}})


def failing(name: str, source: str, *pieces: bytes, **more: Any) -> OddStream:
    """An answer that is not whole, though its terminator says so."""
    return row(
        name,
        Kind.EARLY,
        source,
        BEGIN,
        say("The light"),
        *pieces,
        DONE,
        text="The light",
        healthy=False,
        **more,
    )


FAILURES: Final = (
    failing("a bad line and no reason", "issue 12", NOT_JSON),
    failing(
        "a page of HTML and no reason",
        "diegosouzapw/OmniRoute#4937",
        data(b"<html><body>Too many requests</body></html>"),
    ),
    failing("an error in words and no reason", "lucasjinreal/Crane#121", data(b"error: engine stopped")),
    failing("bare JSON that is an error", "stacklok/toolhive#6037", ERROR + b"\n\n"),
    failing("bare JSON between two events", "stacklok/toolhive#6085", ERROR + b"\n"),
    failing("an error as a field", "neighbour of lucasjinreal/Crane#121", b"error: engine stopped\n\n"),
    failing("an error event without data", "octos-org/octos#13", b"event: error\n\n"),
    failing("an error event in words", "octos-org/octos#13", data(b"Internal Network Failure", "error")),
    failing("an error in a string", "octos-org/octos#13", data({"error": "Stream error: reset"})),
    failing(
        "an error with a code in words",
        "langchain-ai/langchainjs#11579",
        data(
            {
                "error": {"code": "server_error", "message": "x"},
                "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
            }
        ),
        outcome="server_error",
    ),
    failing(
        "an error that Groq hides",
        "Groq API, x_groq.error",
        data({**TOP, "choices": [], "x_groq": {"id": "1", "error": "over capacity"}}),
    ),
    failing(
        "half a call",
        "earendil-works/pi#5964",
        chunk({"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "f", "arguments": '{"pa'}}]}),
    ),
    failing(
        "a call that began empty and went on",
        OURS,
        *(
            chunk({"tool_calls": [{"index": 0, "id": i, "function": {"name": n, "arguments": a}}]})
            for i, n, a in (("c1", "f", "{}"), (None, None, '{"pa'))
        ),
    ),
)


def unread(name: str, source: str, piece: bytes, **more: Any) -> OddStream:
    """A whole answer with a line in it that is no JSON."""
    return odd(name, source, piece, kind=Kind.BYTES, opaque=ODD_AT, is_unread=True, **more)


def framed(name: str, source: str, *pieces: bytes, **more: Any) -> OddStream:
    """An answer that is `around(say("-"))` in another framing."""
    return row(name, Kind.BYTES, source, *pieces, text=text("-"), **more)


USUAL: Final = around(say("-"))
BYTES: Final = (
    *(
        odd(
            f"a raw {name} in a string",
            source,
            data(b'{"choices": [{"index": 0, "delta": {"content": "-' + raw + b'-"}}]}'),
            kind=Kind.BYTES,
            said=f"-{raw.decode()}-",
            undecided=True,
        )
        for name, source, raw in (
            ("tab", "matthiasn/lotti#4310", b"\t"),
            ("escape", "onevcat/Prowl#444", b"\x1b"),
            ("zero", "neighbour of onevcat/Prowl#444", b"\0"),
        )
    ),
    unread(
        "a raw line feed in a string",
        "matthiasn/lotti#4310",
        data(b'{"choices": [{"index": 0, "delta": {"content": "a\nb"}}]}'),
    ),
    unread(
        "bytes that are no UTF-8",
        OURS,
        data(b'{"choices": [{"index": 0, "delta": {"content": "\xe9\xff"}}]}'),
        undecided=True,
    ),
    unread("half a line of JSON", "anomalyco/opencode#8282", NOT_JSON),
    unread("a page of HTML", "diegosouzapw/OmniRoute#4937", data(b"<html></html>")),
    unread("a keep-alive as data", "mnfst/llm-gateway#2053", data(b": OPENROUTER PROCESSING")),
    unread("two values on one line", "anomalyco/opencode#8282", data(dumped(TOP) + dumped(TOP))),
    unread(
        "a field twice named",
        "paiml/aprender#2015",
        data(b"data: " + dumped({**TOP, "choices": []})),
        undecided=True,
    ),
    unread("a lone word", "neighbour of mnfst/llm-gateway#2053", b"ping\n\n", undecided=True),
    odd(
        "data on the next line",
        "0xPlaygrounds/rig#534",
        b'data:\n {"choices": [{"index": 0, "delta": {"content": "-"}}]}\n\n',
        kind=Kind.BYTES,
        said="-",
        undecided=True,
    ),
    odd(
        "half a character escaped",
        OURS,
        data(b'{"choices": [{"index": 0, "delta": {"content": "\\ud83d"}}]}'),
        kind=Kind.BYTES,
        said="\ud83d",
        undecided=True,
    ),
    odd(
        "separators that end no line",
        "modelcontextprotocol/typescript-sdk#1926",
        say("\u2028\u2029\x85"),
        kind=Kind.BYTES,
        said="\u2028\u2029\x85",
    ),
    odd(
        "a number beyond all numbers",
        "neighbour of cloudflare/ai#651",
        say("-", x=int("9" * 400)),
        kind=Kind.BYTES,
        said="-",
        undecided=True,
    ),
    odd(
        "a deep nest",
        "neighbour of zed-industries/zed#42893",
        data(b'{"choices": [], "x": ' + b"[" * 5000 + b"]" * 5000 + b"}"),
        kind=Kind.BYTES,
        undecided=True,
    ),
    odd("data that is empty", "openai/openai-python#2721", b"data:\n\n", kind=Kind.BYTES),
    odd("data that is a blank", "openai/openai-python#2721", b"data: \n\n", kind=Kind.BYTES),
    odd("a word when to come back", "openai/openai-python#2933", b"retry: 3000\n\n", kind=Kind.BYTES),
    odd("a comment", "openai/openai-go#227", b": OPENROUTER PROCESSING\n\n", kind=Kind.BYTES),
    odd("a comment that is empty", "openai/openai-go#227", b":\n\n", kind=Kind.BYTES),
    odd(
        "a comment in the event",
        "Lambdua/openai4j#90",
        b": OPENROUTER PROCESSING\n" + say("-"),
        kind=Kind.BYTES,
        said="-",
    ),
    odd("empty lines", "ggml-org/llama.cpp#14268", b"\n\n\n", kind=Kind.BYTES),
    odd(
        "two events without an empty line",
        "orhanerday/ChatGPT#8",
        say("-")[:-1],
        say("+"),
        kind=Kind.BYTES,
        said="-+",
        undecided=True,
    ),
    odd(
        "null and an event without an empty line",
        "Kilo-Org/kilocode#3083",
        b"data: null\n",
        say("-"),
        kind=Kind.BYTES,
        said="-",
        undecided=True,
    ),
    framed(
        "no empty line at all",
        "orhanerday/ChatGPT#8",
        b"".join(piece[:-1] for piece in USUAL),
        undecided=True,
    ),
    framed(
        "line feeds and returns",
        "neighbour of SamSaffron/term-llm#487",
        *(piece.replace(b"\n", b"\r\n") for piece in USUAL),
    ),
    framed("returns alone", "WHATWG HTML, event streams", *(piece.replace(b"\n", b"\r") for piece in USUAL)),
    framed("a byte order mark", "WHATWG HTML, event streams", b"\xef\xbb\xbf" + USUAL[0], *USUAL[1:]),
    framed(
        "no blank behind the colon",
        "lidge-jun/opencodex#1170",
        *(piece.replace(b"data: ", b"data:") for piece in USUAL),
    ),
    framed(
        "names, numbers and types",
        "mudler/LocalAI#340",
        *(b"id: 7\nevent: message\ntype: chunk\n" + piece for piece in USUAL),
    ),
    framed(
        "JSON on several lines",
        "brainlid/langchain#79",
        *(piece.replace(b', "', b',\ndata: "') for piece in USUAL),
    ),
    framed("empty lines in front", "neighbour of ggml-org/llama.cpp#14268", b"\n\n" + USUAL[0], *USUAL[1:]),
)
EMPTY: Final = (
    row(
        "nothing, and a stop with counts",
        Kind.EMPTY,
        "google-gemini/deprecated-generative-ai-python#744",
        BEGIN,
        chunk({}, "stop", usage=COUNTS),
        DONE,
        finish=2,
    ),
    row(
        "nothing, a stop, and counts behind it",
        Kind.EMPTY,
        "googleapis/python-genai#811",
        BEGIN,
        END,
        data({**TOP, "choices": [], "usage": COUNTS}),
        DONE,
        finish=3,
    ),
    row(
        "nothing within the limit",
        Kind.EMPTY,
        "stanford-crfm/helm#3804",
        BEGIN,
        chunk({}, "length", usage=COUNTS),
        DONE,
        finish=2,
    ),
    row(
        "nothing, filtered",
        Kind.EMPTY,
        "BerriAI/litellm#6104",
        BEGIN,
        chunk({}, "content_filter", usage=COUNTS),
        DONE,
        finish=2,
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
ROWS: Final = (*EARLY, *ENDS, *FAILURES, *BYTES, *EMPTY)
