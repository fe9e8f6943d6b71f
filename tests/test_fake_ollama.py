"""
The imitation of Ollama, row by row of what the real server was seen to do.
"""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import trio
from attrs import define, field

from raw_http import Client, Got
from trooper.testing import DEFAULT_ANSWER, FakeOllama, MemoryNetwork, Model, OllamaFault, ToolUse
from trooper.testing.ollama import render

NAME = "qwen2.5:3b"
USER = {"role": "user", "content": "Lighthouses?"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
CALL = ToolUse("f", {"a": "x"})
HALF = DEFAULT_ANSWER[: DEFAULT_ANSWER.index(" turns")]


@define
class Asking:
    """A fake and somebody who asks it."""

    ollama: FakeOllama
    client: Client
    gots: list[Got] = field(factory=list)

    async def chat(self, *messages: Any, **fields: Any) -> Got:
        asked = {"model": NAME, "messages": list(messages or [USER]), **fields}
        got = await self.client.post("/api/chat", asked)
        self.gots.append(got)
        return got

    async def continue_from(self, half: str, **fields: Any) -> Got:
        return await self.chat(USER, {"role": "assistant", "content": half}, think=False, **fields)


def asking(nursery: trio.Nursery, **settings: Any) -> Asking:
    ollama = FakeOllama(**settings)
    network = MemoryNetwork(nursery)
    network.listen("fake", 80, ollama.serve)
    return Asking(ollama, Client(network, read_timeout_s=math.inf))


def said(got: Got) -> str:
    return "".join(line.get("message", line).get("content", line.get("response", "")) for line in got.lines())


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


# -- continuing ------------------------------------------------------------


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


# -- limits and window -----------------------------------------------------


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


# -- loading ---------------------------------------------------------------


async def test_hanging_up_kills_the_load(nursery: trio.Nursery, autojump_clock: Any) -> None:
    s = asking(nursery, load_s=10.0)
    with trio.move_on_after(9):
        await s.chat()
    assert (await s.client.get("/api/ps")).json() == {"models": []}
    assert (await s.chat()).headers_at == 19.0
    assert (s.ollama.loads, s.ollama.aborted_loads, s.ollama.reloads) == (2, 1, 0)


async def test_other_load_options_reload(nursery: trio.Nursery, autojump_clock: Any) -> None:
    s = asking(nursery)
    for options in ({"num_ctx": 2048}, {"num_ctx": 2048, "seed": 1}, {"num_ctx": 4096}, {"num_gpu": 1}, {}):
        await s.chat(options=options)
    assert (s.ollama.loads, s.ollama.reloads) == (4, 3)
    await s.chat(shift=False)
    await s.chat(shift=True)
    assert s.ollama.reloads == 5
    assert (await s.client.get("/api/ps")).json()["models"][0]["context_length"] == 4096


async def test_a_reload_waits_for_the_running_request(nursery: trio.Nursery, autojump_clock: Any) -> None:
    s = asking(nursery, token_s=1.0, load_s=5.0, answer="one two three four")
    async with trio.open_nursery() as both:
        both.start_soon(s.chat)
        await trio.sleep(6)
        await s.chat(options={"num_ctx": 2048})
    assert [got.headers_at for got in s.gots] == [6.0, 9.0 + 5.0 + 1.0]


async def test_one_slot_and_the_second_waits_in_silence(nursery: trio.Nursery, autojump_clock: Any) -> None:
    s = asking(nursery, token_s=1.0, answer="one two three four", max_queue=0)
    await s.chat()
    async with trio.open_nursery() as several:
        for _ in range(3):
            several.start_soon(s.chat)
    assert [got.headers_at for got in s.gots] == [1.0, 5.0, 9.0, 13.0]
    assert {got.status for got in s.gots} == {200}


async def test_only_a_queue_for_a_load_can_be_full(nursery: trio.Nursery, autojump_clock: Any) -> None:
    s = asking(nursery, load_s=3.0, max_queue=2)
    async with trio.open_nursery() as many:
        for _ in range(8):
            many.start_soon(s.chat)
    assert sorted(got.status for got in s.gots) == [200] * 3 + [503] * 5
    assert b"try again.  maximum pending" in next(got.body for got in s.gots if got.status == 503)


async def test_loading_unloading_and_keep_alive(nursery: trio.Nursery, autojump_clock: Any) -> None:
    s = asking(nursery, load_s=2.0)
    loaded = await s.client.post("/api/chat", {"model": NAME, "messages": [], "keep_alive": "10m"})
    assert (loaded.json()["done_reason"], loaded.at) == ("load", 2.0)
    await trio.sleep(599)
    assert len((await s.client.get("/api/ps")).json()["models"]) == 1
    await trio.sleep(1)
    assert (await s.client.get("/api/ps")).json() == {"models": []}
    await s.chat(keep_alive=-1)
    await trio.sleep(80_000)
    assert len((await s.client.get("/api/ps")).json()["models"]) == 1
    unloaded = await s.client.post("/api/chat", {"model": NAME, "messages": [], "keep_alive": 0})
    assert unloaded.json()["done_reason"] == "unload"
    assert (await s.client.get("/api/ps")).json() == {"models": []}


# -- tools, thinking, format -----------------------------------------------


@pytest.mark.parametrize(("path", "on_done"), [("A", True), ("B", False), ("C", False)])
async def test_tool_calls_come_whole(path: Any, on_done: bool, nursery: trio.Nursery) -> None:
    s = asking(nursery, models=(Model(path=path),), tool_calls=(CALL,), before_calls="Let me see.")
    got = await s.chat(tools=[TOOL])
    (line,) = [x for x in got.lines() if "tool_calls" in x["message"]]
    assert line["message"]["tool_calls"][0]["function"] == {"index": 0, "name": "f", "arguments": {"a": "x"}}
    assert (line["done"], got.lines()[-1]["done_reason"]) == (on_done, "stop")
    assert said(got) == "Let me see."


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


# -- strict decoding -------------------------------------------------------


def tools(**parameters: Any) -> dict[str, Any]:
    return {"tools": [{"type": "function", "function": {"name": "f", "parameters": parameters}}]}


CALLED = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}
REFUSED: list[tuple[dict[str, Any] | bytes, int, str]] = [
    (b"", 400, "missing request body"),
    (b"x", 400, "invalid character 'x' looking for beginning of value"),
    ({"model": ""}, 400, "model is required"),
    ({"model": "nope"}, 404, "model 'nope' not found"),
    ({"messages": [{"role": "user", "content": [1]}]}, 400, "field Alias.content of type string"),
    ({"messages": [CALLED]}, 400, "json: cannot unmarshal string into Go struct field"),
    ({"messages": [USER | {"images": ["data:image/png;base64,AA=="]}]}, 400, "base64 data at input byte 4"),
    ({"messages": [USER | {"images": ["AAAA"]}]}, 500, "image input"),
    ({"messages": [{"role": "assistant", "content": "x"}] * 2}, 400, "Cannot have 2 or more assistant"),
    ({"think": "minimal"}, 400, 'invalid think value: "minimal"'),
    ({"think": True}, 400, f'"{NAME}" does not support thinking'),
    ({"format": "text"}, 500, "invalid format"),
    ({"options": {"stop": "x"}}, 500, 'option "stop" must be of type array'),
    ({"options": {"num_ctx": "4096"}}, 500, 'option "num_ctx" must be of type integer'),
    ({"options": {"temperature": "hot"}}, 500, 'option "temperature" must be of type float32'),
    ({"options": {"use_mmap": 1}}, 500, 'option "use_mmap" must be of type boolean'),
    ({"keep_alive": "300"}, 400, 'time: missing unit in duration "300"'),
    ({"keep_alive": "1 day"}, 400, 'time: invalid duration "1 day"'),
    ({"stream": "yes"}, 400, "into Go struct field ChatRequest.stream of type bool"),
    ({"top_logprobs": 21}, 400, "top_logprobs"),
    (tools(type=["object"]), 400, "cannot unmarshal array"),
    (tools(type="object", properties={"a": True}), 400, "cannot unmarshal bool"),
]


