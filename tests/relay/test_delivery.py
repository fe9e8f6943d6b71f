"""What the client is given, and in whose words: events in, bytes out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import evolve

from relay_parts import incoming, services_of
from trooper.config import Server
from trooper.core.events import (
    Begin,
    Done,
    Event,
    Finish,
    FinishReason,
    NextChoice,
    Other,
    Received,
    Refusal,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.outcome import Completed, Failed, FailureKind, Outcome
from trooper.core.seam import NOTHING, Prefill
from trooper.core.tally import LegTally, Tally
from trooper.relay.delivery import Delivery
from trooper.relay.splice import Splice
from wire_validator import validate_chat

STOP = Finish(FinishReason.STOP, "stop")
RESET = Failed(FailureKind.CONN_RESET)
SEAM = "trooper seam from=a to=b reason=conn_reset phase=text"


def chunk(text: str, *events: Event) -> Received:
    """An event of the client's own wire: its bytes, and what they say."""
    return Received(f"data: {text}\n\n".encode(), events)


def delivery(**fields: Any) -> Delivery:
    server = {name: fields.pop(name) for name in list(fields) if hasattr(Server(), name)}
    services = services_of()
    return Delivery.begin(
        incoming(services, **fields), evolve(Server(), **server), Tally(), "r1", 1_700_000_000
    )


def leg(made: Delivery, target: str = "a", *, goes_on: bool = False, seam: str = "", **server: Any) -> Splice:
    """Another leg that speaks."""
    tally = LegTally(target, f"{target}-model")
    is_first = not made.tally.legs
    made.tally.legs.append(tally)
    made.switch(seam)
    return Splice(
        tally,
        made.transcript,
        evolve(made.server, **server),
        goes_on=goes_on,
        is_first=is_first,
        streams=made.incoming.routing.stream,
        conversation=lambda: made.incoming.readable,
        could_go_on=lambda: True,
        could_start_over=lambda: True,
    )


def concluded(made: Delivery, splice: Splice, outcome: Outcome) -> Outcome:
    return made.conclude(splice, made.last_words(splice, outcome))


def heard(made: Delivery, splice: Splice, *items: Received) -> bytes:
    for item in items:
        made.hear(splice, item)
    return made.take()


def test_the_first_legs_bytes_are_forwarded_and_noted() -> None:
    made = delivery()
    splice = leg(made)
    events = [chunk("1", Begin("i")), chunk("2", Text("Keep")), chunk("3", Text(" it."))]
    assert heard(made, splice, events[0]) == events[0].raw
    assert not made.shown
    assert heard(made, splice, *events[1:]) == events[1].raw
    assert (made.shown, made.is_forwarded, made.transcript.text) == (True, True, "Keep")
    assert concluded(made, splice, Completed()) == Completed()
    assert made.take() == events[2].raw
    assert made.take() == b""


def test_a_continuation_is_spoken_behind_the_mark_of_the_seam() -> None:
    made = delivery()
    first = leg(made)
    heard(
        made,
        first,
        chunk("1", Begin("i", 5, "m", has_role=True)),
        chunk("2", Text("Keep.")),
        chunk("3", Text(" It")),
    )
    assert concluded(made, first, RESET) == RESET
    first.tally.outcome = RESET
    made.take()
    second = leg(made, "b", goes_on=True, seam=SEAM)
    second.granted("local", Prefill("Keep.", ""), echoes=False, overlaps=False)
    out = heard(made, second, Received(b"", (Other(),)), Received(b"", (Text(" Hold on.\n"),)))
    assert out.startswith(f": {SEAM}\n\ndata: ".encode())
    assert json.loads(out.partition(b"data: ")[2])["id"] == "i"
    assert out.count(SEAM.encode()) == 1
    assert heard(made, second, Received(b"", (Text(" It."), STOP, Usage(9, 3), Done()))).count(b"seam") == 0
    assert not made.is_forwarded
    assert concluded(made, second, Completed()) == Completed()
    made.end_turn(FinishReason.STOP)
    end = made.take()
    legs = next(
        chunk["trooper"]["legs"]
        for chunk in map(json.loads, (line[6:] for line in end.decode().split("\n\n") if "trooper" in line))
    )
    assert [(told["target"], told["outcome"]) for told in legs] == [("a", "conn_reset"), ("b", "completed")]
    assert end.endswith(b"data: [DONE]\n\n")
    assert made.transcript.text == "Keep. Hold on.\n It."


