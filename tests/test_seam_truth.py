"""
What stands at a seam: nothing twice, no blank too many and none too few, no thought,
no call that nobody made; and the counts are those of what the client got.
"""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from clouds import going_on
from scenes import TOOLS, WIRES, at_llama, configured, dies, stage, with_second
from trooper.config import Chain, Config
from trooper.testing import (
    DEFAULT_ANSWER,
    FAULTS,
    Call,
    ChatAnswer,
    FakeLlamaServer,
    FakeOllama,
    FaultAt,
    Model,
    OllamaFault,
    ScriptedProvider,
    tokens,
)
from trooper.testing.faults.shape import Events
from trooper.testing.messages import messages_events
from trooper.testing.responses import responses_events

SENTENCE = "I will check that for you."
CALLS = (Call("get_weather", '{"city": "Zürich"}'), Call("get_time", '{"zone": "CET"}', id="call_2"))
EVENTS = {"chat": ChatAnswer.events, "messages": messages_events, "responses": responses_events}
TEXT = "A gateway earns its keep when a stream breaks. It goes on, still open. This is all."


def second(way: str, wire: str = "chat") -> Config:
    return with_second(configured(), wire, continues=way)


def says(*pieces: str, **more: Any) -> ScriptedProvider:
    """A cloud that says this, whatever it is asked."""
    return ScriptedProvider(script=ChatAnswer(tokens=pieces, **more))


def stops(*pieces: str) -> ScriptedProvider:
    """A cloud that says this, and is cut."""
    return dies("reset", "end", ChatAnswer(tokens=pieces))


def in_a_call(wire: str, answer: ChatAnswer) -> list[int]:
    """The positions at which a call has begun, and the answer has not ended."""
    events = Events.of(EVENTS[wire](answer))
    begun = [b"get_weather" in b"".join(events.lead(at)) for at in range(len(events.content))]
    assert any(begun)
    return [at for at, has_begun in enumerate(begun) if has_begun]


# Nothing twice


@pytest.mark.parametrize("target", [*WIRES])
async def test_who_was_asked_to_go_on_and_begins_anew(target: str, autojump_clock: Any) -> None:
    """All of it was appended while the client had fewer than twenty characters."""
    answer = ChatAnswer(tokens=tuple(tokens(TEXT)))
    cloud = going_on(TEXT, starts_anew=True)
    async with stage(ScriptedProvider(), config=second("instruction", target), second=cloud) as s:
        for position in range(1, len(answer.tokens) + 1):
            s.cloud.play_next(FaultAt(FAULTS["reset"], position, answer))
            assert (await s.ask()).chat().text == TEXT


@pytest.mark.parametrize("wire", [*WIRES])
@pytest.mark.parametrize("sentence", ["Let me write that. ", "One moment. ", "I will look it up.\n\n"])
async def test_a_sentence_before_a_call_is_said_once(wire: str, sentence: str, autojump_clock: Any) -> None:
    """The local model began with it again."""
    cut = ChatAnswer(tokens=tuple(tokens(sentence)), calls=CALLS[:1], finish="tool_calls")
    local = FakeOllama(answer=f"{sentence}{sentence.strip()} It rains.")
    async with stage(ScriptedProvider(), local) as s:
        for at in in_a_call(wire, cut):
            s.cloud.play_next(FaultAt(FAULTS["reset"], at, cut))
            result = (await s.ask(wire=wire)).told()
            if not result.tool_calls:
                assert (result.text, result.finish_reason) == (sentence + "It rains.", "stop")


# Blanks


@pytest.mark.parametrize(
    ("given", "held", "said", "text"),
    [
        ("still open", ".", " . This is all.", "still open. This is all."),
        ("still open", ",", " , and more.", "still open, and more."),
        ("p009", " p0", "Sure, here it is.", "p009 Sure, here it is."),
        ("rapid", " in", "increase.", "rapid increase."),
        ("完了", "。", " 。次は", "完了。次は"),
        ("東京", "は", "です。", "東京です。"),
    ],
)
@pytest.mark.parametrize("way", ["prefill", "prefix", "instruction"])
async def test_the_blanks_between_two(
    given: str, held: str, said: str, text: str, way: str, autojump_clock: Any
) -> None:
    async with stage(stops(given, held), config=second(way), second=says(said)) as s:
        assert (await s.ask()).chat().text == text


# Thoughts

BLOCKS = ["<think></think>", "<think>\n\n</think>\n\n", "<think>He could go on.</think>\n", "</think>\n\n"]


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("way", ["prefill", "instruction"])
@pytest.mark.parametrize("target", [*WIRES])
async def test_a_thought_in_the_middle_is_not_shown(
    block: str, way: str, target: str, autojump_clock: Any
) -> None:
    for pieces in ([*block, *tokens(" goes on here.")], [block + " goes on here."]):
        for wire in WIRES:
            config = with_second(configured(), target, continues=way)
            async with stage(stops("It", " is", " and"), config=config, second=says(*pieces)) as s:
                x = await s.ask(wire=wire)
                result = x.told()
                assert (result.text, result.reasoning) == ("It is goes on here.", "")
                assert b"think>" not in bytes(x.body)


@pytest.mark.parametrize("stream", [True, False])
async def test_nor_by_a_local_model(stream: bool, autojump_clock: Any) -> None:
    at = len("".join(tokens(DEFAULT_ANSWER)[:4]))
    for block in BLOCKS:
        answer = DEFAULT_ANSWER[:at] + block + DEFAULT_ANSWER[at:]
        for model in (Model(), Model(echoes=False), Model(turn="closes")):
            async with stage(dies(position=5), FakeOllama(answer=answer, models=(model,))) as s:
                x = await s.ask(stream=stream)
                if stream:
                    assert x.chat().text == DEFAULT_ANSWER
                else:
                    assert x.whole()["choices"][0]["message"]["content"] == answer


