"""
Whole answers that are too much to be read in one step: to their own client they
pass as they are; whoever would have to say them anew is glad of somebody else.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from scenes import WIRES, stage
from trooper.core.events import Other
from trooper.core.outcome import Answer, Completed, Failed, FailureKind
from trooper.testing import Script, ScriptedProvider, Status
from trooper.wire.faults import read_answer
from trooper.wire.whole import Extent, WholeReader
from work import work_of

PART: Any = {"type": "text", "text": "x"}
WHOLE: dict[str, Any] = {
    "chat": {"choices": [{"message": {"content": [PART] * 20_000}, "finish_reason": "stop"}]},
    "messages": {"type": "message", "content": [PART] * 20_000, "stop_reason": "end_turn"},
    "responses": {
        "object": "response",
        "status": "completed",
        "output": [{"type": "message", "content": [PART] * 20_000}],
    },
}
STREAM = (("content-type", "text/event-stream"),)
LONG = {"choices": [{"message": {"content": "word " * 2_000_000}, "finish_reason": "stop"}]}


@pytest.mark.parametrize("wire", WIRES)
def test_it_is_not_read(wire: str) -> None:
    body = json.dumps(WHOLE[wire]).encode()
    reader = WIRES[wire].target_side.whole_reader(len(body))
    reader.feed(body)
    items = []
    assert work_of(lambda: items.extend(reader.end())) < 100
    (item,) = items
    assert (item.raw, reader.outcome) == (body, Completed())
    assert Other(continuable=False) in item.events


def test_nor_is_a_long_one() -> None:
    body = json.dumps(LONG).encode()
    reader = WIRES["chat"].target_side.whole_reader(len(body))
    reader.feed(body)
    (item,) = reader.end()
    assert (item.raw, item.text) == (body, "")


def test_one_of_a_megabyte_is() -> None:
    said = "word " * 200_000
    body = json.dumps({"choices": [{"message": {"content": said}, "finish_reason": "stop"}]}).encode()
    reader: WholeReader = WIRES["chat"].target_side.whole_reader(len(body))
    reader.feed(body)
    (item,) = reader.end()
    assert item.text == said
    assert Other(continuable=False) not in item.events


@pytest.mark.parametrize("value", [WHOLE["chat"], LONG], ids=["many parts", "long"])
async def test_its_own_client_gets_it(value: Any) -> None:
    body = json.dumps(value).encode()
    async with stage(ScriptedProvider(script=Script((Status(200, body),)))) as s:
        exchange = await s.ask(stream=False)
    assert (exchange.status, bytes(exchange.body)) == (200, body)
    assert exchange.legs == [("openai", "completed")]
    assert exchange.report["legs"][0]["unread"] is True


async def test_what_was_not_read_of_a_stream_is_told() -> None:
    delta = {"content": [PART] * 20_000}
    event = b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"
    body = event + b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    async with stage(ScriptedProvider(script=Script((Status(200, body, STREAM),)))) as s:
        exchange = await s.ask()
    assert (bytes(exchange.body), exchange.report["legs"][0]["unread"]) == (body, True)


async def test_of_an_ordinary_answer_nothing_is_left_unread() -> None:
    async with stage() as s:
        exchange = await s.ask()
    assert "unread" not in exchange.report["legs"][0]


@pytest.mark.parametrize("value", [WHOLE["chat"], LONG], ids=["many parts", "long"])
@pytest.mark.parametrize("torn", [True, False])
async def test_what_is_no_answer_or_half_of_one_is_no_success(value: Any, *, torn: bool) -> None:
    body = json.dumps(value).encode()
    body = body[:-5] if torn else b"<html>" + body + b"</html>"
    async with stage(ScriptedProvider(script=Script((Status(200, body),)))) as s:
        exchange = await s.ask(stream=False)
    assert exchange.legs == [("openai", "bad_frame"), ("ollama", "completed")]


def intricate_end() -> bytes:
    item = {"type": "message", "content": [{"type": "output_text", "text": "x", "logprobs": [{}] * 17_000}]}
    response = {"id": "r", "object": "response", "status": "completed", "output": [item]}
    told = {"type": "response.completed", "response": response}
    return b"event: response.completed\ndata: " + json.dumps(told).encode()


@pytest.mark.parametrize(("end", "outcome"), [(b"", Completed()), (b"\n\n", Completed()), (b"torn", None)])
def test_an_end_that_is_torn_is_none(end: bytes, outcome: object) -> None:
    reader = WIRES["responses"].target_side.reader(1 << 20)
    delta = {"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "delta": "x"}
    reader.feed(b"data: " + json.dumps(delta).encode() + b"\n\n")
    said = intricate_end()
    reader.feed(said[:-9] if end == b"torn" else said + end)
    items = reader.end()
    assert reader.outcome == (outcome or Failed(FailureKind.EOF_EARLY))
    assert not (items and outcome is None)


@pytest.mark.parametrize("value", [WHOLE["chat"], LONG], ids=["many parts", "long"])
async def test_a_client_that_waits_for_a_stream_is_answered_by_somebody_else(value: Any) -> None:
    body = json.dumps(value).encode()
    async with stage(ScriptedProvider(script=Script((Status(200, body),)))) as s:
        exchange = await s.ask()
    assert [target for target, _ in exchange.legs] == ["openai", "ollama"]
    assert exchange.chat().text


def test_of_an_error_with_thousands_of_values_its_status_says_enough() -> None:
    body = json.dumps({"error": {"code": 0, "x": [0] * 300_000}}).encode()
    failed = read_answer(Answer(429, (), body), 0.0)
    assert failed.kind is FailureKind.RATE_LIMIT
    assert work_of(lambda: read_answer(Answer(429, (), body), 0.0)) < 200


def test_a_reason_is_looked_for_in_the_first_words() -> None:
    body = json.dumps({"error": {"message": "Your credit balance is too low. " + "x" * 1_000_000}}).encode()
    assert read_answer(Answer(400, (), body), 0.0).kind is FailureKind.QUOTA
    assert isinstance(read_answer(Answer(400, (), b"x" * 1_000_000), 0.0), Failed)


#: Not quite JSON, as `NaN` is none.
SLOW: dict[str, bytes] = {
    "escapes": b'{"n": NaN, "x": "' + b"\\n" * 400_000 + b'"}',
    "halves of pairs": b'{"n": NaN, "x": "' + b"\\ud800" * 100_000 + b'"}',
    "quotes": b'{"n": NaN, "x": ' + b'""' * 400_000 + b"}",
    "short, and all of quotes": b'{"n": NaN, "x": ' + b'""' * 40_000 + b"}",
    "JSON with long numbers": b'{"x": [' + b",".join([b"4" * 4_000] * 200) + b"]}",
    "numbers": b'{"n": NaN, "x": [' + b",".join([b"4" * 4_000] * 200) + b"]}",
}


@pytest.mark.parametrize("what", SLOW)
def test_nor_is_one_that_is_not_quite_json_and_too_much_for_a_lenient_reader(what: str) -> None:
    body = SLOW[what]
    reader = WIRES["chat"].target_side.whole_reader(len(body))
    reader.feed(body)
    items = []
    assert work_of(lambda: items.extend(reader.end())) < 200
    (item,) = items
    assert (item.raw, reader.outcome) == (body, Completed())
    assert Other(continuable=False, unread=True) in item.events


@pytest.mark.parametrize("behind", ["", "\n\ndata: [DONE]\n\n"])
@pytest.mark.parametrize("odd", ["1", "NaN", '"\\ud83d"'])
def test_one_of_less_is_read_all_the_same(odd: str, behind: str) -> None:
    said = json.dumps("a line, \\\n" * 20_000)
    body = (
        f'{{"x": {odd}, "choices": [{{"message": {{"content": {said}}}, "finish_reason": "stop"}}]}}{behind}'
    )
    reader: WholeReader = WIRES["chat"].target_side.whole_reader(len(body))
    reader.feed(body.encode())
    (item,) = reader.end()
    assert item.text == json.loads(said)


@pytest.mark.parametrize("begins", ['"error": {', '"type": "error", "error": {', '\n "error" :{'])
def test_an_error_is_none_however_long(begins: str) -> None:
    body = ("{" + begins + '"message": "' + "word " * 2_000_000 + '"}}').encode()
    reader: WholeReader = WIRES["chat"].target_side.whole_reader(len(body))
    reader.feed(body)
    assert reader.end() == []
    assert isinstance(reader.outcome, Failed)
    assert reader.outcome.kind is FailureKind.IN_BAND_ERROR


@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 1_000_000])
@pytest.mark.parametrize("value", [b'{"a\\"}":["\\\\",{"b":"]\\u005c\\n"}]}', b'["\\\\\\"]"]', b'{"":"{"}'])
def test_where_a_value_ends(value: bytes, piece_bytes: int) -> None:
    extent, body = Extent(), value + b' "behind" }'
    for at in range(piece_bytes, len(body) + piece_bytes, piece_bytes):
        extent.look(bytearray(body), min(at, len(body)))
    assert (extent.closed, extent.end) == (True, len(value))


def test_escapes_cost_nothing_to_pass_over() -> None:
    body = b'{"a": "' + b"\\n" * 100_000 + b'"}'
    assert work_of(lambda: Extent().look(body, len(body))) < 50