@pytest.mark.parametrize(("comment", "key"), [(False, True), (True, False), (False, False)])
def test_both_marks_can_be_off(comment: bool, key: bool) -> None:
    made = delivery(seam_comment=comment, seam_key=key)
    heard(made, leg(made), chunk("1", Begin("i")), chunk("2", Text("Keep.\n")))
    second = leg(made, "b", goes_on=True, seam=SEAM)
    out = heard(made, second, Received(b"", (Text("Hold.\n"), STOP)))
    concluded(made, second, Completed())
    made.end_turn(FinishReason.STOP)
    assert (SEAM.encode() in out, b'"trooper"' in made.take()) == (comment, key)


def test_a_forwarded_finish_tells_of_a_leg_before_it() -> None:
    made = delivery()
    leg(made).tally.outcome = Failed(FailureKind.OVERLOADED)
    second = leg(made, "b")
    finish = b'{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}'
    out = heard(made, second, Received(b"data: " + finish + b"\n\n", (STOP,)))
    assert b'"outcome":"overloaded"' in out


def test_who_has_no_net_holds_nothing_and_keeps_the_order() -> None:
    made = delivery(transcript_bytes=4)
    splice = leg(made)
    pieces = [chunk(str(n), Text(text)) for n, text in enumerate(("Ke", "ep ", "it ", "li", "t"))]
    assert heard(made, splice, *pieces) == b"".join(piece.raw for piece in pieces)


def test_only_a_refusal_opens_the_hold_behind_it() -> None:
    made = delivery()
    splice = leg(made)
    assert heard(made, splice, chunk("1", Text("Ke"))) == b""
    assert heard(made, splice, chunk("2", Refusal("no")), chunk("3", Text("Ke"))).count(b"data") == 3


def test_of_several_answers_each_has_its_finish() -> None:
    made = delivery(stream=False, n=2)
    splice = leg(made)
    heard(
        made,
        splice,
        Received(b"", (Begin("i"), Text("a"), STOP)),
        Received(b"", (NextChoice(1), Text("b"), STOP)),
    )
    concluded(made, splice, Completed())
    made.end_turn(FinishReason.STOP)
    told = json.loads(made.take())
    assert [(c["message"]["content"], c["finish_reason"]) for c in told["choices"]] == [
        ("a", "stop"),
        ("b", "stop"),
    ]


@pytest.mark.parametrize(
    ("begin", "fields", "prompt"),
    [
        (Begin("i", prompt_tokens=7), {}, 7),
        (Begin("i"), {}, 9),
        (
            Begin("i"),
            {"body": b'{"model": "m", "stream": true, "stream_options": {"include_usage": true}}'},
            0,
        ),
    ],
)
def test_the_prompt_is_counted_where_nobody_has(begin: Begin, fields: dict[str, Any], prompt: int) -> None:
    asked = fields or {"stream_options": {"include_usage": True}}
    made = delivery(**asked)
    splice = leg(made)
    heard(made, splice, Received(b"", (begin, Text("Keep it.\n"))))
    concluded(made, splice, Completed())
    made.end_turn(FinishReason.STOP)
    out = made.take()
    usage = json.loads(out.split(b"data: ")[-2])["usage"]
    assert (usage["prompt_tokens"] > 0) == (prompt > 0)
    assert prompt in (7, 0) or usage["prompt_tokens"] != 7
    if prompt == 7:
        assert usage["prompt_tokens"] == 7


def test_a_failure_is_told_in_band_and_never_as_an_end() -> None:
    made = delivery()
    heard(made, leg(made), chunk("1", Begin("i")), chunk("2", Text("Keep.\n")))
    made.fail_in_band(RESET, "a", own=False)
    out = made.take()
    assert b"could go on from here" in out
    assert b"[DONE]" not in out


