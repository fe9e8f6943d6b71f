"""
How long a local model may read its prompt, and what is told of it meanwhile: by
the server's own word, or estimated. On virtual time, so the figures are exact.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Final

import pytest
import trio
from attrs import evolve

from scenes import Exchange, Stage, at_llama, configured, dies, stage, with_target
from test_waiting import LONG, asked, events, long, slow
from trooper.testing import DEFAULT_ANSWER, FakeLlamaServer, FakeOllama, OllamaFault
from trooper.testing.ollama import Model

#: As the server counts: words, and some around them.
WORDS: Final = 17_500
STALLS: Final = OllamaFault.parse("stall@0")


def progress(x: Exchange) -> list[tuple[float, str]]:
    """The comments about the prompt, and when they came."""
    return [
        (at, words)
        for at, body in x.arrivals
        for words in re.findall(r": trooper keep-alive: (.*)", body.decode())
    ]


def llama(**more: Any) -> FakeLlamaServer:
    """Reads 50 tokens a second."""
    return FakeLlamaServer(n_ctx=32_768, prefill_s=0.02, **more)


async def test_a_server_that_says_how_far_it_is(autojump_clock: Any) -> None:
    async with stage(dies("status-529"), config=at_llama(), llama=llama()) as s:
        x = await asked(s, "chat")
        assert x.chat().text == DEFAULT_ANSWER
        told = progress(x)
        read = [int(n) for _, words in told for n in re.findall(r"prompt, (\d+) of", words)]
        assert read == sorted(read)
        assert set(read) <= {*range(2_048, WORDS, 2_048)}
        assert len(set(read)) > 5
        assert "estimate" not in "".join(words for _, words in told)
        lines = [line for line in s.log if line["event"] == "reading_prompt"]
        assert [line["estimated"] for line in lines] == [False] * 5
        assert [line["for_s"] // 60 for line in lines] == [1, 2, 3, 4, 5]
        # None of it is content.
        assert "prompt" not in x.chat().text


async def test_a_server_that_hangs_is_noticed(autojump_clock: Any) -> None:
    """In the middle of its prompt: a batch's time behind its last word, and not all of the allowance."""
    server = llama()
    async with stage(dies("status-529"), config=at_llama(), llama=server) as s:
        await s.services.standbys["llama"].ready(None)
        server.fault = "hangs"
        x = await asked(s, "chat")
        last = x.report["legs"][-1]
        assert last["outcome"] == "timeout_ttft"
        # Four of nine batches were told, of 40.96 s each; the rest of a batch is allowed 81.92 s.
        assert last["ended_s"] - last["started_s"] == pytest.approx(4 * 40.96 + 120 + 81.92, abs=0.5)
        assert x.chat().error is not None
        # Who is silent beyond its limit works no more, and nothing says so.
        (ended, _) = list(events(x))[-1]
        assert x.arrivals[-1][0] == ended


async def test_a_server_that_hangs_before_its_first_word(autojump_clock: Any) -> None:
    """It may be busy with somebody else's request, so it is given all of the allowance."""
    server = llama(batch_tokens=100_000)
    async with stage(dies("status-529"), config=at_llama(), llama=server) as s:
        await s.services.standbys["llama"].ready(None)
        server.fault = "hangs"
        x = await asked(s, "chat")
        last = x.report["legs"][-1]
        assert last["outcome"] == "timeout_ttft"
        allowed_s = 120 + WORDS / 25
        assert allowed_s <= last["ended_s"] - last["started_s"] <= allowed_s + 30


async def test_an_ollama_that_hangs(autojump_clock: Any) -> None:
    """It says nothing while it reads, so the length of the prompt is all that there is."""
    for words, allowed_s in (("word " * WORDS, 120 + WORDS / 25), ("word", 120.0)):
        async with stage(dies("status-529"), slow(fault=STALLS)) as s:
            x = await s.ask(messages=[{**LONG, "content": words}])
            last = x.report["legs"][-1]
            assert last["outcome"] == "timeout_ttft"
            # Our own count is an upper bound.
            assert allowed_s <= last["ended_s"] - last["started_s"] <= allowed_s + 30


