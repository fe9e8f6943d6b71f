"""The situation report is never too long, never invented, always the same, and never slow."""

from __future__ import annotations

import itertools
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropped_turns import assistant, call, forget, report, result, user
from planted import session
from trooper.core.conversation import Message, Role, TextPart, ToolCall
from trooper.core.situation import facts
from trooper.core.situation.dropped import Dropped
from trooper.core.situation.excerpts import OMITTED
from trooper.core.situation.facts import found_in
from trooper.core.situation.languages import LABELS
from trooper.core.situation.writing import written
from trooper.core.tokens import tokens_at_most
from work import work_of

TEXTS = st.text(max_size=300) | st.lists(
    st.sampled_from(
        [
            "port 8443",
            "/srv/a_b/c.py",
            "must not",
            "ERROR",
            "\n",
            "\n```\n",
            ". ",
            " = 12",
            '"key": "value",',
            "otter",
            "中文。",
            "-",
        ]
    ),
    max_size=60,
).map("".join)
MESSAGES = st.builds(
    Message,
    st.sampled_from([Role.USER, Role.ASSISTANT, Role.TOOL, Role.SYSTEM]),
    TEXTS.map(lambda text: (TextPart(text),)),
    st.lists(
        st.builds(
            ToolCall,
            st.sampled_from(["a", "b"]),
            st.text(max_size=20),
            TEXTS
            | st.dictionaries(st.text(max_size=8), TEXTS | st.integers() | st.lists(TEXTS, max_size=3)).map(
                json.dumps
            ),
        ),
        max_size=2,
    ).map(tuple),
    st.sampled_from(["", "a", "b"]),
)
CONVERSATIONS = st.lists(MESSAGES, max_size=8).map(tuple)


@given(CONVERSATIONS, TEXTS, st.integers(-5, 400))
@settings(max_examples=150)
def test_it_is_never_longer_than_its_room_and_always_the_same(
    turns: tuple[Message, ...], begun: str, room: int
) -> None:
    dropped = Dropped(turns, begun, turns[:1])

    made = written(dropped, room)

    assert tokens_at_most(made) <= max(0, room)
    forget()
    assert written(dropped, room) == made


@given(CONVERSATIONS)
@settings(max_examples=150)
def test_every_fact_is_an_excerpt(turns: tuple[Message, ...]) -> None:
    for message in turns:
        source = "\n".join(
            [
                message.text,
                *itertools.chain.from_iterable(said_by(call.arguments) for call in message.tool_calls),
            ]
        )
        for fact in found_in(message):
            assert fact.text
            for part in fact.text.split(OMITTED.strip()):
                assert part.strip() in source


def said_by(arguments: str) -> list[str]:
    """All that stands in a call's arguments: as they are, each value, each name with its value."""
    try:
        decoded = json.loads(arguments)
    except ValueError:
        return [arguments]
    said = [arguments]
    waiting = [("", decoded)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting += list(value.items())
        elif isinstance(value, list):
            waiting += [(name, one) for one in value]
        else:
            said += [str(value), f"{name[:64]}: {value}" if name else ""]
    return said


def test_each_line_is_labels_and_excerpts() -> None:
    made = session(3)
    turns = made.messages[1:-4]
    excerpts = {fact.text for message in turns for fact in found_in(message)}

    lines = report(*turns).splitlines()

    assert lines[0] == LABELS["en"].heading
    assert lines[-1] == f"Messages left out: {len(turns)}"
    longest_first = sorted(excerpts, key=len, reverse=True)
    for line in lines[1:-1]:
        label, said = re.split(r": |-> ", line, maxsplit=1)
        assert label.strip() in {
            "",
            "User",
            "Assistant",
            "bash",
            "grep",
            "read_file",
            "write_file",
            "edit_file",
        }
        for excerpt in longest_first:
            said = said.replace(excerpt, "")
        assert said.strip(" |") == ""


@pytest.mark.parametrize(
    "turns", [(), (user(""),), (user(" \n\n"),), (assistant(""),), (result("x", "..."),)], ids=str
)
def test_nothing_is_worth_saying(turns: tuple[Message, ...]) -> None:
    assert report(*turns) == ""


@pytest.mark.parametrize("room", [-1, 0, 5, 20])
def test_no_room(room: int) -> None:
    assert report(user("The port is 8443."), room=room) == ""


def test_more_turns_leave_most_lines_as_they_were() -> None:
    made = session(5)
    before, after = (report(*made.messages[1:cut]).splitlines() for cut in (100, 104))

    assert sum(line in after for line in before) >= 0.75 * len(before)


# Work

HOSTILE = {
    "one word": "a" * 280_000,
    "digits": "1" * 280_000,
    "blanks": " " * 280_000,
    "short lines": "a1\n" * 90_000,
    "pairs": "a: 1, " * 60_000,
    "quotes": '"' * 280_000,
    "members": '"a":1,' * 60_000,
    "escapes": '"' + '\\"' * 140_000,
    "brackets": "[" * 280_000,
    "paths": "/a" * 140_000,
    "dots": "a." * 140_000,
    "underscores": "A_" * 140_000,
    "sentences": "a. " * 130_000,
    "errors": "ERROR must 12 failed\n" * 20_000,
    "fences": "```\n" * 90_000,
    "han": "中。" * 150_000,
    "surrogates": "\ud800" * 90_000,
    "emoji": "😀" * 90_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("where", ["user", "result", "call"])
def test_hostile_texts(text: str, where: str) -> None:
    message = {
        "user": user(text),
        "result": result("x", text),
        "call": assistant("", ToolCall("x", "f", text)),
    }[where]
    forget()

    work = work_of(lambda: found_in(message))

    assert work < 8 * min(len(text), 300_000) + 10_000
    assert len(found_in(message)) <= 60
    assert tokens_at_most(report(message, room=300)) <= 300


def test_many_calls_in_one_turn() -> None:
    message = assistant("", *(call("f" * 1_000, i, path=f"src/{i}.py", n=i) for i in range(2_000)))

    assert len(found_in(message)) <= 60
    assert max(len(fact.text) for fact in found_in(message)) < 400


def test_the_work_grows_with_the_length() -> None:
    lines = [f"12:{i % 60:02} worker {i} must take part {i * 7} of src/{i}.py" for i in range(2_000)]
    works = []
    for count in (500, 1_000, 2_000):
        forget()
        message = result("x", "\n".join(lines[:count]))
        works.append(work_of(lambda message=message: found_in(message)))  # type: ignore[misc]

    assert works[1] <= 2.3 * works[0]
    assert works[2] <= 2.3 * works[1]


def test_what_was_found_is_known() -> None:
    turns = session(7).messages[1:-4]
    forget()
    first = work_of(lambda: [found_in(message) for message in turns])

    again = work_of(lambda: report(*turns))

    assert again < first / 8
    assert len(facts._KEPT) == len(
        {(m.role, m.text, tuple((c.name, c.arguments) for c in m.tool_calls)) for m in turns}
    )


def test_what_is_known_is_bounded() -> None:
    for i in range(facts._KEPT.most + 50):
        found_in(user(f"Number {i} of many."))

    assert len(facts._KEPT) == facts._KEPT.most
