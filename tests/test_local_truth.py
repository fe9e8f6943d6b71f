"""
Local servers whose templates repeat, add or think, that end without a word, or that run
out of their window: what the client gets is one text, and what it is told is true.
"""

from __future__ import annotations

from typing import Any

import pytest
import trio
from attrs import evolve

from scenes import TOOLS, WIRES, Stage, asked, at_llama, configured, dies, stage
from trooper.core.local_model import LocalModel, Way
from trooper.testing import (
    DEFAULT_ANSWER,
    FAULTS,
    ChatAnswer,
    FakeLlamaServer,
    FakeOllama,
    FaultAt,
    Model,
    OllamaFault,
    ScriptedProvider,
    tokens,
)

LONG = " ".join(f"Word{n} follows word{n + 1}." for n in range(500))
CUTS: list[int | str] = [2, 3, 5, "middle", "end"]
PREFIXES = ["<think></think>", "<think>\n\n</think>\n\n", "\n\n", "<|start|>"]


async def probed(s: Stage, name: str) -> LocalModel:
    found = await s.services.standbys[name].ready(None)
    assert isinstance(found, LocalModel)
    return found


# What a template makes of a half answer


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("kind", ["ollama", "llama"])
async def test_an_echo_behind_something_else_is_not_said_twice(
    prefix: str, kind: str, autojump_clock: Any
) -> None:
    """LFM2's templates: the client got the whole half answer twice."""
    ollama = FakeOllama(models=(Model(echo_prefix=prefix),))
    llama = FakeLlamaServer(echoes=True, echo_prefix=prefix)
    config = configured() if kind == "ollama" else at_llama()
    async with stage(ScriptedProvider(), ollama, config, llama=llama) as s:
        model = await probed(s, kind)
        assert (model.way, model.way_with_tools) == (Way.RAW, None)
        for position in CUTS:
            s.cloud.play_next(FaultAt(FAULTS["reset"], position))
            assert (await s.ask()).chat().text == DEFAULT_ANSWER
        # Where a raw prompt takes no tools, an error is more honest than a doubled text.
        s.cloud.play_next(FaultAt(FAULTS["reset"], "middle"))
        result = (await s.ask(tools=TOOLS)).chat()
        assert result.error is not None
        assert DEFAULT_ANSWER.startswith(result.text)


@pytest.mark.parametrize("prefix", PREFIXES[:3])
@pytest.mark.parametrize("position", [3, "middle", "end"])
async def test_nor_where_the_probe_has_seen_another_template(
    prefix: str, position: int | str, autojump_clock: Any
) -> None:
    for before in (Model(), Model(echoes=False)):
        ollama = FakeOllama(models=(before,))
        async with stage(dies(position=position), ollama) as s:
            ollama.models = (evolve(before, echoes=True, echo_prefix=prefix),)
            if before.echo or "think" in prefix:
                assert (await s.ask()).chat().text == DEFAULT_ANSWER


@pytest.mark.parametrize("adds", ["\n", " ", "\n\n"])
@pytest.mark.parametrize("path", ["A", "B", "C"])
async def test_a_template_that_shows_more_breaks_no_word(path: Any, adds: str, autojump_clock: Any) -> None:
    """A third of the seams was broken, `rapidincrease`: raw they are clean, and with tools the blank is put back."""
    ollama = FakeOllama(models=(Model(path=path, adds=adds),))
    async with stage(ScriptedProvider(), ollama) as s:
        model = await probed(s, "ollama")
        assert (model.way, model.way_with_tools, model.adds) == (Way.RAW, Way.PREFILL, adds)
        for fields in ({}, {"tools": TOOLS}):
            for position in CUTS:
                s.cloud.play_next(FaultAt(FAULTS["reset"], position))
                result = (await s.ask(**fields)).chat()
                assert (result.text, result.finish_reason) == (DEFAULT_ANSWER, "stop")
            last = [r.path for r in ollama.requests if r.path.startswith("/api/") and r.method == "POST"][-1]
            assert last == ("/api/chat" if fields else "/api/generate")


