"""
When nobody could go on, the client reads of every target why that one could not:
before the status and behind it, on all three wires.
"""

from __future__ import annotations

from typing import Any

import pytest
import trio
from attrs import define, evolve, field

from scenes import TOOLS, WIRES, Exchange, Stage, configured, dies, stage, with_second, with_target
from trooper.config import Chain, Config
from trooper.core.local_model import PROBE_TEXT
from trooper.core.refused_ways import REFUSALS
from trooper.testing import DEFAULT_ANSWER, FakeOllama, OllamaFault, ScriptedProvider
from trooper.testing.http import Response
from trooper.testing.ollama.decoding import Ask, Rejected
from trooper.testing.script import Script, Status

LONG = [{"role": "user", "content": "word " * 9_000}]
DOES_NOT_FIT = "tokens do not fit its window of 4,096; set num_ctx"


def small() -> Config:
    """A window that the user has chosen: it does not grow."""
    return with_target(configured(), "ollama", num_ctx=4096)


def long_for(wire: str) -> dict[str, Any]:
    return {"input" if wire == "responses" else "messages": LONG}


@pytest.mark.parametrize("wire", [*WIRES])
@pytest.mark.parametrize(("position", "status"), [(0, 502), ("middle", 200)])
async def test_each_says_why_before_the_status_and_behind_it(
    autojump_clock: Any, wire: str, position: int | str, status: int
) -> None:
    async with stage(dies("reset", position), config=small()) as s:
        x = await s.ask(wire=wire, **long_for(wire))
    name = WIRES[wire].target
    end = "go on from here" if status == 200 else "answer"
    said = bytes(x.body).decode()
    assert x.status == status
    assert f"{name} reset the connection, and no other target could {end}. ollama: " in said
    assert DOES_NOT_FIT in said
    count = said.partition(DOES_NOT_FIT)[0].rpartition("ollama: ")[2].strip()
    assert int(count.replace(",", "")) > 4_096
    assert x.report["legs"][-1]["outcome"] == "context_length"


@pytest.mark.parametrize("wire", [*WIRES])
async def test_where_the_client_gets_a_providers_own_words_a_header_says_it(
    autojump_clock: Any, wire: str
) -> None:
    async with stage(dies("status-529"), config=small()) as s:
        x = await s.ask(wire=wire, **long_for(wire))
    assert x.status == 529
    others = x.headers[b"x-trooper-others"].decode()
    assert others.startswith("ollama: ")
    assert others.endswith(DOES_NOT_FIT)


def in_a_row() -> Config:
    """A cloud, another one, and the local model."""
    config = with_second(configured(), "chat")
    return evolve(config, chains=(Chain("*", ("openai", "second", "ollama")),))


async def test_who_was_passed_by_and_who_cools_is_among_them(autojump_clock: Any) -> None:
    image = [
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}],
        }
    ]
    limited = Status(429, b"{}", (("retry-after", "60"),))
    second = ScriptedProvider(script=Script((limited,)))
    async with stage(dies("reset", 0), config=in_a_row(), second=second) as s:
        first = await s.ask(messages=image)
        again = await s.ask(messages=image)
    sees_not = "ollama: it has an image, and the local model does not see (vision)."
    assert "second is rate limiting (rate_limit). " in bytes(first.body).decode()
    assert sees_not in bytes(first.body).decode()
    cools = "second: the target said when it may be asked again, and that is not yet (cooling_down)"
    assert cools in bytes(again.body).decode()
    assert sees_not in bytes(again.body).decode()


async def test_who_answers_alone_is_told_with_what_would_help(autojump_clock: Any) -> None:
    async with stage(config=small()) as s:
        x = await s.ask(model="qwen2.5:3b", messages=LONG)
    said = bytes(x.body).decode()
    assert x.status == 400
    assert "ollama says that the conversation does not fit its window (" in said
    assert "For ollama: set num_ctx." in said


# A local model whose server broke off is asked once more


RUNNER_DIED = {
    "reset": OllamaFault("reset", 3),
    "fin": OllamaFault("fin", 3),
    "eof": OllamaFault("eof", 3),
    "error line": OllamaFault("error_line", 3),
    "status": OllamaFault("status"),
}


def recovers(s: Stage, fault: OllamaFault) -> None:
    """The runner dies once; it is there again when it is asked next."""
    s.ollama.fail_next(fault)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("wire", [*WIRES])
@pytest.mark.parametrize("how", [*RUNNER_DIED])
async def test_a_runner_that_dies_is_asked_once_more(
    autojump_clock: Any, how: str, wire: str, stream: bool
) -> None:
    async with stage(dies()) as s:
        recovers(s, RUNNER_DIED[how])
        x = await s.ask(wire=wire, stream=stream)
        told = x.told() if stream else x.told_whole()
        assert told.text == s.ollama.answer
    assert [name for name, _ in x.legs] == [WIRES[wire].target, "ollama", "ollama"]
    assert x.legs[-1][1] == "completed"


async def test_once_and_no_more(autojump_clock: Any) -> None:
    async with stage(dies()) as s:
        s.ollama.fault = RUNNER_DIED["reset"]
        x = await s.ask()
    assert x.legs == [("openai", "conn_reset"), ("ollama", "conn_reset"), ("ollama", "conn_reset")]
    assert b"ollama reset the connection (conn_reset)" in bytes(x.body)


