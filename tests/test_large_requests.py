"""
Large requests: what would hold up others is read aside, once somebody needs it, and
keeps its net; what is beyond all limits passes as it came, and that is said.
"""

from __future__ import annotations

import itertools
import json
import sys
from types import FrameType
from typing import Any

import pytest
import trio

from at_once import AtOnce
from scenes import WIRES, asked, configured, dies, stage, with_second
from trooper.aside.child import Came
from trooper.aside.process import start_process
from trooper.testing import FAULTS, ChatAnswer, FakeOllama, FaultAt, Model, ScriptedProvider, tokens
from trooper.wire.read_aside import is_large

#: More than is read where others wait, and, with `low`, more than is taken back.
MANY = 401
SEEING = Model(capabilities=("completion", "vision"), context_length=1_000_000)
LAST = "And the last question?"


@pytest.fixture(autouse=True)
def low(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that short conversations reach; the true ones for those that say so."""
    if "large" not in request.node.name:
        monkeypatch.setattr("trooper.wire.read_aside.MOST_VALUES", 300)
        monkeypatch.setattr("trooper.wire.read_aside._MOST_PIECES", 200)


async def nobody() -> Any:
    raise OSError


def turns(count: int) -> list[dict[str, Any]]:
    """So many turns, an odd number, the question the last of them."""
    said = [
        {"role": "assistant" if at % 2 else "user", "content": f"Turn {at}, nothing else."}
        for at in range(count - 1)
    ]
    return [*said, {"role": "user", "content": LAST}]


def long_request(wire: str, count: int = MANY) -> dict[str, Any]:
    return {"input" if wire == "responses" else "messages": turns(count)}


@pytest.mark.parametrize("wire", WIRES)
async def test_a_healthy_one_is_not_read_and_comes_to_the_byte(autojump_clock: Any, wire: str) -> None:
    started = 0

    async def count() -> Any:
        nonlocal started
        started += 1
        raise OSError

    async with stage(starts_aside=count) as s:
        fields = {"model": "m", "stream": True, **WIRES[wire].asks, **long_request(wire)}
        body = json.dumps(fields).encode()
        x = await s.ask(wire=wire, body=body)
        assert x.told().error is None
        assert x.legs == [(WIRES[wire].target, "completed")]
        assert s.cloud.chats[-1].body == body
        assert started == 0


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("position", ["start", "middle"])
async def test_it_keeps_its_net(autojump_clock: Any, wire: str, position: str) -> None:
    async with stage(dies(position=position)) as s:
        x = await s.ask(wire=wire, **long_request(wire))
        short = await s.ask(wire=wire)
        assert (x.told().text, x.told().error) == (short.told().text, None)
        assert any(LAST in message["content"] for message in asked(s, 0)["messages"][-2:])


async def test_the_local_model_is_told_how_much_is_missing(autojump_clock: Any) -> None:
    async with stage(dies(), config=configured(omission_note="({count} turns are missing.)")) as s:
        await s.ask(**long_request("chat"))
        shown = [message["content"] for message in asked(s)["messages"]]
        told = next(text for text in shown if "turns are missing" in text)
        there = sum(text.count("Turn ") + text.count(LAST) for text in shown)
        assert int(told.partition(" turns")[0].rpartition("(")[2]) == MANY - there
        assert 0 < there < MANY


async def test_a_large_one_is_read_in_a_process_and_others_go_on() -> None:
    others = 0

    async def take_turns() -> None:
        nonlocal others
        while True:
            await trio.sleep(0.001)
            others += 1

    async with stage(dies(), starts_aside=start_process) as s, trio.open_nursery() as nursery:
        request = s.request(**long_request("chat", 60_001))
        assert is_large(request.body)
        nursery.start_soon(take_turns)
        x = await s.ask(body=request.body)
        assert (x.chat().error, x.legs[-1]) == (None, ("ollama", "completed"))
        assert others > 20
        nursery.cancel_scope.cancel()


class LongestStep(trio.abc.Instrument):
    """The most calls of ours between two turns of others, whoever makes them."""

    calls = most = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.calls = 0

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.most = max(self.most, self.calls)

    def profile(self, frame: FrameType, event: str, _arg: object) -> None:
        name = frame.f_code.co_filename
        self.calls += event == "call" and "trooper/" in name and "trooper/testing" not in name


@pytest.mark.parametrize("wire", WIRES)
async def test_no_step_of_a_large_one_is_long(wire: str) -> None:
    longest = LongestStep()
    async with stage(dies(), starts_aside=start_process) as s:
        request = s.request(wire=wire, **long_request(wire, 20_001))
        trio.lowlevel.add_instrument(longest)
        sys.setprofile(longest.profile)
        try:
            x = await s.ask(wire=wire, body=request.body)
        finally:
            sys.setprofile(None)
        assert (x.told().error, x.legs[-1]) == (None, ("ollama", "completed"))
    # Reading alone made five for each turn; the report on five hundred of them is the longest now.
    assert 0 < longest.most < 90_000


class Slow(AtOnce):
    """A worker that takes longer than clients listen to silence."""

    async def exchange(self, head: bytes, body: bytes) -> tuple[Came, bytes | bytearray]:
        await trio.sleep(9)
        return await super().exchange(head, body)


async def slow() -> Slow:
    return Slow()


@pytest.mark.parametrize("wire", WIRES)
async def test_while_it_is_read_the_client_hears_that_somebody_is_here(
    autojump_clock: Any, wire: str
) -> None:
    async with stage(dies(), config=configured(keepalive_s=2.0), starts_aside=slow) as s:
        x = await s.ask(wire=wire, **long_request(wire))
        assert (x.told().error, x.legs[-1]) == (None, ("ollama", "completed"))
        times = [when for when, _ in x.arrivals]
        assert max(later - sooner for sooner, later in itertools.pairwise(times)) < 3


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("position", ["start", "middle"])
async def test_where_it_cannot_be_read_it_has_no_net_and_that_is_said(
    autojump_clock: Any, wire: str, position: str
) -> None:
    async with stage(dies(position=position), starts_aside=nobody) as s:
        x = await s.ask(wire=wire, **long_request(wire))
        assert x.report["passed_by"]["ollama"] == "too_large"
        if position == "middle":
            assert x.told().error is not None
        else:
            assert x.status == 502


async def test_where_too_much_has_to_stay_it_has_no_net(autojump_clock: Any) -> None:
    messages = [{"role": "system", "content": f"Rule {at}, and so on."} for at in range(MANY)]
    async with stage(dies()) as s:
        x = await s.ask(messages=[*messages, *turns(1)])
        assert x.report["passed_by"]["ollama"] == "too_large"


async def test_a_cloud_of_another_wire_gets_a_conversation_whole_or_not_at_all(autojump_clock: Any) -> None:
    async with stage(dies(), config=with_second(configured(), "messages")) as s:
        x = await s.ask(**long_request("chat"))
        assert x.report["passed_by"]["second"] == "shortened"
        # Read aside, and still whole.
        x = await s.ask(**long_request("chat", 91), metadata={"a": "," * 500})
        assert "second" not in x.report.get("passed_by", {})


async def test_what_a_first_target_of_another_wire_is_asked_is_read_before(autojump_clock: Any) -> None:
    async with stage(config=with_second(configured(), "messages", alone=True)) as s:
        x = await s.ask(**long_request("chat", 91), metadata={"a": "," * 500})
        assert x.legs == [("second", "completed")]
        assert len(json.loads(s.second.chats[-1].body)["messages"]) == 91


async def test_one_that_is_too_large_to_be_looked_through_passes_as_it_came(autojump_clock: Any) -> None:
    body = b'{"model": "gpt-4o", "stream": true, "messages": [' + b"0," * 5_000_001 + b"0]}"
    async with stage(starts_aside=nobody) as s:
        x = await s.ask(body=body)
        assert x.chat().error is None
        assert s.cloud.chats[-1].body == body


def broken(position: str = "first") -> bytes:
    """A request of more than a megabyte with half an emoji in it, as clients cut strings."""
    told = {
        "messages": [{"role": "user", "content": "\ud83d Why?"}],
        "metadata": {"a": "x" * 1_100_000},
    }
    routing = {"model": "gpt-4o", "stream": True}
    return json.dumps(routing | told if position == "first" else told | routing).encode()


async def test_a_large_broken_one_is_mended_aside() -> None:
    async with stage(dies(), starts_aside=start_process) as s:
        x = await s.ask(body=broken())
        assert (x.chat().error, x.legs[-1]) == (None, ("ollama", "completed"))


@pytest.mark.parametrize("position", ["first", "last"])
async def test_a_large_broken_one_that_nobody_mends_streams_all_the_same(
    autojump_clock: Any, position: str
) -> None:
    async with stage(starts_aside=nobody) as s:
        x = await s.ask(body=broken(position=position))
        assert x.chat().error is None
        assert s.cloud.chats[-1].body == broken(position=position)


async def test_the_document_that_a_long_one_asks_for_is_held_as_well(autojump_clock: Any) -> None:
    document = json.dumps({"name": "word " * 40})
    answer = ChatAnswer(tokens=tuple(tokens(document, 4)))
    parted = ScriptedProvider(script=FaultAt(FAULTS["reset"], "middle", answer))
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"required": ["name"]}}}
    async with stage(parted, config=configured(structured="hold")) as s:
        x = await s.ask(response_format=wanted, **long_request("chat"))
        # Nothing of the first half has gone out, so the second is none.
        assert (x.chat().text, x.chat().error) == ('{"ok": true}', None)
        assert x.report["legs"][-1]["how"] == "restart"


async def test_large_screenshots_keep_their_net_without_a_process(autojump_clock: Any) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 66_000}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "See?"}, image]}] * 300
    ollama = FakeOllama(models=(SEEING,))
    async with stage(dies(), ollama, starts_aside=nobody) as s:
        x = await s.ask(messages=messages)
        assert (x.chat().error, x.legs[-1]) == (None, ("ollama", "completed"))


async def test_several_answers_are_known_of_a_large_one_unread(autojump_clock: Any) -> None:
    async with stage(starts_aside=nobody) as s:
        x = await s.ask(**long_request("chat"), n=2)
        assert x.report["outcome"] == "completed"
