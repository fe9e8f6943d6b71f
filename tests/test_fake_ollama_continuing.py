"""The imitation of Ollama: which half answers it goes on from."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from asking_ollama import HALF, NAME, USER, asking, said
from trooper.testing import DEFAULT_ANSWER, Model


async def test_path_a_repeats_the_half_answer_in_its_first_line(nursery: trio.Nursery) -> None:
    got = await asking(nursery).continue_from(HALF)
    assert got.lines()[0]["message"]["content"] == HALF + " turns"
    assert said(got) == DEFAULT_ANSWER


@pytest.mark.parametrize("path", ["B", "C"])
async def test_the_other_paths_do_not(path: Any, nursery: trio.Nursery) -> None:
    s = asking(nursery, models=(Model(path=path),))
    assert said(await s.continue_from(HALF)) == DEFAULT_ANSWER.removeprefix(HALF)
    assert said(await s.continue_from(HALF + " ")) == DEFAULT_ANSWER.removeprefix(HALF + " ")
    assert s.ollama.mismatches == []


async def test_a_template_that_closes_the_turn_answers_again_from_the_start(nursery: trio.Nursery) -> None:
    s = asking(nursery, models=(Model(turn="closes"),))
    assert said(await s.continue_from(HALF)) == DEFAULT_ANSWER


@pytest.mark.parametrize(
    ("turn", "tail"),
    [
        ("continues", "assistant\n  PROBE x "),
        ("trims", "assistant\nPROBE x"),
        ("newline", "assistant\nPROBE x\n"),
        ("closes", "PROBE x <|im_end|>\n<|im_start|>assistant\n"),
    ],
)
async def test_the_probe_shows_what_becomes_of_a_trailing_message(
    turn: Any, tail: str, nursery: trio.Nursery
) -> None:
    s = asking(nursery, models=(Model(path="C", turn=turn),))
    got = await s.continue_from("  PROBE x ", _debug_render_only=True)
    assert got.json()["_debug_info"]["rendered_template"].endswith(tail)
    assert (got.json()["done"], got.json()["message"]["content"]) == (False, "")
    assert (s.ollama.loads, s.ollama.generations) == (1, [])


async def test_an_old_server_generates_instead_of_rendering(nursery: trio.Nursery) -> None:
    s = asking(nursery, models=(Model(path="B", renders=False),))
    got = await s.continue_from("1, 2, 3, 4,", _debug_render_only=True, options={"num_predict": 8})
    assert "_debug_info" not in got.lines()[-1]
    assert said(got).strip().startswith("5")


@pytest.mark.parametrize("turn", ["continues", "closes"])
@pytest.mark.parametrize("thinks", [False, True])
async def test_a_rendered_prompt_and_the_half_answer_continue_raw(
    turn: Any, thinks: bool, nursery: trio.Nursery
) -> None:
    capabilities = ("completion", "thinking") if thinks else ("completion",)
    s = asking(nursery, models=(Model(turn=turn, capabilities=capabilities),))
    rendered = (await s.chat(_debug_render_only=True, think=False)).json()["_debug_info"]["rendered_template"]
    asked = {"model": NAME, "prompt": rendered + HALF, "raw": True}
    got = await s.client.post("/api/generate", asked)
    assert said(got) == DEFAULT_ANSWER.removeprefix(HALF)
    assert "message" not in got.lines()[0]
    assert s.ollama.generations[-1].prompt.question == USER["content"]


async def test_what_is_not_its_answer_it_cannot_continue(nursery: trio.Nursery) -> None:
    s = asking(nursery, models=(Model(path="C"),))
    assert said(await s.continue_from("Something else")) == " [cannot continue]"
    assert s.ollama.mismatches == ["Something else"]


async def test_a_finished_answer_has_nothing_more(nursery: trio.Nursery) -> None:
    got = await asking(nursery, models=(Model(path="C"),)).continue_from(DEFAULT_ANSWER)
    assert [line["done"] for line in got.lines()] == [True]
