"""A leg at a local model: it waits for the model and a slot, asks, and asks once more when the server has counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, evolve

from counted_legs import all_fit
from legs import events, heard, opened, outcome, text
from scenes import configured
from trooper.config import Target
from trooper.core.conversation import Conversation, Message, Role, Sampling, TextPart, Tool, ToolCall
from trooper.core.events import NextChoice, ToolCallDelta
from trooper.core.local_model import LocalModel
from trooper.core.outcome import Completed, Failed, FailureKind
from trooper.core.prompt_reading import NOTHING_TO_READ
from trooper.core.seam import Prefill
from trooper.core.unfit import Unfit
from trooper.targets.counting import Sized
from trooper.targets.inbox import Bell, Ended, Granted, Inbox, Item, Queued
from trooper.targets.local import LocalLeg, run_local
from trooper.targets.standby import Standby, State
from trooper.targets.standby.llama_server import LlamaServerStandby
from trooper.targets.standby.ollama_chat import OllamaStandby
from trooper.testing import (
    DEFAULT_ANSWER,
    Call,
    FakeLlamaServer,
    FakeOllama,
    MemoryNetwork,
    Model,
    OllamaFault,
    Request,
)
from trooper.wires import LLAMA_SERVER

HALF, REST = DEFAULT_ANSWER[:100], DEFAULT_ANSWER[100:]
NOTE = "{count} messages were left out."


def user(said: str) -> Message:
    return Message(Role.USER, (TextPart(said),))


def chat(*messages: Message, **changes: Any) -> Conversation:
    return evolve(Conversation(messages or (user("Question?"),)), **changes)


def long_chat() -> Conversation:
    return chat(*(user(f"{number}: {'word ' * 60}") for number in range(40)), user("Question?"))


@define
class Local:
    """One local server, its standby, and its network."""

    standby: Standby
    network: MemoryNetwork

    def leg(self, asked: Conversation | None = None, **changes: Any) -> LocalLeg:
        return LocalLeg(
            **{
                "standby": self.standby,
                "model": None,
                "conversation": asked or chat(),
                "request_id": "r1",
                "given": "",
                "max_tokens": None,
                "max_line_bytes": 100_000,
                "note": NOTE,
                **changes,
            }
        )

    async def hear(self, asked: Conversation | None = None, **changes: Any) -> list[Item]:
        leg = self.leg(asked, **changes)
        return await heard(lambda inbox: run_local(leg, inbox))

    async def model(self) -> LocalModel:
        found = await self.standby.ready(None)
        assert isinstance(found, LocalModel)
        return found


@asynccontextmanager
async def at_ollama(ollama: FakeOllama, **changes: Any) -> AsyncIterator[Local]:
    # The user's own number, so that it does not grow: what is told here is how a history is shortened.
    target = evolve(configured().target("ollama"), **{"num_ctx": 4096} | changes)
    async with opened(target, ollama.serve) as (upstream, network):
        local = Local(OllamaStandby(target, upstream), network)
        network.nursery.start_soon(local.standby.run)
        await local.model()
        ollama.server.forget()
        ollama.mismatches.clear()
        yield local


@asynccontextmanager
async def at_llama(llama: FakeLlamaServer) -> AsyncIterator[Local]:
    target = Target("llama", LLAMA_SERVER.wire, "http://127.0.0.1:8080")
    async with opened(target, llama.serve) as (upstream, network):
        local = Local(LlamaServerStandby(target, upstream), network)
        network.nursery.start_soon(local.standby.run)
        await local.model()
        llama.server.forget()
        llama.mismatches.clear()
        yield local


def granted(items: list[Item]) -> list[Granted]:
    """Without how long the prompts are, which is another test's."""
    return [evolve(item, to_read=NOTHING_TO_READ) for item in items if isinstance(item, Granted)]


def asked_for_answers(ollama: FakeOllama) -> list[Request]:
    """What was sent to be answered, not only to be rendered."""
    return [r for r in ollama.requests if r.path == "/api/chat" and b"_debug_render_only" not in r.body]


