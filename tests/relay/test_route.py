"""Who answers one request: links taken in order, who is fit, who is left alone."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from relay_parts import MODEL, given, incoming, link_of, route_of, services_of
from scenes import configured, with_second
from trooper.config import Chain, Config
from trooper.core.events import Text, ToolCallDelta
from trooper.core.local_model import Way
from trooper.core.outcome import Completed, Failed, FailureKind
from trooper.core.plan import Continue, FinishCall, GiveUp, PassOn, Restart, Step, Terminate
from trooper.core.transcript import Transcript
from trooper.core.unfit import Unfit
from trooper.relay.route import Route
from trooper.targets.chain import Link
from trooper.targets.standby import State

RESET = Failed(FailureKind.CONN_RESET)
LIMITED = Failed(FailureKind.RATE_LIMIT, retry_after_s=30)


def chained(wire: str = "chat", *names: str, **second: Any) -> Config:
    """Zero configuration with a second cloud that speaks `wire`, and the chain of `names`."""
    config = with_second(configured(), wire, **second)
    return evolve(config, chains=(Chain("*", names or ("openai", "second", "ollama")),))


def after(
    route: Route, outcome: Completed | Failed, has: Transcript, *, now: float = 0.0, **more: Any
) -> Step[Link]:
    told: dict[str, Any] = {"may_retry": True, "can_heal": False, "tokens_left": None}
    return route.after(outcome, has, now=now, **({"tried": route.links[0]} | told | more))


def first_name(route: Route, now: float) -> str:
    """Who is asked first."""
    step = route.first(now)
    assert isinstance(step, Restart)
    return step.link.target.name


def left_alone(seconds: float) -> Failed:
    return Failed(FailureKind.RATE_LIMIT, retry_after_s=seconds, unfit_reason=Unfit.COOLING_DOWN)


def test_the_chain_is_the_configurations() -> None:
    route = route_of(services_of())
    assert [link.target.name for link in route.links] == ["openai", "ollama"]
    assert [link.model for link in route.links] == ["gpt-4o", None]


def test_without_failover_there_is_one_link() -> None:
    route = route_of(services_of(), headers=((b"x-trooper-failover", b"off"),))
    assert [link.target.name for link in route.links] == ["openai"]
    route.take(route.links[0], now=0.0)
    assert after(route, RESET, given()) == PassOn(RESET)


def test_first_is_the_first_and_nobody_reads_the_request_for_it() -> None:
    route = route_of(services_of())
    assert route.first(0.0) == Restart(route.links[0])
    assert route.incoming._conversation is None
    assert route.passed_by == {}


def test_a_cooling_first_target_is_passed_over() -> None:
    services = services_of()
    route = route_of(services)
    route.observe(route.links[0], LIMITED, now=100.0)
    other = route_of(services)
    assert other.first(129.0) == Restart(link_of(other, "ollama"))
    assert other.passed_by == {"openai": Unfit.COOLING_DOWN}
    assert other.first(130.1) == Restart(other.links[0])
    # Another key, another model: not their limit.
    assert first_name(route_of(services, key=b"Bearer sk-other"), 101.0) == "openai"
    assert first_name(route_of(services, model="gpt-4o-mini"), 101.0) == "openai"


def test_a_key_of_ours_is_one_credential_for_all_clients() -> None:
    services = services_of(configured({"TROOPER_OPENAI_API_KEY": "sk-ours"}))
    route = route_of(services)
    route.observe(route.links[0], LIMITED, now=0.0)
    assert first_name(route_of(services, key=b"Bearer sk-other"), 1.0) == "ollama"


def test_only_a_rate_limit_makes_a_target_cool() -> None:
    services = services_of()
    route = route_of(services)
    route.observe(route.links[0], Failed(FailureKind.OVERLOADED, retry_after_s=30), now=0.0)
    assert route_of(services).first(1.0) == Restart(route.links[0])


def test_where_nobody_else_can_who_cools_is_not_asked_either() -> None:
    """It was, 435 times of 435: the provider had said when it may be asked again."""
    services = services_of()
    route_of(services).observe(route_of(services).links[0], LIMITED, now=0.0)
    # The local one cannot.
    route = route_of(services, logprobs=True)
    step = route.first(1.0)
    assert step == GiveUp(left_alone(29.0))
    assert isinstance(step, GiveUp)
    assert route.whose(step.failed, route.links[1]) == "openai"
    assert route.passed_by == {"openai": Unfit.COOLING_DOWN, "ollama": Unfit.LOGPROBS}
    # Who wants no other target does not want this one to be asked in spite of its wish.
    alone = route_of(services, headers=((b"x-trooper-failover", b"off"),))
    assert alone.first(1.0) == GiveUp(left_alone(29.0))
    assert route.first(30.0) == Restart(route.links[0])


def test_what_others_failed_at_in_its_place_is_not_told() -> None:
    """The client's own target says when to come back; what a stand-in could not do is no news."""
    for failed in (
        RESET,
        Failed(FailureKind.NOT_FOUND),
        Failed(FailureKind.UNFIT, unfit_reason=Unfit.VISION),
    ):
        services = services_of(chained())
        route = route_of(services)
        openai, second, ollama = route.links
        route_of(services).observe(openai, LIMITED, now=0.0)
        assert route.first(1.0) == Restart(second)
        route.take(second, now=1.0)
        route.observe(second, failed, now=2.0)
        assert after(route, failed, given(), now=2.0, tried=second) == Restart(ollama)
        route.take(ollama, now=2.0)
        step = after(route, RESET, given(), now=5.0, tried=ollama)
        assert step == GiveUp(left_alone(25.0))
        assert isinstance(step, GiveUp)
        assert route.whose(step.failed, ollama) == "openai"
        # In the middle of an answer it is news: it was broken.
        step = after(route, RESET, given(Text("a")), now=5.0, tried=ollama)
        assert step == GiveUp(failed)
        assert isinstance(step, GiveUp)
        assert route.whose(step.failed, ollama) == "second"
        # And once the time is over, it is asked.
        assert after(route, RESET, given(), now=31.0, tried=ollama) == Restart(openai)


