"""The agents, and which window holds their turn."""

from __future__ import annotations

import pytest

from trooper.core.agents import AGENTS, Agent, who_fits, window_for
from trooper.wires import WIRES


def test_each_speaks_a_wire_of_clients() -> None:
    assert {wire.agent for wire in WIRES.known if not wire.is_local} == set(AGENTS)
    assert {wire.agent for wire in WIRES.known if wire.is_local} == {None}


@pytest.mark.parametrize("agent", AGENTS)
def test_the_window_that_is_asked_for_holds_the_turn(agent: Agent) -> None:
    window = window_for(agent)
    assert window.bit_count() == 1
    assert window // 2 < agent.turn_tokens + 2_048 <= window


def test_who_fits() -> None:
    largest = max(agent.turn_tokens for agent in AGENTS)
    assert who_fits(largest) == AGENTS
    assert all(agent.turn_tokens < largest for agent in who_fits(largest - 1))
    assert who_fits(4_096) == who_fits(0) == ()
