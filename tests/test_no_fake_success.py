"""
What a cut throws away is told, and what ends well is not taken for a cut: ends
that need more than one event to show.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from typing import Any

import pytest
import trio

from scenes import Exchange, configured, stage, with_second
from trooper.testing import (
    DEFAULT_ANSWER,
    End,
    FakeOllama,
    Hang,
    Head,
    KeepAlive,
    Pause,
    Reset,
    Send,
    tokens,
)
from trooper.testing.script import Step
from untouched import DONE, FINISH, ROLE, chunk, image, plays, untouched, usage

HELLO = chunk({"content": "Hello there"})
BAD = b'data: {"choices": [{"delta": {"content": "x\n\n'
PING = b"data: ping\n\n"


def call(arguments: str, *, first: bool = True, finish: str | None = None, index: int = 0) -> bytes:
    function: dict[str, Any] = {"arguments": arguments}
    piece: dict[str, Any] = {"index": index, "function": function}
    if first:
        function["name"] = "look"
        piece |= {"id": f"call_{index}", "type": "function"}
    return chunk({"tool_calls": [piece]}, finish)


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def said(text: str) -> bytes:
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


START = event("message_start", message={"id": "msg_1", "model": "m", "role": "assistant", "content": []})
BLOCK = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
BLOCK_END = event("content_block_stop", index=0)
STOP = event("message_stop")


def end_turn(reason: str | None = "end_turn") -> bytes:
    return event("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": 3})


async def ask(
    pieces: Sequence[bytes], *steps: Step, ollama: FakeOllama | None = None, **fields: Any
) -> Exchange:
    async with stage(plays(Head(), *map(Send, pieces), *(steps or (End(),))), ollama) as s:
        return await s.ask(**fields)


def dribbled(*pieces: bytes) -> list[Send]:
    """So that a long event is seen to be long before its end."""
    stream = b"".join(pieces)
    return [Send(stream[at : at + 500]) for at in range(0, len(stream), 500)]


def is_an_error(x: Exchange) -> bool:
    body = bytes(x.body)
    return b'"error":{' in body and not body.endswith(DONE)


# What is thrown away


@pytest.mark.parametrize("cut", [Reset(), End(), Hang()])
@pytest.mark.parametrize(
    "pieces",
    [
        # More of a call that was whole, and has gone out.
        (call("{}"), call('{"pa', first=False)),
        # A whole call, noise, and words behind it.
        (HELLO, call('{"a":1}'), BAD, chunk({"content": "word and"})),
        # Noise that waited behind an open call, and readable events behind it.
        (HELLO, call('{"a":'), BAD, usage(3)),
        # An image behind the finish.
        (HELLO, FINISH, image(10)),
        # Half an event that is too long to be kept, behind the finish.
        (HELLO, FINISH, image(3 << 20)[: 2 << 20]),
    ],
    ids=["more of a call", "behind noise", "noise behind a call", "an image", "half an event"],
)
async def test_a_cut_that_throws_something_away_is_an_error(
    autojump_clock: Any, pieces: Sequence[bytes], cut: Step
) -> None:
    x = await ask((ROLE, *pieces), cut)
    if cut == End() and pieces[-1] == image(10):
        # A finish, and a clean end of the body: whatever came between, it is whole.
        assert x.legs == [("openai", "completed")]
        return
    assert x.legs[0][1] != "completed"
    assert is_an_error(x)


@pytest.mark.parametrize("cut", [Reset(), Hang()])
async def test_words_behind_a_finish_that_were_thrown_away(autojump_clock: Any, cut: Step) -> None:
    """They took the finish back although nobody saw them: somebody goes on."""
    words = tokens(DEFAULT_ANSWER)
    begun = [chunk({"content": word}) for word in words[:4]]
    x = await ask(
        (ROLE, *begun, FINISH, chunk({"content": words[4]})), cut, ollama=FakeOllama(answer=DEFAULT_ANSWER)
    )
    assert [outcome for _, outcome in x.legs] == ["conn_reset" if cut == Reset() else "stall", "completed"]


@pytest.mark.parametrize("end", [(End(),), (Reset(),)])
async def test_half_a_call_and_a_doubtful_finish(autojump_clock: Any, end: tuple[Step, ...]) -> None:
    x = await ask((ROLE, call('{"a"', finish="tool_calls")), *end)
    assert is_an_error(x)


# What ends well


@pytest.mark.parametrize(
    "pieces",
    [
        (ROLE, HELLO, FINISH, chunk({"content": " and more"}), DONE),
        (ROLE, HELLO, FINISH, call(""), DONE),
        (ROLE, FINISH, call(""), DONE),
        (ROLE, HELLO, PING, chunk({"content": " a"}), FINISH, chunk({"content": " b"}), DONE),
        (ROLE, HELLO, BAD, FINISH, chunk({"content": " b"}), DONE),
    ],
)
async def test_a_finish_that_was_taken_back_and_a_terminator(
    autojump_clock: Any, pieces: Sequence[bytes]
) -> None:
    untouched(await ask(pieces), b"".join(pieces))


@pytest.mark.parametrize(
    "pieces",
    [
        (START, BLOCK, said("Hello"), end_turn(), said(" there"), BLOCK_END, STOP),
        (START, BLOCK, said("Hello"), BLOCK_END, end_turn(None), STOP),
        (START, BLOCK, said("Hello"), BLOCK_END, end_turn(), b"event: message_stop\ndata:\n\n"),
        (
            START,
            BLOCK,
            said("Hello"),
            BLOCK_END,
            end_turn().replace(b'"usage"', b'"x": "' + b"y" * 3000 + b'", "usage"'),
            STOP,
        ),
        (START, BLOCK, said("Hello"), BLOCK_END, end_turn(), event("message_stop", x="y" * 3000)),
        (START, end_turn(), STOP),
    ],
    ids=["late text", "no reason", "no data", "a long reason", "a long end", "empty"],
)
async def test_a_message_that_ends_oddly(autojump_clock: Any, pieces: Sequence[bytes]) -> None:
    provider = plays(Head(), *dribbled(*pieces), End())
    async with stage(provider, config=configured(max_event_bytes=2000)) as s:
        untouched(await s.ask(wire="messages"), b"".join(pieces))


RESPONSE = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m"}
ITEM = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": ""}
CREATED = event("response.created", response={**RESPONSE, "status": "in_progress", "output": []})
ADDED = event("response.output_item.added", output_index=0, item=ITEM)


def arguments(delta: str) -> bytes:
    return event("response.function_call_arguments.delta", item_id="fc_1", output_index=0, delta=delta)


def completed(word: str = "completed", **fields: Any) -> bytes:
    return event(f"response.{word}", response={**RESPONSE, "status": word, "output": None, **fields})


@pytest.mark.parametrize(
    "pieces",
    [
        (CREATED, ADDED, arguments('{"a":'), arguments("1}"), completed()),
        (CREATED, ADDED, arguments('{"a":'), completed("incomplete")),
        (
            CREATED,
            ADDED,
            arguments('{"a":'),
            completed(instructions="x" * 3000, output=[{**ITEM, "arguments": '{"a":1}'}]),
        ),
    ],
    ids=["no done", "incomplete", "long"],
)
async def test_a_call_whose_end_is_not_told(autojump_clock: Any, pieces: Sequence[bytes]) -> None:
    provider = plays(Head(), *dribbled(*pieces), End())
    async with stage(provider, config=configured(max_event_bytes=2000)) as s:
        untouched(await s.ask(wire="responses"), b"".join(pieces))


async def test_a_long_end_without_its_empty_line(autojump_clock: Any) -> None:
    text = event("response.output_text.delta", output_index=0, content_index=0, delta="Hello")
    end = completed(instructions="x" * 5000)[:-1]
    provider = plays(Head(), *dribbled(CREATED, text, end), End())
    async with stage(provider, config=configured(max_event_bytes=2000)) as s:
        untouched(await s.ask(wire="responses"), CREATED + text + end + b"\n")


@pytest.mark.parametrize(
    "error", [{"code": 0, "message": "success"}, {"code": "0", "message": ""}, {"code": 200}]
)
async def test_an_error_that_says_success(autojump_clock: Any, error: Any) -> None:
    pieces = [ROLE, chunk({"content": "Hello"}, error=error), FINISH, DONE]
    untouched(await ask(pieces), b"".join(pieces))


# Waiting


async def test_the_wait_behind_a_finish_has_an_end(autojump_clock: Any) -> None:
    for beats in (b"data: {}\n\n", b": ping\n\n", usage(3)):
        began = trio.current_time()
        x = await ask((ROLE, HELLO, FINISH), KeepAlive(4.0, data=beats))
        assert x.legs == [("openai", "completed")]
        assert bytes(x.body).endswith(DONE)
        assert trio.current_time() - began < 30


# Another wire


async def test_a_bare_word_is_no_hole_for_another_wire(autojump_clock: Any) -> None:
    """`data: ping` keeps a connection alive; a piece of JSON that is broken is a piece of the answer."""
    for noise, outcome in ((PING, "completed"), (BAD, "unfit")):
        second = plays(Head(), *map(Send, (ROLE, HELLO, noise, chunk({"content": "."}), FINISH, DONE)), End())
        config = with_second(configured(), "chat", alone=True)
        async with stage(second=second, config=config) as s:
            x = await s.ask(wire="messages")
            assert x.legs[0] == ("second", outcome)


async def test_the_last_events_calls_are_not_said_twice(autojump_clock: Any) -> None:
    """The output may list fewer items than there were."""
    done = {**ITEM, "arguments": '{"a":1}'}
    pieces = (
        CREATED,
        event("response.output_item.added", output_index=1, item=ITEM),
        event("response.output_item.done", output_index=1, item=done),
        completed(output=[done], usage={"input_tokens": 1, "output_tokens": 2}),
    )
    second = plays(Head(), *map(Send, pieces), End())
    async with stage(second=second, config=with_second(configured(), "responses", alone=True)) as s:
        result = (await s.ask(wire="chat")).told()
        assert [(call.name, call.arguments) for call in result.tool_calls] == [("look", '{"a":1}')]


@pytest.mark.parametrize("places", [(0, 0, 0), (0, 1, 2)])
async def test_calls_under_one_place_are_several(autojump_clock: Any, places: tuple[int, ...]) -> None:
    blocks = [
        piece
        for number, place in enumerate(places)
        for piece in (
            event(
                "content_block_start",
                index=place,
                content_block={"type": "tool_use", "id": f"toolu_{number}", "name": "look", "input": {}},
            ),
            event(
                "content_block_delta",
                index=place,
                delta={"type": "input_json_delta", "partial_json": f'{{"a":{number}}}'},
            ),
            event("content_block_stop", index=place),
        )
    ]
    second = plays(Head(), *map(Send, (START, *blocks, end_turn("tool_use"), STOP)), End())
    async with stage(second=second, config=with_second(configured(), "messages", alone=True)) as s:
        result = (await s.ask(wire="chat")).told()
        assert [call.arguments for call in result.tool_calls] == [f'{{"a":{n}}}' for n in range(3)]


@pytest.mark.parametrize(
    "beside",
    [
        {"content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}},
        {"stop_reason": 151643},
        {"token_ids": [1, 2], "matched_stop": "x"},
    ],
)
async def test_what_stands_beside_a_whole_message_is_no_content(autojump_clock: Any, beside: Any) -> None:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "Hello"},
        "finish_reason": "stop",
        **beside,
    }
    body = json.dumps({"id": "c", "object": "chat.completion", "choices": [choice]}).encode()
    second = plays(Head(content_type="application/json"), Send(body), End())
    async with stage(second=second, config=with_second(configured(), "chat", alone=True)) as s:
        x = await s.ask(wire="messages", stream=False)
        assert (x.status, x.told_whole().text) == (200, "Hello")


async def test_no_note_is_written_into_a_long_event(autojump_clock: Any) -> None:
    """The second cloud answers, and its last event is too long to be kept."""
    text = event("response.output_text.delta", output_index=0, content_index=0, delta="Hello")
    pieces = (CREATED, text, completed(instructions='a {"x": 1} ' * 400))
    config = with_second(configured(max_event_bytes=2000), "responses")
    async with stage(plays(Reset()), second=plays(Head(), *dribbled(*pieces), End()), config=config) as s:
        x = await s.ask(wire="responses")
        assert bytes(x.body).endswith(pieces[-1])


# Bodies


async def test_a_body_of_several_compressed_members(autojump_clock: Any) -> None:
    pieces = [ROLE, HELLO, FINISH, DONE]
    packed = b"".join(map(gzip.compress, pieces))
    for sent in ([packed], [packed[at : at + 7] for at in range(0, len(packed), 7)], [packed, b"\0\0\0"]):
        head = Head(headers=(("content-encoding", "gzip"),))
        async with stage(plays(head, *map(Send, sent), End())) as s:
            untouched(await s.ask(), b"".join(pieces))


async def test_who_begins_to_read_late_loses_nothing(autojump_clock: Any) -> None:
    """While its client does not take the status, nobody is impatient with the provider."""
    pieces = [ROLE, HELLO, FINISH]
    async with stage(plays(Head(), *map(Send, pieces), Pause(3.0), Send(usage(3)), Send(DONE), End())) as s:
        exchange = Exchange(reads=(reads := trio.Event()))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(s.play, exchange)
            await trio.sleep(12)
            reads.set()
        untouched(exchange, b"".join((*pieces, usage(3), DONE)))