def unfit(reason: Unfit) -> list[Item]:
    return [Ended(Failed(FailureKind.UNFIT, unfit_reason=reason))]


async def test_from_the_beginning(autojump_clock: Any) -> None:
    async with at_ollama(FakeOllama()) as local:
        items = await local.hear()
        model = await local.model()
    assert granted(items[:1]) == [Granted(model.name, Prefill("", ""), model.echoes)]
    assert (text(items), outcome(items)) == (DEFAULT_ANSWER, Completed())


async def test_how_long_the_prompt_is_and_how_fast_it_was_read(autojump_clock: Any) -> None:
    """About how long, at most; and what its server has said of one, the next one's patience knows."""
    told = []
    async with at_ollama(FakeOllama(prefill_s=0.02)) as local:
        for word in ("one ", "two "):
            items = await local.hear(chat(user(word * 1_000)))
            assert isinstance(items[0], Granted)
            told.append(items[0].to_read)
    assert all(1_000 <= to_read.tokens < 1_500 for to_read in told)
    assert [round(to_read.tokens_per_s) for to_read in told] == [0, 50]


async def test_from_a_half_answer(autojump_clock: Any) -> None:
    llama = FakeLlamaServer()
    async with at_llama(llama) as local:
        items = await local.hear(given=HALF + " ", max_tokens=500)
    assert granted(items) == [Granted("tiny", Prefill(HALF, " "), False)]
    assert (text(items), outcome(items)) == (REST, Completed())


@pytest.mark.parametrize("other_way", [False, True])
async def test_the_raw_way(other_way: bool, autojump_clock: Any) -> None:
    """Because the template closes the turn, or because the first way has said nothing."""
    llama = FakeLlamaServer(turn="continues" if other_way else "closes")
    async with at_llama(llama) as local:
        items = await local.hear(given=HALF, other_way=other_way)
    assert [request.path for request in llama.requests] == ["/apply-template", "/completion"]
    assert (text(items), outcome(items)) == (REST, Completed())


async def test_a_half_call(autojump_clock: Any) -> None:
    arguments = '{"path": "src", "edits": []}'
    llama = FakeLlamaServer(answer="", calls=(Call("edit", arguments),))
    half = (1, ToolCall("c1", "edit", arguments[:11]))
    async with at_llama(llama) as local:
        items = await local.hear(chat(tools=(Tool("edit"),), choices=2), given="I will.", half_call=half)
    assert granted(items) == [Granted("tiny")]
    assert outcome(items) == Completed()
    calls = [event for event in events(items) if isinstance(event, ToolCallDelta)]
    assert {call.index for call in calls} == {1}
    assert arguments[:11] + "".join(call.arguments for call in calls) == arguments
    assert [request.path for request in llama.requests] == ["/apply-template", "/completion"]
    asked = llama.requests[-1].json()
    assert isinstance(asked, dict)
    # In a string nothing else would stop it; the window has no room for more.
    assert 3500 < asked["n_predict"] < 4096


async def test_a_half_call_that_no_grammar_can_bind(autojump_clock: Any) -> None:
    half = (0, ToolCall("c1", "edit", "no JSON"))
    async with at_llama(FakeLlamaServer()) as local:
        items = await local.hear(half_call=half)
    assert items[1:] == unfit(Unfit.NO_GRAMMAR)


async def test_several_choices_are_asked_for_in_turn(autojump_clock: Any) -> None:
    ollama = FakeOllama(answer="Once.")
    async with at_ollama(ollama) as local:
        items = await local.hear(chat(choices=3, sampling=Sampling(seed=7)))
    assert text(items) == "Once." * 3
    assert [event for event in events(items) if isinstance(event, NextChoice)] == [
        NextChoice(1),
        NextChoice(2),
    ]
    assert outcome(items) == Completed()
    seeds = [request.json()["options"]["seed"] for request in ollama.requests]
    assert seeds == [7, 8, 9]


