"""Turns for others, between steps that each look at all of a request."""

from __future__ import annotations

import trio.testing

from trooper.relay.turns import others_turn


async def test_others_have_their_turn_where_a_step_takes_a_while() -> None:
    with trio.testing.assert_checkpoints():
        await others_turn(bytes(1 + (1 << 20)))


async def test_nobody_waits_for_a_short_one() -> None:
    with trio.testing.assert_no_checkpoints():
        await others_turn(b"")
        await others_turn(bytes(1 << 20))
