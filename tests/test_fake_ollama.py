"""
The imitation of Ollama, row by row of what the real server was seen to do: its
answers, and how they fail.
"""

from __future__ import annotations

from typing import Any

import pytest
import trio

from asking_ollama import NAME, TOOL, USER, asking, said
from trooper.testing import DEFAULT_ANSWER, Model, OllamaFault, ToolUse, Words

CALL = ToolUse("f", {"a": "x"})


# -- answers ---------------------------------------------------------------


async def test_an_answer_is_lines_of_json_with_goes_escapes(nursery: trio.Nursery) -> None:
    got = await asking(nursery).chat()
    *lines, last = got.lines()
    assert got.headers["content-type"] == "application/x-ndjson"
    assert said(got) == DEFAULT_ANSWER
    assert not any(line["done"] for line in lines)
    assert (last["done"], last["done_reason"], last["eval_count"]) == (True, "stop", len(lines))
    assert b"\\u003cstorm\\u003e" in got.body
    assert b"\\u0026" in got.body
    assert not {b"<", b">", b"&"} & {got.body[n : n + 1] for n in range(len(got.body))}
    assert not any(value == 0 for value in last.values() if value is not True)


async def test_whole_answers_are_one_object(nursery: trio.Nursery) -> None:
    got = await asking(nursery).chat(stream=False)
    assert got.json()["message"] == {"role": "assistant", "content": DEFAULT_ANSWER}
    assert (got.json()["done"], got.headers["content-type"]) == (True, "application/json; charset=utf-8")


async def test_no_byte_comes_before_load_and_prefill_are_over(
    nursery: trio.Nursery, autojump_clock: Any
) -> None:
    s = asking(nursery, load_s=4.0, prefill_s=0.5, token_s=0.25)
    got = await s.chat()
    prompt = got.lines()[-1]["prompt_eval_count"]
    assert got.headers_at == 4.0 + 0.5 * prompt + 0.25
    assert got.lines()[-1]["load_duration"] == 4_000_000_000


@pytest.mark.parametrize("settings", [{"cut_bytes": 7}, {"tokens_per_line": 4}, {"content_on_done": True}])
async def test_lines_come_in_any_shape(settings: Any, nursery: trio.Nursery) -> None:
    assert said(await asking(nursery, **settings).chat()) == DEFAULT_ANSWER


async def test_the_question_may_decide_the_answer(nursery: trio.Nursery) -> None:
    s = asking(nursery, answer=lambda question: question.upper() + "!")
    assert said(await s.chat()) == "LIGHTHOUSES?!"


# -- tools, thinking, format -----------------------------------------------


@pytest.mark.parametrize(("path", "on_done"), [("A", True), ("B", False), ("C", False)])
async def test_tool_calls_come_whole(path: Any, on_done: bool, nursery: trio.Nursery) -> None:
    s = asking(nursery, models=(Model(path=path),), tool_calls=(CALL,), before_calls="Let me see.")
    got = await s.chat(tools=[TOOL])
    (line,) = [x for x in got.lines() if "tool_calls" in x["message"]]
    assert line["message"]["tool_calls"][0]["function"] == {"index": 0, "name": "f", "arguments": {"a": "x"}}
    assert (line["done"], got.lines()[-1]["done_reason"]) == (on_done, "stop")
    assert said(got) == "Let me see."


async def test_a_script_decides_by_the_request_and_may_call_behind_a_half_answer(
    nursery: trio.Nursery,
) -> None:
    words = Words("", calls=(CALL,), before_calls="Let me see.", calls_in_rest=True)
    s = asking(nursery, models=(Model(path="C"),), script=lambda ask: words if ask.tools else Words("No."))
    got = await s.chat(USER, {"role": "assistant", "content": "Let me"}, tools=[TOOL])
    assert said(got) == " see."
    assert any("tool_calls" in line["message"] for line in got.lines())
    another = await s.chat(USER, {"role": "assistant", "content": "Not that"}, tools=[TOOL])
    assert not any("tool_calls" in line["message"] for line in another.lines())
    assert said(await s.chat()) == "No."


async def test_a_cut_tool_call_is_dropped_or_an_error(nursery: trio.Nursery) -> None:
    for path, status in (("A", 500), ("C", 200)):
        s = asking(nursery, models=(Model(path=path),), tool_calls=(CALL,))  # type: ignore[arg-type]
        got = await s.chat(tools=[TOOL], options={"num_predict": 2})
        assert got.status == status
    assert "tool_calls" not in got.lines()[-1]["message"]
    assert got.lines()[-1]["done_reason"] == "length"


async def test_thinking_comes_first_unless_switched_off(nursery: trio.Nursery) -> None:
    model = Model(path="C", capabilities=("completion", "thinking"), prefill_as_thinking=True)
    s = asking(nursery, models=(model,), thinking="Hm, well.", answer="Yes.")
    lines = [line["message"] for line in (await s.chat()).lines()]
    assert [m.get("thinking", "") for m in lines] == ["Hm,", " well.", "", ""]
    assert b"thinking" not in (await s.chat(think=False)).body
    # With thinking on, some parsers take a continuation for a thought.
    suspect = await s.chat(USER, {"role": "assistant", "content": "Y"})
    assert suspect.lines()[0]["message"]["thinking"] == "es."


async def test_a_grammar_knows_the_half_answer_on_path_a_only(nursery: trio.Nursery) -> None:
    whole = '{"ok": true}'
    native = await asking(nursery).continue_from('{"ok":', format="json")
    assert said(native) == whole
    other = await asking(nursery, models=(Model(path="C"),)).continue_from(
        '{"ok":', format={"type": "object"}
    )
    assert said(other) == whole


# -- faults ----------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 3])
@pytest.mark.parametrize(
    ("how", "status", "error", "tail"),
    [
        ("error_line", 200, "", b'running the model: unexpected EOF"}\n'),
        ("eof", 200, "", b'"done":false}\n'),
        ("reset", 200, "ReadError", b'"done":false}\n'),
        ("fin", 200, "RemoteProtocolError", b'"done":false}\n'),
        ("stall", 200, "ReadTimeout", b'"done":false}\n'),
        ("bad_line", 200, "", b"not json at all\n"),
        ("cut_line", 200, "", b'"assistant","conten'),
    ],
)
async def test_faults_strike_after_so_many_lines(
    how: str, status: int, error: str, tail: bytes, at: int, nursery: trio.Nursery, autojump_clock: Any
) -> None:
    s = asking(nursery)
    s.client.read_timeout_s = 30.0
    s.ollama.fail_next(OllamaFault.parse(f"{how}@{at}"))
    got = await s.chat()
    assert got.error == error
    if at and how != "cut_line":
        assert (got.status, got.body.endswith(tail)) == (status, True)
        assert got.body.count(b"created_at") == at
    elif how == "error_line":
        assert (got.status, got.json()["error"].split()[-1]) == (500, "EOF")
    elif how == "eof":
        assert (got.status, got.body) == (200, b"")
    assert b'"done":true' not in got.body
    assert said(await s.chat()) == DEFAULT_ANSWER


async def test_early_errors_have_a_real_status(nursery: trio.Nursery) -> None:
    s = asking(nursery, load_fault=OllamaFault("status", status=500, error="llama runner has crashed"))
    assert (await s.client.post("/api/chat", {"model": NAME, "messages": []})).status == 500
    s.ollama.fail_next(OllamaFault.parse("status@503"), None)
    assert [(await s.chat()).status, (await s.chat()).status] == [503, 200]
