"""What a client that lost everything is told, and what a report on all of it is about."""

from __future__ import annotations

from trooper.core.conversation import Conversation, Message, Role, TextPart, ToolCall
from trooper.core.recovery import Appended, OpenCall, Said, Step, all_of_it, as_messages, beside, recovered
from trooper.core.situation.dropped import Dropped


def message(role: Role, text: str = "", *calls: ToolCall, of: str = "") -> Message:
    return Message(role, (TextPart(text),) if text else (), calls, of)


READ, RUN = ToolCall("c1", "read", '{"path":"a.py"}'), ToolCall("c2", "run", '{"command":"pytest"}')
HISTORY = (
    message(Role.SYSTEM, "Be brief."),
    message(Role.USER, "Mend the tests."),
    message(Role.ASSISTANT, "I look.", READ, RUN),
    message(Role.TOOL, "import os", of="c1"),
    message(Role.USER, "Go on."),
)
NOTE = Appended("user", "The port is 8080.", 1.0)


def test_steps_are_calls_with_their_results_and_open_is_what_has_none() -> None:
    half = ToolCall("c4", "write", '{"pa')
    told = recovered(
        Conversation(HISTORY), Said("I wr", (ToolCall("c3", "list", "{}"),), half, "client_cancelled")
    )

    assert (told.task, told.asked) == ("Mend the tests.", "Go on.")
    assert told.steps == (Step("read", '{"path":"a.py"}', "import os"),)
    assert told.open == (
        OpenCall("c2", "run", '{"command":"pytest"}', True),
        OpenCall("c3", "list", "{}", True),
        OpenCall("c4", "write", '{"pa', False),
    )
    assert (told.answer, told.is_whole, told.is_lost) == ("I wr", False, False)


def test_a_whole_answer_leaves_nothing_open() -> None:
    told = recovered(Conversation((message(Role.USER, "Hi"),)), Said("Hello."))
    assert (told.steps, told.open, told.is_whole) == ((), (), True)
    assert recovered(Conversation(()), Said("")).task == ""


def test_much_is_told_briefly_and_the_answer_in_full() -> None:
    many = [HISTORY[1]]
    for number in range(300):
        many.append(message(Role.ASSISTANT, "", ToolCall(f"c{number}", "read", "x" * 9_000)))
        many.append(message(Role.TOOL, "line of it\n" * 5_000, of=f"c{number}"))
    many.append(message(Role.TOOL, "nobody's", of="other"))
    told = recovered(Conversation(tuple(many)), Said("a" * 50_000))

    assert (len(told.steps), told.steps_left_out) == (200, 101)
    assert all(len(step.result) < 5_000 and len(step.arguments) < 5_000 for step in told.steps)
    assert told.steps[-1] == Step("", "", "nobody's")
    assert told.answer == "a" * 50_000


def test_all_of_a_conversation_stands_behind_the_users_first_turn() -> None:
    whole = all_of_it(Conversation(HISTORY), Said("Done."))
    assert whole.first == HISTORY[:2]
    assert [turn.text for turn in whole.turns] == ["I look.", "import os", "Go on.", "Done."]
    half = all_of_it(Conversation(HISTORY), Said("Do", ending="failed"))
    assert (half.begun, len(half.turns)) == ("Do", 3)


def test_what_was_appended_is_behind_what_is_left_out_and_told_once() -> None:
    asked: list[Dropped] = []

    def write(dropped: Dropped, _room: int) -> str:
        asked.append(dropped)
        return "report"

    assert beside(write, ()) is write
    with_note = beside(write, (NOTE,))
    with_note(Dropped(HISTORY[2:3], first=HISTORY[:2]), 100)
    with_note(Dropped(HISTORY[3:4]), 100)
    assert asked[0].turns == (HISTORY[2], *as_messages((NOTE,)))
    assert asked[1].turns == HISTORY[3:4]
