"""
The switch: what the local model is asked, what the client gets, and what
happens when that fails, too.
"""

from __future__ import annotations

from typing import Any

import pytest
import trio
from attrs import evolve

from scenes import asked, configured, dies, stage
from trooper.testing import (
    DEFAULT_ANSWER,
    FAULTS,
    ChatAnswer,
    FakeOllama,
    FaultAt,
    Model,
    OllamaFault,
    ScriptedProvider,
    chat_events,
    tokens,
)

ALL_WAYS = [
    Model(path="A"),
    Model(path="B"),
    Model(path="C"),
    Model(path="C", turn="trims"),
    Model(path="C", turn="newline"),
    Model(path="C", turn="closes"),
    Model(path="B", turn="closes"),
    Model(path="A", renders=False),
    Model(path="B", renders=False),
]


@pytest.mark.parametrize(
    "model", ALL_WAYS, ids=lambda m: f"{m.path}-{m.turn}-{'renders' if m.renders else 'old'}"
)
@pytest.mark.parametrize("position", [2, "middle", "end"])
async def test_every_way_of_continuing(autojump_clock: Any, model: Model, position: int | str) -> None:
    """Whatever the model's template does to a half answer, the text is exact."""
    async with stage(dies(position=position), FakeOllama(models=(model,))) as s:
        x = await s.ask()
        assert x.chat().text == DEFAULT_ANSWER
        assert x.report["legs"][-1]["how"] == "continue"
        assert s.ollama.mismatches == []


async def test_what_the_local_model_is_asked(autojump_clock: Any) -> None:
    """The half answer as a trailing turn, one fixed window, nothing that could reload or truncate."""
    async with stage(dies(position=4)) as s:
        await s.ask(temperature=0.3, stop=["END"], max_tokens=500)
        body = asked(s)
        assert body["messages"][-1] == {"role": "assistant", "content": "".join(tokens(DEFAULT_ANSWER)[:3])}
        assert body["messages"][0] == {"role": "user", "content": "Tell me about lighthouses."}
        assert body["truncate"] is False
        assert body["think"] is False
        assert "shift" not in body
        assert body["keep_alive"] == "30m"
        assert body["options"]["num_ctx"] == 4096
        assert body["options"]["temperature"] == 0.3
        # The request's list replaces the model's own.
        assert body["options"]["stop"] == ["END", "<|im_start|>", "<|im_end|>"]
        assert 0 < body["options"]["num_predict"] < 500
        assert (s.ollama.loads, s.ollama.reloads, s.ollama.truncations) == (1, 0, [])


async def test_one_load_for_many_switches(autojump_clock: Any) -> None:
    """Probe, load and failover repeat the same options: the model is never loaded anew."""
    async with stage(dies()) as s:
        for _ in range(3):
            await s.ask()
        await trio.sleep(400)
        await s.ask(stream=False)
        assert (s.ollama.loads, s.ollama.reloads) == (1, 0)


async def test_the_window_is_the_servers_own(autojump_clock: Any) -> None:
    """A model that somebody else has loaded is used with the window it has."""
    ollama = FakeOllama(default_num_ctx=8192)
    async with stage(dies(), ollama) as s:
        await s.ask()
        assert asked(s)["options"]["num_ctx"] == 8192


async def test_a_restart_has_no_half_answer(autojump_clock: Any) -> None:
    """Before content the question is asked as it was."""
    async with stage(dies("status-503")) as s:
        x = await s.ask(max_tokens=300)
        assert [m["role"] for m in asked(s)["messages"]] == ["user"]
        assert asked(s)["options"]["num_predict"] == 300
        assert x.chat().text == DEFAULT_ANSWER


# -- limits and usage ---------------------------------------------------------


async def test_the_token_limit_shrinks(autojump_clock: Any) -> None:
    """What the cloud has said is taken off the limit; at the limit nobody is asked."""
    async with stage(dies(position="middle")) as s:
        x = await s.ask(max_tokens=20)
        result = x.chat()
        assert result.finish_reason == "length"
        assert DEFAULT_ANSWER.startswith(result.text)
        assert s.ollama.requests == []
        assert x.report["outcome"] == "completed"


async def test_usage_is_counted_once(autojump_clock: Any) -> None:
    """One usage chunk: the prompt once, the completions added, estimates marked."""
    async with stage(dies()) as s:
        x = await s.ask(stream_options={"include_usage": True})
        result = x.chat(include_usage=True)
        assert result.usage is not None
        legs = x.report["legs"]
        assert result.usage["completion_tokens"] == sum(leg["tokens"] for leg in legs)
        assert 0 < result.usage["prompt_tokens"] < 40
        assert (
            result.usage["total_tokens"] == result.usage["prompt_tokens"] + result.usage["completion_tokens"]
        )
        assert b'"trooper_estimated":true' in bytes(x.body)
        assert [leg["estimated"] for leg in legs] == [True, False]


async def test_usage_of_a_restart_is_the_local_models(autojump_clock: Any) -> None:
    """An answer from one model alone has that model's own counts."""
    async with stage(dies("status-500")) as s:
        x = await s.ask(stream_options={"include_usage": True})
        usage = x.chat(include_usage=True).usage
        assert usage is not None
        assert usage["prompt_tokens"] == s.ollama.generations[-1].prompt_tokens
        assert usage["completion_tokens"] == s.ollama.generations[-1].said_tokens
        assert b"trooper_estimated" not in bytes(x.body)


