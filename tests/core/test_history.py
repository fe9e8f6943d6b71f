"""
The form of a history that every chat template takes.
"""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.conversation import Conversation, ImagePart, Message, Role, TextPart, ToolCall
from trooper.core.history import call_names, own_beginning, plain, split_prefill

GOOD = ToolCall("c1", "look", '{"at": "sea"}')
BROKEN = ToolCall("c2", "shout", '{"words": "ah')


def said(role: Role, text: str = "", *calls: ToolCall) -> Message:
    return Message(role, (TextPart(text),) if text else (), calls)


def test_one_system_message_stands_in_front() -> None:
    told = plain([said(Role.USER, "Q"), said(Role.SYSTEM, "A"), said(Role.SYSTEM), said(Role.SYSTEM, "B")])

    assert [(m.role, m.text) for m in told] == [(Role.SYSTEM, "A\n\nB"), (Role.USER, "Q")]


@pytest.mark.parametrize("role", [Role.USER, Role.ASSISTANT])
def test_neighbours_of_one_role_are_one(role: Role) -> None:
    image = Message(role, (ImagePart("image/png", "QUJD"),))

    (told,) = plain([said(role, "a"), image, said(role, "b"), said(role)])

    assert told.text == "a\n\nb"
    assert ImagePart("image/png", "QUJD") in told.parts


def test_tool_results_stay_apart() -> None:
    results = [Message(Role.TOOL, (TextPart(t),), tool_call_id=t) for t in ("1", "2")]

    assert plain(results) == results


def test_nothing_is_said_behind_a_call() -> None:
    told = plain([said(Role.ASSISTANT, "a"), said(Role.ASSISTANT, "b", GOOD), said(Role.ASSISTANT, "c")])

    assert [(m.text, m.tool_calls) for m in told] == [("a\n\nb", (GOOD,)), ("c", ())]


@pytest.mark.parametrize(("before", "words"), [("", ""), ("Well.", "Well.\n")])
def test_a_call_that_no_template_can_say_is_said_in_words(before: str, words: str) -> None:
    (told,) = plain([said(Role.ASSISTANT, before, GOOD, BROKEN)])

    assert told.tool_calls == (GOOD,)
    assert told.text == f'{words}shout({{"words": "ah)'


def test_a_call_without_arguments_is_a_call() -> None:
    call = ToolCall("c", "f", "")

    assert plain([said(Role.ASSISTANT, "", call)])[0].tool_calls == (call,)


def test_names_of_calls() -> None:
    assert call_names([said(Role.ASSISTANT, "", GOOD), said(Role.ASSISTANT, "", BROKEN)]) == {
        "c1": "look",
        "c2": "shout",
    }


MESSAGES = st.builds(
    said, st.sampled_from(Role), st.text("ab \n", max_size=4), *[st.sampled_from([GOOD, BROKEN])]
) | st.builds(said, st.sampled_from(Role), st.text("ab \n", max_size=4))


@given(st.lists(MESSAGES, max_size=8))
def test_no_word_is_lost_and_it_is_plain_already(history: list[Message]) -> None:
    told = plain(history)

    assert plain(told) == told
    before, after = (Counter("".join(m.text for m in turns)) for turns in (history, told))
    assert not {sign: n for sign, n in (before - after).items() if sign != "\n"}
    roles = [(m.role, bool(m.tool_calls)) for m in told]
    assert [role for role, _ in roles].count(Role.SYSTEM) <= 1


# A prefill of the client's own


Q = said(Role.USER, "Q")
IN_TWO = Message(Role.ASSISTANT, (TextPart("b"), TextPart("c")))


@pytest.mark.parametrize(
    ("history", "left", "prefill"),
    [
        ((), 0, ""),
        ((Q,), 1, ""),
        ((Q, said(Role.ASSISTANT, "Well, ")), 1, "Well, "),
        ((Q, said(Role.ASSISTANT, "a"), IN_TWO), 1, "a\n\nbc"),
        ((Q, said(Role.ASSISTANT, "a"), said(Role.ASSISTANT)), 1, "a"),
        ((Q, said(Role.ASSISTANT)), 1, ""),
        ((Q, said(Role.ASSISTANT, "a"), Q), 3, ""),
        ((Q, said(Role.ASSISTANT, "a", GOOD)), 2, ""),
        ((Q, said(Role.ASSISTANT, "", GOOD), said(Role.ASSISTANT, "a")), 2, "a"),
        ((said(Role.ASSISTANT, "a"),), 0, "a"),
    ],
)
def test_split_prefill(history: tuple[Message, ...], left: int, prefill: str) -> None:
    split, begun = split_prefill(Conversation(history, tool_choice="none"))

    assert begun == prefill
    assert split == Conversation(history[:left], tool_choice="none")


@pytest.mark.parametrize(
    ("asked", "begins"),
    [
        (Conversation((Q, said(Role.ASSISTANT, "{")), json_mode=True), ""),
        (Conversation((Q, said(Role.ASSISTANT, "{")), json_schema={}), ""),
        (Conversation((Q, said(Role.ASSISTANT, "{")), json_mode=True, continues_prefill=True), "{"),
        (Conversation((Q, said(Role.ASSISTANT, "{"))), "{"),
        (Conversation((Q, said(Role.ASSISTANT, "Well: "))), "Well: "),
    ],
)
def test_how_an_answer_begins_that_has_said_a_bracket(asked: Conversation, begins: str) -> None:
    assert own_beginning(asked, '{"a"') == (split_prefill(asked)[0], begins)
    assert own_beginning(asked, "")[1] == split_prefill(asked)[1]