@pytest.mark.parametrize("how", ["fin", "reset"])
@pytest.mark.parametrize("wire", [*WIRES])
async def test_not_one_that_may_say_it_twice(wire: str, how: Any, autojump_clock: Any) -> None:
    """What comes of a half answer it is shown nobody could find out: its probe has failed, too."""
    async with stage(dies("reset", 0), FakeOllama(fault=OllamaFault(how, 3))) as s:
        x = await s.ask(wire=wire)
        told = x.told()
    assert told.error is not None
    assert told.text
    assert DEFAULT_ANSWER.startswith(told.text)


async def test_a_local_model_alone_is_asked_once_more_too(autojump_clock: Any) -> None:
    async with stage() as s:
        recovers(s, RUNNER_DIED["reset"])
        x = await s.ask(model="qwen2.5:3b")
        assert x.chat().text == s.ollama.answer
    assert x.legs == [("ollama", "conn_reset"), ("ollama", "completed")]


async def test_the_client_hears_of_us_while_the_model_is_loaded_again(autojump_clock: Any) -> None:
    async with stage(dies(), FakeOllama(load_s=40)) as s:
        recovers(s, RUNNER_DIED["reset"])
        s.ollama.loader.unload(s.ollama.models[0])
        x = await s.ask()
        assert x.chat().text == s.ollama.answer
    assert bytes(x.body).count(b": trooper keep-alive") >= 2


async def test_not_for_a_client_that_has_left(autojump_clock: Any) -> None:
    async with stage(dies(), FakeOllama(token_s=1)) as s:
        x = Exchange()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(s.play, x)
            await trio.sleep(5)
            x.leave()
    assert x.legs == [("openai", "conn_reset"), ("ollama", "client_cancelled")]


# The seam names who spoke


async def test_who_was_asked_and_said_nothing_is_no_predecessor(autojump_clock: Any) -> None:
    async with stage(dies("silence"), config=in_a_row()) as s:
        s.network.close("second.example", 80)
        x = await s.ask()
        assert x.chat().text == s.ollama.answer
    assert x.legs[1] == ("second", "connect")
    assert b": trooper seam from=openai to=ollama reason=stall phase=text\n" in bytes(x.body)


async def test_the_one_that_spoke_need_not_be_the_first(autojump_clock: Any) -> None:
    async with stage(dies("status-503"), config=in_a_row(), second=dies()) as s:
        x = await s.ask()
        assert x.chat().text == s.ollama.answer
    assert b": trooper seam from=second to=ollama reason=conn_reset phase=text\n" in bytes(x.body)


async def test_where_nobody_has_spoken_it_is_who_was_to(autojump_clock: Any) -> None:
    async with stage(dies("status-503"), config=in_a_row()) as s:
        s.network.close("second.example", 80)
        x = await s.ask()
    assert b": trooper seam from=openai to=ollama reason=overloaded phase=preamble\n" in bytes(x.body)


# A way that is refused


@define(eq=False)
class RefusesHalves(FakeOllama):
    """
    Takes no half answer of a real request, as a template whose parser expects its own format.

    Attributes:
        refusal: the status; 0: it takes them.
        with_tools: only beside tools.
    """

    refusal: int = 500
    with_tools: bool = False
    refused: int = field(init=False, default=0)

    async def _generate(self, ask: Ask, response: Response) -> None:
        half = str(ask.messages[-1].get("content")) if ask.messages else ""
        is_half = bool(ask.messages) and ask.messages[-1].get("role") == "assistant" and not ask.debug
        asked = is_half and PROBE_TEXT not in half and (bool(ask.tools) or not self.with_tools)
        if asked and self.refusal:
            self.refused += 1
            raise Rejected(self.refusal, "does not match the expected peg-native format")
        await super()._generate(ask, response)


@pytest.mark.parametrize("status", sorted(REFUSALS))
async def test_a_way_that_every_continuation_is_refused_by(autojump_clock: Any, status: int) -> None:
    """The probe went well; the next way is tried at once, and later requests begin with it."""
    async with stage(dies(), RefusesHalves(refusal=status)) as s:
        first = await s.ask()
        second = await s.ask()
        assert first.chat().text == second.chat().text == s.ollama.answer
        assert isinstance(s.ollama, RefusesHalves)
        assert s.ollama.refused == 1
    assert [name for name, _ in first.legs] == ["openai", "ollama", "ollama"]
    assert [name for name, _ in second.legs] == ["openai", "ollama"]


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_server_that_is_busy_has_refused_nothing(autojump_clock: Any, status: int) -> None:
    async with stage(dies(), RefusesHalves(refusal=status)) as s:
        await s.ask()
        assert isinstance(s.ollama, RefusesHalves)
        s.ollama.refusal = 0
        x = await s.ask()
        assert x.chat().text == s.ollama.answer
        asked = [request.path for request in s.ollama.requests]
    # It still goes on by its own way.
    assert asked[-1] == "/api/chat"


@pytest.mark.parametrize("status", sorted(REFUSALS))
async def test_what_is_refused_only_beside_tools(autojump_clock: Any, status: int) -> None:
    """There is no other way then: the first real request finds out, and the next one asks nobody in vain."""
    async with stage(dies(), RefusesHalves(refusal=status, with_tools=True)) as s:
        first = await s.ask(tools=TOOLS)
        second = await s.ask(tools=TOOLS)
        plain = await s.ask()
        assert plain.chat().text == s.ollama.answer
        assert [name for name, _ in plain.legs] == ["openai", "ollama"]
    assert first.legs[-1][0] == "ollama"
    assert [name for name, _ in second.legs] == ["openai"]
    assert second.report["passed_by"] == {"ollama": "tools_raw"}
    assert b"and that takes no tools (tools_raw)" in bytes(second.body)
