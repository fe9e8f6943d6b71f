"""
What a local model can do, and how it goes on.
"""

from __future__ import annotations

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
from trooper.core.local_model import (
    PROBE_BLANK,
    PROBE_TEXT,
    LocalModel,
    Way,
    rank,
    takes_prefill,
    unfit,
    unfit_to_go_on,
    way_on,
    why_first,
    with_echo_probe,
    with_generation_probe,
    with_probed,
    with_render_probe,
)
from trooper.core.unfit import Unfit

CHAT = frozenset({"completion"})
TOOLS = frozenset({"completion", "tools"})
VISION = frozenset({"completion", "vision"})


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


# How it goes on


BEFORE = "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize(
    ("rendered", "way", "trims"),
    [
        pytest.param(BEFORE + PROBE_TEXT + PROBE_BLANK, Way.PREFILL, False, id="keeps"),
        pytest.param(BEFORE + PROBE_TEXT, Way.PREFILL, True, id="trims"),
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
    renders = rendered is not None
    assert with_render_probe(model, rendered) == evolve(model, way=way, trims=trims, renders=renders)


@pytest.mark.parametrize(
    ("rendered", "trims", "adds"),
    [
        pytest.param(BEFORE + PROBE_TEXT + PROBE_BLANK + "\n", False, "\n", id="a newline"),
        pytest.param(BEFORE + PROBE_TEXT + PROBE_BLANK + " ", False, " ", id="a blank"),
        pytest.param(BEFORE + PROBE_TEXT + "\n", True, "\n", id="trims and adds a newline"),
        pytest.param(BEFORE + "<think>\n" + PROBE_TEXT + PROBE_BLANK, False, "", id="an open thought"),
    ],
)
def test_a_template_that_shows_more_than_the_half_answer(rendered: str, trims: bool, adds: str) -> None:
    """The model begins a word there, or a line; and a thought is no answer."""
    model = with_render_probe(LocalModel("m"), rendered)
    assert (model.way, model.way_with_tools, model.trims, model.adds) == (Way.RAW, Way.PREFILL, trims, adds)
    assert takes_prefill(model)
    assert unfit_to_go_on(model, asked()) is unfit_to_go_on(model, asked(tools=CALLABLE)) is None
    assert way_on(model, asked()) is Way.RAW
    assert way_on(model, asked(tools=CALLABLE)) is way_on(model, asked(IMAGE)) is Way.PREFILL
    assert way_on(model, asked(tools=CALLABLE, tool_choice="none")) is Way.RAW


@pytest.mark.parametrize(
    "content",
    [
        "<think></think>" + PROBE_TEXT + " g",
        "<think>\n\n</think>\n\n" + PROBE_TEXT,
        "\n" + PROBE_TEXT + " g",
        "<|start|>" + PROBE_TEXT,
        PROBE_TEXT.split()[0] + "\n",
    ],
)
@pytest.mark.parametrize("adds", ["", "\n"])
def test_an_echo_behind_something_else_leaves_the_raw_way(content: str, adds: str) -> None:
    """It was taken for no echo, and the client got the whole half answer twice."""
    known = with_render_probe(LocalModel("m"), BEFORE + PROBE_TEXT + PROBE_BLANK + adds)
    model = with_echo_probe(known, content)
    assert (model.way, model.way_with_tools, model.echoes) == (Way.RAW, None, None)
    assert unfit_to_go_on(model, asked(tools=CALLABLE)) is Unfit.TOOLS_RAW


def test_what_was_found_out_is_kept() -> None:
    found = with_echo_probe(with_render_probe(LocalModel("m"), BEFORE + PROBE_TEXT + "\n"), PROBE_TEXT)
    assert with_probed(LocalModel("m"), found) == found


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
    found = with_generation_probe(LocalModel("m"), content)
    assert found == LocalModel("m", way=way, echoes=echoes)


# What it cannot do


def asked(*parts: Part, **fields: Any) -> Conversation:
    return Conversation((Message(Role.USER, (TextPart("Q"), *parts)),), **fields)


CALLABLE = (Tool("f"),)
IMAGE = ImagePart("image/png", "QUJD")
UNFIT = [
    pytest.param(CHAT, asked(), None, id="text"),
    pytest.param(CHAT, asked(unsaid=(Unfit.LOGPROBS, Unfit.AUDIO)), Unfit.LOGPROBS, id="unsaid"),
    pytest.param(TOOLS, asked(tools=CALLABLE), None, id="tools"),
    pytest.param(CHAT, asked(tools=CALLABLE), Unfit.TOOLS, id="no tools"),
    pytest.param(CHAT, asked(tools=CALLABLE, tool_choice="none"), None, id="tools not to be used"),
    pytest.param(TOOLS, asked(tools=CALLABLE, tool_choice="required"), Unfit.TOOL_CHOICE, id="forced"),
    pytest.param(TOOLS, asked(tools=CALLABLE, tool_choice="tool:f"), Unfit.TOOL_CHOICE, id="named"),
    pytest.param(frozenset(), asked(tools=CALLABLE), None, id="tools of an old server"),
    pytest.param(VISION, asked(IMAGE), None, id="image"),
    pytest.param(CHAT, asked(IMAGE), Unfit.VISION, id="blind"),
    pytest.param(frozenset(), asked(IMAGE), None, id="image for an old server"),
    pytest.param(VISION, asked(ImagePart(url="https://x/y.png")), Unfit.IMAGE_URL, id="image elsewhere"),
    pytest.param(VISION, asked(IMAGE, UnknownPart("file")), Unfit.CONTENT_PART, id="file"),
]


@pytest.mark.parametrize(("capabilities", "conversation", "reason"), UNFIT)
def test_unfit(capabilities: frozenset[str], conversation: Conversation, reason: Unfit | None) -> None:
    model = LocalModel("m", capabilities=capabilities, way=Way.PREFILL)
    assert unfit(model, conversation) is reason
    assert unfit_to_go_on(model, conversation) is reason


GOING_ON = [
    pytest.param(Way.PREFILL, asked(), None, id="prefill"),
    pytest.param(Way.RAW, asked(), None, id="raw"),
    pytest.param(Way.NONE, asked(), Unfit.CLOSES_TURN, id="none"),
    pytest.param(Way.PREFILL, asked(choices=2), Unfit.CHOICES, id="n"),
    pytest.param(Way.PREFILL, asked(json_mode=True), None, id="json"),
    pytest.param(Way.PREFILL, asked(json_schema={}), None, id="schema"),
    pytest.param(Way.PREFILL, asked(tools=CALLABLE), None, id="tools"),
    pytest.param(Way.RAW, asked(tools=CALLABLE), Unfit.TOOLS_RAW, id="tools raw"),
    pytest.param(Way.RAW, asked(tools=CALLABLE, tool_choice="none"), None, id="no tools raw"),
    pytest.param(Way.PREFILL, asked(IMAGE), None, id="image"),
    pytest.param(Way.RAW, asked(IMAGE), Unfit.IMAGES_RAW, id="image raw"),
]


@pytest.mark.parametrize(("way", "conversation", "reason"), GOING_ON)
def test_unfit_to_go_on(way: Way, conversation: Conversation, reason: Unfit | None) -> None:
    model = LocalModel("m", way=way)
    assert unfit(model, conversation) is None
    assert unfit_to_go_on(model, conversation) is reason


def test_old_turns_count_too() -> None:
    earlier = Message(Role.USER, (IMAGE,))
    conversation = Conversation((earlier, Message(Role.ASSISTANT), Message(Role.USER)))
    assert unfit(LocalModel("m", capabilities=CHAT), conversation) is Unfit.VISION
    assert unfit_to_go_on(LocalModel("m", way=Way.RAW), conversation) is Unfit.IMAGES_RAW
