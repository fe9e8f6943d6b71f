"""Fit a history into a window."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.conversation import (
    Conversation,
    ImagePart,
    Message,
    Role,
    Sampling,
    TextPart,
    Tool,
    ToolCall,
)
from trooper.core.fitting import count, count_images, estimate, fit, least, reserve, room
from trooper.core.tokens import tokens_at_most

NOTE = "{count} messages were left out."
#: What a message is counted beside its text.
FRAME = 8


def message(role: Role, text: str, *, calls: tuple[ToolCall, ...] = (), answers: str = "") -> Message:
    return Message(role, (TextPart(text),) if text else (), tool_calls=calls, tool_call_id=answers)


def system(text: str = "Be brief.") -> Message:
    return message(Role.SYSTEM, text)


def user(text: str = "Question?") -> Message:
    return message(Role.USER, text)


def assistant(text: str = "Answer.", *calls: str) -> Message:
    return message(Role.ASSISTANT, text, calls=tuple(ToolCall(c, "f", "{}") for c in calls))


def result(of: str, text: str = "42") -> Message:
    return message(Role.TOOL, text, answers=of)


def chat(*messages: Message, max_tokens: int | None = 0, tools: tuple[Tool, ...] = ()) -> Conversation:
    return Conversation(messages, tools=tools, sampling=Sampling(max_tokens=max_tokens))


def text_of(conversation: Conversation | None) -> list[str]:
    assert conversation is not None
    return [m.text for m in conversation.messages]


def words(tokens: int) -> str:
    """A text that is counted as so many tokens."""
    text = " ".join(["word"] * (tokens - 1))
    assert tokens_at_most(text) == tokens
    return text


# Counting


def test_everything_counts() -> None:
    assert count(chat()) == 0
    assert count(chat(user(words(5)))) == FRAME + 5
    assert count(chat(user(words(5))), words(7)) == FRAME + 12
    assert count(chat(assistant(words(5), "c1", "c2"))) == FRAME + 5 + 2 * (
        20 + tokens_at_most("f") + tokens_at_most("{}")
    )
    image = chat(Message(Role.USER, (ImagePart(base64="x" * 4000), TextPart(words(5)))))
    assert (count(image), count_images(image)) == (768 + FRAME + 5, 768)
    tool = Tool("name", "text", {"a": "b"})
    one, two = (count(chat(tools=(tool,) * n)) for n in (1, 2))
    assert two - one == 24 + tokens_at_most('["name","text",{"a":"b"}]')
    assert one > two - one + 100


def test_tools_that_are_not_offered_do_not_count() -> None:
    tools = (Tool("name", "text" * 100),)
    assert count(evolve(chat(user(), tools=tools), tool_choice="none")) == count(chat(user()))


def test_signs_that_are_escaped_in_json_count_more() -> None:
    plain, escaped = (Tool("f", text * 40) for text in ("a. ", "a< "))
    assert count(chat(tools=(escaped,))) >= count(chat(tools=(plain,))) + 40 * 5


def test_what_usage_says_is_the_typical_figure() -> None:
    """Nobody is refused by it, and it is nearer to what a provider would say."""
    assert estimate(chat()) == 0
    assert estimate(chat(user("abcd"))) == 7
    assert estimate(chat(assistant("abcd", "c1", "c2"))) == 1 + 2 * 1 + 6
    assert estimate(chat(Message(Role.USER, (ImagePart(base64="x" * 4000), TextPart("abcd"))))) == 768 + 7
    tool = Tool("name", "text", {"a": "b"})
    assert estimate(chat(tools=(tool, tool))) == 2 * (2 + 3)


# Windows


def test_what_fits_stays_as_it_is() -> None:
    conversation = chat(system(), user(words(400)), assistant(), user())
    needed = count(conversation, "half")
    assert fit(conversation, "half", needed + 1) is conversation
    shorter = fit(conversation, "half", needed)
    assert shorter is not None
    assert shorter is not conversation


def test_of_an_unknown_window_nothing_is_cut() -> None:
    conversation = chat(user("a" * 4000))
    assert fit(conversation, "", 0) is conversation


@pytest.mark.parametrize(
    ("max_tokens", "room"), [(0, 99), (10, 90), (25, 75), (26, 75), (1000, 75), (None, 75)]
)
def test_there_is_room_for_the_answer_but_no_more_than_a_quarter(max_tokens: int | None, room: int) -> None:
    exactly = chat(user(words(room - FRAME)), max_tokens=max_tokens)
    assert count(exactly) == room
    assert fit(exactly, "", 100) is exactly
    assert fit(exactly, "more", 100) is None


def test_a_quarter_is_rounded_up() -> None:
    assert fit(chat(user(words(75 - FRAME)), max_tokens=None), "", 101) is not None
    assert fit(chat(user(words(76 - FRAME)), max_tokens=None), "", 101) is None


@pytest.mark.parametrize(
    ("max_tokens", "given", "expected"),
    [
        (None, 0, 1000),
        (None, 400, 600),
        (500, 0, 500),
        (500, 100, 400),
        # There is always room for some more words …
        (None, 990, 250),
        (None, 5000, 250),
        (500, 499, 250),
        # … unless fewer were asked for.
        (20, 15, 20),
        (0, 0, 1),
    ],
)
def test_what_the_client_has_is_part_of_the_answer(max_tokens: int | None, given: int, expected: int) -> None:
    asked = chat(user(), max_tokens=max_tokens)
    assert reserve(asked, 4000, given) == expected


def test_some_more_words_are_no_more_than_some_sentences() -> None:
    assert reserve(chat(user(), max_tokens=None), 10_000, 2600) == 256


def test_the_half_answer_takes_of_its_own_room() -> None:
    """Else a long half answer would cost twice: what it is, and what it might have become."""
    half = words(200)
    conversation = chat(user(words(600 - FRAME)), max_tokens=None)
    assert fit(conversation, half, 1000) is None
    assert fit(conversation, half, 1000, given=half) is conversation


def test_the_ratio_of_real_tokens_counts() -> None:
    conversation = chat(user(words(50 - FRAME)))
    assert count(conversation) == 50
    assert fit(conversation, "", 101, ratio=2.0) is conversation
    assert fit(conversation, "", 100, ratio=2.0) is None


# What is left out


def shortened(conversation: Conversation, room: int, note: str = "") -> Conversation | None:
    """What is left of it where its prompt may have so many tokens; one more is for the answer."""
    return fit(conversation, "", room + 1, note=note)


def test_the_oldest_turns_are_left_out_first() -> None:
    texts = [letter + words(20 - FRAME - 1) for letter in ("a. ", "b. ", "c. ", "d. ")]
    old = [user(texts[0]), assistant(texts[1]), user(texts[2]), assistant(texts[3])]
    conversation = chat(system("S"), *old, user("Q"))
    needed, each = count(conversation), count(chat(old[0]))
    assert text_of(shortened(conversation, needed - 1)) == ["S", *texts[1:], "Q"]
    assert text_of(shortened(conversation, needed - each)) == ["S", *texts[1:], "Q"]
    assert text_of(shortened(conversation, needed - each - 1)) == ["S", *texts[2:], "Q"]
    assert text_of(shortened(conversation, needed - 4 * each)) == ["S", "Q"]
    assert shortened(conversation, needed - 4 * each - 1) is None


def test_a_large_turn_is_a_wall() -> None:
    """Behind what does not fit nothing older is kept: that would tear the history."""
    conversation = chat(user("a"), assistant(words(1000)), user("c"), user("Q"))
    assert text_of(fit(conversation, "", 100)) == ["c", "Q"]


def test_the_model_is_told_what_it_does_not_see() -> None:
    conversation = chat(system("S"), user(words(100)), assistant("b"), user("Q"))
    fitted = fit(conversation, "", count(conversation) - 50, note=NOTE)
    assert text_of(fitted) == ["S", "1 messages were left out.", "b", "Q"]
    assert fitted is not None
    assert fitted.messages[1].role is Role.SYSTEM
    everything = fit(chat(user(words(100)), assistant(words(100)), user("Q")), "", 40, note=NOTE)
    assert text_of(everything) == ["2 messages were left out.", "Q"]


def test_the_note_needs_room_too() -> None:
    conversation = chat(user(words(100)), user("Q"))
    bare = count(chat(user("Q")))
    assert shortened(conversation, bare) is not None
    assert shortened(conversation, bare, note=NOTE) is None
    noted = bare + FRAME + tokens_at_most(NOTE.format(count=1))
    assert shortened(conversation, noted - 1, note=NOTE) is None
    assert shortened(conversation, noted, note=NOTE) is not None


def test_the_last_user_turn_and_all_behind_it_stay() -> None:
    tail = [user(words(30)), assistant("I look.", "c1"), result("c1", words(30)), system("late")]
    conversation = chat(system("S"), user(words(100)), assistant(words(100)), *tail)
    needed = count(chat(system("S"), *tail))
    assert text_of(shortened(conversation, needed)) == ["S", *(m.text for m in tail)]
    assert shortened(conversation, needed - 1) is None
    assert text_of(least(conversation)) == ["S", *(m.text for m in tail)]
    assert text_of(least(conversation, NOTE)) == ["S", "2 messages were left out.", *(m.text for m in tail)]


def test_without_a_user_turn_nothing_can_be_left_out() -> None:
    assert fit(chat(system(words(100)), assistant(words(100))), "", 100) is None


def test_a_result_stays_with_its_calls() -> None:
    group = [assistant("look", "c1", "c2"), result("c1", words(10)), result("c2", words(20))]
    conversation = chat(user("a"), *group, user("Q"))
    needed, first = count(conversation), count(chat(user("a")))
    assert text_of(shortened(conversation, needed - first)) == ["look", words(10), words(20), "Q"]
    assert text_of(shortened(conversation, needed - first - 1)) == ["Q"]


def test_a_result_without_a_call_is_a_turn_of_its_own() -> None:
    conversation = chat(result("c0", words(100)), user("b"), user("Q"))
    assert text_of(fit(conversation, "", 40)) == ["b", "Q"]


def test_nothing_else_is_changed() -> None:
    conversation = evolve(chat(user(words(400)), user("Q"), tools=(Tool("f"),)), json_mode=True, choices=2)
    fitted = fit(conversation, "", 300)
    assert fitted == evolve(conversation, messages=(user("Q"),))


TURNS = st.one_of(
    st.builds(system, st.text(max_size=20)),
    st.builds(user, st.text(max_size=80)),
    st.builds(assistant, st.text(max_size=80)),
    st.builds(
        lambda n: (assistant("look", *map(str, range(n))), *(result(str(i)) for i in range(n))),
        st.integers(1, 3),
    ),
)


@given(
    st.lists(TURNS, max_size=12),
    st.text(max_size=40),
    st.integers(1, 300),
    st.sampled_from([0.5, 1.0, 1.7]),
    st.sampled_from(["", NOTE]),
    st.sampled_from([None, 0, 10, 1000]),
)
def test_whatever_the_history(
    turns: list[Message | tuple[Message, ...]],
    prefill: str,
    window: int,
    ratio: float,
    note: str,
    max_tokens: int | None,
) -> None:
    messages = [m for turn in turns for m in (turn if isinstance(turn, tuple) else (turn,))]
    conversation = chat(*messages, max_tokens=max_tokens)
    fitted = fit(conversation, prefill, window, ratio=ratio, note=note)
    if fitted is None:
        return
    assert count(fitted, prefill) * ratio <= window
    kept = list(fitted.messages)
    if kept == messages:
        return
    last_user = max((i for i, m in enumerate(messages) if m.role is Role.USER), default=0)
    tail = messages[last_user:]
    assert kept[len(kept) - len(tail) :] == tail
    head = [m for m in messages[:last_user] if m.role is Role.SYSTEM]
    assert kept[: len(head)] == head
    middle = kept[len(head) : len(kept) - len(tail)]
    told = [m for m in middle if m.role is Role.SYSTEM]
    assert len(told) == bool(note)
    recent = [m for m in middle if m.role is not Role.SYSTEM]
    old = [m for m in messages[:last_user] if m.role is not Role.SYSTEM]
    assert recent == old[len(old) - len(recent) :]
    assert not told or told[0].text == NOTE.format(count=len(old) - len(recent))
    # No result begins what is kept: its call would be missing.
    assert not recent or recent[0].role is not Role.TOOL


def test_what_the_window_leaves() -> None:
    asked = chat(user("word " * 40))
    used = count(asked, "half")
    assert room(asked, "half", 1000) == 1000 - used
    assert room(asked, "half", 1000, ratio=2.0) == 1000 - 2 * used
    assert room(asked, "half", used) == room(asked, "half", 1) == 1
    assert room(asked, "half", 0) is None