def test_a_providers_own_words_are_passed_on() -> None:
    made = delivery()
    raw = b'data: {"error": {"message": "theirs"}}\n\n'
    made.fail_in_band(Failed(FailureKind.AUTH, raw=raw), "a", own=True)
    assert made.take() == raw
    made.fail_in_band(Failed(FailureKind.AUTH), "a", own=True)
    assert b"theirs" not in made.take()


def test_before_anything_was_sent_a_failure_is_an_http_answer() -> None:
    answer = delivery().fail(Failed(FailureKind.RATE_LIMIT), "a", own=False)
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (429, "rate_limit")
    anthropic = delivery(wire="messages").fail(Failed(FailureKind.RATE_LIMIT), "a", own=False)
    assert json.loads(anthropic.body)["type"] == "error"


def test_a_new_delivery_has_learned_nothing() -> None:
    """What a leg has said that nobody has seen belongs to nobody."""
    made = delivery()
    heard(made, leg(made), chunk("1", Begin("theirs", 5, "m", has_role=True)))
    other = Delivery.begin(made.incoming, made.server, made.tally, "r1", 1_700_000_000)
    splice = leg(other, "b", seam=SEAM)
    splice.granted("local", NOTHING, echoes=None, overlaps=False)
    out = heard(other, splice, Received(b"", (Begin("x"), Text("Keep it.\n"), STOP)))
    concluded(other, splice, Completed())
    other.end_turn(FinishReason.STOP)
    told = validate_chat(out + other.take())
    assert (told.text, told.id) == ("Keep it.\n", "chatcmpl-r1")


def part(data: bytes) -> Received:
    """A piece of an event that goes on."""
    return Received(data, (Other(continuable=False),), is_part=True)


@pytest.mark.parametrize(
    ("piece", "missing"),
    [(b"data: x", b"\n\n"), (b"data: x\n", b"\n"), (b"data: x\r", b"\n\n"), (b"data: x\r\n", b"\r\n")],
)
def test_nothing_of_ours_stands_inside_an_event(piece: bytes, missing: bytes) -> None:
    made = delivery()
    first = leg(made)
    made.hear(first, part(piece))
    assert (made.take(), made.missing_end) == (piece, missing)
    made.fail_in_band(RESET, "a", own=False)
    assert made.take().startswith(missing + b"data: {")
    assert made.missing_end == b""


def test_the_last_event_is_given_the_end_that_it_lacks() -> None:
    made = delivery()
    first = leg(made)
    made.hear(first, chunk("1", Text("Hi"), STOP))
    made.hear(first, Received(b"data: [DONE]", (Done(),), is_part=True))
    concluded(made, first, Completed())
    made.end_turn(FinishReason.STOP)
    assert made.take() == b"data: 1\n\ndata: [DONE]\n\n"


def test_a_long_event_that_ends_leaves_nothing_open() -> None:
    made = delivery()
    first = leg(made)
    made.hear(first, part(b"data: x"))
    made.hear(first, Received(b"y\n\n", (Other(continuable=False),)))
    assert (made.take(), made.missing_end) == (b"data: xy\n\n", b"")


def test_a_call_that_waited_is_given_in_its_pieces() -> None:
    made = delivery()
    first = leg(made)
    made.hear(first, chunk("1", ToolCallDelta(0, "c", "f", "{")))
    assert made.take() == b""
    made.release_calls(first)
    made.hear(first, chunk("2", ToolCallDelta(0, arguments="}")))
    assert made.take() == b"data: 1\n\ndata: 2\n\n"


def test_a_sign_of_work_begins_the_answer_and_is_no_content() -> None:
    """Under the name of who works; whoever comes next is spoken anew, under that name."""
    made = delivery()
    leg(made, "a")
    said = made.sign_of_work("") + made.sign_of_work("reading the prompt")
    assert made.voice.named == "a-model"
    assert (made.shown, made.transcript.has_content) == (False, False)
    second = leg(made, "b")
    assert not second.forwards
    said += heard(made, second, chunk("theirs", Begin("id", model="other"), Text("Hi.")), chunk("end", STOP))
    concluded(made, second, Completed())
    made.end_turn(FinishReason.STOP)
    said += made.take()
    result = validate_chat(said)
    assert (result.text, result.model) == ("Hi.", "a-model")
    assert b"theirs" not in said