@pytest.mark.parametrize("fields", [{}, {"tools": TOOLS}])
async def test_the_same_at_a_llama_server(fields: dict[str, Any], autojump_clock: Any) -> None:
    async with stage(ScriptedProvider(), None, at_llama(), llama=FakeLlamaServer(turn="newline")) as s:
        assert (await probed(s, "llama")).way is Way.RAW
        for position in CUTS:
            s.cloud.play_next(FaultAt(FAULTS["reset"], position))
            assert (await s.ask(**fields)).chat().text == DEFAULT_ANSWER


async def test_a_template_that_begins_to_think_is_gone_on_with_raw(autojump_clock: Any) -> None:
    model = Model(always_thinks=True)
    async with stage(dies(), FakeOllama(models=(model,))) as s:
        assert (await s.ask()).chat().text == DEFAULT_ANSWER
        assert "<think>\n\n</think>" in asked(s)["prompt"]


@pytest.mark.parametrize(
    ("status", "way"), [(500, Way.RAW), (400, Way.RAW), (503, Way.PREFILL), (429, Way.PREFILL)]
)
async def test_an_echo_probe_that_is_refused(status: int, way: Way, autojump_clock: Any) -> None:
    """Command R7B's: so is every continuation of that form. One that is busy is not taken for that."""
    ollama = FakeOllama(fault=OllamaFault("status", status=status))
    async with stage(dies(), ollama) as s:
        assert (await probed(s, "ollama")).way is way
        ollama.fault = None
        if way is Way.RAW:
            assert (await s.ask()).chat().text == DEFAULT_ANSWER


async def test_one_that_is_refused_twice_is_not_asked_again(autojump_clock: Any) -> None:
    """Each probe costs the slot its cached prompt."""
    ollama = FakeOllama(fault=OllamaFault("status", status=500))
    async with stage(ollama=ollama) as s:
        await trio.sleep(600)
        probes = [r for r in ollama.requests if r.path == "/api/chat" and b"TROOPERPROBE" in r.body]
        assert len(probes) == 2
        assert (await probed(s, "ollama")).way is Way.RAW


# The window


@pytest.mark.parametrize("fields", [{}, {"max_tokens": 100_000}])
@pytest.mark.parametrize("answered", ["all", "rest"])
async def test_no_more_is_asked_for_than_the_window_leaves(
    fields: dict[str, Any], answered: str, autojump_clock: Any
) -> None:
    """Else the server pushes the question out, goes on, and says that it is whole."""
    cloud = (
        dies("status-500") if answered == "all" else dies(answer=ChatAnswer(tokens=tuple(tokens(LONG))[:100]))
    )
    for model in (Model(), Model(turn="closes")):
        async with stage(cloud, FakeOllama(answer=LONG, models=(model,), default_num_ctx=1024)) as s:
            result = (await s.ask(**fields)).chat()
            assert result.finish_reason == "length"
            assert LONG.startswith(result.text)
            (generation,) = s.ollama.generations[-1:]
            assert generation.prompt_tokens + generation.said_tokens <= 1024
            assert asked(s)["options"]["num_ctx"] == 1024
            assert s.ollama.reloads == 0


@pytest.mark.parametrize("turn", ["continues", "closes"])
async def test_nor_of_a_llama_server(turn: Any, autojump_clock: Any) -> None:
    llama = FakeLlamaServer(answer=LONG, turn=turn, n_ctx=1024)
    async with stage(
        dies(answer=ChatAnswer(tokens=tuple(tokens(LONG))[:100])), None, at_llama(), llama=llama
    ) as s:
        result = (await s.ask()).chat()
        assert LONG.startswith(result.text)
        body = llama.requests[-1].json()
        assert isinstance(body, dict)
        (limit,) = [body[name] for name in ("max_tokens", "n_predict") if name in body]
        assert 0 < limit < 1024


