"""One request from its nursery on: steps are obeyed, legs are made and dropped, the report is true."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from attrs import evolve

from floods import END, HELLO
from floods import call as call_chunk
from scenes import TOOLS, Exchange, configured, dies, stage, with_second, with_target
from trooper.config import Chain, Key
from trooper.relay.conductor import relay
from trooper.testing import (
    ANSWERS,
    DEFAULT_ANSWER,
    FAULTS,
    Call,
    ChatAnswer,
    End,
    FakeOllama,
    FaultAt,
    Hang,
    Head,
    OllamaFault,
    Pause,
    Reset,
    Script,
    ScriptedProvider,
    Send,
    Status,
    tokens,
)
from untouched import plays

STREAM = (("content-type", "text/event-stream"),)
EVENTS = ANSWERS["text"].events()


async def test_a_healthy_request_is_one_leg(autojump_clock: Any) -> None:
    async with stage(plays(Head(), *map(Send, EVENTS), End())) as s:
        x = await s.ask()
    assert bytes(x.body) == b"".join(EVENTS)
    assert x.legs == [("openai", "completed")]
    assert (x.report["outcome"], x.report["status"], x.report["sent_bytes"]) == (
        "completed",
        200,
        len(x.body),
    )
    assert "gap_s" not in x.report


async def test_continue_and_restart_are_told_apart(autojump_clock: Any) -> None:
    for position, how in ((0, "restart"), (6, "continue")):
        async with stage(dies("reset", position)) as s:
            x = await s.ask()
        assert x.chat().text == DEFAULT_ANSWER
        assert [leg["how"] for leg in x.report["legs"]] == ["first", how]
        assert ("gap_s" in x.report) == (how == "continue")


async def test_each_leg_is_a_new_one(autojump_clock: Any) -> None:
    """Of the first leg nothing is left but what the client has and the line in the report."""
    config = evolve(with_second(configured(), "chat"), chains=(Chain("*", ("openai", "second", "ollama")),))
    second = ScriptedProvider(script=FaultAt(FAULTS["reset"], 3))
    async with stage(dies("status-503", 0), config=config, second=second) as s:
        x = await s.ask()
    assert x.chat().text == DEFAULT_ANSWER
    assert [outcome for _, outcome in x.legs] == ["overloaded", "conn_reset", "completed"]
    # The second's own stream began the answer, so its name stays.
    assert x.chat().model == "other-model"
    assert x.headers[b"x-trooper-fallbacks"] == b"1"


@pytest.mark.parametrize(
    ("script", "outcome", "status"),
    [
        (FaultAt(FAULTS["auth-401"]), "passed_on", 401),
        (FaultAt(FAULTS["status-503"]), "failed", 503),
    ],
)
async def test_a_failure_before_the_status_is_an_answer(
    autojump_clock: Any, script: FaultAt, outcome: str, status: int
) -> None:
    async with stage(ScriptedProvider(script=script)) as s:
        s.ollama.fault = OllamaFault("status", status=500)
        x = await s.ask()
    assert (x.report["outcome"], x.status) == (outcome, status)


async def test_a_failure_behind_it_is_told_in_band(autojump_clock: Any) -> None:
    async with stage(dies("reset", 6)) as s:
        s.ollama.fault = OllamaFault("status", status=500)
        x = await s.ask()
    result = x.chat()
    assert result.error is not None
    assert (x.report["outcome"], result.error.code, result.finish_reason) == ("failed", "conn_reset", None)


async def test_own_words_in_a_stream_are_passed_on(autojump_clock: Any) -> None:
    raw = b'data: {"error": {"message": "Incorrect API key", "type": "invalid_request_error", "code": "invalid_api_key"}}\n\n'
    async with stage(plays(Head(), Send(raw), End())) as s:
        x = await s.ask()
    assert (x.status, x.report["outcome"], x.legs[0][1]) == (200, "passed_on", "auth")
    assert bytes(x.body).endswith(raw)


async def test_nobody_takes_it(autojump_clock: Any) -> None:
    """A client's key is for its own provider, and the chain names only another one's."""
    config = configured()
    config = evolve(config, chains=(Chain("*", ("anthropic",)),))
    async with stage(config=config, warm=False) as s:
        x = await s.ask()
    assert (x.status, x.report["outcome"], x.report["legs"]) == (400, "failed", ())
    assert x.whole()["error"]["code"] == "unfit"
    assert x.headers[b"x-trooper-target"] == b"none"


async def test_whole_calls_end_the_turn(autojump_clock: Any) -> None:
    answer = ChatAnswer(calls=(Call("get_weather", '{"city": "Zürich"}'),), finish="tool_calls")
    events = answer.events()
    async with stage(plays(Head(), *map(Send, events[:-2]), Reset())) as s:
        x = await s.ask(tools=TOOLS)
    assert (x.chat().finish_reason, x.report["outcome"]) == ("tool_calls", "completed")
    assert len(x.legs) == 1


async def test_the_limit_ends_the_turn(autojump_clock: Any) -> None:
    async with stage(dies("reset", 12)) as s:
        x = await s.ask(max_tokens=5)
    assert x.chat().finish_reason == "length"
    assert len(x.legs) == 1


async def test_an_empty_answer_is_asked_for_once_more(autojump_clock: Any) -> None:
    async with stage(ScriptedProvider(ANSWERS["empty"])) as s:
        x = await s.ask()
    assert [target for target, _ in x.legs] == ["openai", "openai", "ollama"]
    assert x.chat().text == DEFAULT_ANSWER


async def test_a_cloud_goes_on_by_another_way(autojump_clock: Any) -> None:
    """It began the answer anew; asked in words it goes on, and that was the one retry."""
    config = with_second(configured(), "chat", continues="prefill")
    config = evolve(config, chains=(Chain("*", ("openai", "second", "ollama")),))
    second = ScriptedProvider(ChatAnswer(tokens=tuple(tokens(DEFAULT_ANSWER[:60] + " and more"))))
    async with stage(dies("reset", 20), config=config, second=second) as s:
        x = await s.ask()
    assert [target for target, _ in x.legs] == ["openai", "second", "second", "ollama"]
    assert x.chat().text == DEFAULT_ANSWER


async def test_the_terminator_is_added_where_it_does_not_come(autojump_clock: Any) -> None:
    async with stage(plays(Head(), *map(Send, EVENTS[:-1]), Hang())) as s:
        x = await s.ask()
    assert bytes(x.body) == b"".join(EVENTS)
    assert x.legs == [("openai", "completed")]


async def test_silence_ends_a_leg_and_its_connection(autojump_clock: Any) -> None:
    config = with_target(configured(), "openai", stall_timeout_s=5.0)
    async with stage(plays(Head(), *map(Send, EVENTS[:6]), Hang()), config=config) as s:
        began = trio.current_time()
        x = await s.ask()
        assert trio.current_time() - began < 6
        assert s.cloud.open_connections == 0
    assert x.legs == [("openai", "stall"), ("ollama", "completed")]


async def test_what_a_voice_has_no_words_for_ends_its_leg(autojump_clock: Any) -> None:
    config = evolve(with_second(configured(), "chat"), chains=(Chain("*", ("openai", "second", "ollama")),))
    odd = b'data: {"id":"x","choices":[{"index":0,"delta":{"widget":[1]}}]}\n\n'
    second = plays(Head(), Send(odd), End())
    async with stage(dies("reset", 6), config=config, second=second) as s:
        x = await s.ask()
    assert x.report["legs"][1]["unfit_reason"] == "content"
    assert x.chat().text == DEFAULT_ANSWER


async def test_a_stop_sequence_across_the_seam_ends_the_answer(autojump_clock: Any) -> None:
    said = "Keep the light. ##"
    cloud = ScriptedProvider(
        ChatAnswer(tokens=("Keep", " the", " light.", " #", "# and", " more")),
        script=FaultAt(FAULTS["reset"], 4),
    )
    async with stage(cloud, config=configured(gate=False)) as s:
        s.ollama.answer = said + " and more"
        x = await s.ask(stop=["##"])
    assert x.chat().text == "Keep the light. #"
    assert x.legs[-1] == ("ollama", "completed")


async def test_what_is_read_at_once_goes_out_in_pieces(autojump_clock: Any) -> None:
    big = ScriptedProvider(ChatAnswer(tokens=("word " * 4000,) * 12), script=None)
    async with stage(big) as s:
        x = await s.ask()
    assert len(x.body) > 200_000
    assert max(len(body) for _, body in x.arrivals) < 150_000


async def test_a_client_that_leaves_ends_everything(autojump_clock: Any) -> None:
    async with stage(plays(Head(), *map(Send, EVENTS[:6]), Hang())) as s:
        x = Exchange()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(s.play, x)
            await trio.sleep(1)
            x.leave()
    assert x.legs == [("openai", "client_cancelled")]
    assert x.report["outcome"] == "client_cancelled"


async def test_a_refusal_of_what_came_from_elsewhere_is_healed(autojump_clock: Any) -> None:
    refusal = b'{"type":"error","error":{"type":"invalid_request_error","message":"messages.1.content.0: Invalid `signature` in `thinking` block"}}'
    turns = [
        {"role": "user", "content": "Why?"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "theirs"},
                {"type": "text", "text": "So."},
            ],
        },
        {"role": "user", "content": "Go on."},
    ]
    async with stage() as s:
        s.cloud.play_next(Script((Status(400, refusal),)))
        x = await s.ask(wire="messages", messages=turns)
    assert x.legs == [("anthropic", "invalid_request"), ("anthropic", "completed")]
    assert x.told().text == DEFAULT_ANSWER


async def test_a_bug_of_ours_is_reported_as_one(autojump_clock: Any) -> None:
    """The line is written whatever happens, the leg that was open included."""
    async with stage(plays(Head(), *map(Send, EVENTS[:6]), Pause(1), End())) as s:
        x = Exchange()

        async def breaks(message: Any) -> None:
            await x.send(message)
            if len(x.arrivals) > 2:
                raise RuntimeError("ours")

        with pytest.RaisesGroup(RuntimeError):
            await relay(s.services, s.request(), x.receive, breaks, x.hang_up)
        report = s.log[-1]
    assert (report["outcome"], report["legs"][-1]["outcome"]) == ("broken", "broken")


async def test_a_key_of_ours_is_never_asked_of_a_client(autojump_clock: Any) -> None:
    config = with_target(configured(), "openai", key=Key("value", "sk-ours"))
    async with stage(config=config) as s:
        await s.ask(key="Bearer sk-client")
        sent = dict(s.cloud.chats[-1].headers)
    assert sent["authorization"] == "Bearer sk-ours"


@pytest.mark.parametrize("structured", ["continue", "hold"])
async def test_a_large_request_is_read_when_it_is_needed(autojump_clock: Any, structured: str) -> None:
    fields = {"metadata": {"a": "," * 30_000}}
    async with stage(dies("reset", 6), config=configured(structured=structured)) as s:
        x = await s.ask(**fields)
    assert x.chat().text == DEFAULT_ANSWER
    assert x.legs == [("openai", "conn_reset"), ("ollama", "completed")]


@pytest.mark.parametrize(("required", "error"), [("name", None), ("other", "unfit")])
async def test_a_document_of_two_is_checked(autojump_clock: Any, required: str, error: str | None) -> None:
    document = '{"name": "' + "word " * 20 + '"}'
    schema = {"name": "a", "schema": {"required": [required]}}
    parted = ScriptedProvider(
        script=FaultAt(FAULTS["reset"], "middle", ChatAnswer(tokens=tuple(tokens(document, 4))))
    )
    async with stage(parted, FakeOllama(answer=document)) as s:
        x = await s.ask(response_format={"type": "json_schema", "json_schema": schema})
    assert x.legs[-1] == ("ollama", error or "completed")


async def test_a_call_in_many_pieces_is_given_in_portions(autojump_clock: Any) -> None:
    pieces = [call_chunk(0, '{"a":"'), *[call_chunk(0, "x", "", "")] * 1_000, call_chunk(0, '"}', "", "")]
    body = HELLO + b"".join(pieces) + END
    async with stage(ScriptedProvider(script=Script((Status(200, body, STREAM),)))) as s:
        x = await s.ask()
    assert bytes(x.body) == body


async def test_where_its_provider_is_cooling_a_large_one_is_read_before(autojump_clock: Any) -> None:
    limited = ScriptedProvider(script=FaultAt(FAULTS["status-429"], "start"))
    async with stage(limited) as s:
        for _ in range(2):
            x = await s.ask(metadata={"a": "," * 30_000})
            assert x.legs[-1] == ("ollama", "completed")


@pytest.mark.parametrize("is_left", [False, True], ids=["nobody-else", "one-of-its-wire-is-left"])
async def test_while_a_local_model_is_at_work(is_left: bool, autojump_clock: Any) -> None:
    """Comments while it loads; from the grant on chunks, unless another provider could begin the answer."""
    config = with_second(configured(), "chat")
    names = ("openai", "ollama", "second") if is_left else ("openai", "ollama")
    config = evolve(config, chains=(Chain("*", names),))
    ollama = FakeOllama(load_s=25.0, prefill_s=2.0)
    async with stage(dies("status-529"), ollama, config, warm=False) as s:
        x = await s.ask()
    assert x.chat().text == DEFAULT_ANSWER
    signs = [at for at, body in x.arrivals if b'"delta":{' in body and b"content" not in body]
    comments = [at for at, body in x.arrivals if body.startswith(b": trooper keep-alive")]
    assert comments[0] == 10.0
    if is_left:
        assert (signs, len(comments) > 3) == ([], True)
    else:
        # The first one at once, where comments have gone before.
        assert any(at == signs[0] > 25 and b", for 0 s" in body for at, body in x.arrivals)
        assert len(signs) > 1
