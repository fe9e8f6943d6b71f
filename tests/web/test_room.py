"""Who gives way where descriptors are few."""

from __future__ import annotations

from attrs import define, field

from trooper.web.room import Room, most_connections


@define(eq=False)
class Guest:
    name: str
    gave_way: list[str]

    def give_way(self) -> None:
        self.gave_way.append(self.name)


@define
class House:
    """A room for four, and a clock that is moved by hand."""

    now: float = 100.0
    gave_way: list[str] = field(factory=list)
    room: Room = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.room = Room(4, lambda: self.now)

    def enters(self, name: str, after_s: float = 2.0) -> Guest:
        self.now += after_s
        guest = Guest(name, self.gave_way)
        self.room.enter(guest)
        return guest


def test_nobody_gives_way_while_there_is_room() -> None:
    house = House()
    for name in "abcd":
        house.enters(name)

    assert house.gave_way == []


def test_the_longest_idle_gives_way() -> None:
    house = House()
    for name in "abcdef":
        house.enters(name)

    assert house.gave_way == ["a", "b"]


def test_who_asks_stays_and_who_has_his_answer_waits_behind_the_others() -> None:
    house = House()
    first, second = house.enters("a"), house.enters("b")
    house.room.asks(first)
    house.room.asks(second)
    assert house.room.rests(second)
    for name in "cde":
        house.enters(name)
    assert house.gave_way == ["b"]

    house.now += 5
    house.room.rests(first)
    for name in "fgh":
        house.enters(name)

    assert house.gave_way == ["b", "c", "d", "e"]


def test_who_has_just_come_stays_until_it_is_crowded() -> None:
    house = House()
    for name in "abcdef":
        house.enters(name, after_s=0.1)
    assert house.gave_way == []

    house.enters("g", after_s=0.1)
    assert house.gave_way == ["a"]

    house.enters("h", after_s=2)
    assert house.gave_way == ["a", "b", "c", "d"]


def test_who_has_just_come_is_not_sent_away_for_nobody() -> None:
    house = House()
    for name in "abcdefghij":
        house.room.asks(house.enters(name))
    house.enters("k")

    assert house.gave_way == []


def test_more_requests_than_there_is_room_for_are_told_so() -> None:
    house = House()
    guests = [house.enters(name, after_s=0) for name in "abcde"]
    for guest in guests[:4]:
        house.room.asks(guest)
    told = [house.room.is_full]
    house.room.asks(guests[4])
    told.append(house.room.is_full)
    house.room.leave(guests[0])
    told.append(house.room.is_full)

    assert told == [False, True, False]


def test_who_has_left_or_given_way_is_not_counted() -> None:
    house = House()
    gone, *others = (house.enters(name) for name in "abcde")
    assert house.gave_way == ["a"]
    house.room.asks(gone)
    assert not house.room.rests(gone)
    for guest in others:
        house.room.asks(guest)
        house.room.leave(guest)
        house.room.asks(guest)
    assert not house.room.is_full

    for name in "fghi":
        house.enters(name)
    assert house.gave_way == ["a"]


def test_a_connection_is_here_until_it_is_over() -> None:
    house = House()
    guest = Guest("a", house.gave_way)
    with house.room.holding(guest):
        house.room.asks(guest)
    for name in "bcde":
        house.room.asks(house.enters(name))

    assert not house.room.is_full


def test_each_needs_two_descriptors_and_some_are_ours() -> None:
    assert [most_connections(limit) for limit in (0, 64, 100, 1024, 65_536)] == [8, 8, 26, 488, 32_744]
