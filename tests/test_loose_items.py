"""
Items and parts of the Responses wire that come in another way than they should: side by side, twice, under one
name, or with nothing in what repeats them. Behind a cut the final response says what the client was told.
"""

from __future__ import annotations

from typing import Any

import pytest

from test_loose_ends import BEGUN, event, told

CREATED = event("response.created", response=BEGUN)
WORDS = "A lighthouse keeps"


def begins(kind: str, item_id: str, index: int = 0, **fields: Any) -> bytes:
    shape: dict[str, Any] = {"reasoning": {"summary": []}, "message": {"role": "assistant", "content": []}}
    item = {"id": item_id, "type": kind, **shape.get(kind, {}), **fields}
    return event("response.output_item.added", output_index=index, item=item)


def ends(item_id: str, text: str, index: int = 0) -> bytes:
    content = [{"type": "output_text", "text": text}] if text else []
    item = {"id": item_id, "type": "message", "role": "assistant", "content": content}
    return event("response.output_item.done", output_index=index, item=item)


def part(verb: str, item_id: str, number: int = 0, index: int = 0, text: str = "") -> bytes:
    place = {"item_id": item_id, "output_index": index, "content_index": number}
    return event(f"response.content_part.{verb}", **place, part={"type": "output_text", "text": text})


def says(text: str, item_id: str, number: int = 0, index: int = 0) -> bytes:
    place = {"item_id": item_id, "output_index": index, "content_index": number}
    return event("response.output_text.delta", **place, delta=text)


def thinks(text: str, item_id: str, index: int = 0) -> bytes:
    place = {"item_id": item_id, "output_index": index, "summary_index": 0}
    return event("response.reasoning_summary_text.delta", **place, delta=text)


async def output_of(*pieces: bytes) -> list[tuple[str, ...]]:
    """The items of the final response: their kinds, and the words of their parts."""
    events = await told("responses", CREATED, *pieces)
    assert events[-1]["type"] == "response.completed", events[-1]
    output = events[-1]["response"]["output"]
    assert all("#" not in str(item["id"]) and item["id"] != "None" for item in output)
    return [
        (item["type"], *(one["text"] for one in [*item.get("summary", ()), *item.get("content", ())]))
        for item in output
    ]


REST = " its light."


async def test_a_thought_beside_an_open_message_is_none_of_its_words(autojump_clock: Any) -> None:
    """Nobody began its item."""
    message = (begins("message", "m", 1), part("added", "m", index=1), says(WORDS, "m", index=1))
    assert await output_of(*message, thinks("Hm", "r")) == [
        ("message", WORDS),
        ("reasoning", "Hm"),
        ("message", REST),
    ]


@pytest.mark.parametrize("ended", [True, False])
async def test_words_beside_an_open_thought_are_none_of_it(autojump_clock: Any, ended: bool) -> None:
    part_begins = event(
        "response.reasoning_summary_part.added",
        item_id="r",
        output_index=0,
        summary_index=0,
        part={"type": "summary_text", "text": ""},
    )
    item = {"id": "r", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}]}
    end = [event("response.output_item.done", output_index=0, item=item)] if ended else []
    thought = (begins("reasoning", "r"), part_begins, thinks("Hm", "r"), *end)
    assert await output_of(*thought, says(WORDS, "m", index=1)) == [
        ("reasoning", "Hm"),
        ("message", WORDS + REST),
    ]


async def test_parts_side_by_side_keep_their_words(autojump_clock: Any) -> None:
    pieces = (
        *(begins("message", "m"), part("added", "m"), says("A light", "m"), part("added", "m", 1)),
        *(says(" keeps", "m", 1), says("house", "m"), part("done", "m", 0, text="A lighthouse")),
    )
    (kind, first, *others) = (await output_of(*pieces))[0]
    assert (kind, first, others[0][:6]) == ("message", "A lighthouse", " keeps")


async def test_items_of_one_id_are_all_there(autojump_clock: Any) -> None:
    pieces = [
        piece
        for at, text in enumerate(("A light", "house"))
        for piece in (begins("message", "m", at), says(text, "m", 0, at), ends("m", text, at))
    ]
    assert await output_of(*pieces, b": more\n\n") == [
        ("message", "A light"),
        ("message", "house"),
        ("message", " keeps its light."),
    ]


@pytest.mark.parametrize("item_id", ["m", ""])
async def test_what_is_said_twice_is_there_once(autojump_clock: Any, item_id: str) -> None:
    begun = (begins("message", item_id), part("added", item_id))
    done = (part("done", item_id, text=WORDS), ends(item_id, WORDS))
    said = says(WORDS, item_id)
    twice = [*begun, *(begun if item_id else ()), said, done[0], done[0], done[1], done[1]]
    assert await output_of(*twice, b": more\n\n") == [("message", WORDS), ("message", REST)]