async def test_of_several_choices_the_first_that_fails_ends_it(autojump_clock: Any) -> None:
    ollama = FakeOllama(answer="Once.")
    async with at_ollama(ollama) as local:
        ollama.fail_next(None, OllamaFault("eof", 1))
        items = await local.hear(chat(choices=3))
    assert outcome(items) == Failed(FailureKind.EOF_EARLY)
    assert len(ollama.requests) == 2


# What cannot be


async def test_a_model_that_is_not_there(autojump_clock: Any) -> None:
    async with at_ollama(FakeOllama()) as local:
        items = await local.hear(model="another:1b")
    assert items == [Ended(Failed(FailureKind.NOT_FOUND))]


async def test_unfit_is_told_without_a_slot(autojump_clock: Any) -> None:
    """It would only wait to say no."""
    async with at_ollama(FakeOllama()) as local, local.standby.slots:
        assert await local.hear(chat(tool_choice="required")) == unfit(Unfit.TOOL_CHOICE)
        assert await local.hear(chat(user("word " * 9000))) == [
            Ended(Failed(FailureKind.CONTEXT_LENGTH, prompt_tokens=9336, window_tokens=4096))
        ]


async def test_a_server_that_renders_nothing_has_no_raw_way(autojump_clock: Any) -> None:
    """It could when it was probed."""
    llama = FakeLlamaServer(turn="closes")
    async with at_llama(llama) as local:
        llama.api_key = "another one now"
        items = await local.hear(given=HALF)
    found = outcome(items)
    assert isinstance(found, Failed)
    # The local server's own words are in another wire.
    assert (found.kind, found.answer) == (FailureKind.AUTH, None)


async def test_a_render_without_a_prompt(autojump_clock: Any) -> None:
    async with at_ollama(FakeOllama()) as local:
        leg = local.leg(given=HALF, other_way=True)
        local.network.listen(
            "127.0.0.1", 11434, FakeOllama(version="0.1.0", models=(Model(renders=False),)).serve
        )
        for connection in local.network.connections:
            await connection.aclose()
        items = await heard(lambda inbox: run_local(leg, inbox))
    assert items[1:] == unfit(Unfit.NO_RENDER)


async def test_a_server_that_has_gone_is_looked_at_again(autojump_clock: Any) -> None:
    async with at_ollama(FakeOllama()) as local:
        model = await local.model()
        local.network.close("127.0.0.1", 11434)
        for connection in local.network.connections:
            await connection.aclose()
        items = await local.hear()
        assert outcome(items) == Failed(FailureKind.CONNECT)
        assert not local.standby.is_probed(model.name)
        assert isinstance(await local.standby.ready(None), Failed)
        assert local.standby.state is State.ABSENT


async def test_one_leg_a_slot(autojump_clock: Any) -> None:
    async with at_ollama(FakeOllama(token_s=1)) as local:
        inbox = Inbox(Bell(), 10_000_000)
        async with trio.open_nursery() as nursery, local.standby.slots:
            nursery.start_soon(run_local, local.leg(), inbox)
            await trio.sleep(500)
            # Not even asked: patience has not begun.
            assert (inbox.take(), inbox.take()) == (Queued(), None)
            nursery.cancel_scope.cancel()


# The server has counted


async def test_it_is_asked_once_more_with_less(autojump_clock: Any) -> None:
    """What is sent is what `sized` makes by the ratio of the time, to the last byte."""
    ollama = FakeOllama()
    async with at_ollama(ollama) as local:
        model = evolve(await local.model())
        leg = local.leg(long_chat())
        first = await leg.sized(model)
        ollama.fail_next(OllamaFault("status", status=400, error=TOO_LONG), None)
        items = await heard(lambda inbox: run_local(leg, inbox))
        second = await leg.sized(model)
        asking = local.standby.asking(model)

    assert isinstance(first, Sized)
    assert isinstance(second, Sized)
    assert (text(items), outcome(items)) == (DEFAULT_ANSWER, Completed())
    # The first time the server has counted, and less was left out than at first thought.
    assert len(granted(items)) == 3
    assert second.prompt.tokens < first.prompt.tokens
    sent = [request.body for request in asked_for_answers(ollama)]
    assert sent == [
        asking.chat(prompt.conversation, prefill=prompt.half, max_tokens=prompt.room_tokens).body
        for prompt in (first.prompt, second.prompt)
    ]


