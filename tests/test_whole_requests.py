"""
Answers in one piece (`stream: false`): nothing of one is sent before its end,
so a failure in the middle of it is a clean start or a true status, and never a
200 around an error.
"""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from scenes import WIRES, Exchange, Stage, configured, stage, with_second
from trooper.config import Chain, Config
from trooper.testing import (
    ANSWERS,
    DEFAULT_ANSWER,
    Head,
    OllamaFault,
    Reset,
    Script,
    ScriptedProvider,
    Send,
    Status,
)
from trooper.testing.provider import WIRES as SPOKEN
from trooper.testing.script import Step

ERROR = b'{"error":{"message":"no","type":"server_error"}}'
#: How a local model dies in the middle of its answer.
DEATHS = {
    how: OllamaFault.parse(f"{how}@5") for how in ("error_line", "eof", "fin", "cut_line", "reset", "stall")
}


def refusing(status: int = 503) -> ScriptedProvider:
    headers = (("retry-after", "17"),)
    return ScriptedProvider(script=Script((Status(status, ERROR, headers),)))


def with_third(last: str) -> Config:
    """The local model stands between the client's provider and one that speaks `last`."""
    config = with_second(configured(), last)
    chain = ("openai", "openai-responses", "anthropic", "ollama", "second")
    return evolve(config, chains=(Chain("*", chain),))


async def ask(s: Stage, wire: str, **fields: Any) -> Exchange:
    return await s.ask(wire=wire, stream=False, **fields)


@pytest.mark.parametrize("how", [*DEATHS])
@pytest.mark.parametrize("wire", [*WIRES])
async def test_when_nobody_is_left_the_first_failure_is_told(
    autojump_clock: Any, wire: str, how: str
) -> None:
    """It was a 200 with an error in its body, which is a success to most clients."""
    async with stage(refusing()) as s:
        s.ollama.fault = DEATHS[how]
        x = await ask(s, wire)
        assert x.report["legs"][0]["outcome"] == "server_error"
        # A local model that broke off is asked once more; one that is silent, or speaks in riddles, is not.
        asked = 1 if how in ("stall", "cut_line") else 2
        assert [leg["target"] for leg in x.report["legs"]][1:] == ["ollama"] * asked
        assert x.status == 503
        assert x.headers[b"retry-after"] == b"17"
        assert "error" in x.whole()
        assert DEFAULT_ANSWER[:20] not in bytes(x.body).decode()


@pytest.mark.parametrize("how", [*DEATHS])
@pytest.mark.parametrize("third", [*WIRES])
@pytest.mark.parametrize("wire", [*WIRES])
async def test_the_next_target_starts_over(autojump_clock: Any, wire: str, third: str, how: str) -> None:
    async with stage(refusing(), config=with_third(third)) as s:
        s.ollama.fault = DEATHS[how]
        x = await ask(s, wire)
        assert [(leg["target"], leg["how"] == "continue") for leg in x.report["legs"]][1:] == [
            ("ollama", False),
            ("second", False),
        ]
        assert x.report["legs"][1]["tokens"] > 0
        result = x.told_whole()
        assert (result.text, x.status) == (DEFAULT_ANSWER, 200)
        assert x.headers[b"x-trooper-target"] == b"second"


@pytest.mark.parametrize("wire", [*WIRES])
async def test_what_nobody_got_is_not_counted(autojump_clock: Any, wire: str) -> None:
    """The count is that of the answer; what the dead model said was paid for, and is told beside it."""
    # Of another wire, so that the counts are ours and not its own bytes.
    third = next(other for other in WIRES if other != wire)
    async with stage(refusing(), config=with_third(third)) as s:
        s.ollama.fault = DEATHS["fin"]
        x = await ask(s, wire)
        told = [leg["tokens"] for leg in x.whole()["trooper"]["legs"]]
        assert told == [0, x.report["legs"][1]["tokens"], x.report["legs"][2]["tokens"]]
        assert told[1] > 0
        counted = x.whole()["usage"]
        assert counted.get("completion_tokens", counted.get("output_tokens")) == told[2]


@pytest.mark.parametrize("wire", [*WIRES])
async def test_a_stream_for_a_whole_request_that_dies(autojump_clock: Any, wire: str) -> None:
    """Some providers stream whatever was asked for: of a broken one nothing was sent, either."""
    events = SPOKEN[WIRES[wire].path].events(ANSWERS["text"])
    steps: tuple[Step, ...] = (Head(), *map(Send, events[: len(events) // 2]), Reset())
    async with stage(ScriptedProvider(script=Script(steps))) as s:
        x = await ask(s, wire)
        assert [leg["how"] == "continue" for leg in x.report["legs"]] == [False, False]
        assert x.told_whole().text == DEFAULT_ANSWER
        assert x.headers[b"x-trooper-target"] == b"ollama"
