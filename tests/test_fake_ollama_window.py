"""The imitation of Ollama: its limits and its window."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

from asking_ollama import HALF, asking, said
from trooper.testing import DEFAULT_ANSWER, Model


async def test_num_predict_and_stop_are_obeyed(nursery: trio.Nursery) -> None:
    s = asking(nursery, models=(Model(path="C", stop=("ships",)),))
    short = await s.chat(options={"num_predict": 3})
    assert (said(short), short.lines()[-1]["done_reason"]) == ("A lighthouse keeps", "length")
    assert said(await s.chat()) == "A lighthouse keeps its light in one place so that "
    # The request's list replaces the Modelfile's.
    assert said(await s.chat(options={"stop": [" place"]})) == "A lighthouse keeps its light in one"
    assert said(await s.chat(options={"stop": []})) == DEFAULT_ANSWER


async def test_num_predict_0_never_ends_on_b_and_c(nursery: trio.Nursery, autojump_clock: Any) -> None:
    s = asking(nursery, models=(Model(path="B"),))
    with trio.move_on_after(20) as scope:
        await s.chat(options={"num_predict": 0})
    assert scope.cancelled_caught
    await s.ollama.server.wait_until(lambda: s.ollama.open_connections == 0)
    assert s.ollama.generations[0].ending == "aborted"
    assert (await asking(nursery).chat(options={"num_predict": 0})).lines()[-1]["eval_count"] == 1


async def test_a_prompt_that_is_too_long_is_refused_in_json_in_json(nursery: trio.Nursery) -> None:
    s = asking(nursery)
    got = await s.chat({"role": "user", "content": "word " * 700}, truncate=False, options={"num_ctx": 512})
    inner = json.loads(got.json()["error"])["error"]
    assert (got.status, inner["type"], inner["n_ctx"]) == (400, "exceed_context_size_error", 512)
    assert inner["n_prompt_tokens"] > 700
    assert s.ollama.truncations == []


async def test_truncation_drops_the_question_and_keeps_the_half_answer(nursery: trio.Nursery) -> None:
    s = asking(nursery, models=(Model(path="C"),))
    long = {"role": "user", "content": "word " * 700}
    half = {"role": "assistant", "content": HALF}
    got = await s.chat({"role": "system", "content": "Be kind."}, long, half, options={"num_ctx": 512})
    assert got.status == 200
    prompt = s.ollama.generations[0].prompt
    assert "word" not in prompt.text
    assert "Be kind." in prompt.text
    assert prompt.text.endswith(HALF)
    assert (len(s.ollama.truncations), s.ollama.mismatches != []) == (1, True)


@pytest.mark.parametrize(("path", "shift", "status"), [("A", True, 400), ("B", True, 200), ("B", False, 400)])
async def test_one_message_too_long(path: Any, shift: bool, status: int, nursery: trio.Nursery) -> None:
    s = asking(nursery, models=(Model(path=path),))
    long = {"role": "user", "content": "word " * 700}
    got = await s.chat(long, options={"num_ctx": 512}, **({} if shift else {"shift": False}))
    assert got.status == status
    if status == 200:
        assert got.lines()[-1]["prompt_eval_count"] == 256


async def test_a_prompt_is_evaluated_once(nursery: trio.Nursery, autojump_clock: Any) -> None:
    s = asking(nursery, prefill_s=1.0, models=(Model(path="C"),))
    first = (await s.chat(options={"num_predict": 1})).lines()[-1]
    start = trio.current_time()
    second = await s.continue_from(HALF)
    assert s.ollama.evaluated_tokens[0] == first["prompt_eval_count"]
    assert s.ollama.evaluated_tokens[1] < len(HALF.split())
    assert second.headers_at - start == s.ollama.evaluated_tokens[1]
    assert second.lines()[-1]["prompt_eval_count"] > first["prompt_eval_count"]


async def test_what_an_aborted_prefill_did_stays(nursery: trio.Nursery, autojump_clock: Any) -> None:
    s = asking(nursery, prefill_s=1.0)
    long = {"role": "user", "content": "word " * 300}
    with trio.move_on_after(200):
        await s.chat(long)
    await s.chat(long)
    assert s.ollama.evaluated_tokens[0] == 192
    assert sum(s.ollama.evaluated_tokens) == s.ollama.generations[1].prompt_tokens
