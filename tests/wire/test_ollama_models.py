"""What an Ollama server's models can do, read off its answers (`wire.ollama_chat.models`)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.local_model import LocalModel, Way, rank
from trooper.core.window import Running
from trooper.wire.ollama_chat.models import (
    find,
    is_cloud_name,
    read_loaded,
    read_render,
    read_said,
    read_tags,
    read_version,
    with_details,
)

CHAT = frozenset({"completion"})
TOOLS = frozenset({"completion", "tools"})
VISION = frozenset({"completion", "vision"})


def dumps(value: Any) -> bytes:
    return json.dumps(value).encode()


# What the server lists


TAG = {
    "name": "qwen2.5:3b",
    "model": "qwen2.5:3b",
    "modified_at": "2026-08-21T09:12:44.170918417Z",
    "size": 1_929_912_432,
    "digest": "357c53fb659c",
    "details": {"family": "qwen2", "context_length": 32768},
    "capabilities": ["completion", "tools"],
}


def test_tags() -> None:
    old = {"name": "old:latest", "model": "old:latest", "digest": "d", "details": {"family": "llama"}}
    remote = {"name": "r:latest", "remote_host": "https://ollama.com:443", "remote_model": "r"}
    unnamed = {"digest": "d"}
    models = read_tags(dumps({"models": [TAG, old, remote, {"model": "m:1b-cloud"}, unnamed, 7, None]}))
    assert models == (
        LocalModel("qwen2.5:3b", "357c53fb659c", TOOLS, trained_tokens=32768),
        LocalModel("old:latest", "d"),
        LocalModel("r:latest", runs_elsewhere=True),
        LocalModel("m:1b-cloud", runs_elsewhere=True),
    )


@pytest.mark.parametrize("key", ["remote_host", "remote_model"])
def test_either_word_says_that_a_model_runs_elsewhere(key: str) -> None:
    (model,) = read_tags(dumps({"models": [TAG | {key: "x"}]}))
    assert model.runs_elsewhere
    assert with_details(LocalModel("m"), dumps({key: "x"})).runs_elsewhere
    assert with_details(model, dumps({})).runs_elsewhere


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt-oss:120b-cloud", True),
        ("kimi:cloud", True),
        ("registry:5000/kimi:cloud", True),
        ("cloud", False),
        ("cloud:latest", False),
        ("my-cloud", False),
        ("my-cloud:7b", False),
        ("m:cloudy", False),
        ("m:local", False),
    ],
)
def test_cloud_names(name: str, expected: bool) -> None:
    """The server sends a model of such a name away even if it does not list it so."""
    assert is_cloud_name(name) is expected
    assert read_tags(dumps({"models": [{"name": name}]}))[0].runs_elsewhere is expected


@pytest.mark.parametrize("context", [None, "4096", True, 4096.0, [4096]])
def test_a_window_that_is_no_number(context: object) -> None:
    (model,) = read_tags(dumps({"models": [TAG | {"details": {"context_length": context}}]}))
    assert model.trained_tokens == 0
    assert read_loaded(dumps({"models": [{"name": "m", "context_length": context}]})) == {"m": Running(0)}


def test_loaded() -> None:
    models = [{"name": "a:1", "context_length": 4096}, {"model": "b:1"}]
    assert read_loaded(dumps({"models": models})) == {"a:1": Running(4096), "b:1": Running(0)}
    assert read_loaded(dumps({"models": None})) == {}


def test_version() -> None:
    assert read_version(b'{"version":"0.33.0"}') == "0.33.0"
    assert read_version(b"{}") == ""


SHOWN = {
    "parameters": """num_ctx                        4096
stop                           "<|im_start|>"
stop                           "a \\"quoted\\" \\n é"
stop                           "go \\x1b"
stopper                        "no"
temperature                    0.7""",
    "model_info": {
        "general.architecture": "qwen2",
        "qwen2.context_length": 32768,
        "llama.context_length": 7,
    },
    "capabilities": ["completion", "tools"],
}


def test_details() -> None:
    model = with_details(LocalModel("m", "d", CHAT, trained_tokens=1, way=Way.RAW), dumps(SHOWN))
    assert model == LocalModel(
        "m",
        "d",
        TOOLS,
        trained_tokens=32768,
        # The last is no JSON: Go has escapes of its own.
        stop=("<|im_start|>", 'a "quoted" \n é', "go \\x1b"),
        way=Way.RAW,
    )


@pytest.mark.parametrize(
    "shown",
    [
        {},
        {"model_info": None, "capabilities": None, "parameters": None},
        {"model_info": {"llama.context_length": 9}, "capabilities": [], "parameters": ["stop"]},
        {"model_info": {"general.architecture": "x", "llama.context_length": 9}, "parameters": "stop x"},
        [],
    ],
)
def test_what_is_not_shown_stays(shown: object) -> None:
    model = LocalModel("m", "d", TOOLS, trained_tokens=5)
    assert with_details(model, dumps(shown)) == model


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("qwen", "qwen:latest"),
        ("qwen:latest", "qwen:latest"),
        ("qwen:3b", "qwen:3b"),
        ("qwen:7b", None),
        ("host:5000/me/qwen", "host:5000/me/qwen:latest"),
        ("host:5000/me/qwen:3b", None),
        ("bare", "bare"),
        ("llama", None),
        ("", None),
    ],
)
def test_find(name: str, found: str | None) -> None:
    names = ["qwen:3b", "qwen:latest", "host:5000/me/qwen:latest", "bare"]
    model = find([LocalModel(n) for n in names], name)
    assert (model and model.name) == found


def test_a_rendered_prompt() -> None:
    body = {"message": {"role": "", "content": ""}, "_debug_info": {"rendered_template": "<|im_start|>"}}
    assert read_render(dumps(body)) == "<|im_start|>"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"_debug_info": "x"}',
        b'{"_debug_info": {}}',
        b'{"_debug_info": {"rendered_template": 7}}',
    ],
)
def test_a_server_that_renders_nothing(body: bytes) -> None:
    assert read_render(body) is None


def test_what_was_said() -> None:
    assert read_said(b'{"message": {"content": "5"}, "done": true}') == "5"
    for body in (b"", b"{}", b'{"message": "x"}', b'{"message": {"content": null}}', b'{"error": "x"}'):
        assert read_said(body) == ""


# Anything at all


KEYS = [
    "models",
    "name",
    "model",
    "details",
    "capabilities",
    "message",
    "content",
    "parameters",
    "model_info",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just('stop "x"'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(JSON.map(dumps) | st.binary() | st.just(b"[" * 5000))
def test_no_answer_is_a_crash(body: bytes) -> None:
    models = read_tags(body)
    assert all(model.name for model in models)
    assert set(rank(models, read_loaded(body))) <= set(models)
    assert with_details(LocalModel("m"), body).name == "m"
    assert isinstance(read_said(body) + read_version(body), str)
    read_render(body)
