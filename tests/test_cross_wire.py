"""
Any client in front of any target: as the first leg, and as the one that goes on.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import evolve

from clouds import GoingOn, going_on, half_of
from scenes import WIRES, configured, stage, with_second
from trooper.config import Chain
from trooper.testing import ANSWERS, FAULTS, Call, ChatAnswer, FakeOllama, FaultAt, ScriptedProvider, tokens
from wire_validator import CallSeen, ChatResult

TEXT = (
    "A lighthouse keeps its light in one place – café, 灯台, 👩‍👩‍👧‍👦 – so that ships find theirs.\n\n"
    "A\u2028line that is none, nor\u0085this. Trust it."
)
SORRY = "I'm sorry, désolé 🙏, but I can't help with that."
DOCUMENT = '{"city": "Zürich 🇨🇭", "days": [1, 2, 3], "名": "灯台"}'
ASKED = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}
FUNCTIONS = ("get_weather", "get_time")
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS: dict[str, Any] = {
    "chat": [{"type": "function", "function": {"name": n, "parameters": PARAMETERS}} for n in FUNCTIONS],
    "messages": [{"name": n, "input_schema": PARAMETERS} for n in FUNCTIONS],
    "responses": [{"type": "function", "name": n, "parameters": PARAMETERS} for n in FUNCTIONS],
}
#: A request for a document that follows `ASKED`, as clients of each wire make it.
STRUCTURED: dict[str, Any] = {
    "chat": {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "a", "schema": ASKED, "strict": True},
        }
    },
    "messages": {"output_config": {"format": {"type": "json_schema", "schema": ASKED}}},
    "responses": {"text": {"format": {"type": "json_schema", "name": "a", "schema": ASKED, "strict": True}}},
}


def said(text: str, **more: Any) -> ChatAnswer:
    return ChatAnswer(tokens=tuple(tokens(text)), **more)


SAYS: dict[str, ChatAnswer] = {
    "text": said(TEXT),
    "tool call": evolve(ANSWERS["tools"], calls=ANSWERS["tools"].calls[:1]),
    "parallel calls": ANSWERS["tools"],
    "text then tool": said(
        "Let me look, s'il vous plaît 🔦.", calls=ANSWERS["tools"].calls, finish="tool_calls"
    ),
    "reasoning": said(TEXT, reasoning=tuple(tokens("The user asks – kurz 思考 🧐."))),
    "JSON": said(DOCUMENT),
    "refusal": ChatAnswer(refusal=tuple(tokens(SORRY))),
    "cut by the limit": said(TEXT, finish="length"),
}


def calls_of(calls: tuple[Call, ...] | tuple[CallSeen, ...]) -> list[tuple[str, Any]]:
    return [(call.name, json.loads(call.arguments)) for call in calls]


def assert_says(result: ChatResult, answer: ChatAnswer) -> None:
    assert result.error is None
    assert result.done
    if answer.refusal:
        # A refusal is marked as what the wire has for it, or is plain text.
        assert SORRY in (result.refusal, result.text)
        return
    assert result.text == "".join(answer.tokens)
    assert result.reasoning == "".join(answer.reasoning)
    assert calls_of(result.tool_calls) == calls_of(answer.calls)
    assert result.finish_reason == answer.finish


def asks(client: str, kind: str) -> dict[str, Any]:
    if answer_has_calls := bool(SAYS[kind].calls):
        return {"tools": TOOLS[client]}
    return STRUCTURED[client] if kind == "JSON" and not answer_has_calls else {}


@pytest.mark.parametrize("client", WIRES)
@pytest.mark.parametrize("target", WIRES)
@pytest.mark.parametrize("kind", SAYS)
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_first_leg(autojump_clock: Any, client: str, target: str, kind: str, stream: bool) -> None:
    config = with_second(configured(), target, alone=True)
    async with stage(config=config, second=ScriptedProvider(SAYS[kind])) as s:
        x = await s.ask(wire=client, stream=stream, **asks(client, kind))
        assert x.legs == [("second", "completed")]
        assert_says(x.told() if stream else x.told_whole(), SAYS[kind])
        (request,) = s.second.chats
        assert request.path == WIRES[target].path
        assert request.json()["model"] == "other-model"
        if client != target:
            # The client's credential belongs to the provider of the client's wire.
            assert request.header("authorization") is None


WAYS = [
    ("chat", "prefix"),
    ("chat", "continue_final_message"),
    ("chat", "instruction"),
    ("messages", "prefill"),
    ("messages", "instruction"),
    ("responses", "instruction"),
]


@pytest.mark.parametrize("client", WIRES)
@pytest.mark.parametrize(("target", "way"), WAYS)
@pytest.mark.parametrize("position", ["start", 1, 7, "middle", "end"])
async def test_going_on(autojump_clock: Any, client: str, target: str, way: str, position: int | str) -> None:
    cloud = ScriptedProvider(TEXT, script=FaultAt(FAULTS["reset"], position))
    config = with_second(configured(), target, continues=way)
    async with stage(cloud, config=config, second=going_on(TEXT)) as s:
        x = await s.ask(wire=client)
        assert_says(x.told(), SAYS["text"])
        assert x.legs[-1] == ("second", "completed")
        script = s.second.script
        assert isinstance(script, GoingOn)
        assert script.mismatches == []
        if x.report["legs"][-1]["how"] == "continue":
            assert script.ways == [way]


@pytest.mark.parametrize("client", WIRES)
@pytest.mark.parametrize("position", [7, "middle", "end"])
@pytest.mark.parametrize("repeats", [25, 40, 1000])
async def test_last_words_again(autojump_clock: Any, client: str, position: int | str, repeats: int) -> None:
    """Asked to go on, a model may repeat the last words, or all of them: the client has them once."""
    cloud = ScriptedProvider(TEXT, script=FaultAt(FAULTS["reset"], position))
    config = with_second(configured(), "chat", continues="instruction")
    async with stage(cloud, config=config, second=going_on(TEXT, repeats=repeats)) as s:
        x = await s.ask(wire=client)
        assert_says(x.told(), SAYS["text"])


@pytest.mark.parametrize("client", WIRES)
async def test_a_wrong_belief(autojump_clock: Any, client: str) -> None:
    """A target that is said to go on and begins anew is asked in another way; nothing is doubled."""
    cloud = ScriptedProvider(TEXT, script=FaultAt(FAULTS["reset"], "middle"))
    config = with_second(configured(), "chat", continues="prefix")
    other = TEXT.replace("light in one place", "lamp lit, always")

    def script(request: Any) -> ChatAnswer:
        half, way = half_of(request)
        return said(TEXT.removeprefix(half)) if way == "instruction" else said(TEXT[:40] + other[40:])

    async with stage(cloud, config=config, second=ScriptedProvider(script=script)) as s:
        x = await s.ask(wire=client)
        assert_says(x.told(), SAYS["text"])
        assert [o for _, o in x.legs] == ["conn_reset", "unfit", "completed"]


@pytest.mark.parametrize("client", WIRES)
async def test_a_wrong_belief_and_nobody_left(autojump_clock: Any, client: str) -> None:
    cloud = ScriptedProvider(TEXT, script=FaultAt(FAULTS["reset"], "middle"))
    config = with_second(configured(), "messages", continues="prefill")
    second = ScriptedProvider(script=lambda _: said(TEXT[:40] + "something else altogether, at length."))
    async with stage(cloud, config=config, second=second) as s:
        x = await s.ask(wire=client)
        result = x.told()
        assert result.error is not None
        assert TEXT.startswith(result.text)
        assert not result.done


async def test_why_a_target_was_passed_by(autojump_clock: Any) -> None:
    """The log names those that were not asked, and the property of the request that was in the way."""
    cloud = ScriptedProvider(script=FaultAt(FAULTS["status-503"], "start"))
    config = with_second(configured(), "responses")
    config = evolve(config, chains=(Chain("*", ("openai", "second", "ollama")),))
    async with stage(cloud, config=config) as s:
        x = await s.ask(stop=["END"])
        assert x.legs == [("openai", "overloaded"), ("ollama", "completed")]
        assert x.report["passed_by"] == {"second": "stop"}
        x = await s.ask(stop=["END"], logprobs=True)
        assert x.report["passed_by"] == {"second": "logprobs", "ollama": "logprobs"}
        tools = [{"type": "web_search_20250305", "name": "web_search"}]
        x = await s.ask(wire="messages", tools=tools, tool_choice={"type": "any"})
        assert (x.status, x.report["passed_by"]) == (400, {"ollama": "forced_tool"})
        assert [(leg["target"], leg["unfit_reason"]) for leg in x.report["legs"]] == [
            ("second", "forced_tool")
        ]
        assert s.second.requests == []


async def test_the_prompt_is_counted_by_who_has_read_it(autojump_clock: Any) -> None:
    """Anthropic counts at the beginning, so a cut answer's prompt need not be guessed."""
    cloud = ScriptedProvider(TEXT, script=FaultAt(FAULTS["reset"], "middle"))
    async with stage(cloud, FakeOllama(answer=TEXT)) as s:
        x = await s.ask(wire="messages")
        usage = x.told().usage
        assert usage is not None
        assert usage["input_tokens"] == 12
        legs = x.report["legs"]
        assert usage["output_tokens"] == sum(leg["tokens"] for leg in legs)


async def test_text_goes_on_in_the_same_block(autojump_clock: Any) -> None:
    cloud = ScriptedProvider(TEXT, script=FaultAt(FAULTS["reset"], "middle"))
    async with stage(cloud, FakeOllama(answer=TEXT)) as s:
        assert (await s.ask(wire="messages")).told().texts == (TEXT,)


async def test_a_second_thought_is_not_joined_to_half_a_first(autojump_clock: Any) -> None:
    cloud = ScriptedProvider(script=FaultAt(FAULTS["reset"], 2, SAYS["reasoning"]))
    async with stage(
        cloud, config=with_second(configured(), "chat"), second=going_on(SAYS["reasoning"])
    ) as s:
        result = (await s.ask()).told()
        assert result.text == TEXT
        assert "".join(SAYS["reasoning"].reasoning).startswith(result.reasoning)
