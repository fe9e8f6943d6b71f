"""A way to go on that the probes believed in, and that a leg's server refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from attrs import define, evolve

from legs import heard, opened, outcome, text
from scenes import configured
from trooper.core.conversation import Conversation, Message, Role, TextPart, Tool
from trooper.core.local_model import LocalModel, Way
from trooper.core.outcome import Failed, FailureKind
from trooper.targets.inbox import Item
from trooper.targets.local import LocalLeg, run_local
from trooper.targets.standby.ollama_chat import OllamaStandby
from trooper.testing import DEFAULT_ANSWER, FakeOllama, Model
from trooper.testing.http import Response
from trooper.testing.ollama.decoding import Ask, Rejected

HALF, REST = DEFAULT_ANSWER[:100], DEFAULT_ANSWER[100:]


def user(said: str) -> Message:
    return Message(Role.USER, (TextPart(said),))


def chat(*messages: Message, **changes: Any) -> Conversation:
    return evolve(Conversation(messages or (user("Question?"),)), **changes)


@asynccontextmanager
async def at_ollama(ollama: FakeOllama, **changes: Any) -> AsyncIterator[OllamaStandby]:
    target = evolve(configured().target("ollama"), **changes)
    async with opened(target, ollama.serve) as (upstream, network):
        standby = OllamaStandby(target, upstream)
        network.nursery.start_soon(standby.run)
        await model_of(standby)
        yield standby


async def model_of(standby: OllamaStandby) -> LocalModel:
    found = await standby.ready(None)
    assert isinstance(found, LocalModel)
    return found


async def hear(standby: OllamaStandby, asked: Conversation | None = None, given: str = "") -> list[Item]:
    leg = LocalLeg(standby, None, asked or chat(), "r1", given, None, 100_000, "")
    return await heard(lambda inbox: run_local(leg, inbox))


@define(eq=False)
class Refuses(FakeOllama):
    """Refuses every real request of one kind with `status`."""

    status: int = 501
    what: str = "half"

    async def _generate(self, ask: Ask, response: Response) -> None:
        last = ask.messages[-1] if ask.messages else {}
        half = last.get("role") == "assistant" and last.get("content") == HALF
        found = "half" if half else "raw" if ask.raw else "whole"
        found = "load" if ask.loads_only else "render" if ask.debug else found
        if found == self.what:
            raise Rejected(self.status, "not of this form")
        await super()._generate(ask, response)


@pytest.mark.parametrize(
    ("status", "is_refused"), [(400, True), (422, True), (500, True), (501, True), (503, False)]
)
async def test_a_refused_way_is_said_and_remembered(
    status: int, is_refused: bool, autojump_clock: Any
) -> None:
    async with at_ollama(Refuses(status=status)) as standby:
        failed = outcome(await hear(standby, given=HALF))
        assert isinstance(failed, Failed)
        assert (failed.not_this_way, failed.answer) == (is_refused, None)
        if is_refused:
            assert (await model_of(standby)).way is Way.RAW
            assert text(await hear(standby, given=HALF)) == REST


async def test_beside_tools_there_is_no_other_way(autojump_clock: Any) -> None:
    async with at_ollama(Refuses()) as standby:
        failed = outcome(await hear(standby, chat(tools=(Tool("f"),)), given=HALF))
        assert isinstance(failed, Failed)
        assert not failed.not_this_way
        assert ((await model_of(standby)).way, (await model_of(standby)).way_with_tools) == (
            Way.PREFILL,
            Way.RAW,
        )


async def test_what_is_refused_from_the_beginning_is_no_way(autojump_clock: Any) -> None:
    async with at_ollama(Refuses(what="whole")) as standby:
        before = await model_of(standby)
        failed = outcome(await hear(standby))
        assert isinstance(failed, Failed)
        assert not failed.not_this_way
        assert await model_of(standby) == before


async def test_a_raw_way_whose_rendering_is_refused(autojump_clock: Any) -> None:
    """Where the prefill adds a newline it is the second way, and better than none."""
    ollama = Refuses(what="", models=(Model(adds="\n"),))
    async with at_ollama(ollama) as standby:
        assert (await model_of(standby)).way is Way.RAW
        ollama.what = "render"
        failed = outcome(await hear(standby, given=HALF))
        assert isinstance(failed, Failed)
        assert failed.not_this_way
        assert (await model_of(standby)).way is Way.PREFILL


async def test_what_does_not_fit_is_told_with_both_numbers(autojump_clock: Any) -> None:
    async with at_ollama(FakeOllama(), num_ctx=4096) as standby:
        failed = outcome(await hear(standby, chat(user("word " * 9_000))))
    assert isinstance(failed, Failed)
    assert (failed.kind, failed.window_tokens) == (FailureKind.CONTEXT_LENGTH, 4_096)
    assert failed.prompt_tokens is not None
    assert failed.prompt_tokens > 4_096