@pytest.mark.parametrize("at", [1, 2, 3])
async def test_an_end_without_the_words_does_not_take_them_back(autojump_clock: Any, at: int) -> None:
    place = {"item_id": "m", "output_index": 0, "content_index": 0}
    done = (
        event("response.output_text.done", **place, text=""),
        part("done", "m"),
        ends("m", ""),
    )
    whole = await output_of(begins("message", "m"), part("added", "m"), says(WORDS, "m"), *done[:at])
    assert "".join(text for _, *texts in whole for text in texts) == WORDS + REST


async def test_an_item_that_only_its_end_has_said_has_ended(autojump_clock: Any) -> None:
    events = await told("responses", CREATED, begins("message", "m"), part("added", "m"), ends("m", WORDS))
    ended = [value["item"]["id"] for value in events if value["type"] == "response.output_item.done"]
    assert len(ended) == len(set(ended)) == 2


async def test_the_end_of_an_item_that_nobody_began_ends_no_other(autojump_clock: Any) -> None:
    thought = (begins("reasoning", "r"), thinks("Hm", "r"))
    assert await output_of(*thought, ends("m", WORDS), b": more\n\n") == [
        ("reasoning", "Hm"),
        ("message", WORDS),
        ("message", REST),
    ]


def left_open(count: int) -> tuple[bytes, bytes]:
    """So many items that began, and then the words of each, in another order."""
    begun = [begins("message", f"m{at}", at) for at in range(count)]
    said = [says(f"{at}.", f"m{at}", 0, at) for at in reversed(range(count))]
    return b"".join(begun), b"".join(said)


async def test_many_items_are_left_open(autojump_clock: Any) -> None:
    """Hundreds: each event finds its own at once. More numbers fill the local model's window."""
    count = 600
    whole = await output_of(*left_open(count))
    assert whole[:count] == [("message", f"{at}.") for at in range(count - 1)] + [whole[count - 1]]


async def test_behind_more_items_than_anybody_says_nobody_goes_on(autojump_clock: Any) -> None:
    events = await told("responses", CREATED, *left_open(2000))
    assert [one["type"] for one in events[-2:]] == ["response.failed", "error"]


@pytest.mark.parametrize(
    ("around", "kind", "told_by"),
    [
        ("reasoning_summary_part", "summary_text", "reasoning_summary_text"),
        ("content_part", "reasoning_text", "reasoning_text"),
        ("reasoning_part", "reasoning_text", "reasoning_text"),
    ],
)
async def test_a_part_of_a_thought_that_has_ended_is_not_ended_again(
    autojump_clock: Any, around: str, kind: str, told_by: str
) -> None:
    place = {"item_id": "rs_1", "output_index": 0, "summary_index": 0, "content_index": 0}
    pieces = (
        begins("reasoning", "rs_1"),
        event(f"response.{around}.added", **place, part={"type": kind, "text": ""}),
        event(f"response.{told_by}.delta", **place, delta="Hm."),
        event(f"response.{told_by}.done", **place, text="Hm."),
        event(f"response.{around}.done", **place, part={"type": kind, "text": "Hm."}),
    )
    for cut in (4, 5):
        events = await told("responses", CREATED, *pieces[:cut])
        ended = [
            one["type"] for one in events if one.get("item_id") == "rs_1" and "_part.done" in one["type"]
        ]
        assert len(ended) == 1
        thought = events[-1]["response"]["output"][0]
        assert [one["text"] for one in [*thought["summary"], *thought.get("content", ())]] == ["Hm."]


@pytest.mark.parametrize("odd", [[], {}, ["x"], {"a": 1}, True, 1.5, "", None], ids=repr)
@pytest.mark.parametrize("place", ["item_id", "output_index", "content_index", "item", "id"])
async def test_a_name_or_a_place_may_be_anything(autojump_clock: Any, odd: Any, place: str) -> None:
    """What is neither a name nor a number is none, and the words are there all the same."""
    item: Any = {"id": "m", "type": "message", "role": "assistant", "content": []}
    item = odd if place == "item" else {**item, "id": odd} if place == "id" else item
    where: dict[str, Any] = {"item_id": "m", "output_index": 0, "content_index": 0}
    where |= {place: odd} if place in where else {}
    events = await told(
        "responses",
        CREATED,
        event("response.output_item.added", output_index=where["output_index"], item=item),
        event("response.output_text.delta", **where, delta=WORDS),
        event("response.output_text.done", **where, text=WORDS),
        event("response.output_item.done", output_index=where["output_index"], item=item),
    )
    if place == "item" and isinstance(odd, dict):
        # An item of no kind may be anything, and nobody else could go on from it.
        assert events[-1]["type"] == "error"
        return
    assert events[-1]["type"] == "response.completed"
    said = [part["text"] for one in events[-1]["response"]["output"] for part in one.get("content") or ()]
    assert "".join(said) == WORDS + REST


async def test_an_index_of_many_digits_is_none(autojump_clock: Any) -> None:
    place = {"item_id": "m", "output_index": "9" * 5000, "content_index": 0}
    whole = await output_of(begins("message", "m"), event("response.output_text.delta", **place, delta=WORDS))
    assert whole == [("message", WORDS + REST)]
