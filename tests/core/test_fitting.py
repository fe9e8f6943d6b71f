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
from trooper.core.fitting import count, fit, room

NOTE = "{count} messages were left out."


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


# Counting


def test_everything_counts() -> None:
    assert count(chat()) == 0
    assert count(chat(user("abcd"))) == 7
    assert count(chat(user("abcd")), "abcdefgh") == 9
    assert count(chat(assistant("abcd", "c1", "c2"))) == 1 + 2 * 1 + 6
    assert count(chat(Message(Role.USER, (ImagePart(base64="x" * 4000), TextPart("abcd"))))) == 768 + 7
    tool = Tool("name", "text", {"a": "b"})
    assert count(chat(tools=(tool, tool))) == 2 * (2 + 3)


# Windows


def test_what_fits_stays_as_it_is() -> None:
    conversation = chat(system(), user("a" * 400), assistant(), user())
    needed = count(conversation, "half")
    assert fit(conversation, "half", needed) is conversation
    shorter = fit(conversation, "half", needed - 1)
    assert shorter is not conversation


def test_of_an_unknown_window_nothing_is_cut() -> None:
    conversation = chat(user("a" * 4000))
    assert fit(conversation, "", 0) is conversation


@pytest.mark.parametrize(
    ("max_tokens", "room"), [(0, 100), (10, 90), (25, 75), (26, 75), (1000, 75), (None, 75)]
)
def test_there_is_room_for_the_answer_but_no_more_than_a_quarter(max_tokens: int | None, room: int) -> None:
    exactly = chat(user("a" * 4 * (room - 6)), max_tokens=max_tokens)
    assert count(exactly) == room
    assert fit(exactly, "", 100) is exactly
    assert fit(exactly, "more", 100) is None


def test_a_quarter_is_rounded_up() -> None:
    assert fit(chat(user("a" * 4 * 69), max_tokens=None), "", 101) is not None
    assert fit(chat(user("a" * 4 * 70), max_tokens=None), "", 101) is None


def test_the_ratio_of_real_tokens_counts() -> None:
    conversation = chat(user("a" * 4 * 44))
    assert count(conversation) == 50
    assert fit(conversation, "", 100, ratio=2.0) is conversation
    assert fit(conversation, "", 99, ratio=2.0) is None


# What is left out


def test_the_oldest_turns_are_left_out_first() -> None:
    old = [user("a" * 40), assistant("b" * 40), user("c" * 40), assistant("d" * 40)]
    conversation = chat(system("S"), *old, user("Q"))
    needed = count(conversation)
    assert text_of(fit(conversation, "", needed - 1)) == ["S", "b" * 40, "c" * 40, "d" * 40, "Q"]
    assert text_of(fit(conversation, "", needed - 16)) == ["S", "b" * 40, "c" * 40, "d" * 40, "Q"]
    assert text_of(fit(conversation, "", needed - 17)) == ["S", "c" * 40, "d" * 40, "Q"]
    assert text_of(fit(conversation, "", needed - 64)) == ["S", "Q"]
    assert fit(conversation, "", needed - 65) is None


def test_a_large_turn_is_a_wall() -> None:
    """Behind what does not fit nothing older is kept: that would tear the history."""
    conversation = chat(user("a"), assistant("B" * 4000), user("c"), user("Q"))
    assert text_of(fit(conversation, "", 100)) == ["c", "Q"]


def test_the_model_is_told_what_it_does_not_see() -> None:
    conversation = chat(system("S"), user("a" * 400), assistant("b"), user("Q"))
    fitted = fit(conversation, "", count(conversation) - 50, note=NOTE)
    assert text_of(fitted) == ["S", "1 messages were left out.", "b", "Q"]
    assert fitted is not None
    assert fitted.messages[1].role is Role.SYSTEM
    everything = fit(chat(user("a" * 400), assistant("b" * 400), user("Q")), "", 30, note=NOTE)
    assert text_of(everything) == ["2 messages were left out.", "Q"]


def test_the_note_needs_room_too() -> None:
    conversation = chat(user("a" * 400), user("Q"))
    bare = count(chat(user("Q")))
    assert fit(conversation, "", bare) is not None
    assert fit(conversation, "", bare, note=NOTE) is None
    assert fit(conversation, "", bare + 13, note=NOTE) is not None


def test_the_last_user_turn_and_all_behind_it_stay() -> None:
    tail = [user("Q" * 100), assistant("I look.", "c1"), result("c1", "r" * 100), system("late")]
    conversation = chat(system("S"), user("a" * 400), assistant("b" * 400), *tail)
    needed = count(chat(system("S"), *tail))
    assert text_of(fit(conversation, "", needed)) == ["S", *(m.text for m in tail)]
    assert fit(conversation, "", needed - 1) is None


def test_without_a_user_turn_nothing_can_be_left_out() -> None:
    assert fit(chat(system("a" * 400), assistant("b" * 400)), "", 100) is None


def test_a_result_stays_with_its_calls() -> None:
    group = [assistant("look", "c1", "c2"), result("c1", "1" * 40), result("c2", "2" * 40)]
    conversation = chat(user("a"), *group, user("Q"))
    needed = count(conversation)
    assert text_of(fit(conversation, "", needed - 1)) == ["look", "1" * 40, "2" * 40, "Q"]
    assert text_of(fit(conversation, "", needed - 9)) == ["Q"]


def test_a_result_without_a_call_is_a_turn_of_its_own() -> None:
    conversation = chat(result("c0", "r" * 400), user("b"), user("Q"))
    assert text_of(fit(conversation, "", 40)) == ["b", "Q"]


def test_nothing_else_is_changed() -> None:
    conversation = evolve(chat(user("a" * 400), user("Q"), tools=(Tool("f"),)), json_mode=True, choices=2)
    fitted = fit(conversation, "", 50)
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