async def test_a_server_that_counts_more_than_its_window_is_not_believed(autojump_clock: Any) -> None:
    """Where the estimate was too small: its own counts say that the question is gone."""
    dense = "a b c d e f g h " * 300
    async with stage(dies("status-500"), FakeOllama(answer=dense, default_num_ctx=1024)) as s:
        result = (await s.ask()).chat()
        assert result.finish_reason == "length"


async def test_a_refusal_names_the_window(autojump_clock: Any) -> None:
    """It was asked the same once more, and for ever, where nothing else said how large it is."""
    ollama = FakeOllama(default_num_ctx=1024)
    turns = [{"role": "user", "content": f"{n}: " + "word " * 60} for n in range(20)]
    async with stage(dies("status-500"), ollama) as s:
        standby = s.services.standbys["ollama"]
        blind = evolve(await probed(s, "ollama"), window_tokens=0)
        standby._ready[blind.name] = blind
        for _ in range(2):
            result = (await s.ask(messages=turns)).chat()
            assert result.text == DEFAULT_ANSWER
        assert standby.window(blind) == 1024
        chats = [r for r in ollama.requests if r.path == "/api/chat"]
        assert len([r for r in chats if b"_debug_render_only" not in r.body]) == 3
        assert all("num_ctx" not in r.json()["options"] for r in chats)
        assert ollama.reloads == 0


# An end without a word


@pytest.mark.parametrize("reason", ["", "stop", "length", "load", "unload"])
@pytest.mark.parametrize("wire", [*WIRES])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_done_with_no_word_is_no_answer(
    wire: str, stream: bool, reason: str, autojump_clock: Any
) -> None:
    """Provider 500, and then a 200 with nothing in it."""
    async with stage(dies("status-500")) as s:
        s.ollama.fault = OllamaFault("done", reason=reason)
        x = await s.ask(wire=wire, stream=stream)
        assert x.status == 500
        assert ("ollama", "empty_200") in x.legs
        # Once may be a hiccup.
        s.ollama.fault = None
        s.ollama.fail_next(OllamaFault("done", reason=reason))
        x = await s.ask(wire=wire, stream=stream)
        assert (x.told() if stream else x.told_whole()).text == DEFAULT_ANSWER


@pytest.mark.parametrize("blanks", [" ", "\n\n", " \t\n"])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("local", ["ollama", "llama"])
async def test_blanks_are_no_word(local: str, stream: bool, blanks: str, autojump_clock: Any) -> None:
    """Provider 500, and then a success that reads as nothing."""
    config, llama = (at_llama(), FakeLlamaServer(answer=blanks)) if local == "llama" else (None, None)
    async with stage(dies("status-500"), FakeOllama(answer=blanks), config, llama=llama) as s:
        x = await s.ask(stream=stream)
        assert (local, "empty_200") in x.legs
        assert x.report["outcome"] == "failed"
        assert stream or x.status == 500


@pytest.mark.parametrize("reason", ["load", "unload"])
@pytest.mark.parametrize("position", ["middle", "end"])
async def test_a_model_that_was_only_loaded_has_not_finished_the_answer(
    reason: str, position: str, autojump_clock: Any
) -> None:
    """Also where that could be whole as it stands."""
    async with stage(dies(position=position)) as s:
        s.ollama.fail_next(OllamaFault("done", reason=reason))
        assert (await s.ask()).chat().text == DEFAULT_ANSWER
        s.ollama.fault = OllamaFault("done", reason=reason)
        s.cloud.play_next(FaultAt(FAULTS["reset"], position))
        result = (await s.ask()).chat()
        assert result.error is not None
        assert (result.finish_reason, result.done) == (None, False)


async def test_nor_is_an_empty_answer_of_a_llama_server_one(autojump_clock: Any) -> None:
    for turn in ("continues", "closes"):
        async with stage(
            dies("status-500"), None, at_llama(), llama=FakeLlamaServer(answer="", turn=turn)
        ) as s:
            x = await s.ask()
            assert x.status == 500
            assert x.legs[-1] == ("llama", "empty_200")
