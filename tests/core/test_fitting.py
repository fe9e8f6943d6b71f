"""Fitting: what may be left out of a history, and what never."""

from __future__ import annotations

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
from trooper.core.fitting import count, fit

NOTE = "[{count} left out]"


def said(role: Role, text: str, **more: object) -> Message:
    return Message(role, (TextPart(text),), **more)  # type: ignore[arg-type]


def talk(turns: int, words: int = 40) -> Conversation:
    messages = [said(Role.SYSTEM, "Be brief.")]
    for n in range(turns):
        messages += [said(Role.USER, f"q{n} " + "word " * words), said(Role.ASSISTANT, f"a{n}")]
    return Conversation("m", (*messages, said(Role.USER, "the last question")))


def test_what_fits_is_not_touched() -> None:
    conversation = talk(3)
    assert fit(conversation, "half", 100_000, note=NOTE) is conversation
    assert fit(talk(1000), "half", 0, note=NOTE) == talk(1000), "an unknown window is not guessed at"


@given(st.integers(1, 40), st.integers(150, 4000), st.floats(0.5, 3.0), st.text(max_size=200))
def test_what_is_kept(turns: int, window: int, ratio: float, prefill: str) -> None:
    """It fits; system and last question stay; the newest turns stay, in order; the count is told."""
    conversation = talk(turns)
    fitted = fit(conversation, prefill, window, ratio=ratio, note=NOTE)
    if fitted is None:
        return
    assert count(fitted, prefill) * ratio <= window
    assert fitted.messages[0].text == "Be brief."
    assert fitted.messages[-1].text == "the last question"
    kept = [m for m in fitted.messages if m in conversation.messages]
    noted = [m for m in fitted.messages if m not in conversation.messages]
    assert kept == [m for m in conversation.messages if m in kept]
    assert kept[1:] == list(conversation.messages[len(conversation.messages) - len(kept) + 1 :])
    left_out = len(conversation.messages) - len(kept)
    assert [m.text for m in noted] == ([f"[{left_out} left out]"] if left_out else [])


def test_what_cannot_be_shortened_is_said_so() -> None:
    assert fit(talk(0), "x" * 10_000, 512) is None
    long_question = Conversation("m", (said(Role.USER, "word " * 2000),))
    assert fit(long_question, "", 512) is None


def test_without_a_note_nothing_is_added() -> None:
    fitted = fit(talk(40), "", 512)
    assert fitted is not None
    assert all(m in talk(40).messages for m in fitted.messages)


def test_a_result_never_loses_its_call() -> None:
    call = ToolCall("c", "f", "{}")
    messages = [said(Role.USER, "early " * 50)]
    for n in range(20):
        messages += [
            Message(Role.ASSISTANT, tool_calls=(call,)),
            said(Role.TOOL, f"result {n} " + "word " * 30, tool_call_id="c"),
        ]
    conversation = Conversation("m", (*messages, said(Role.USER, "now?")))
    for window in range(120, 1500, 7):
        fitted = fit(conversation, "", window)
        if fitted is None:
            continue
        for before, after in zip((None, *fitted.messages), fitted.messages, strict=False):
            if after.role is Role.TOOL:
                assert before is not None
                assert before.tool_calls


def test_everything_after_the_last_question_stays() -> None:
    tail = (
        said(Role.USER, "run it"),
        Message(Role.ASSISTANT, tool_calls=(ToolCall("c", "f", '{"a": 1}'),)),
        said(Role.TOOL, "done", tool_call_id="c"),
    )
    conversation = Conversation("m", (*talk(30).messages, *tail))
    fitted = fit(conversation, "", 400)
    assert fitted is not None
    assert fitted.messages[-3:] == tail


def test_room_is_left_for_the_answer() -> None:
    """What was asked for, but no more than a quarter of the window."""
    base = talk(6)
    size = count(base)
    small = Conversation("m", base.messages, sampling=Sampling(max_tokens=10))
    assert fit(small, "", size + 10) is small
    assert fit(small, "", size + 9) is not small
    greedy = Conversation("m", base.messages, sampling=Sampling(max_tokens=10**9))
    assert fit(greedy, "", 2 * size) is greedy


def test_everything_counts() -> None:
    plain = Conversation("m", (said(Role.USER, "hi"),))
    image = Conversation("m", (Message(Role.USER, (TextPart("hi"), ImagePart("image/png", "aGk="))),))
    tool = Conversation("m", plain.messages, tools=(Tool("f", "d" * 400, {"type": "object"}),))
    call = Conversation("m", (Message(Role.ASSISTANT, tool_calls=(ToolCall("c", "f", "x" * 400),)),))
    assert count(image) - count(plain) >= 500
    assert count(tool) - count(plain) >= 100
    assert count(call) >= 100
    assert count(plain, "x" * 400) - count(plain) == 100
