"""The imitation of Ollama: which requests it takes, and what else it can be asked."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from asking_ollama import NAME, TOOL, USER, asking
from trooper.testing import Model
from trooper.testing.ollama import render


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
    (tools(properties=5), 400, "json: cannot unmarshal"),
    ({"tools": ["f"]}, 400, "json: cannot unmarshal"),
    ({"messages": [{"role": "assistant", "tool_calls": [1]}]}, 400, "json: cannot unmarshal"),
    ({"options": 5}, 400, "json: cannot unmarshal"),
    ({"top_logprobs": "many"}, 400, "json: cannot unmarshal"),
    (b"[" * 100_000, 400, "max depth"),
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