def test_a_failure_before_the_wish_is_the_first_one() -> None:
    services = services_of(chained("chat", "openai", "second"))
    openai, second = route_of(services).links
    route_of(services).observe(second, LIMITED, now=0.0)
    route = route_of(services)
    assert route.first(0.0) == Restart(openai)
    route.take(openai, now=0.0)
    route.observe(openai, RESET, now=0.0)
    assert after(route, RESET, given(), now=1.0) == GiveUp(RESET)
    assert route.whose(RESET, second) == "openai"


def test_nor_is_it_asked_once_more_by_one_who_has_asked_already() -> None:
    """Another request was told to wait meanwhile."""
    services = services_of(chained("chat", "openai", "second"))
    openai, second = route_of(services).links
    empty, refused = Failed(FailureKind.EMPTY_200), Failed(FailureKind.INVALID_REQUEST)
    for told, heals in ((empty, False), (refused, True)):
        route = route_of(services)
        route.take(openai, now=0.0)
        again = after(route, told, given(), can_heal=heals)
        assert again == Restart(openai, again=True)
    route_of(services).observe(openai, LIMITED, now=0.0)
    for told, heals in ((empty, False), (refused, True)):
        route = route_of(services)
        route.take(openai, now=0.0)
        assert after(route, told, given(), can_heal=heals) == Restart(second)
    route.take(second, now=0.0)
    # What could have been healed is not told as a refusal.
    assert after(route, refused, given(), now=10.0, can_heal=True) == GiveUp(left_alone(20.0))


def test_links_are_taken_in_order_and_those_before_had_their_chance() -> None:
    route = route_of(services_of(chained()))
    openai, second, ollama = route.links
    route.take(openai, now=0.0)
    assert after(route, RESET, given()) == Restart(second)
    route.take(ollama, now=0.0)
    route.observe(openai, RESET, now=0.0)
    assert after(route, RESET, given()) == GiveUp(RESET)
    # The same target once more is not in the chain any longer.
    route.take(openai, now=0.0)
    assert after(route, RESET, given()) == GiveUp(RESET)


def test_who_only_wanted_to_be_left_alone_may_still_be_asked_when_its_time_is_over() -> None:
    """It was lost to its request: an answer that another cloud could have given ended in a 502."""
    services = services_of(chained())
    route = route_of(services)
    openai, second, ollama = route.links
    route_of(services).observe(second, LIMITED, now=0.0)
    route.take(openai, now=0.0)
    route.observe(openai, RESET, now=0.0)
    assert after(route, RESET, given(Text("a"))) == Continue(ollama)
    route.take(ollama, now=0.0)
    assert route.passed_by == {"second": Unfit.COOLING_DOWN}
    assert after(route, RESET, given(Text("a")), now=29.0) == GiveUp(RESET)
    assert after(route, RESET, given(Text("a")), now=30.0) == Continue(second)
    route.take(second, now=30.0)
    assert route.passed_by == {}
    assert after(route, RESET, given(Text("a")), now=30.0) == GiveUp(RESET)