async def test_a_thought_that_never_ends_is_no_end(autojump_clock: Any) -> None:
    """Also where the half answer could be whole as it stands."""
    async with stage(
        stops("It is so.", " And"), config=second("prefill"), second=says("<think>", "Hm.")
    ) as s:
        result = (await s.ask()).chat()
        assert (result.text, result.finish_reason, result.done) == ("It is so.", None, False)
        assert result.error is not None


async def test_a_thought_that_is_told_too_late_is_no_success(autojump_clock: Any) -> None:
    cloud = says("Okay, ", "I go on.", "</th", "ink>", "\n\n goes on.")
    async with stage(stops("It", " is", " and"), config=second("instruction"), second=cloud) as s:
        x = await s.ask()
        result = x.chat()
        assert result.error is not None
        assert (result.finish_reason, result.done) == (None, False)
        assert b"think>" not in bytes(x.body)
        assert x.report["legs"][-1]["unfit_reason"] == "thinks_aloud"


async def test_what_the_clients_own_provider_says_passes(autojump_clock: Any) -> None:
    said = ("<think>", "hm", "</think>", "\n\n", "It is.")
    async with stage(says(*said)) as s:
        assert (await s.ask()).chat().text == "".join(said)


async def test_an_answer_about_such_blocks_goes_on(autojump_clock: Any) -> None:
    said = (
        "Write ",
        "`<think>`",
        " first, then ",
        "your thought, and ",
        "`</think>` ",
        "last, so </think> ends it.",
    )
    async with stage(ScriptedProvider(), config=second("prefill"), second=going_on("".join(said))) as s:
        for position in range(1, len(said) + 1):
            s.cloud.play_next(FaultAt(FAULTS["reset"], position, ChatAnswer(tokens=said)))
            question = [{"role": "user", "content": "What is <think>?"}]
            assert (await s.ask(messages=question)).chat().text == "".join(said)


# Calls that nobody made


@pytest.mark.parametrize("wire", [*WIRES])
@pytest.mark.parametrize("target", ["ollama", "llama", "cloud"])
@pytest.mark.parametrize("calls", [CALLS[:1], CALLS])
async def test_silence_behind_half_a_call_is_no_end(
    wire: str, target: str, calls: tuple[Call, ...], autojump_clock: Any
) -> None:
    """Told as `stop`, an agent takes the turn as over."""
    cut = ChatAnswer(tokens=tuple(tokens(SENTENCE)), calls=calls, finish="tool_calls")
    config = {"ollama": configured(), "llama": at_llama(), "cloud": second("prefill")}[target]
    llama = FakeLlamaServer(answer=SENTENCE)
    async with stage(
        ScriptedProvider(), FakeOllama(answer=SENTENCE), config, llama=llama, second=says()
    ) as s:
        await s.services.standbys["llama" if target == "llama" else "ollama"].ready(None)
        lost: list[int] = []
        for at in in_a_call(wire, cut):
            for fault in ("reset", "clean-eof", "error-type-overloaded"):
                s.cloud.play_next(FaultAt(FAULTS[fault], at, cut))
                result = (await s.ask(wire=wire, tools=TOOLS if wire == "chat" else [])).told()
                if result.tool_calls:
                    # One was whole, and the turn ends with it.
                    assert result.finish_reason == "tool_calls"
                    continue
                lost.append(at)
                assert result.error is not None
                assert (result.text, result.finish_reason, result.done) == (SENTENCE, None, False)
        assert lost


async def test_silence_behind_no_call_may_be_an_end(autojump_clock: Any) -> None:
    async with stage(stops(SENTENCE), FakeOllama(answer=SENTENCE)) as s:
        result = (await s.ask()).chat()
        assert (result.text, result.finish_reason) == (SENTENCE, "stop")


async def test_another_way_and_another_target_are_asked_first(autojump_clock: Any) -> None:
    """A closed turn makes the model silent, and raw it goes on; or somebody else does."""
    cut = ChatAnswer(tokens=(SENTENCE,), calls=CALLS[:1], finish="tool_calls")
    said = f"{SENTENCE} It rains."
    both = evolve(second("prefill"), chains=(Chain("*", ("openai", "second", "ollama")),))
    for config, silent, names in (
        (both, 0, ["openai", "second", "second", "ollama"]),
        (configured(), 1, ["openai", "ollama", "ollama"]),
    ):
        async with stage(ScriptedProvider(), FakeOllama(answer=said), config, second=says()) as s:
            s.ollama.fail_next(*[OllamaFault("done")] * silent)
            s.cloud.play_next(FaultAt(FAULTS["reset"], 3, cut))
            x = await s.ask()
            assert (x.chat().text, x.chat().finish_reason) == (said, "stop")
            assert [name for name, _ in x.legs] == names


# Counts


async def test_usage_is_what_the_client_got(autojump_clock: Any) -> None:
    """A trimmed echo was counted as if the client had it."""
    half = tuple(tokens(TEXT))[:12]
    cloud = going_on(TEXT, starts_anew=True)
    async with stage(stops(*half), config=second("instruction"), second=cloud) as s:
        x = await s.ask(stream_options={"include_usage": True})
        result = x.chat(include_usage=True)
        assert result.text == TEXT
        assert result.usage is not None
        whole = len(tokens(TEXT))
        assert abs(result.usage["completion_tokens"] - whole) <= 5
        assert result.usage["trooper_estimated"] is True
        # What it cost is told beside it.
        assert result.trooper is not None
        assert result.trooper["legs"][-1]["tokens"] == whole