async def both(s: Stage, second_s: float) -> tuple[Exchange, Exchange]:
    """Two requests with a long prompt for one slot, the second so many seconds behind the first."""
    first, second = Exchange(), Exchange()
    async with trio.open_nursery() as nursery:
        for x, word in ((first, "one "), (second, "two ")):
            nursery.start_soon(partial(s.play, x, messages=[{"role": "user", "content": word * WORDS}]))
            await trio.sleep(second_s)
    return first, second


async def test_who_waits_for_the_slot_behind_a_long_prompt(autojump_clock: Any) -> None:
    """It is queued and does not load: the budget of a load, 300 s, is not what it has."""
    async with stage(dies("status-529"), slow()) as s:
        for x in await both(s, 1.0):
            assert x.chat().text == DEFAULT_ANSWER
        (_, last) = x.report["legs"]
        assert last["first_content_s"] > 2 * 350 - 1
        # Comments until it is known who answers, and then what clients count.
        first_sign = next(at for at, _ in events(x)) - x.arrivals[0][0]
        assert 300 < first_sign < 400
        assert len(x.arrivals) > 60


async def test_a_server_that_hangs_holds_up_the_next_one_for_so_long(autojump_clock: Any) -> None:
    """Who has the slot is under limits of its own."""
    async with stage(dies("status-529"), slow(fault=STALLS)) as s:
        first, second = await both(s, 1.0)
        assert [x.report["legs"][-1]["outcome"] for x in (first, second)] == ["timeout_ttft"] * 2
        assert second.report["duration_s"] == pytest.approx(2 * first.report["duration_s"], abs=2)


async def test_a_slot_that_never_comes_free(autojump_clock: Any) -> None:
    async with stage(dies("status-529"), slow()) as s, s.services.standbys["ollama"].slots:
        x = await s.ask()
        last = x.report["legs"][-1]
        assert last["outcome"] == "timeout_load"
        assert last["ended_s"] - last["started_s"] == 120 + 1_800 + 300
        assert "did not load its model, or had no slot free for it, in time" in str(x.chat().error)


async def test_a_limit_of_ones_own(autojump_clock: Any) -> None:
    config = with_target(configured(), "ollama", ttft_timeout_s=30.0)
    async with stage(dies("status-529"), slow(), config) as s:
        x = await asked(s, "chat")
        last = x.report["legs"][-1]
        assert (last["outcome"], last["ended_s"] - last["started_s"]) == ("timeout_ttft", 30.0)


async def test_an_estimate_says_that_it_is_one(autojump_clock: Any) -> None:
    """Ollama has told how long the prompt before took; until then only the time is told."""
    async with stage(dies("status-529"), slow()) as s:
        told = []
        for question in ("first ", "second "):
            x = await s.ask(messages=[{"role": "user", "content": question * WORDS}])
            assert x.chat().text == DEFAULT_ANSWER
            told.append([words for _, words in progress(x)])
        assert all(
            re.fullmatch(r"reading the prompt, about \d+ tokens, for \d+ s", words) for words in told[0]
        )
        assert all(
            re.fullmatch(r"reading the prompt, \d+ of \d+ tokens by estimate", words) for words in told[1]
        )
        read = [int(words.split()[3]) for words in told[1]]
        assert read == sorted(read)
        ready = s.services.readiness()["targets"]
        assert isinstance(ready, list)
        assert [t["prompt_tokens_per_s"] for t in ready if t["name"] == "ollama"] == [50.0]


async def test_a_machine_that_reads_slower_than_is_reckoned_with(autojump_clock: Any) -> None:
    """It is learned from a prompt that was short enough, and the next one gets its time."""
    snail = FakeOllama(models=(Model(num_ctx=32_768),), prefill_s=0.1)
    async with stage(dies("status-529"), snail) as s:
        for words, outcome in ((1_000, "completed"), (6_000, "completed")):
            x = await s.ask(messages=[{"role": "user", "content": f"w{words} " * words}])
            assert x.report["legs"][-1]["outcome"] == outcome
    async with stage(dies("status-529"), evolve(snail, prefill_s=0.1)) as s:
        x = await s.ask(messages=[{"role": "user", "content": "w " * 6_000}])
        assert x.report["legs"][-1]["outcome"] == "timeout_ttft"


async def test_the_gap_is_what_the_client_waited(autojump_clock: Any) -> None:
    """A sign is no content."""
    async with stage(dies("reset"), slow()) as s:
        x = await s.ask(**long("chat"))
        assert x.report["gap_s"] > 350
