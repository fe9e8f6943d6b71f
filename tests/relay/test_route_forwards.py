"""Whether a provider's own bytes may still become the client's: until then nothing of ours begins the answer."""

from __future__ import annotations

import pytest

from relay.test_route import LIMITED, RESET, chained
from relay_parts import link_of, route_of, services_of
from trooper.relay.route import Route


def asked(route: Route, *names: str) -> None:
    """These were asked, and have failed."""
    for name in names:
        route.take(link_of(route, name), now=0.0)
        route.observe(link_of(route, name), RESET, now=0.0)


@pytest.mark.parametrize(
    ("wire", "names", "speaks", "forwards"),
    [
        ("chat", ("openai", "second", "ollama"), "openai", True),
        # Behind both of its wire nobody's bytes will be the client's.
        ("chat", ("openai", "second", "ollama"), "ollama", False),
        ("chat", ("openai", "ollama", "second"), "ollama", True),
        ("messages", ("openai", "ollama", "second"), "ollama", False),
        ("messages", ("openai", "second", "ollama"), "second", False),
    ],
)
def test_who_speaks_and_who_is_behind_him(
    wire: str, names: tuple[str, ...], speaks: str, forwards: bool
) -> None:
    route = route_of(services_of(chained(wire, *names)))
    asked(route, *names[: names.index(speaks) + 1])
    assert route.may_forward(link_of(route, speaks), now=0.0) is forwards


def test_who_is_to_be_left_alone() -> None:
    """In front of who speaks he counts as gone, at any time; behind him while that time is not over."""
    services = services_of(chained("chat", "openai", "ollama", "second"))
    first = route_of(services)
    for name in ("openai", "second"):
        first.observe(link_of(first, name), LIMITED, now=0.0)
    route = route_of(services)
    ollama = link_of(route, "ollama")
    route.take(ollama, now=1.0)
    assert route.may_forward(ollama, now=1.0) is False
    assert route.may_forward(ollama, now=31.0) is True
    alone = route_of(services_of(chained("chat", "openai", "ollama")))
    alone.take(link_of(alone, "ollama"), now=1.0)
    assert alone.may_forward(link_of(alone, "ollama"), now=31.0) is False
