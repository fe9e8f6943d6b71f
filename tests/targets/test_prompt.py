"""What a local model is shown: tables, without a network and without a clock."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from trooper.core.conversation import (
    Conversation,
    ImagePart,
    Message,
    Part,
    Role,
    Sampling,
    TextPart,
    Tool,
    ToolCall,
    UnknownPart,
)
from trooper.core.history import with_call
from trooper.core.local_model import LocalModel, Way
from trooper.core.outcome import Failed, FailureKind
from trooper.core.seam import NOTHING, Prefill
from trooper.core.tokens import tokens_at_most
from trooper.core.unfit import Unfit
from trooper.targets.prompt import Prompt, shown
from trooper.wire.llama_server.ask import LlamaAsking

ALL = frozenset({"completion", "tools", "vision"})
MODEL = LocalModel("m", capabilities=ALL, way=Way.PREFILL, echoes=True, takes_grammar=True)
HALF = (1, ToolCall("c2", "edit", '{"path": "src'))
WHOLE = ToolCall("c1", "look", "{}")
NOTE = "{count} messages were left out."


def user(*parts: Part | str) -> Message:
    return Message(Role.USER, tuple(TextPart(p) if isinstance(p, str) else p for p in parts))


def assistant(text: str) -> Message:
    return Message(Role.ASSISTANT, (TextPart(text),))


def chat(*messages: Message, **changes: Any) -> Conversation:
    return evolve(Conversation(messages or (user("Question?"),)), **changes)


def long_chat(turns: int = 20) -> Conversation:
    return chat(*(user(f"{number}: {'word ' * 40}") for number in range(turns)), user("Question?"))


def prompt_of(made: Prompt | Failed) -> Prompt:
    assert isinstance(made, Prompt)
    return made


@pytest.mark.parametrize(
    ("way", "given", "other_way", "expected"),
    [
        # From the beginning every server makes its prompt by itself.
        (Way.PREFILL, "", False, (Way.PREFILL, NOTHING, True)),
        (Way.RAW, "", False, (Way.PREFILL, NOTHING, False)),
        (Way.NONE, "", False, (Way.PREFILL, NOTHING, True)),
        # The other way is another way to go on, and there is nothing to go on from.
        (Way.PREFILL, "", True, (Way.PREFILL, NOTHING, True)),
        (Way.PREFILL, "Half ", False, (Way.PREFILL, Prefill("Half", " "), True)),
        (Way.RAW, "Half ", False, (Way.RAW, Prefill("Half", " "), False)),
        (Way.PREFILL, "Half ", True, (Way.RAW, Prefill("Half", " "), False)),
    ],
)
def test_the_way(
    way: Way,
    given: str,
    other_way: bool,
    expected: tuple[Way, Prefill, bool],
) -> None:
    prompt = prompt_of(shown(evolve(MODEL, way=way), chat(), given, other_way=other_way))
    assert (prompt.way, prompt.prefill, prompt.echoes) == expected
    assert prompt.conversation == chat()
    assert prompt.half_call is None


def test_unprobed_echoes_stay_unknown() -> None:
    assert prompt_of(shown(evolve(MODEL, echoes=None), chat(), "Half")).echoes is None


TOOLS = (Tool("edit"),)


@pytest.mark.parametrize(
    ("reason", "model", "asked", "how"),
    [
        (Unfit.LOGPROBS, {}, {"unsaid": (Unfit.LOGPROBS, Unfit.AUDIO)}, {}),
        (Unfit.TOOL_CHOICE, {}, {"tool_choice": "required"}, {}),
        (Unfit.TOOLS, {"capabilities": frozenset({"completion"})}, {"tools": TOOLS}, {}),
        (Unfit.IMAGE_URL, {}, {"messages": (user(ImagePart(url="http://h/i.png")),)}, {}),
        (
            Unfit.VISION,
            {"capabilities": frozenset({"tools"})},
            {"messages": (user(ImagePart(base64="aQ")),)},
            {},
        ),
        (Unfit.CONTENT_PART, {}, {"messages": (user(UnknownPart("audio")),)}, {}),
        # Only going on is what these cannot do.
        (Unfit.LOGPROBS, {}, {"unsaid": (Unfit.LOGPROBS,)}, {"given": "Half"}),
        (Unfit.CHOICES, {}, {"choices": 2}, {"given": "Half"}),
        (Unfit.TOOLS_RAW, {"way": Way.RAW}, {"tools": TOOLS}, {"given": "Half"}),
        (
            Unfit.IMAGES_RAW,
            {"way": Way.RAW},
            {"messages": (user(ImagePart(base64="aQ")),)},
            {"given": "Half"},
        ),
        (Unfit.CLOSES_TURN, {"way": Way.NONE}, {}, {"given": "Half"}),
        (Unfit.NO_OTHER_WAY, {"way": Way.RAW}, {}, {"given": "Half", "other_way": True}),
        (Unfit.NO_OTHER_WAY, {}, {"tools": TOOLS}, {"given": "Half", "other_way": True}),
        # The rest of a call.
        (Unfit.NO_GRAMMAR, {"takes_grammar": False}, {}, {"half_call": HALF}),
        (Unfit.IMAGES_RAW, {}, {"messages": (user(ImagePart(base64="aQ")),)}, {"half_call": HALF}),
        (Unfit.TOOL_CHOICE, {}, {"tool_choice": "required"}, {"half_call": HALF}),
    ],
)
def test_unfit(reason: Unfit, model: dict[str, Any], asked: dict[str, Any], how: dict[str, Any]) -> None:
    made = shown(evolve(MODEL, **model), chat(**asked), **how)
    assert made == Failed(FailureKind.UNFIT, unfit_reason=reason)


@pytest.mark.parametrize(
    ("model", "asked"),
    [({"way": Way.RAW}, {"tools": TOOLS}), ({"way": Way.NONE}, {}), ({}, {"choices": 2})],
)
def test_what_cannot_go_on_may_still_begin(model: dict[str, Any], asked: dict[str, Any]) -> None:
    prompt = prompt_of(shown(evolve(MODEL, **model), chat(**asked)))
    assert prompt.choices == asked.get("choices", 1)


@pytest.mark.parametrize(
    ("trims", "other_way", "expected"),
    [
        (False, False, Prefill("Half\n", " ")),
        (True, False, Prefill("Half", "\n ")),
        # No template sees what is put behind a rendered prompt.
        (True, True, Prefill("Half\n", " ")),
    ],
)
def test_trims(trims: bool, other_way: bool, expected: Prefill) -> None:
    made = shown(evolve(MODEL, trims=trims), chat(), "Half\n ", other_way=other_way)
    assert prompt_of(made).prefill == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [("", Prefill("Once", " ")), ("upon a ", Prefill("Once upon a", " "))],
)
def test_a_prefill_of_the_clients_own_comes_before_what_was_given(given: str, expected: Prefill) -> None:
    prompt = prompt_of(shown(MODEL, chat(user("Tell."), assistant("Once ")), given))
    assert prompt.conversation.messages == (user("Tell."),)
    assert prompt.prefill == expected


def test_a_half_call() -> None:
    """The history ends in the half answer with its calls; the model goes on from the arguments."""
    asked = chat(user("Tell."), assistant("Once "), choices=2)
    prompt = prompt_of(shown(MODEL, asked, "upon", calls=(WHOLE,), half_call=HALF))
    assert prompt == Prompt(
        Way.RAW,
        chat(choices=2, messages=with_call((user("Tell."),), "Once upon", (WHOLE,), HALF[1])),
        NOTHING,
        None,
        HALF,
        tokens=prompt.tokens,
        is_least=True,
    )
    assert (prompt.half, prompt.choices) == (HALF[1].arguments, 1)


def test_whether_the_model_can_use_tools_does_not_matter_for_the_rest_of_a_call() -> None:
    made = shown(evolve(MODEL, capabilities=frozenset({"completion"})), chat(tools=TOOLS), half_call=HALF)
    assert isinstance(made, Prompt)


# The window


@pytest.mark.parametrize("how", [{}, {"given": "Half " * 200}, {"half_call": HALF}])
def test_a_window_too_small(how: dict[str, Any]) -> None:
    """What is never left out does not fit: the last turn, the half answer."""
    made = shown(evolve(MODEL, window_tokens=40), chat(user("word " * 50)), **how)
    assert isinstance(made, Failed)
    assert made.prompt_tokens is not None
    assert made == Failed(FailureKind.CONTEXT_LENGTH, prompt_tokens=made.prompt_tokens, window_tokens=40)
    assert made.prompt_tokens > 40


@pytest.mark.parametrize("how", [{}, {"given": "Half"}, {"half_call": HALF}])
def test_a_history_too_long(how: dict[str, Any]) -> None:
    model = evolve(MODEL, window_tokens=600)
    whole, fitted = (prompt_of(shown(m, long_chat(), note=NOTE, **how)) for m in (MODEL, model))
    assert whole.tokens > 600 > fitted.tokens
    first, note = fitted.conversation.messages[:2]
    assert first == long_chat().messages[0]
    assert note.role is Role.USER
    assert "were left out" in note.text
    assert any(message.text == "Question?" for message in fitted.conversation.messages)


def test_what_is_shown_counts() -> None:
    """The half answer and the half call are part of the estimate."""
    short, longer = (prompt_of(shown(MODEL, chat(), "word " * count)) for count in (1, 101))
    assert longer.tokens - short.tokens >= 100
    arguments = '{"text": "' + "word " * 100
    call = prompt_of(shown(MODEL, chat(), half_call=(0, ToolCall("c", "edit", arguments))))
    assert call.tokens > prompt_of(shown(MODEL, chat(), half_call=HALF)).tokens + 90


def test_a_ratio_leaves_out_more() -> None:
    model = evolve(MODEL, window_tokens=600)
    before, after = (prompt_of(shown(model, long_chat(), "Half", ratio=ratio)) for ratio in (1.0, 2.0))
    assert 0 < after.tokens < before.tokens
    assert after.prefill == before.prefill


# To the last byte


@pytest.mark.parametrize("ratio", [1.0, 1.7])
@pytest.mark.parametrize("given", ["", "Half answer \n"])
@pytest.mark.parametrize("way", [Way.PREFILL, Way.RAW])
def test_the_same_arguments_make_the_same_bytes(way: Way, given: str, ratio: float) -> None:
    """A leg, its second try by the same ratio and whoever primes for it send the same."""
    model = evolve(MODEL, way=way, window_tokens=600)
    asking = LlamaAsking(model)

    def sent() -> tuple[bytes, bytes]:
        # Made anew each time: nothing may come from the identity of a value.
        asked = evolve(long_chat(), sampling=Sampling(max_tokens=50))
        prompt = prompt_of(shown(model, asked, given, ratio=ratio, note=NOTE))
        chat = asking.chat(prompt.conversation, prefill=prompt.half)
        raw = asking.raw("rendered", prompt.conversation, prefill=prompt.half)
        return chat.body, raw.body

    assert sent() == sent()


def test_what_will_go_on_is_primed_by_its_beginning() -> None:
    """The history is the same with a half answer as without, as long as both fit."""
    begun, gone_on = (prompt_of(shown(MODEL, long_chat(), given)) for given in ("", "Half"))
    assert begun.conversation == gone_on.conversation
    asking = LlamaAsking(MODEL)
    assert asking.render(begun.conversation) == asking.render(gone_on.conversation)


def test_what_a_template_shows_beyond_the_half_answer() -> None:
    """Raw it shows nothing more; with tools the model sees it, and whoever joins has to know."""
    model = evolve(MODEL, way=Way.RAW, way_with_tools=Way.PREFILL, adds="\n")
    plain = shown(model, chat(user()), "One two")
    tooled = shown(model, chat(user(), tools=(Tool("f"),)), "One two")
    assert isinstance(plain, Prompt)
    assert isinstance(tooled, Prompt)
    assert (plain.way, plain.prefill) == (Way.RAW, Prefill("One two", ""))
    assert (tooled.way, tooled.prefill) == (Way.PREFILL, Prefill("One two", "", "\n"))
    none = shown(model, chat(user(), tools=(Tool("f"),)), "One two", other_way=True)
    assert none == Failed(FailureKind.UNFIT, unfit_reason=Unfit.NO_OTHER_WAY)


def test_what_the_window_leaves_for_the_answer() -> None:
    prompt = shown(evolve(MODEL, window_tokens=1000), chat(user()), "One two")
    assert isinstance(prompt, Prompt)
    assert prompt.room_tokens == 1000 - prompt.tokens
    unknown = shown(evolve(MODEL, window_tokens=0), chat(user()))
    assert isinstance(unknown, Prompt)
    assert unknown.room_tokens is None


def test_what_is_counted_elsewhere_may_seem_too_long() -> None:
    """Somebody knows better; but nobody is asked to count a hundred windows."""
    model, asked = evolve(MODEL, window_tokens=200), long_chat()
    long_one = chat(*asked.messages, user("word " * 300))
    assert isinstance(shown(model, long_one, note=NOTE), Failed)
    least = prompt_of(shown(model, long_one, note=NOTE, most_times=2.0))
    assert (least.is_least, least.is_whole) == (True, False)
    first = asked.messages[0].text
    assert [m.text for m in least.conversation.messages] == [
        first,
        "20 messages were left out.",
        "word " * 300,
    ]
    assert isinstance(shown(model, long_one, note=NOTE, most_times=1.1), Failed)


def test_how_much_is_left_out_is_told() -> None:
    asked = chat(Message(Role.SYSTEM, (TextPart("S"),)), *long_chat(4).messages)
    whole, some, least = (
        prompt_of(shown(evolve(MODEL, window_tokens=window), asked, note=NOTE)) for window in (400, 230, 130)
    )
    assert (whole.is_whole, whole.is_least) == (True, False)
    assert (some.is_whole, some.is_least) == (False, False)
    assert (least.is_whole, least.is_least) == (False, True)
    assert whole.reserve_tokens == 100


@pytest.mark.parametrize(("words", "fits"), [(700, True), (780, True), (940, False)])
def test_where_nothing_can_be_left_out_a_short_answer_is_better_than_none(words: int, fits: bool) -> None:
    """An agent's first turn is one turn, and a quarter of the window is more than it leaves."""
    made = shown(evolve(MODEL, window_tokens=1000), chat(user("word " * words)))
    assert isinstance(made, Prompt) is fits
    if isinstance(made, Prompt):
        assert made.is_whole
        assert made.room_tokens is not None
        assert made.room_tokens >= 62
        assert made.reserve_tokens == (250 if words == 700 else 62)


def test_who_is_shown_a_part_of_the_half_answer_has_room_for_the_rest_of_it() -> None:
    """Else twelve thousand tokens of an answer would leave some words for its end."""
    half = "\n\n".join(f"Paragraph {number}. " + "The keeper writes it down. " * 20 for number in range(110))
    made = prompt_of(shown(evolve(MODEL, window_tokens=4096), chat(), half))
    assert made.shortened.answer_chars > 40_000
    assert made.room_tokens is not None
    assert made.room_tokens >= 1024 == made.reserve_tokens
    little = chat(sampling=Sampling(max_tokens=tokens_at_most(half) + 300))
    assert prompt_of(shown(evolve(MODEL, window_tokens=4096), little, half)).reserve_tokens == 300
