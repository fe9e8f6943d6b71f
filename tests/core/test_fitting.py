"""How much of a window a conversation takes, and which parts of it belong together."""

from __future__ import annotations

from itertools import chain

import pytest
from attrs import evolve

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
from trooper.core.fitting import bounded, count, count_images, estimate, parts_of, reserve
from trooper.core.tokens import tokens_at_most

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


# Parts


def parts(*messages: Message) -> list[list[str]]:
    found = parts_of(messages)
    flat = (
        [m.text for m in chain.from_iterable(found.old)],
        [m.text for m in chain.from_iterable(found.since)],
    )
    return [
        [m.text for m in found.system],
        [m.text for m in found.first],
        flat[0],
        [m.text for m in found.turn],
        flat[1],
    ]


def test_a_history_in_parts() -> None:
    history = [system("S"), user("a"), assistant("b", "c1"), result("c1", "c"), user("d"), assistant("e")]
    assert parts(*history) == [["S"], ["a"], ["b", "c"], ["d"], ["e"]]
    assert [len(group) for group in parts_of(history).old] == [2]
    assert parts_of(history).latest == tuple(history[4:])


def test_one_turn_is_the_last_one() -> None:
    assert parts(user("Q")) == [[], [], [], ["Q"], []]
    assert parts(system("S"), assistant("a"), user("Q")) == [["S"], [], ["a"], ["Q"], []]
    assert parts(system("S"), assistant("a")) == [[], [], [], ["S", "a"], []]
    assert parts() == [[], [], [], [], []]


def test_a_first_turn_of_several_messages() -> None:
    """Agents put their surroundings in front of the task; of a long run only the first is sure to belong to it."""
    surroundings = [user("rules"), user("folder"), user("task")]
    assert parts(*surroundings, assistant("a"), user("Q"))[1:3] == [["rules", "folder", "task"], ["a"]]
    many = [user(str(number)) for number in range(6)]
    assert parts(*many, user("Q"))[1:3] == [["0"], ["1", "2", "3", "4", "5"]]


def test_what_was_too_much_to_be_read_is_of_the_middle() -> None:
    history = chat(system("S"), user("a"), assistant("b"), assistant("c"), assistant("d"), user("Q"))
    shorter = bounded(history, 8)
    assert shorter is not None
    assert text_of(shorter) == ["S", "a", "d", "Q"]
    assert shorter.left_out == 2
    assert bounded(history, 12) is history
    assert bounded(history, 5) is None
