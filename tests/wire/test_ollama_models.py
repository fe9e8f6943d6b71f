"""What an Ollama server's models can do, read off its answers (`wire.ollama_chat.models`)."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.conversation import (
    Conversation,
    ImagePart,
    Message,
    Part,
    Role,
    TextPart,
    Tool,
    UnknownPart,
)
from trooper.wire.ollama_chat.models import (
    PROBE_BLANK,
    PROBE_TEXT,
    LocalModel,
    Way,
    find,
    is_cloud_name,
    rank,
    read_loaded,
    read_render,
    read_said,
    read_tags,
    read_version,
    unfit,
    unfit_to_go_on,
    why_first,
    with_details,
    with_echo_probe,
    with_generation_probe,
    with_render_probe,
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
    assert read_loaded(dumps({"models": [{"name": "m", "context_length": context}]})) == {"m": 0}


def test_loaded() -> None:
    models = [{"name": "a:1", "context_length": 4096}, {"model": "b:1"}]
    assert read_loaded(dumps({"models": models})) == {"a:1": 4096, "b:1": 0}
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


# Which model


def named(*models: LocalModel) -> list[str]:
    return [model.name for model in models]


RANKED = [
    LocalModel("warm", capabilities=CHAT, trained_tokens=10),
    LocalModel("tools-large", capabilities=TOOLS, trained_tokens=90),
    LocalModel("tools-a", capabilities=TOOLS, trained_tokens=20),
    LocalModel("tools-b", capabilities=TOOLS, trained_tokens=20),
    LocalModel("large", capabilities=CHAT, trained_tokens=99),
    LocalModel("old", trained_tokens=8),
]
OUT = [
    LocalModel("elsewhere", capabilities=TOOLS, trained_tokens=999, runs_elsewhere=True),
    LocalModel("embed", capabilities=frozenset({"embedding"})),
    LocalModel("both", capabilities=frozenset({"embedding", "completion"})),
    LocalModel("insert", capabilities=frozenset({"insert"})),
]


@given(st.randoms(use_true_random=False))
def test_the_choice_does_not_depend_on_the_order(chance: random.Random) -> None:
    models = [*RANKED, *OUT]
    chance.shuffle(models)
    assert rank(models, {"warm": 4096, "elsewhere": 1}) == RANKED


def test_a_model_elsewhere_only_where_allowed() -> None:
    allowed = rank([*RANKED, *OUT], {}, allow_remote=True)
    assert allowed[0].name == "elsewhere"
    assert rank(OUT, {}) == []


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (0, "loaded already"),
        (1, "largest window"),
        (2, "first by name"),
        (3, "can use tools"),
        (5, "the only one"),
    ],
)
def test_why_the_first_is_first(first: int, why: str) -> None:
    assert why_first(RANKED[first:], {"warm"}) == why


def test_two_models_of_one_name_are_no_crash() -> None:
    assert why_first([RANKED[0], RANKED[0]], {}) == "first by name"


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


# How it goes on


BEFORE = "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize(
    ("rendered", "way", "trims"),
    [
        pytest.param(BEFORE + PROBE_TEXT + PROBE_BLANK, Way.PREFILL, False, id="keeps"),
        pytest.param(BEFORE + PROBE_TEXT + PROBE_BLANK + "\n", Way.PREFILL, False, id="adds a newline"),
        pytest.param(BEFORE + PROBE_TEXT, Way.PREFILL, True, id="trims"),
        pytest.param(BEFORE + PROBE_TEXT + "\n", Way.PREFILL, True, id="trims and adds a newline"),
        pytest.param(BEFORE + PROBE_TEXT + PROBE_BLANK + "<|im_end|>\n", Way.RAW, False, id="closes"),
        pytest.param(
            BEFORE + PROBE_TEXT + PROBE_BLANK + "<|im_end|>\n<|im_start|>assistant\n",
            Way.RAW,
            False,
            id="closes and opens another",
        ),
        pytest.param(BEFORE, Way.RAW, False, id="drops it"),
        pytest.param("", Way.RAW, False, id="renders nothing"),
        pytest.param(None, Way.NONE, False, id="cannot be rendered"),
    ],
)
def test_the_render_probe(rendered: str | None, way: Way, trims: bool) -> None:
    model = LocalModel("m", way=Way.PREFILL)
    assert with_render_probe(model, rendered) == evolve(model, way=way, trims=trims)


@pytest.mark.parametrize(("content", "echoes"), [(PROBE_TEXT + " g", True), (" g", False), ("", False)])
def test_the_echo_probe(content: str, echoes: bool) -> None:
    assert with_echo_probe(LocalModel("m"), content) == LocalModel("m", echoes=echoes)


@pytest.mark.parametrize(
    ("content", "way", "echoes"),
    [
        (" 5, 6, 7", Way.PREFILL, False),
        ("5", Way.PREFILL, False),
        ("1, 2, 3, 4, 5, 6", Way.PREFILL, True),
        ("1, 2, 3, 4,", Way.NONE, True),
        ("Sure! 5", Way.NONE, False),
        ("1, 2, 3, 4", Way.NONE, False),
        ("", Way.NONE, False),
    ],
)
def test_the_generation_probe(content: str, way: Way, echoes: bool) -> None:
    found = with_generation_probe(LocalModel("m"), content, "1, 2, 3, 4,")
    assert found == LocalModel("m", way=way, echoes=echoes)


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


# What it cannot do


def asked(*parts: Part, **fields: Any) -> Conversation:
    return Conversation("gpt-4o", (Message(Role.USER, (TextPart("Q"), *parts)),), **fields)


CALLABLE = (Tool("f"),)
IMAGE = ImagePart("image/png", "QUJD")
UNFIT = [
    pytest.param(CHAT, asked(), "", id="text"),
    pytest.param(CHAT, asked(unsaid=("logprobs", "audio")), "logprobs", id="unsaid"),
    pytest.param(TOOLS, asked(tools=CALLABLE), "", id="tools"),
    pytest.param(CHAT, asked(tools=CALLABLE), "tools", id="no tools"),
    pytest.param(CHAT, asked(tools=CALLABLE, tool_choice="none"), "", id="tools not to be used"),
    pytest.param(TOOLS, asked(tools=CALLABLE, tool_choice="required"), "tool_choice", id="forced"),
    pytest.param(TOOLS, asked(tools=CALLABLE, tool_choice="tool:f"), "tool_choice", id="named"),
    pytest.param(frozenset(), asked(tools=CALLABLE), "", id="tools of an old server"),
    pytest.param(VISION, asked(IMAGE), "", id="image"),
    pytest.param(CHAT, asked(IMAGE), "vision", id="blind"),
    pytest.param(frozenset(), asked(IMAGE), "", id="image for an old server"),
    pytest.param(VISION, asked(ImagePart(url="https://x/y.png")), "image_url", id="image elsewhere"),
    pytest.param(VISION, asked(IMAGE, UnknownPart("file")), "content_part", id="file"),
]


@pytest.mark.parametrize(("capabilities", "conversation", "reason"), UNFIT)
def test_unfit(capabilities: frozenset[str], conversation: Conversation, reason: str) -> None:
    model = LocalModel("m", capabilities=capabilities, way=Way.PREFILL)
    assert unfit(model, conversation) == reason
    assert unfit_to_go_on(model, conversation) == reason


GOING_ON = [
    pytest.param(Way.PREFILL, asked(), "", id="prefill"),
    pytest.param(Way.RAW, asked(), "", id="raw"),
    pytest.param(Way.NONE, asked(), "closes_turn", id="none"),
    pytest.param(Way.PREFILL, asked(choices=2), "n", id="n"),
    pytest.param(Way.PREFILL, asked(json_mode=True), "json", id="json"),
    pytest.param(Way.PREFILL, asked(json_schema={}), "json", id="schema"),
    pytest.param(Way.PREFILL, asked(tools=CALLABLE), "", id="tools"),
    pytest.param(Way.RAW, asked(tools=CALLABLE), "tools_raw", id="tools raw"),
    pytest.param(Way.RAW, asked(tools=CALLABLE, tool_choice="none"), "", id="no tools raw"),
    pytest.param(Way.PREFILL, asked(IMAGE), "", id="image"),
    pytest.param(Way.RAW, asked(IMAGE), "images_raw", id="image raw"),
]


@pytest.mark.parametrize(("way", "conversation", "reason"), GOING_ON)
def test_unfit_to_go_on(way: Way, conversation: Conversation, reason: str) -> None:
    model = LocalModel("m", way=way)
    assert unfit(model, conversation) == ""
    assert unfit_to_go_on(model, conversation) == reason


def test_old_turns_count_too() -> None:
    earlier = Message(Role.USER, (IMAGE,))
    conversation = Conversation("m", (earlier, Message(Role.ASSISTANT), Message(Role.USER)))
    assert unfit(LocalModel("m", capabilities=CHAT), conversation) == "vision"
    assert unfit_to_go_on(LocalModel("m", way=Way.RAW), conversation) == "images_raw"


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
