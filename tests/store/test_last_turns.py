"""What was said last in each session: the latest counts, bounded, fair, and gone in time."""

from __future__ import annotations

from attrs import evolve

from stores import ANN, BEN, Clock
from trooper.core.conversation import ToolCall
from trooper.core.recovery import Appended, Said
from trooper.store.last_turns import LastTurn, LastTurns, Mark, Told

KEEP_S = 3600.0


def turns(max_bytes: int = 1 << 20, clock: Clock | None = None) -> LastTurns:
    return LastTurns(max_bytes, KEEP_S, clock or Clock())


def turn(name: str = "t", owner: str = ANN, *, size: int = 100, has_tools: bool = False) -> LastTurn:
    said = Said("Hello.", (ToolCall("c", "read", "{}"),))
    return LastTurn(name, owner, 1.0, "openai-chat", "m", b"x" * size, said, has_tools)


def test_the_latest_turn_counts_and_what_was_appended_stays() -> None:
    known = turns()
    known.keep("s", turn("one"))
    known.append("s", ANN, (Appended("user", "note", 1.0),))
    known.keep("s", turn("two"))
    known.append("s", ANN, (Appended("user", "more", 2.0),))

    told = known.find("s")
    assert told.turn is not None
    assert (told.turn.id, [one.text for one in told.appended]) == ("two", ["note", "more"])
    known.forget("s")
    assert (known.find("s").turn, len(known), known.held_bytes) == (None, 0, 0)


def test_what_an_agent_asks_beside_its_conversation_is_not_its_next_turn() -> None:
    known = turns()
    known.keep("s", turn("agent", has_tools=True, size=900))
    known.keep("s", turn("title", size=90))
    assert known.find("s").turn == turn("agent", has_tools=True, size=900)
    known.keep("s", turn("later", size=950))
    assert known.find("s").turn == turn("later", size=950)


def test_who_holds_the_most_gives_what_he_has_not_used_for_longest() -> None:
    known = turns(max_bytes=20_000)
    known.keep("his", turn(owner=BEN))
    for number in range(50):
        known.keep(f"hers {number}", turn(size=1_000))

    assert known.held_bytes <= 20_000
    assert known.find("his").turn is not None
    assert known.find("hers 49").turn is not None
    assert known.find("hers 0").turn is None


def test_whose_turn_is_the_last_has_all_of_it() -> None:
    known, his = turns(), turns()
    known.keep("s", turn(owner=ANN))
    known.keep("s", turn(owner=BEN))
    his.keep("s", turn(owner=BEN))
    assert known.held_bytes == his.held_bytes
    known.forget("s")
    assert known.held_bytes == 0


def test_one_that_is_larger_than_all_of_the_room_is_not_kept() -> None:
    known = turns(max_bytes=5_000)
    known.keep("s", turn("small"))
    known.keep("s", turn("large", size=6_000))
    assert known.find("s").turn is None
    half = evolve(turn(), said=Said("x" * 6_000, open_call=ToolCall("c", "n", "{")))
    known.keep("s", half)
    assert len(known) == 0


def test_it_goes_when_nobody_has_used_it_for_long() -> None:
    clock = Clock()
    known = turns(clock=clock)
    known.keep("old", turn())
    clock.at += KEEP_S / 2
    known.keep("new", turn())
    clock.at += KEEP_S / 2 + 1
    assert known.find("old").turn is None
    assert known.find("new").turn is not None
    clock.at += KEEP_S
    assert known.find("new").turn is None
    assert known.held_bytes == 0


def test_what_two_processes_know_is_joined() -> None:
    early, late = evolve(turn("early"), at=1.0), evolve(turn("late"), at=2.0)
    note, more, most = (Appended("user", text, at) for text, at in (("a", 1.0), ("b", 2.0), ("a", 3.0)))
    for one, other, expected in [
        (Told(), Told(), Told()),
        (Told(early), Told(), Told(early)),
        (Told(), Told(early), Told(early)),
        (Told(early), Told(late), Told(late)),
        (Told(late), Told(early), Told(late)),
        (Told(late, (more,)), Told(early, (note, most)), Told(late, (note, more, most))),
        # As often as one of both knows of it.
        (Told(None, (note, note)), Told(None, (note,)), Told(None, (note, note))),
        (Told(None, (note,)), Told(None, (note, note)), Told(None, (note, note))),
        (Told(None, (note, most)), Told(None, (most, note)), Told(None, (note, most))),
    ]:
        assert one.joined(other) == expected


def test_which_of_two_turns_is_the_last() -> None:
    agent, title = Mark(1.0, has_tools=True, request_bytes=9), Mark(2.0, has_tools=False, request_bytes=8)
    for one, other, follows in [
        (agent, title, True),
        (title, agent, False),
        (agent, evolve(title, request_bytes=9), False),
        (evolve(title, request_bytes=9), agent, True),
        (evolve(agent, at=3.0), title, True),
        (title, evolve(agent, at=3.0), False),
        (agent, evolve(title, at=0.0), True),
        (agent, agent, True),
    ]:
        assert one.follows(other) is follows


def test_what_another_process_tells_is_put_once() -> None:
    known = turns()
    note, more = Appended("user", "a", 1.0), Appended("user", "b", 2.0)
    known.append("s", ANN, (note, note))
    known.hear("s", BEN, (note, note, more))
    known.hear("s", BEN, (more,))
    assert known.find("s").appended == (note, note, more)


def test_whoever_keeps_hears_whether_it_is_the_last_turn() -> None:
    known = turns()
    assert known.keep("s", turn("agent", has_tools=True, size=900))
    assert not known.keep("s", turn("title", size=90))


def test_what_a_text_costs_is_bytes_and_not_characters() -> None:
    """Two or four of them for each character, where one of them is outside of Latin-1; and calls have names and ids."""
    plain, wide = (
        LastTurn("t", ANN, 1.0, "w", "m", b"", Said(text)).size_bytes for text in ("x" * 4_000, "灯" * 4_000)
    )
    assert (plain < 5_000, wide > 8_000) == (True, True)
    call = ToolCall("i" * 1_000, "n" * 1_000, "a" * 1_000)
    assert LastTurn("t", ANN, 1.0, "w", "m", b"", Said("", (call,), call)).size_bytes > 6_000
    assert Told(None, (Appended("user", "🗼" * 1_000, 1.0),)).size_bytes > 4_000