@pytest.mark.parametrize("state", [State.ABSENT, State.NO_MODEL])
def test_who_is_not_there_is_asked_before_who_wants_to_be_left_alone(state: State) -> None:
    """It may just have been started, and finding out is cheap. If it was not, the time is told."""
    services = services_of(chained())
    services.standbys["ollama"]._seen = state
    openai, second, ollama = route_of(services).links
    for link in (openai, second):
        route_of(services).observe(link, LIMITED, now=0.0)
    route = route_of(services)
    assert route.first(1.0) == Restart(ollama)
    route.take(ollama, now=1.0)
    nobody = Failed(FailureKind.NOT_FOUND if state is State.NO_MODEL else FailureKind.CONNECT)
    route.observe(ollama, nobody, now=1.0)
    assert after(route, nobody, given(), now=1.0, tried=ollama) == GiveUp(left_alone(29.0))
    # The order of the chain holds.
    assert after(route, nobody, given(), now=31.0, tried=ollama) == Restart(openai)


def test_a_healthy_answer_needs_no_second_look() -> None:
    route = route_of(services_of())
    assert after(route, Completed(), given(Text("a"))) == Terminate()
    assert route.incoming._conversation is None


def test_who_cannot_is_passed_by_with_a_reason() -> None:
    route = route_of(services_of(chained("messages", model=None)))
    route.take(route.links[0], now=0.0)
    assert after(route, RESET, given(Text("a"))) == Continue(link_of(route, "ollama"))
    assert route.passed_by == {"second": Unfit.NO_MODEL}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"n": 2}, Unfit.CHOICES), ({"response_format": {"type": "json_object"}}, Unfit.JSON)],
)
def test_a_cloud_that_cannot_go_on_may_start_over(fields: dict[str, Any], reason: Unfit) -> None:
    route = route_of(services_of(chained("chat", "openai", "second")), **fields)
    route.take(route.links[0], now=0.0)
    assert after(route, RESET, given()) == Restart(link_of(route, "second"))
    assert after(route, RESET, given(Text("a"))) == GiveUp(RESET)
    assert route.passed_by == {"second": reason}
    assert (route.could_go_on(), route.could_start_over()) == (False, True)


def test_a_model_named_for_the_clients_name_will_do() -> None:
    config = chained("messages", model=None, models={"gpt-4o": "claude-x"})
    route = route_of(services_of(config))
    second = link_of(route, "second")
    assert second.model == "claude-x"
    conversation = route.incoming.readable
    assert conversation is not None
    assert route.unsayable(second, conversation) is None
    assert (route.is_native(second), route.is_native(route.links[0])) == (False, True)


def test_an_unreadable_request_is_for_its_own_provider() -> None:
    route = route_of(services_of(chained()), body=b'{"model": "gpt-4o", "messages": 1}')
    route.take(route.links[0], now=0.0)
    assert after(route, RESET, given()) == Restart(link_of(route, "second"))
    assert (route.could_go_on(), route.could_start_over()) == (False, True)
    route.take(link_of(route, "second"), now=0.0)
    assert route.could_start_over() is False


def test_a_local_model_that_was_not_looked_at_yet_is_believed() -> None:
    route = route_of(services_of(model=None))
    route.take(route.links[0], now=0.0)
    assert route.could_go_on()
    assert after(route, RESET, given(Text("a"))) == Continue(link_of(route, "ollama"))


@pytest.mark.parametrize("state", [State.ABSENT, State.NO_MODEL])
def test_who_is_not_there_is_nothing_to_hold_words_for(state: State) -> None:
    services = services_of()
    services.standbys["ollama"]._seen = state
    route = route_of(services)
    route.take(route.links[0], now=0.0)
    assert (route.could_go_on(), route.could_start_over()) == (False, False)


def test_a_call_is_finished_under_a_grammar() -> None:
    services = services_of(model=evolve(MODEL, takes_grammar=True))
    route = route_of(services, tools=[{"type": "function", "function": {"name": "look"}}])
    route.take(route.links[0], now=0.0)
    half = given(ToolCallDelta(0, "c", "look", '{"a'))
    assert after(route, RESET, half) == FinishCall(link_of(route, "ollama"))
    services = services_of()
    route = route_of(services)
    route.take(route.links[0], now=0.0)
    assert after(route, RESET, half) == GiveUp(RESET)
    assert route.passed_by == {"ollama": Unfit.NO_GRAMMAR}


