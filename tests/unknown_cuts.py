"""
Answers with something in their middle that nobody knows, cut: what the client
may have then.

The judge reads what was sent with a few lines of its own: the provider's bytes
up to somewhere, and behind them either the rest of the answer or an error that
SDKs raise on. Never an answer that looks whole and has lost what was unknown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

from attrs import define, field, frozen

from scenes import Exchange, Stage
from trooper.testing import ChatAnswer, End, Head, Reset, Script, Send, tokens
from trooper.testing.chat import sse
from trooper.testing.messages import messages_events
from trooper.testing.responses import responses_events

TEXT: Final = "The light stands on the rock, unfortunately. It turns."
#: In everything that nobody knows: where it stands says whether it was reordered or said twice.
MARK: Final = "iVBORw0KGgo-nobody-knows-this"
IMAGE: Final = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{MARK}"}}
#: More than one event may have in these tests.
BIG: Final = {"type": "image_url", "image_url": {"url": MARK + "A" * 6000}}
MAX_EVENT_BYTES: Final = 4000


@frozen
class Unknown:
    """
    Something that stands in the middle of an answer.

    Attributes:
        is_readable: whether it is well-formed; bytes that nobody can read may
            be dropped with the rest of what was held.
    """

    name: str
    raw: bytes
    is_readable: bool = True


def _chunk(delta: Mapping[str, object]) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    chunk = {"id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}
    return sse({**chunk, "choices": [choice]})


def _event(name: str, **fields: object) -> bytes:
    return sse({"type": name, **fields}, event=name)


def _block(index: int, block: Mapping[str, object]) -> bytes:
    return _event("content_block_start", index=index, content_block=block)


UNREADABLE: Final = (
    Unknown("broken JSON", b'data: {"a": "' + MARK.encode() + b"\n\n", is_readable=False),
    Unknown("a bare line", b'{"x": "' + MARK.encode() + b'"}\n\n', is_readable=False),
    Unknown("no UTF-8", b'data: {"a": "\xff\xfe' + MARK.encode() + b'"}\n\n', is_readable=False),
)
UNKNOWN: Final[Mapping[str, Sequence[Unknown]]] = {
    "chat": (
        Unknown("images", _chunk({"content": "", "images": [IMAGE]})),
        Unknown("a list", _chunk({"content": [IMAGE]})),
        Unknown("a strange key", _chunk({"x": {"y": MARK}})),
        Unknown("a big image", _chunk({"content": "", "images": [BIG]})),
        *UNREADABLE,
    ),
    "messages": (
        Unknown("a strange delta", _event("content_block_delta", index=0, delta={"type": "x", "x": MARK})),
        Unknown("a strange block", _block(1, {"type": "hologram", "id": MARK, "name": "web_search"})),
        Unknown("an image", _block(1, {"type": "image", "source": {"data": MARK}})),
        Unknown("a big image", _block(1, {"type": "image", "source": BIG})),
        *UNREADABLE,
    ),
    "responses": (
        Unknown("a strange delta", _event("response.x.delta", output_index=0, delta={"x": MARK})),
        Unknown(
            "an image",
            _event("response.output_item.added", output_index=1, item={"type": "image", "result": MARK}),
        ),
        Unknown(
            "a big image",
            _event("response.output_item.added", output_index=1, item={"type": "image", "result": BIG}),
        ),
        *UNREADABLE,
    ),
}


@frozen
class Answer:
    """
    One answer with one unknown thing in it.

    Attributes:
        at: the event that the unknown is.
        finish: the event with which it is complete.
    """

    wire: str
    unknown: Unknown
    events: tuple[bytes, ...]
    at: int
    finish: int
    raw: bytes = field(init=False)
    ends: tuple[int, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "raw", b"".join(self.events))
        object.__setattr__(self, "ends", tuple(accumulate(map(len, self.events))))

    def cuts(self) -> Iterator[int]:
        """Every event boundary from shortly before the unknown on, and odd places beside and in it."""
        begins, ends = self.ends[self.at - 1], self.ends[self.at]
        places = {begins + 1, (begins + ends) // 2, ends - 1, begins + 500, begins + 5000}
        places |= {end + more for end in self.ends[self.at - 2 :] for more in (0, 3)}
        places = {place for place in places if 0 < place <= len(self.raw)}
        yield from sorted(place for place in places if place < ends or place in self.ends or place % 2)


_EVENTS: Final = {"chat": ChatAnswer.events, "messages": messages_events, "responses": responses_events}
_FINISHES: Final = {
    "chat": b'"finish_reason":"stop"',
    "messages": b'"message_delta"',
    "responses": b".completed",
}


def answers(wire: str) -> Iterator[Answer]:
    """Each unknown thing of a wire: inside a word, and behind one."""
    events = _EVENTS[wire](ChatAnswer(tokens=tuple(tokens(TEXT, 3))))
    said = [number for number, event in enumerate(events) if b"delta" in event and _said(wire, event)]
    finish = next(number for number, event in enumerate(events) if _FINISHES[wire] in event)
    for unknown in UNKNOWN[wire]:
        for at in (said[9], said[13]):
            mixed = (*events[:at], unknown.raw, *events[at:])
            yield Answer(wire, unknown, mixed, at, finish + 1)


# -- the judge -----------------------------------------------------------------------


@define
class Heard:
    """What a client makes of a stream."""

    text: str = ""
    raised: bool = False
    done: bool = False


def heard(wire: str, body: bytes) -> Heard:
    """Read as SDKs do; what is no JSON says nothing here, since the provider may have sent that."""
    told = Heard()
    for event in body.replace(b"\r\n", b"\n").split(b"\n\n"):
        lines = event.split(b"\n")
        data = b"\n".join(line[5:].strip() for line in lines if line.startswith(b"data:"))
        if data == b"[DONE]":
            told.done = True
            continue
        try:
            value = json.loads(data)
        except ValueError:
            continue
        if not isinstance(value, dict):
            continue
        told.raised = told.raised or bool(value.get("error"))
        told.done = told.done or value.get("type") in ("message_stop", "response.completed")
        told.text += _said(wire, event)
    return told


def _said(wire: str, event: bytes) -> str:
    data = next((line[5:] for line in event.split(b"\n") if line.startswith(b"data:")), b"")
    try:
        value: Any = json.loads(data)
        match wire:
            case "chat":
                said = value["choices"][0]["delta"]["content"]
            case "messages":
                said = value["delta"]["text"]
            case _:
                said = value["delta"] if value["type"] == "response.output_text.delta" else ""
    except (ValueError, LookupError, TypeError):
        return ""
    return said if isinstance(said, str) else ""


def wrong_with(answer: Answer, cut: int, exchange: Exchange) -> str:
    """What is wrong with what the client has of an answer that was cut; empty: nothing."""
    if exchange.status != 200:
        return f"status {exchange.status}"
    body, came = bytes(exchange.body), answer.raw[:cut]
    # Not only with what came: where the body ends, a missing empty line is added.
    pairs = zip(body, answer.raw, strict=False)
    same = next((n for n, (out, into) in enumerate(pairs) if out != into), min(len(body), len(answer.raw)))
    # Ours and the provider's events begin alike: they are told apart between two events.
    forwarded = max((end for end in answer.ends if end <= same), default=0)
    begins, ends = answer.ends[answer.at - 1], answer.ends[answer.at]
    told = heard(answer.wire, body)
    half = begins + MAX_EVENT_BYTES // 2 < same < ends
    if MARK.encode() in body[ends if same >= ends or half else forwarded :]:
        return "what was unknown was moved, or said twice"
    if cut >= answer.ends[answer.finish]:
        whole = body.startswith(came) and told.done and not told.raised
        return "" if whole else "a whole answer was taken for none"
    if told.done == told.raised:
        return f"neither an end nor an error, or both: {told}"
    if told.raised:
        return "" if TEXT.startswith(told.text) else f"the text is not a beginning: {told.text!r}"
    if told.text != TEXT:
        return f"a success with another text: {told.text!r}"
    if forwarded >= ends or half:
        return "a success, gone on behind what nobody knows"
    if cut >= ends and answer.unknown.is_readable:
        return "a success with a hole"
    return ""


async def wrong_cuts(s: Stage, answer: Answer, ends: Sequence[Reset | End]) -> tuple[int, list[str]]:
    """Play every cut of an answer: how many, and what was wrong."""
    played, wrong = 0, list[str]()
    for cut in answer.cuts():
        for end in ends:
            s.cloud.script = Script((Head(), Send(answer.raw[:cut]), end))
            exchange = await s.ask(wire=answer.wire)
            played += 1
            if found := wrong_with(answer, cut, exchange):
                wrong.append(
                    f"{answer.wire}, {answer.unknown.name} at {answer.at}, cut at {cut} "
                    f"({answer.ends[answer.at - 1]} to {answer.ends[answer.at]}), {end}: {found}"
                )
            s.log.clear()
            s.cloud.server.forget()
            s.ollama.server.forget()
    return played, wrong
