"""The rules of shortening: what goes first, what never goes, and that the next prompt begins as the last one did."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.conversation import Conversation, Message, Role, Sampling, TextPart, Tool, ToolCall
from trooper.core.fitting import count
from trooper.core.groups import measured
from trooper.core.seam import NOTHING, Prefill
from trooper.core.shortening import Fit, Wanted, WriteReport, no_report, shorten
from trooper.core.situation.dropped import Dropped
from trooper.core.tokens import tokens_at_most

NOTE = "{count} messages were left out."
RESULT = "\n".join(f"{number}: all is well at the lamp, says the keeper." for number in range(80))
THOUGHT = "<think>" + "I wonder what he means. " * 40 + "</think>"


def user(text: str) -> Message:
    return Message(Role.USER, (TextPart(text),))


def system(text: str) -> Message:
    return Message(Role.SYSTEM, (TextPart(text),))


def assistant(text: str, *calls: str, name: str = "look") -> Message:
    made = tuple(ToolCall(call, name, "{}") for call in calls)
    return Message(Role.ASSISTANT, (TextPart(text),) if text else (), made)


def result(of: str, text: str = RESULT) -> Message:
    return Message(Role.TOOL, (TextPart(text),), tool_call_id=of)


def words(tokens: int) -> str:
    """A text that is counted as so many tokens."""
    text = " ".join(["word"] * (tokens - 1))
    assert tokens_at_most(text) == tokens
    return text


def telling(dropped: Dropped, room_tokens: int) -> str:
    """A report that names each turn that is left out, as long as there is room."""
    said = [f"({m.text[:12]})" for m in dropped.turns] + (
        [f"(begun {len(dropped.begun)})"] if dropped.begun else []
    )
    while said and tokens_at_most(" ".join(said)) > room_tokens:
        said.pop()
    return " ".join(said)


def fit(
    conversation: Conversation,
    room: float,
    half: str = "",
    *,
    write: WriteReport = no_report,
    note: str = NOTE,
    window: float | None = None,
    keeps_half: bool = False,
) -> Fit:
    window = room if window is None else window
    wanted = Wanted(room, int(window / 4), write, note)
    parts = measured(conversation, tokens_at_most(half), window)
    return shorten(parts, Prefill(half, "") if half else NOTHING, wanted, keeps_half=keeps_half).fit()


def text_of(found: Fit) -> list[str]:
    return [message.text for message in found.conversation.messages]


def agent(turns: int, *, result_text: str = RESULT, tools: Sequence[Tool] = ()) -> Conversation:
    """A task, and what an agent has done for it, turn for turn."""
    said: list[Message] = [system("You are an agent."), user("Task: keep the lamp.")]
    for number in range(turns):
        said += [assistant(f"Look {number}.", f"c{number}"), result(f"c{number}", result_text)]
        said.append(user(f"Go on {number}."))
    return Conversation(tuple(said), tools=tuple(tools), sampling=Sampling(max_tokens=0))


# What fits


def test_what_fits_is_not_touched() -> None:
    conversation = agent(3)
    needed = count(conversation, "half")
    found = fit(conversation, needed, "half")
    assert found.conversation is conversation
    assert (found.is_whole, found.fits, found.shortened.told()) == (True, True, {})
    assert found.tokens == needed
    assert not fit(conversation, needed - 1, "half").is_whole


def test_what_is_said_to_be_missing_from_the_start_is_told() -> None:
    found = fit(evolve(agent(1), left_out=7), 10_000)
    assert "7 messages were left out." in text_of(found)
    assert text_of(found).index("7 messages were left out.") == 2


# The order


def test_old_results_go_first_the_oldest_of_them() -> None:
    conversation = agent(8)
    found = fit(conversation, count(conversation) - 10)
    changed = [m != n for m, n in zip(conversation.messages, found.conversation.messages, strict=True)]
    assert any(changed)
    assert [m.role for m, is_new in zip(conversation.messages, changed, strict=True) if is_new] == [
        Role.TOOL
    ] * sum(changed)
    first = conversation.messages.index(result("c0"))
    assert changed[first]
    assert not changed[-2]
    assert found.shortened.told() == {"results": sum(changed)}
    assert found.fits


def test_then_old_thoughts() -> None:
    said = [
        user("Task"),
        assistant(THOUGHT + "Yes."),
        result("c0", RESULT),
        user("More"),
        assistant(THOUGHT + "No."),
        user("Q"),
    ]
    conversation = Conversation(tuple(said))
    whole = count(conversation)
    found = fit(conversation, whole - tokens_at_most(RESULT))
    assert text_of(found)[1] == "Yes."
    assert text_of(found)[-1] == "Q"
    assert "turns" not in found.shortened.told()


TOOLS = tuple(
    Tool(
        name,
        "Does it well. " + "And there is more to say about it. " * 30,
        {
            "type": "object",
            "properties": {"path": {"type": "string", "description": "Where it is, from the root. " * 20}},
            "required": ["path"],
        },
    )
    for name in ("look", "write", "fetch")
)


def test_then_tools_that_nobody_has_used() -> None:
    conversation = agent(2, result_text="ok", tools=TOOLS)
    whole = count(conversation)
    found = fit(conversation, whole - 100)
    assert found.conversation.messages == conversation.messages
    used, *others = found.conversation.tools
    assert used == TOOLS[0]
    assert {tool.description for tool in others} == {"Does it well."}
    assert {json.dumps(tool.parameters) for tool in others} == {json.dumps(TOOLS[1].parameters)}
    assert found.shortened.told() == {"tools": 2}
    less = fit(conversation, found.tokens - 100)
    assert less.conversation.messages == conversation.messages
    assert less.conversation.tools[0] == TOOLS[0]
    assert less.conversation.tools[1].parameters == {
        "type": "object",
        "properties": {"path": {"type": "string"}},
        "required": ["path"],
    }
    forced = fit(evolve(conversation, tool_choice="tool:write"), whole - 100)
    assert forced.conversation.tools[:2] == TOOLS[:2]


def test_then_old_turns_the_oldest_first_and_a_report_stands_for_them() -> None:
    conversation = agent(12, result_text="ok")
    found = fit(conversation, count(conversation) - 40, write=telling)
    texts = text_of(found)
    assert texts[:2] == ["You are an agent.", "Task: keep the lamp."]
    assert texts[2].startswith("(Look 0.) (ok)")
    assert found.conversation.messages[2].role is Role.USER
    assert texts[3:] == text_of(Fit(conversation, NOTHING, 0, fits=True, is_least=False))[-len(texts) + 3 :]
    assert found.shortened.turns == len(conversation.messages) - (len(texts) - 1)
    assert found.tokens == count(found.conversation) <= count(conversation) - 40


def test_then_the_half_answers_own_beginning() -> None:
    """Twelve thousand tokens of an answer, at the window that Ollama is installed with."""
    half = "\n\n".join(f"Paragraph {number}. " + "The keeper writes it down. " * 20 for number in range(110))
    assert tokens_at_most(half) > 12_000
    conversation = agent(3, result_text="ok")
    found = fit(conversation, 3072, half, write=telling, window=4096)
    assert found.fits
    assert found.prefill.hidden + found.prefill.text == half
    assert found.prefill.text.startswith("Paragraph")
    assert tokens_at_most(found.prefill.text) > 1000
    assert found.shortened.answer_chars == len(found.prefill.hidden)
    assert f"(begun {len(found.prefill.hidden)})" in " ".join(text_of(found))
    assert text_of(found)[-1] == "Go on 2."


@pytest.mark.parametrize("how", [{"keeps_half": True}, {"structured": True}])
def test_half_a_document_or_a_call_needs_its_beginning(how: dict[str, Any]) -> None:
    conversation = evolve(agent(1, result_text="ok"), json_mode="structured" in how)
    found = fit(conversation, 500, words(600), keeps_half="keeps_half" in how)
    assert not found.fits
    assert found.is_least
    assert found.prefill.hidden == ""


# What never goes


def test_the_first_and_the_last_turn_stay() -> None:
    said = [user(words(300)), assistant("a"), *(user(words(50)) for _ in range(9)), user(words(300))]
    found = fit(Conversation(tuple(said)), 700)
    assert text_of(found)[0] == text_of(found)[-1] == words(300)
    assert found.fits
    too_little = fit(Conversation(tuple(said)), 500)
    assert text_of(too_little) == [words(300), "10 messages were left out.", words(300)]
    assert (too_little.fits, too_little.is_least) == (False, True)


def test_of_the_system_prompt_the_beginning_stays() -> None:
    """What an agent is told takes more than its share, and the alternative is no answer."""
    told = "\n\n".join(f"Rule {number}. " + "Be brief. " * 20 for number in range(100))
    found = fit(Conversation((system(told), user("Q"))), 3000)
    assert found.fits
    assert found.conversation.messages[0].text.startswith("Rule 0. Be brief.")
    assert told.startswith(found.conversation.messages[0].text)
    assert found.tokens > 2000
    assert found.shortened.told() == {"system_chars": len(told) - len(found.conversation.messages[0].text)}


def test_a_result_stays_with_its_call() -> None:
    for room in range(150, 900, 25):
        messages = fit(agent(6, result_text=RESULT[:600]), room).conversation.messages
        calls = {call.id for message in messages for call in message.tool_calls}
        assert {m.tool_call_id for m in messages if m.role is Role.TOOL} == calls


def test_an_hour_of_work_behind_one_turn() -> None:
    """There is nothing else to leave out, and the alternative is no answer at all."""
    done = [m for n in range(40) for m in (assistant(f"Look {n}.", f"c{n}"), result(f"c{n}"))]
    conversation = Conversation((system("S"), user("Task: keep the lamp."), *done))
    some = fit(conversation, 20_000, "Half", write=telling, window=32_768)
    assert some.fits
    assert some.conversation.messages[-1] == result("c39")
    assert len(some.conversation.messages) == len(conversation.messages)
    assert some.shortened.results > 10
    less = fit(conversation, 2000, "Half", write=telling, window=4096)
    assert less.fits
    assert text_of(less)[:2] == ["S", "Task: keep the lamp."]
    assert text_of(less)[2].startswith("(Look 0.)")
    assert less.conversation.messages[-1] == result("c39")
    assert less.prefill.text == "Half"


def test_it_is_not_touched_while_anything_else_can_go() -> None:
    since = [assistant("I look.", "c1"), result("c1"), assistant("And again.", "c2"), result("c2")]
    old = [m for n in range(9) for m in (assistant(words(90)), user(words(90)))]
    conversation = Conversation((user("Task"), *old, user("Q"), *since))
    found = fit(conversation, count(conversation) - 900)
    assert found.conversation.messages[-5:] == (user("Q"), *since)
    assert found.fits


# The same bytes


def rendered(found: Fit) -> str:
    tools = [[t.name, t.description, t.parameters] for t in found.conversation.tools]
    return json.dumps(
        [tools, [[m.role.value, m.text, [c.name for c in m.tool_calls]] for m in found.conversation.messages]]
    )


def shared_beginning(one: str, other: str) -> str:
    pairs = enumerate(zip(one, other, strict=False))
    return one[: next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))]


@pytest.mark.parametrize(("window", "at_least"), [(2048, 7), (8192, 19)])
def test_the_next_turns_prompt_begins_as_the_last_one_did(window: int, at_least: int) -> None:
    """It is another one only where the conversation passes a mark."""
    room, before, same, shares = window * 3 / 4, "", 0, list[float]()
    for turns in range(100, 130):
        found = fit(agent(turns, result_text=RESULT[:300], tools=TOOLS), room, write=telling, window=window)
        now = rendered(found)
        assert found.fits
        assert found.tokens > 0.7 * room
        shared = len(shared_beginning(before, now)) / max(1, len(before))
        same += shared > 0.95
        shares.append(shared)
        before = now
    assert same > at_least
    assert min(shares[1:]) > 0.2


def test_results_are_shortened_to_a_mark() -> None:
    """A little more to save does not make it another prompt."""
    conversation = agent(60, result_text=RESULT[:1200])
    whole = count(conversation)
    prompts = {rendered(fit(conversation, whole - less, window=65_536)) for less in range(50, 1500, 50)}
    assert len(prompts) <= 2


def test_a_count_that_differs_by_little_makes_the_same_prompt() -> None:
    conversation = agent(100, result_text=RESULT[:300])
    prompts = {
        rendered(fit(conversation, 6000 + more, write=telling, window=8192 + more))
        for more in range(0, 40, 5)
    }
    assert len(prompts) <= 2


# Whatever comes

TURNS = st.one_of(
    st.builds(system, st.text(max_size=20)),
    st.builds(user, st.text(max_size=80)),
    st.builds(assistant, st.text(max_size=80)),
    st.builds(
        lambda n, size: (
            assistant("look", *map(str, range(n))),
            *(result(str(i), RESULT[:size]) for i in range(n)),
        ),
        st.integers(1, 3),
        st.sampled_from((10, 2000)),
    ),
)


@given(
    st.lists(TURNS, max_size=14),
    st.text(max_size=400),
    st.integers(1, 1500),
    st.sampled_from([no_report, telling]),
    st.sampled_from(["", NOTE]),
    st.booleans(),
)
def test_whatever_the_history(
    turns: list[Message | tuple[Message, ...]],
    half: str,
    room: int,
    write: WriteReport,
    note: str,
    has_tools: bool,
) -> None:
    messages = [m for turn in turns for m in (turn if isinstance(turn, tuple) else (turn,))]
    conversation = Conversation(tuple(messages), tools=TOOLS if has_tools else ())
    found = fit(conversation, room, half, write=write, note=note)
    kept = found.conversation.messages
    assert found.fits is (found.tokens <= room) or not found.is_whole
    assert found.tokens == count(found.conversation, found.prefill.text)
    if found.fits:
        assert found.tokens <= room
    assert found.prefill.hidden + found.prefill.text == half
    if found.is_whole:
        assert found.conversation == conversation
        return
    users = [m for m in messages if m.role is Role.USER]
    if users:
        assert users[0] in kept
        assert users[-1] in kept
    # What is there stands in its order, and no result begins without its call.
    ids = [id(m) for m in messages]
    places = [ids.index(id(m)) for m in kept if id(m) in ids and m.role is not Role.SYSTEM]
    assert places == sorted(places)
    called = set[str]()
    for message in kept:
        called |= {call.id for call in message.tool_calls}
        assert message.role is not Role.TOOL or message.tool_call_id in called
    assert [t.name for t in found.conversation.tools] == [t.name for t in conversation.tools]