def test_what_the_model_is_known_to_do_counts() -> None:
    route = route_of(services_of(model=evolve(MODEL, way=Way.NONE)))
    route.take(route.links[0], now=0.0)
    assert after(route, RESET, given()) == Restart(link_of(route, "ollama"))
    assert after(route, RESET, given(Text("a"))) == GiveUp(RESET)
    assert route.passed_by == {"ollama": Unfit.CLOSES_TURN}


def test_a_local_model_asked_for_by_name_is_asked_directly() -> None:
    route = route_of(services_of(), model="qwen2.5:3b")
    assert [(link.target.name, link.model) for link in route.links] == [("ollama", "qwen2.5:3b")]
    # It is of another wire than the client's, so first somebody has to see whether it can.
    assert route.first(0.0) == Restart(route.links[0])
    blind = route_of(services_of(), model="qwen2.5:3b", logprobs=True)
    # Nobody can: its own words say why.
    assert blind.first(0.0) == Restart(blind.links[0])
    assert incoming(services_of()).model_for_log() == "gpt-4o"


def test_where_no_cloud_can_be_asked_the_clients_wire_is_passed_by() -> None:
    config = chained("chat", "second", "ollama", model=None)
    route = route_of(services_of(config), "messages", model="claude-sonnet-4-5")
    assert route.first(0.0) == Restart(link_of(route, "ollama"))
    assert route.passed_by == {"anthropic-messages": Unfit.NO_PROVIDER, "second": Unfit.NO_MODEL}
    assert route.stand_in_reason
    # Its own provider stands behind the hop that cannot be asked: nobody stands in for anybody.
    config = chained("chat", "second", "anthropic", "ollama", model=None)
    route = route_of(services_of(config), "messages", model="claude-sonnet-4-5")
    assert route.first(0.0) == Restart(link_of(route, "anthropic"))
    assert (route.passed_by, route.stand_in_reason) == ({"second": Unfit.NO_MODEL}, "")
    # A local model that was asked for by its own name is what was meant.
    config = chained("chat", "second", "ollama", model=None)
    assert route_of(services_of(config), "messages", model=MODEL.name).passed_by == {}


# One that broke off, and why the others could not


def test_a_local_model_that_broke_off_may_be_asked_once_more() -> None:
    route = route_of(services_of())
    openai, ollama = route.links
    for link in (openai, ollama):
        route.take(link, now=0.0)
        route.observe(link, RESET, now=0.0)
    assert after(route, RESET, given(Text("a")), tried=ollama) == Continue(ollama, again=True)
    assert after(route, RESET, given(Text("a")), tried=ollama, may_retry=False) == GiveUp(RESET)
    # A cloud is not: there the next one is.
    route.observe(openai, RESET, now=0.0)
    assert after(route, RESET, given(Text("a")), tried=openai) == GiveUp(RESET)
    # Nor is one that nobody is at.
    gone = Failed(FailureKind.CONNECT)
    route.observe(ollama, gone, now=0.0)
    assert after(route, gone, given(Text("a")), tried=ollama) == GiveUp(RESET)


def test_words_are_held_for_one_that_may_be_asked_again() -> None:
    route = route_of(services_of())
    openai, ollama = route.links
    for link in (openai, ollama):
        route.take(link, now=0.0)
    for could in (route.could_go_on, route.could_start_over):
        assert (could(), could(openai), could(ollama)) == (False, False, True)
    route.services.standbys["ollama"]._seen = State.ABSENT
    assert not route.could_go_on(ollama)


def test_why_each_of_the_others_could_not() -> None:
    route = route_of(services_of(chained()))
    openai, second, ollama = route.links
    route.take(openai, now=0.0)
    route.observe(openai, RESET, now=0.0)
    assert route.others(RESET) == ()
    route.passed_by["second"] = Unfit.JSON
    route.take(ollama, now=0.0)
    for failed in (RESET, Failed(FailureKind.STALL)):
        route.observe(ollama, failed, now=0.0)
    # Of one that was asked twice the last failure.
    assert route.others(RESET) == (
        "ollama fell silent (stall)",
        "second: told to go on with a JSON document, models begin another one (json)",
    )
    route.take(second, now=0.0)
    route.observe(second, RESET, now=0.0)
    assert route.others(RESET) == ("ollama fell silent (stall)", "second reset the connection (conn_reset)")
    route.passed_by.clear()
    route.forgive()
    assert route.others(RESET) == ()


def test_who_is_told_first_is_told_with_what_would_help() -> None:
    route = route_of(services_of())
    long = Failed(FailureKind.CONTEXT_LENGTH, window_tokens=4_096)
    route.take(route.links[1], now=0.0)
    route.observe(route.links[1], long, now=0.0)
    assert route.others(long) == ("For ollama: set num_ctx",)
