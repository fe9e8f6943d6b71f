"""Odd streams of all wires: bodies that are not what their header says, and huge events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import odd_streams_chat as chat
import odd_streams_messages as messages
import odd_streams_responses as responses
from odd_stream import Kind, Mirror, OddStream, Pieces, data, dumped

USUAL: Final[Mapping[str, Pieces]] = {
    "chat": chat.around(),
    "messages": messages.around(),
    "responses": responses.around(),
}
TEXT: Final = chat.text()
_MESSAGE: Final = {"role": "assistant", "content": TEXT}
_COUNTS: Final = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}
_CHOICE: Final = {"index": 0, "message": _MESSAGE, "finish_reason": "stop"}
WHOLE: Final[Mapping[str, bytes]] = {
    "chat": dumped({**chat.TOP, "object": "chat.completion", "choices": [_CHOICE], "usage": _COUNTS}),
    "messages": dumped(
        {
            **messages.MESSAGE,
            "content": [{"type": "text", "text": TEXT}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 9, "output_tokens": 12},
        }
    ),
    "responses": dumped(
        {
            **responses.RESPONSE,
            "status": "completed",
            "output": [responses.message(TEXT)],
            "usage": responses.USAGE,
        }
    ),
}
#: What a stream is called. Name → source, content type.
CALLED: Final[Mapping[str, tuple[str, str]]] = {
    "JSON": ("microsoft/foundry-dev-tools#195", "application/json"),
    "JSON, with a charset": (
        "neighbour of microsoft/foundry-dev-tools#195",
        "application/json; charset=utf-8",
    ),
    "text": ("neighbour of microsoft/foundry-dev-tools#195", "text/plain; charset=utf-8"),
    "a page": ("neighbour of microsoft/foundry-dev-tools#195", "text/html; charset=utf-8"),
    "bytes": ("neighbour of microsoft/foundry-dev-tools#195", "application/octet-stream"),
    "lines": ("huggingface/chat-ui#1744", "application/x-ndjson"),
    "nothing": ("nearai/private-ml-sdk#20", ""),
    "a stream in capitals": ("neighbour of nearai/private-ml-sdk#20", "Text/Event-Stream;Charset=UTF-8"),
}


def body(name: str, wire: str, source: str, *pieces: bytes, **more: Any) -> OddStream:
    """A row that says what all rows here say."""
    return OddStream(f"{wire}: {name}", wire, Kind.BODY, source, pieces, text=TEXT, **more)


def _streams(wire: str) -> tuple[OddStream, ...]:
    usual = USUAL[wire]
    return (
        *(
            body(f"a stream called {name}", wire, source, *usual, content_type=kind)
            for name, (source, kind) in CALLED.items()
        ),
        body(
            "a stream called JSON, with a comment in front",
            wire,
            "openai/openai-go#227",
            b": hello\n\n",
            *usual,
            content_type="application/json",
        ),
        body(
            "a stream called JSON, with empty lines in front",
            wire,
            "ggml-org/llama.cpp#14268",
            b"\r\n\n" + usual[0],
            *usual[1:],
            content_type="application/json",
        ),
    )


def _wholes(wire: str) -> tuple[OddStream, ...]:
    usual, whole = USUAL[wire], WHOLE[wire]
    says: dict[str, Any] = {"mirror": Mirror.SAYS}
    glued = "decolua/9router#3492"
    return (
        body("a stream though none was asked for", wire, "mudler/LocalAI#340", *usual, stream=False, **says),
        body(
            "a stream called JSON though none was asked for",
            wire,
            "BerriAI/litellm#27144",
            *usual,
            stream=False,
            content_type="application/json",
            **says,
        ),
        body(
            "JSON for a stream",
            wire,
            "lidge-jun/opencodex#3770",
            whole,
            content_type="application/json",
            **says,
        ),
        body("JSON called a stream", wire, "Wei-Shaw/sub2api#1311", whole, **says),
        body("JSON called a stream and a terminator", wire, glued, whole + b"data: [DONE]\n\n", **says),
        body(
            "JSON, a line, and a terminator",
            wire,
            glued,
            whole + b"\n\ndata: [DONE]\n\n",
            content_type="application/json",
            **says,
        ),
        body(
            "JSON though no stream was asked for, called a stream",
            wire,
            "Wei-Shaw/sub2api#1311",
            whole,
            stream=False,
        ),
        body(
            "JSON and a terminator though no stream was asked for",
            wire,
            glued,
            whole + b"data: [DONE]\n\n",
            stream=False,
        ),
        body(
            "JSON in pieces, with blanks around",
            wire,
            "neighbour of decolua/9router#3492",
            b"\n  " + whole[:40],
            whole[40:] + b"\n\n",
            stream=False,
            content_type="text/plain",
        ),
    )


MIB: Final = 1 << 20
BASE64: Final = "QUJD" * (MIB // 3)
URL: Final = f"data:image/png;base64,{BASE64}"


def huge(name: str, wire: str, source: str, made: Callable[[], Pieces], **more: Any) -> OddStream:
    """A row with an event that is larger than `max_event_bytes`."""
    return OddStream(
        f"{wire}: {name}", wire, Kind.HUGE, source, made, **{"text": TEXT, "undecided": True, **more}
    )


def _found() -> Pieces:
    page = {"type": "web_fetch_result", "content": {"type": "document", "source": {"data": BASE64}}}
    before = (
        messages.begin(),
        *messages.used(name="web_fetch"),
        *messages.result("web_fetch_tool_result", page),
    )
    return (
        *before,
        messages.block("text", 3, text=""),
        messages.say(TEXT, 3),
        messages.stop(3),
        messages.end(),
        messages.LAST,
    )


def _repeated() -> Pieces:
    return responses.around(last=responses.completed(TEXT, instructions=BASE64))


def _created() -> Pieces:
    return (responses.created(instructions=BASE64, tools=[]), *responses.around()[1:])


def _image(partial: bool) -> Pieces:
    kind = "image_generation_call"
    item = {"type": kind, "id": "ig_1", "status": "completed", "result": BASE64}
    part = responses.event(f"{kind}.partial_image", item_id="ig_1", output_index=0, partial_image_b64=BASE64)
    return (
        responses.created(),
        responses.item("added", {"type": kind, "id": "ig_1"}),
        part if partial else responses.item("done", item),
        responses.item("added", responses.message(""), 1),
        responses.say(TEXT, output_index=1),
        responses.completed(TEXT),
    )


HUGE: Final = (
    huge(
        "a huge image",
        "chat",
        "open-webui/open-webui#20634",
        lambda: chat.around(chat.chunk({"images": [{"image_url": {"url": URL}}]})),
    ),
    huge(
        "a huge image in the text",
        "chat",
        "foxhui/WebAI2API#102",
        lambda: chat.around(chat.say(f"![x]({URL})")),
        text="",
    ),
    huge(
        "a huge last chunk",
        "chat",
        "neighbour of perplexityai/api-discussion#209",
        lambda: (*chat.around()[:-2], chat.chunk({}, "stop", sources=BASE64), chat.DONE),
    ),
    huge("a huge unknown event", "chat", "issue 12", lambda: chat.around(data({"debug": BASE64}))),
    huge(
        "a huge comment",
        "chat",
        "neighbour of openai/openai-go#227",
        lambda: chat.around(b": " + BASE64.encode() + b"\n\n"),
    ),
    huge(
        "a huge line that is no JSON",
        "chat",
        "neighbour of anomalyco/opencode#8282",
        lambda: chat.around(data(BASE64.encode())),
    ),
    huge(
        "a huge event of more than twice the bound",
        "chat",
        "issue 12",
        lambda: chat.around(data({"debug": BASE64 * 2})),
    ),
    huge("a huge page", "messages", "Claude docs, web fetch", _found),
    huge(
        "a huge text",
        "messages",
        "neighbour of foxhui/WebAI2API#102",
        lambda: messages.around(messages.say(URL)),
        text="",
    ),
    huge("a huge last event", "responses", "issue 12", _repeated),
    huge("a huge first event", "responses", "simonw/llm#839", _created),
    huge(
        "a huge image on the way", "responses", "OpenAI Responses API, image generation", lambda: _image(True)
    ),
    huge(
        "a huge image when it is done", "responses", "router-for-me/CLIProxyAPI#3706", lambda: _image(False)
    ),
)
ROWS: Final = (*(row for wire in USUAL for row in (*_streams(wire), *_wholes(wire))), *HUGE)
