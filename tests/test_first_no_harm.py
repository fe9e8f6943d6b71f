"""
A healthy stream passes untouched, whatever it holds; what is dropped at a cut
is never a hole in a success. Kinds that need more than one event to show.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
import trio

from half_calls import TOOLS, llama_ready, with_llama
from scenes import WIRES, Exchange, configured, stage, with_target
from trooper.testing import (
    ANSWERS,
    DEFAULT_ANSWER,
    Call,
    ChatAnswer,
    End,
    FakeLlamaServer,
    FakeOllama,
    Hang,
    Head,
    KeepAlive,
    Pause,
    Reset,
    ScriptedProvider,
    Send,
)
from trooper.testing.provider import WIRES as SPOKEN
from trooper.testing.script import Step
from untouched import DONE, FINISH, ROLE, chunk, image, plays, untouched, usage, without_waiting


async def ask_while(pieces: list[bytes], pause_s: float, **fields: Any) -> Exchange:
    steps = [step for piece in pieces for step in (Send(piece), Pause(pause_s))]
    async with stage(plays(Head(), *steps, End())) as s:
        return await s.ask(**fields)


# Order


@pytest.mark.parametrize("gate", [True, False])
async def test_nothing_overtakes(autojump_clock: Any, gate: bool) -> None:
    pieces = [
        ROLE,
        chunk({"content": "un"}),
        chunk({"content": "for", "extra_content": {"google": {"thought_signature": "x"}}}),
        *(chunk({"content": word}) for word in ("tunately", ",", " we")),
        FINISH,
        DONE,
    ]
    async with stage(plays(Head(), *map(Send, pieces), End()), config=configured(gate=gate)) as s:
        untouched(await s.ask(), b"".join(pieces))


@pytest.mark.parametrize("pause_s", [2.0, 18.0])
async def test_a_line_for_each_event_is_shown_as_it_comes(autojump_clock: Any, pause_s: float) -> None:
    pieces = [ROLE, *(chunk({"content": word}) for word in ("One", " two", " three")), FINISH, DONE]
    lines = [piece[:-1] for piece in pieces]
    steps = [step for line in lines for step in (Send(line), Pause(pause_s if DONE[:-1] != line else 0))]
    provider = plays(Head(), *steps, End())
    async with stage(provider, config=with_target(configured(), "openai", terminator_timeout_s=30.0)) as s:
        x = await s.ask()
        untouched(x, b"".join(lines) + b"\n")
        shown = [when for when, body in x.arrivals if b"content" in body]
        # Each a word late.
        assert shown[-1] - shown[0] >= pause_s


@pytest.mark.parametrize("wire", ["messages"])
async def test_a_server_tool_is_shown_when_it_comes(autojump_clock: Any, wire: str) -> None:
    """Its result takes its time, and a client shows what is being searched."""
    events = SPOKEN[WIRES[wire].path].events(ChatAnswer(tokens=("Let me", " look", ".")))
    block = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    tool = [
        {"type": "content_block_start", "index": 1, "content_block": block},
        {
            "type": "content_block_delta",
            "index": 1,
            "delta": {"type": "input_json_delta", "partial_json": "{}"},
        },
        {"type": "content_block_stop", "index": 1},
    ]
    told = [b"event: %s\ndata: %s\n\n" % (str(v["type"]).encode(), json.dumps(v).encode()) for v in tool]
    at = next(n for n, event in enumerate(events) if b"content_block_stop" in event) + 1
    provider = plays(Head(), *map(Send, (*events[:at], *told)), Pause(9.0), *map(Send, events[at:]), End())
    async with stage(provider) as s:
        x = await s.ask(wire=wire)
        untouched(x, b"".join((*events[:at], *told, *events[at:])))
        shown = next(when for when, body in x.arrivals if b"server_tool_use" in body)
        assert x.arrivals[-1][0] - shown >= 9.0


# Held tool calls


CALL = Call("edit", json.dumps({"path": "src/main.py", "edits": ["x" * 40] * 30}))
SAYS_ARGUMENTS = {"chat": b'"arguments":', "messages": b"partial_json", "responses": b"arguments.delta"}
LONG = ChatAnswer(calls=(CALL,), finish="tool_calls")


@pytest.mark.parametrize("wire", WIRES)
async def test_a_call_that_takes_five_minutes_is_shown_in_time(autojump_clock: Any, wire: str) -> None:
    events = SPOKEN[WIRES[wire].path].events(LONG)
    pace_s = 310 / len(events)
    async with stage(ScriptedProvider(answer=LONG, pace_s=pace_s)) as s:
        x = await s.ask(wire=wire)
        assert [outcome for _, outcome in x.legs] == ["completed"]
        assert [call.arguments for call in x.told().tool_calls] == [CALL.arguments]
        with_call = [when for when, body in x.arrivals if SAYS_ARGUMENTS[wire] in body]
        gaps = [b - a for a, b in itertools.pairwise(with_call)]
        # After the hold it comes as it is said.
        assert max(gaps[1:]) < 2 * pace_s + 0.1
        assert with_call[-1] - with_call[0] > 200


@pytest.mark.parametrize("wire", WIRES)
async def test_a_call_waits_for_twenty_seconds(autojump_clock: Any, wire: str) -> None:
    events = SPOKEN[WIRES[wire].path].events(LONG)
    for pace_s, pieces in ((15 / len(events), 1), (60 / len(events), 10)):
        async with stage(ScriptedProvider(answer=LONG, pace_s=pace_s)) as s:
            x = await s.ask(wire=wire)
            said = [body for _, body in x.arrivals if SAYS_ARGUMENTS[wire] in body]
            assert len(said) == 1 if pieces == 1 else len(said) > pieces
            assert [call.arguments for call in x.told().tool_calls] == [CALL.arguments]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("config", [{"hold_call_s": 5.0}, {"hold_call_bytes": 2000}])
async def test_a_cut_in_a_call_that_was_let_go_is_finished_or_an_error(
    autojump_clock: Any, wire: str, config: Any
) -> None:
    events = SPOKEN[WIRES[wire].path].events(LONG)
    at = next(n for n, event in enumerate(events) if b"xxxx" in event) + 20
    steps = [step for event in events[:at] for step in (Send(event), Pause(0.5))]
    llama = FakeLlamaServer(answer="", calls=(CALL,))
    provider = plays(Head(), *steps, Reset())
    async with stage(provider, config=with_llama(wire, **config), llama=llama) as s:
        await llama_ready(s)
        x = await s.ask(wire=wire, tools=TOOLS[wire])
        result = x.told()
        assert x.legs[0][1] == "conn_reset"
        if result.error is None:
            assert x.legs[1:] == [("llama", "completed")]
            assert [json.loads(call.arguments)["path"] for call in result.tool_calls] == ["src/main.py"]
        else:
            assert not result.done
    async with stage(plays(Head(), *steps, Reset()), config=configured(**config)) as s:
        x = await s.ask(wire=wire, tools=TOOLS[wire])
        result = x.told()
        # Nobody here is bound to a grammar.
        assert result.error is not None
        assert (result.done, result.finish_reason) == (False, None)


# Ends


async def test_a_finish_in_every_chunk_ends_nothing(autojump_clock: Any) -> None:
    pieces = [
        ROLE,
        *(chunk({"content": word}, "stop") for word in ("Hello", " there", ", how", " are you")),
        DONE,
    ]
    x = await ask_while(pieces, 1.3)
    untouched(x, b"".join(pieces))


@pytest.mark.parametrize("kept", [1, 2, 4])
@pytest.mark.parametrize("end", [Reset(), Hang()])
async def test_a_cut_behind_a_finish_in_every_chunk_is_a_failure(
    autojump_clock: Any, kept: int, end: Step
) -> None:
    words = ["A lighthouse", " keeps its", " light in", " one place"]
    steps = [Send(ROLE), *(Send(chunk({"content": word}, "stop")) for word in words[:kept])]
    async with stage(plays(Head(), *steps, end), FakeOllama(answer=DEFAULT_ANSWER)) as s:
        x = await s.ask()
        assert x.legs == [("openai", "conn_reset" if end == Reset() else "stall"), ("ollama", "completed")]
        assert bytes(x.body).startswith(b"".join(step.data for step in steps))


async def test_counts_that_come_late_are_the_providers(autojump_clock: Any) -> None:
    pieces = [ROLE, chunk({"content": "Hello"}), FINISH, usage(7), usage(9), DONE]
    x = await ask_while(pieces, 4.0, stream_options={"include_usage": True})
    untouched(x, b"".join(pieces))


async def test_what_comes_behind_the_terminator_is_the_clients(autojump_clock: Any) -> None:
    pieces = [ROLE, chunk({"content": "Hello"}), FINISH, DONE, b": bye\n\n", b"\ndata: {}\n\n: x"]
    x = await ask_while(pieces, 0.02)
    untouched(x, b"".join(pieces))


# Events that are too long to be kept


async def test_sixty_four_megabytes_in_one_event(autojump_clock: Any) -> None:
    pieces = [
        ROLE,
        chunk({"content": "Here it is: "}),
        image(64 << 20),
        chunk({"content": "done"}),
        FINISH,
        DONE,
    ]
    stream = b"".join(pieces)
    steps = [Send(stream[at : at + 262_144]) for at in range(0, len(stream), 262_144)]
    async with stage(plays(Head(), *steps, End())) as s:
        x = await s.ask()
        untouched(x, stream)
        # As it came, never as a whole.
        assert max(len(body) for _, body in x.arrivals) < 3 << 20


async def test_nothing_of_ours_stands_inside_a_long_event(autojump_clock: Any) -> None:
    long = image(200_000)
    steps = [
        step for at in range(0, len(long), 10_000) for step in (Send(long[at : at + 10_000]), Pause(6.0))
    ]
    provider = plays(
        Head(), Send(ROLE), Send(chunk({"content": "Look: "})), *steps, Send(FINISH + DONE), End()
    )
    async with stage(provider, config=configured(keepalive_s=2.0, max_event_bytes=20_000)) as s:
        x = await s.ask()
        assert b"keep-alive" in bytes(x.body)
        untouched(x, ROLE + chunk({"content": "Look: "}) + long + FINISH + DONE)


@pytest.mark.parametrize("end", [Reset(), End(), Hang()])
async def test_a_cut_inside_a_long_event_is_an_error(autojump_clock: Any, end: Step) -> None:
    sent = ROLE + chunk({"content": "Look: "}) + image(200_000)[:90_000]
    async with stage(plays(Head(), Send(sent), end), config=configured(max_event_bytes=20_000)) as s:
        x = await s.ask()
        body = without_waiting(bytes(x.body))
        assert sent.startswith(body[:80_000])
        # The event that broke off is ended before anything else is said.
        broken, _, error = body.rpartition(b"\n\ndata: ")
        assert sent.startswith(broken)
        assert json.loads(error)["error"]
        assert s.ollama.requests == []


# What is thrown away


async def test_an_image_that_was_thrown_away_is_no_success(autojump_clock: Any) -> None:
    """It waited behind an open call when the stream was cut: nobody who goes on knows what it was."""
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a"'}}
    begun = [
        ROLE,
        chunk({"content": "Look here"}),
        chunk({"content": " now: "}),
        chunk({"tool_calls": [call]}),
    ]
    for more, whole in (([], True), ([image(10)], False)):
        async with stage(plays(Head(), *map(Send, (*begun, *more)), Reset())) as s:
            x = await s.ask()
            body = bytes(x.body)
            assert (body.endswith(DONE), b'"error":{' in body) == (whole, not whole)
            assert bool(s.ollama.requests) is whole


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("alive", [b": ping\n\n", b"data: {}\n\n", b"event: ping\ndata: {}\n\n"])
async def test_what_says_nothing_does_not_end_the_net(autojump_clock: Any, wire: str, alive: bytes) -> None:
    events = SPOKEN[WIRES[wire].path].events(ANSWERS["text"])
    provider = plays(Head(), *(Send(alive + event) for event in events[: len(events) // 2]), Reset())
    async with stage(provider, FakeOllama(answer=DEFAULT_ANSWER)) as s:
        x = await s.ask(wire=wire)
        assert [outcome for _, outcome in x.legs] == ["conn_reset", "completed"]
        assert b'"error":{' not in bytes(x.body)


async def test_a_long_wait_for_a_silent_provider_is_still_one(autojump_clock: Any) -> None:
    """Noise is a sign of life at the most: a provider that sends nothing else has fallen silent."""
    noise = KeepAlive(1.0, data=b"data: ping\n\n")
    async with stage(plays(Head(), Send(ROLE), Send(chunk({"content": "A lighthouse keeps"})), noise)) as s:
        began = trio.current_time()
        x = await s.ask()
        assert x.legs == [("openai", "stall"), ("ollama", "completed")]
        assert trio.current_time() - began < 130
        assert b"data: ping" not in bytes(x.body)


async def test_a_preamble_in_lines_is_shown_in_time(autojump_clock: Any) -> None:
    """Nothing of ours stands inside an event; the status, and the lines that wait for content, do not wait for its end."""
    line = ROLE[:-1]
    provider = plays(
        Head(), Send(line), Pause(5.0), Send(b"\n" + chunk({"content": "Hello"}) + FINISH + DONE), End()
    )
    async with stage(provider) as s:
        x = await s.ask()
        untouched(x, ROLE + chunk({"content": "Hello"}) + FINISH + DONE)
        assert x.arrivals[0][1] == line
        assert x.arrivals[1][0] - x.arrivals[0][0] >= 3.9


async def test_who_leaves_with_the_terminator_has_a_whole_answer(autojump_clock: Any) -> None:
    """Clients hang up on it, and the provider's connection stays open a moment longer: nothing was cancelled."""
    pieces = [ROLE, chunk({"content": "Hello"}), FINISH, DONE]
    async with stage(plays(Head(), *map(Send, pieces), Pause(0.1), End())) as s:
        x = Exchange()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(s.play, x)
            while not bytes(x.body).endswith(DONE):  # noqa: ASYNC110  # virtual time: costs nothing
                await trio.sleep(0.01)
            x.leave()
        assert x.legs == [("openai", "completed")]
        assert x.report["outcome"] == "completed"