@pytest.mark.parametrize(("asked", "status", "error"), REFUSED)
async def test_wrong_requests_are_refused(asked: Any, status: int, error: str, nursery: trio.Nursery) -> None:
    s = asking(nursery)
    value = asked if isinstance(asked, bytes) else {"model": NAME, "messages": [USER], **asked}
    got = await s.client.post("/api/chat", value)
    assert (got.status, error in got.json()["error"]) == (status, True), got.body
    assert s.ollama.generations == []


async def test_odd_requests_are_taken(nursery: trio.Nursery) -> None:
    got = await asking(nursery).chat(
        {"role": "USER", "content": None}, USER, format="", think=False, keep_alive="1h30m", unknown=1
    )
    assert got.status == 200


async def test_capabilities_are_checked(nursery: trio.Nursery) -> None:
    s = asking(
        nursery, models=(Model(capabilities=("completion",)), Model("embed", capabilities=("embedding",)))
    )
    refused = (await s.chat(tools=[TOOL])).json()["error"]
    assert refused == f"registry.ollama.ai/library/{NAME} does not support tools"
    refused = (await s.client.post("/api/chat", {"model": "embed", "messages": [USER]})).json()["error"]
    assert refused == '"embed" does not support chat'


async def test_models_that_run_elsewhere_are_not_local(nursery: trio.Nursery) -> None:
    remote = Model("big:cloud", remote_host="https://ollama.com:443")
    s = asking(nursery, models=(Model(), remote))
    got = await s.client.post("/api/chat", {"model": "big:cloud", "messages": [USER]})
    assert (got.status, got.json()["error"], s.ollama.remote_requests) == (401, "unauthorized", 1)
    assert (await s.client.post("/api/chat", {"model": "big:cloud:local", "messages": [USER]})).status == 404
    assert (await s.client.post("/api/show", {"model": "big:cloud"})).json()["remote_host"]
    assert (await s.client.post("/api/chat", {"model": f"{NAME}:local", "messages": [USER]})).status == 200


