"""
Models that go on badly, through all of Trooper: what the client gets is the answer, exactly.

Not each case can be told from honest text, so what is asked is a share; the table is printed.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from clouds import going_on
from half_answers import KINDS, pieces_of, places_in
from scenes import TOOLS, WIRES, at_llama, configured, dies, stage, with_second
from trooper.core.repair import Repair
from trooper.errors import ConfigError
from trooper.testing import (
    FAULTS,
    Call,
    ChatAnswer,
    FakeLlamaServer,
    FakeOllama,
    FaultAt,
    Head,
    Model,
    Reset,
    Script,
    ScriptedProvider,
    Send,
    ToolUse,
    Words,
    tokens,
)
from trooper.testing.messages import messages_events
from trooper.testing.odd import ODD
from trooper.testing.responses import responses_events

pytestmark = pytest.mark.vast

PLACES = 2
_SCHEMA = {"type": "object", "properties": {}}
TOOLS_OF = {
    "chat": TOOLS,
    "messages": [{"name": "get_weather", "input_schema": _SCHEMA}],
    "responses": [{"type": "function", "name": "get_weather", "parameters": _SCHEMA}],
}
#: Who goes on, and how he is made to.
TARGETS = ("ollama", "raw", "quiet", "llama", "prefill", "instruction")


@pytest.mark.parametrize("odd", [*ODD])
async def test_odd_models(odd: str, autojump_clock: Any) -> None:
    shares = [await share_of(odd, target) for target in TARGETS]
    assert sum(shares) / len(shares) >= 0.8
    assert min(shares) >= 0.7


async def share_of(odd: str, target: str) -> float:
    """How many of the cases are exact, of those of one target."""
    right, wrong = Counter[str](), Counter[str]()
    for number, (kind, answer) in enumerate(KINDS.items()):
        goes_on = ODD[odd]
        model = {"raw": Model(turn="closes"), "quiet": Model(path="C")}.get(target, Model())
        config = configured()
        if target == "llama":
            config = at_llama()
        elif target in ("prefill", "instruction"):
            config = with_second(config, [*WIRES][number % 3], continues=target)
        async with stage(
            ScriptedProvider(),
            FakeOllama(answer=answer, models=(model,), goes_on=goes_on),
            config,
            llama=FakeLlamaServer(answer=answer, goes_on=goes_on),
            second=going_on(answer, goes_on=goes_on),
        ) as s:
            await s.services.standbys["llama" if target == "llama" else "ollama"].ready(None)
            for turn, at in enumerate(places_in(answer, PLACES, TARGETS.index(target))):
                wire = [*WIRES][(number + turn) % 3]
                said = ChatAnswer(tokens=tuple(pieces_of(answer)))
                s.cloud.play_next(FaultAt(FAULTS["reset"], at, said))
                text = (await s.ask(wire=wire)).told().text
                if text == answer:
                    right[kind] += 1
                    continue
                wrong[kind] += 1
                half = "".join(said.tokens[: at - 1])
                print(f"{odd} {target} {kind} {wire} at {at}: {half[-40:]!r}")
                print(f"   is {text[len(half) - 10 :][:90]!r}")
                print(f"  not {answer[len(half) - 10 :][:90]!r}")
    share = right.total() / (right.total() + wrong.total())
    print(f"TABLE {odd:16} {target:12} {share:7.1%}", dict(wrong))
    return share


LEAD_IN = "I see what is wrong. Let me write that file.\n\n"


@pytest.mark.parametrize("wire", [*WIRES])
@pytest.mark.parametrize("lead_in", [LEAD_IN, "Let me write that. ", "Let me write that file now:"])
async def test_a_lead_in_is_said_once_before_a_call_that_is_done_anew(
    wire: str, lead_in: str, autojump_clock: Any
) -> None:
    """The cloud was cut inside the call; the model announces it again, and makes it."""
    calls = (Call("get_weather", '{"city": "Kiel"}'),)
    cut = ChatAnswer(tokens=tuple(tokens(lead_in)), calls=calls, finish="tool_calls")
    again = Words(
        "", calls=(ToolUse("get_weather", {"city": "Kiel"}),), before_calls=lead_in * 2, calls_in_rest=True
    )
    local = FakeOllama(script=lambda _: again)
    async with stage(ScriptedProvider(), local) as s:
        events = {"chat": ChatAnswer.events, "messages": messages_events, "responses": responses_events}[wire]
        told = events(cut)
        at = max(n for n, event in enumerate(told) if b"Kiel" in event or b"city" in event)
        sent = tuple(Send(event) for event in told[:at])
        s.cloud.script = Script((Head(), *sent, Reset()))
        result = (await s.ask(wire=wire, tools=TOOLS_OF[wire])).told()
        assert result.text.rstrip() == lead_in.rstrip()
        assert [call.name for call in result.tool_calls] == ["get_weather"]


@pytest.mark.parametrize("repairs", [(), ("anew",), tuple(repair.value for repair in Repair)])
async def test_what_is_put_right_is_configured(repairs: tuple[str, ...], autojump_clock: Any) -> None:
    half = "A gateway earns its keep when"
    local = FakeOllama(answer=f"{half} it goes on.", goes_on=ODD["anew"])
    said = ChatAnswer(tokens=tuple(tokens(f"{half} it")))
    async with stage(dies("reset", "end", said), local, configured(seam_repairs=repairs)) as s:
        text = (await s.ask()).chat().text
        assert text == (f"{half} it goes on." if repairs else f"{half}{half} it goes on.")


def test_a_repair_that_there_is_not() -> None:
    with pytest.raises(ConfigError, match=r"seam_repairs: 'overlap' .*anew"):
        configured(seam_repairs=("anew", "overlap"))