# -- the local leg fails, too ----------------------------------------------------------


@pytest.mark.parametrize("fault", ["error_line", "eof", "reset", "fin", "cut_line", "stall", "garbage"])
@pytest.mark.parametrize("at", [0, 1, 3])
async def test_a_second_failure_is_never_success(autojump_clock: Any, fault: Any, at: int) -> None:
    """After content: an in-band error and no terminator, whatever the local model did."""
    async with stage(dies()) as s:
        s.ollama.fault = OllamaFault(fault, at)
        x = await s.ask()
        result = x.chat()
        assert result.error is not None
        assert result.error.code == "conn_reset"
        assert not result.done
        assert DEFAULT_ANSWER.startswith(result.text)
        assert x.report["outcome"] == "failed"


@pytest.mark.parametrize("fault", ["error_line", "eof", "reset"])
async def test_the_clouds_own_failure_comes_back(autojump_clock: Any, fault: Any) -> None:
    """Before content: the cloud's status, body and Retry-After."""
    async with stage(dies("status-429-retry-after")) as s:
        s.ollama.fault = OllamaFault(fault)
        x = await s.ask()
        assert x.status == 429
        assert x.headers[b"retry-after"]
        assert x.whole()["error"]["code"] == "rate_limit_exceeded"


async def test_no_ollama_at_all(autojump_clock: Any) -> None:
    """Trooper passes through when no local model is there, and fails honestly."""
    async with stage(warm=False) as s:
        s.network.close("127.0.0.1", 11434)
        await trio.sleep(1)
        assert (await s.ask()).chat().text == DEFAULT_ANSWER
        s.cloud.play_next(FaultAt(FAULTS["reset"]))
        result = (await s.ask()).chat()
        assert result.error is not None
        assert s.services.readiness()["status"] == "ready"


async def test_an_empty_continuation_ends_a_whole_sentence(autojump_clock: Any) -> None:
    """A model that has nothing to add finishes an answer only where it reads as whole."""
    sentence = "One sentence. And another."
    for text, whole in ((sentence, True), ("An answer that stops in the", False)):
        cloud = dies("clean-eof", "end", ChatAnswer(tokens=tuple(tokens(text + " x"))))
        async with stage(cloud, FakeOllama(answer=text)) as s:
            result = (await s.ask()).chat()
            assert result.text == text
            assert (result.error is None) is whole
            assert (result.finish_reason == "stop") is whole


async def test_an_empty_continuation_is_tried_another_way(autojump_clock: Any) -> None:
    """One more try, rendered and raw, before giving up."""
    text = "An answer that stops in the"
    cloud = dies("clean-eof", "end", ChatAnswer(tokens=tuple(tokens(text + " x"))))
    async with stage(cloud, FakeOllama(answer=text)) as s:
        await s.ask()
        assert [r.path for r in s.ollama.requests if r.method == "POST"] == [
            "/api/chat",
            "/api/chat",
            "/api/generate",
        ]
        assert s.ollama.requests[-1].json()["raw"] is True


# -- the transcript's cap ------------------------------------------------------------------------


async def test_past_the_cap_there_is_no_net(autojump_clock: Any) -> None:
    """A long answer outlives the memory for it: the stream goes on, and a cut is an honest error."""
    async with stage(ScriptedProvider(), config=configured(transcript_bytes=40)) as s:
        assert (await s.ask()).chat().text == DEFAULT_ANSWER
        s.cloud.play_next(FaultAt(FAULTS["reset"], "end"))
        result = (await s.ask()).chat()
        assert result.error is not None
        assert s.ollama.requests == []


async def test_a_second_cloud(autojump_clock: Any) -> None:
    """Before content the next cloud answers, in its own bytes; the finish tells of the switch."""
    first = configured({"TROOPER_OPENAI_API_KEY": "sk-1"})
    second = evolve(first.target("openai"), name="second", base_url="http://second.example/v1")
    config = configured()
    config = type(config)(
        server=config.server,
        targets=(first.target("openai"), second, first.target("ollama")),
        chains=(type(config.chains[0])("*", ("openai", "second", "ollama")),),
        wires=config.wires,
    )
    async with stage(dies("status-529"), config=config) as s:
        other = ScriptedProvider()
        s.network.listen("second.example", 80, other.serve)
        x = await s.ask()
        result = x.chat()
        assert result.text == DEFAULT_ANSWER
        assert x.legs == [("openai", "overloaded"), ("second", "completed")]
        assert result.trooper is not None
        seam = b": trooper seam from=openai to=second reason=overloaded phase=preamble\n\n"
        healthy = chat_events(DEFAULT_ANSWER, id=result.id, created=result.created)
        got = bytes(x.body).replace(seam, b"").split(b"\n\n")
        # All but the finishing event, which has the note.
        assert [e for e in got if b'"trooper"' not in e] == [
            e.removesuffix(b"\n\n") for e in healthy if b'"stop"' not in e
        ] + [b""]