async def test_what_there_is(nursery: trio.Nursery) -> None:
    s = asking(nursery, models=(Model("llama", path="C", num_ctx=8192, stop=("<end>",)),))
    assert (await s.client.get("/")).body == b"Ollama is running"
    assert (await s.client.ask("HEAD", "/", None, {})).status == 200
    assert (await s.client.get("/api/version")).json() == {"version": "0.33.0"}
    (tag,) = (await s.client.get("/api/tags")).json()["models"]
    assert (tag["name"], tag["digest"]) == ("llama:latest", s.ollama.models[0].digest)
    shown = (await s.client.post("/api/show", {"model": "llama:latest"})).json()
    assert shown["capabilities"] == ["completion", "tools"]
    assert shown["model_info"]["qwen2.context_length"] == 32768
    assert shown["parameters"].splitlines()[0].split() == ["stop", '"<end>"']
    assert "RENDERER" in shown["modelfile"]
    assert (await s.client.post("/api/show", {"model": "nope"})).status == 404
    assert (await s.client.get("/nothing")).status == 404


async def test_the_control_endpoint_counts(nursery: trio.Nursery) -> None:
    s = asking(nursery)
    await s.chat()
    state = (await s.client.get("/__trooper_testing__/state")).json()
    assert (state["kind"], state["loads"], state["endings"]) == ("ollama", 1, ["stop"])
    assert (await s.client.post("/__trooper_testing__/reset", {})).json()["loads"] == 0


def test_roles_the_templates_do_not_know() -> None:
    messages = [{"role": "developer", "content": "Hush."}, USER]
    prompts = {path: render(Model(path=path), messages).text for path in ("A", "B", "C")}
    assert "system\nHush." in prompts["A"]
    assert "Hush." not in prompts["B"]
    assert "developer\nHush." in prompts["C"]
    twice = [USER, {"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert render(Model(path="B"), twice).prefill == "a\n\nb"