async def test_not_twice_more(autojump_clock: Any) -> None:
    ollama = FakeOllama()
    async with at_ollama(ollama) as local:
        ollama.fail_next(*[OllamaFault("status", status=400, error=TOO_LONG)] * 2)
        items = await local.hear(long_chat())
    found = outcome(items)
    assert isinstance(found, Failed)
    assert found.kind is FailureKind.CONTEXT_LENGTH
    assert len(asked_for_answers(ollama)) == 2


async def test_without_a_count_it_is_taken_for_twice_as_much(autojump_clock: Any) -> None:
    ollama = FakeOllama()
    async with at_ollama(ollama) as local:
        ollama.fail_next(
            OllamaFault("status", status=400, error="the prompt is too long: context length"), None
        )
        items = await local.hear(chat(user("word " * 2000)))
        # Nothing may be left out of it.
        found = outcome(items)
        assert isinstance(found, Failed)
        assert (found.kind, found.window_tokens) == (FailureKind.CONTEXT_LENGTH, 4096)
        assert found.prompt_tokens is not None
        assert found.prompt_tokens > 4000
        assert local.standby.ratio(await local.model()) == 2.0
    assert len(asked_for_answers(ollama)) == 1


async def test_both_numbers_are_told_where_what_has_to_stay_is_too_long(autojump_clock: Any) -> None:
    """By the server's own count: our own would have said no to something that fits."""
    llama = FakeLlamaServer(answer="Yes.")
    async with at_llama(llama) as local:
        items = await local.hear(chat(user("灯塔看守人 " * 3900)))
        fitted = await local.hear(chat(user("灯塔看守人 " * 2900), sampling=Sampling(max_tokens=300)))
    found = outcome(items)
    assert isinstance(found, Failed)
    assert (found.kind, found.window_tokens) == (FailureKind.CONTEXT_LENGTH, 4096)
    assert found.prompt_tokens is not None
    assert 3900 <= found.prompt_tokens < 3910
    assert (text(fitted), outcome(fitted)) == ("Yes.", Completed())


@pytest.mark.vast
@pytest.mark.parametrize("part", range(2))
async def test_no_generated_request_is_longer_than_the_window(part: int, autojump_clock: Any) -> None:
    """Both servers refuse what is too long; they never had to."""
    await all_fit(range(part * 60, part * 60 + 60))


TOO_LONG = "prompt is too long: 9000 tokens, context length 4096"


async def test_a_load_that_fails_does_not_hand_the_servers_own_answer_on(autojump_clock: Any) -> None:
    """It is in another wire: the client could have got Ollama's words with Ollama's status."""
    ollama = FakeOllama(models=(Model(), Model("zz:1b")))
    async with at_ollama(ollama) as local:
        ollama.load_fault = OllamaFault("status", status=401)
        items = await local.hear(model="zz:1b")
    assert items == [Ended(Failed(FailureKind.AUTH))]


async def test_what_the_server_taught_while_a_leg_waited_counts(autojump_clock: Any) -> None:
    """The prompt was made before the wait for the slot: each leg that waited asked too long first."""
    ollama = FakeOllama()
    async with at_ollama(ollama) as local:
        model = await local.model()
        async with trio.open_nursery() as nursery, local.standby.slots:
            nursery.start_soon(local.hear, long_chat())
            await trio.sleep(1)
            local.standby.learned.learn_ratio(model, 100, 400, is_guess=False)
        asked = [len(request.body) for request in asked_for_answers(ollama)]
        local.standby.learned.learn_ratio(model, 100, 100, is_guess=False)
        await local.hear(long_chat())
    assert len(asked) == 1
    assert asked[0] < len(asked_for_answers(ollama)[-1].body) / 2
