"""
Where no cloud of the client's own surface can be asked, whoever answers says so:
at the start, in the request's log line, and in the count of fallbacks.
"""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from relay_parts import route_of, services_of
from scenes import WIRES, Exchange, Stage, configured, dies, stage, with_second, with_target
from trooper.config import Chain, Config
from trooper.core.unfit import Unfit
from trooper.testing import FAULTS, FaultAt, OllamaFault, ScriptedProvider

OTHERS = [wire for wire in WIRES if wire != "chat"]


def chained(*names: str, **second: Any) -> Config:
    """A second cloud of the chat wire that nothing says the model of, in the place of the documented groq."""
    config = with_second(configured(), "chat", **({"model": None} | second))
    return evolve(config, chains=(Chain("*", names or ("second", "ollama")),))


async def asked(s: Stage, wire: str, **fields: Any) -> Exchange:
    return await s.ask(wire=wire, model="claude-sonnet-4-5", **fields)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("wire", OTHERS)
async def test_a_local_model_does_not_pass_for_the_cloud(
    autojump_clock: Any, wire: str, stream: bool
) -> None:
    async with stage(config=chained()) as s:
        x = await asked(s, wire, stream=stream)

    assert x.legs == [("ollama", "completed")]
    assert x.report["passed_by"] == {WIRES[wire].wire.name: "no_provider", "second": "no_model"}
    assert (x.report["log_level"], x.report["outcome"]) == ("warning", "completed")
    assert x.headers[b"x-trooper-fallbacks"] == b"1"


async def test_it_is_told_at_the_start_once_for_each_surface(autojump_clock: Any) -> None:
    async with stage(config=chained()) as s:
        told = [line for line in s.log if line["event"] == "no_provider"]

    assert [(line["log_level"], line["wire"]) for line in told] == [
        ("warning", "openai-responses"),
        ("warning", "anthropic-messages"),
    ]
    assert told[1]["effect"] == "Claude clients are answered by ollama alone."
    assert told[1]["mend"] == 'Put anthropic into the chain "*".'


async def test_a_healthy_configuration_says_nothing(autojump_clock: Any) -> None:
    async with stage() as s:
        for wire in WIRES:
            x = await s.ask(wire=wire)
            assert "passed_by" not in x.report
            assert (x.report["log_level"], x.headers[b"x-trooper-fallbacks"]) == ("info", b"0")
        assert not {"no_provider", "only_local_targets"} & {line["event"] for line in s.log}


@pytest.mark.parametrize("second", [{"model": "llama-70b"}, {"models": {"claude-sonnet-4-5": "llama-70b"}}])
async def test_a_cloud_that_is_told_its_model_is_no_impostor(autojump_clock: Any, second: Any) -> None:
    async with stage(config=chained(**second)) as s:
        x = await asked(s, "messages")
    assert x.legs == [("second", "completed")]
    assert (x.report.get("passed_by"), x.report["log_level"]) == (None, "info")


async def test_the_clients_own_provider_behind_a_hop_that_cannot_be_asked(autojump_clock: Any) -> None:
    async with stage(config=chained("second", "anthropic", "ollama")) as s:
        x = await asked(s, "messages")
    assert x.legs == [("anthropic", "completed")]
    assert x.report["passed_by"] == {"second": "no_model"}
    assert (x.report["log_level"], x.headers[b"x-trooper-fallbacks"]) == ("info", b"0")


async def test_a_model_that_nobody_is_told_of_beside_one_that_is(autojump_clock: Any) -> None:
    async with stage(config=chained(models={"claude-haiku": "llama-8b"})) as s:
        x = await asked(s, "messages")
    assert x.report["passed_by"]["anthropic-messages"] == "no_provider"


async def test_a_chain_of_a_named_model_alone(autojump_clock: Any) -> None:
    config = chained()
    whole = Chain("*", ("openai", "openai-responses", "anthropic", "ollama"))
    config = evolve(config, chains=(Chain("claude-sonnet-4-5", ("second", "ollama")), whole))
    async with stage(config=config) as s:
        named, other = await asked(s, "messages"), await s.ask(wire="messages", model="claude-opus")
    assert named.report["passed_by"]["anthropic-messages"] == "no_provider"
    assert "passed_by" not in other.report
    assert other.legs == [("anthropic", "completed")]


async def test_local_targets_on_purpose_are_told_once_and_calmly(autojump_clock: Any) -> None:
    config = evolve(configured(), chains=(Chain("*", ("ollama",)),))
    async with stage(config=config) as s:
        x = await asked(s, "messages")
        told = [line for line in s.log if line["event"] in ("no_provider", "only_local_targets")]

    assert [(line["event"], line["log_level"], line["chains"]) for line in told] == [
        ("only_local_targets", "info", {"*": ("ollama",)})
    ]
    assert (x.report.get("passed_by"), x.report["log_level"]) == (None, "info")


async def test_a_local_model_by_its_own_name_is_nobodys_impostor(autojump_clock: Any) -> None:
    async with stage(config=chained()) as s:
        x = await s.ask(wire="messages", model="qwen2.5:3b")
    assert x.legs == [("ollama", "completed")]
    assert (x.report.get("passed_by"), x.report["log_level"]) == (None, "info")


def test_also_where_its_name_is_the_configured_one() -> None:
    config = with_target(chained(), "ollama", model="qwen2.5:3b")
    assert (
        route_of(services_of(config, None), "messages", model="qwen2.5:3b").links[0].target.name == "second"
    )
    alone = evolve(config, chains=(Chain("*", ("ollama", "second")),))
    assert route_of(services_of(alone, None), "messages", model="qwen2.5:3b").passed_by == {}


async def test_where_nobody_is_left_the_reason_is_there_too(autojump_clock: Any) -> None:
    """No target takes a client's key of another surface, and no local one is in the chain."""
    config = evolve(configured(), chains=(Chain("*", ("openai",)),))
    async with stage(config=config) as s:
        x = await asked(s, "messages")
    assert x.report["legs"] == ()
    assert x.report["passed_by"] == {"anthropic-messages": "no_provider"}
    assert x.report["outcome"] == "failed"


async def test_the_reason_stays_when_the_local_model_fails(autojump_clock: Any) -> None:
    async with stage(config=chained()) as s:
        s.ollama.fault = OllamaFault("status")
        x = await asked(s, "messages")
    assert x.report["outcome"] == "failed"
    assert x.report["passed_by"]["anthropic-messages"] == "no_provider"


async def test_who_only_wants_to_be_left_alone_counts_as_a_fallback(autojump_clock: Any) -> None:
    """The count said 0 although another one than the client's provider had answered."""
    limited = ScriptedProvider(script=FaultAt(FAULTS["status-429-retry-after"]))
    async with stage(limited) as s:
        await s.ask()
        x = await s.ask()
    assert x.legs == [("ollama", "completed")]
    assert x.report["passed_by"] == {"openai": "cooling_down"}
    assert x.headers[b"x-trooper-fallbacks"] == b"1"


async def test_an_attempt_that_failed_is_counted_once(autojump_clock: Any) -> None:
    async with stage(dies("status-503", 0)) as s:
        x = await s.ask()
    assert (x.headers[b"x-trooper-fallbacks"], "passed_by" in x.report) == (b"1", False)
    assert x.report["log_level"] == "info"


def test_the_reason_has_its_sentence() -> None:
    assert Unfit.NO_PROVIDER.value == "no_provider"
    assert Unfit.NO_PROVIDER.meaning.endswith(".")
