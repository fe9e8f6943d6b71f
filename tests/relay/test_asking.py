"""What each target is asked: a step and what the client has go in, a leg comes out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import evolve

from relay_parts import MODEL, given, link_of, route_of, services_of
from scenes import configured, with_second
from trooper.config import Chain, Config
from trooper.core.events import Event, Text, ToolCallDelta
from trooper.core.outcome import Answer, Failed, FailureKind
from trooper.core.plan import Continue, FinishCall, Restart
from trooper.core.seam import NOTHING, Prefill
from trooper.core.unfit import Unfit
from trooper.relay.asking import Asking
from trooper.services import Services
from trooper.targets.cloud import CloudLeg
from trooper.targets.leg import Leg, NoLeg
from trooper.targets.local import LocalLeg

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
HALF = Text("Keep the light ")


def asking(services: Services | None = None, wire: str = "chat", **fields: Any) -> Asking:
    services = services or services_of()
    route = route_of(services, wire, **fields)
    return Asking(services, route.incoming, route, "r1")


def with_cloud(wire: str, **changes: Any) -> Config:
    config = with_second(configured(), wire, **changes)
    return evolve(config, chains=(Chain("*", ("openai", "second", "ollama")),))


def whole(ask: Asking, name: str) -> Leg:
    return ask.leg(Restart(link_of(ask.route, name)), given())


def rest(ask: Asking, name: str, *events: Event, other_way: bool = False) -> Leg:
    return ask.leg(Continue(link_of(ask.route, name), other_way=other_way), given(*(events or (HALF,))))


def cloud(leg: Leg) -> CloudLeg:
    assert isinstance(leg, CloudLeg)
    return leg


def local(leg: Leg) -> LocalLeg:
    assert isinstance(leg, LocalLeg)
    return leg


def body(leg: Leg) -> dict[str, Any]:
    value = json.loads(cloud(leg).call.body)
    assert isinstance(value, dict)
    return value


def headers(leg: Leg) -> dict[bytes, bytes]:
    return dict(cloud(leg).call.headers)


# -- a whole answer ----------------------------------------------------------------


def test_its_own_provider_gets_the_clients_bytes() -> None:
    ask = asking(query=b"a=b", temperature=0.5)
    leg = cloud(whole(ask, "openai"))
    assert leg.call.body is ask.incoming.native
    assert (leg.call.method, leg.call.path, leg.call.query) == ("POST", "/chat/completions", b"a=b")
    assert headers(leg)[b"authorization"] == b"Bearer sk-client"
    assert (leg.is_native, leg.stream, leg.choices, leg.model, leg.given) == (
        True,
        True,
        1,
        "gpt-4o",
        NOTHING,
    )


def test_only_the_models_name_is_changed_for_a_target_of_the_same_wire() -> None:
    ask = asking(services_of(with_cloud("chat")), seed=7)
    leg = whole(ask, "second")
    assert body(leg) == json.loads(ask.incoming.native) | {"model": "other-model"}
    # The client's key is for its own provider.
    assert b"authorization" not in headers(leg)


IDEMPOTENT = (b"idempotency-key", b"k1")


def test_what_tells_a_request_from_its_repetition_goes_where_the_request_goes() -> None:
    ask = asking(services_of(with_cloud("chat")), headers=(IDEMPOTENT,))
    assert headers(whole(ask, "openai"))[b"idempotency-key"] == b"k1"
    # Another provider, and another body.
    assert b"idempotency-key" not in headers(whole(ask, "second"))
    assert b"idempotency-key" not in headers(rest(ask, "openai"))


def test_secrets_in_a_query_go_to_one_target() -> None:
    ask = asking(services_of(with_cloud("chat")), query=b"beta=true&key=s&sig=t")
    assert cloud(whole(ask, "openai")).call.query == b"beta=true&key=s&sig=t"
    assert cloud(whole(ask, "second")).call.query == b"beta=true"
    assert cloud(rest(ask, "second")).call.query == b""


@pytest.mark.parametrize("stream", [True, False])
def test_a_cloud_of_another_wire_is_asked_anew_and_for_a_stream(stream: bool) -> None:
    ask = asking(services_of(with_cloud("messages")), stream=stream, query=b"a=b", max_tokens=99)
    leg = cloud(whole(ask, "second"))
    assert (leg.is_native, leg.stream, leg.choices) == (False, True, 1)
    assert (leg.call.path, leg.call.query) == ("/messages", b"")
    assert (body(leg)["model"], body(leg)["max_tokens"], body(leg)["stream"]) == ("other-model", 99, True)
    assert headers(leg)[b"anthropic-version"] == b"2023-06-01"
    assert headers(leg)[b"accept"] == b"text/event-stream"
    assert b"authorization" not in headers(leg)


def test_a_whole_answer_of_its_own_provider_is_no_stream() -> None:
    assert cloud(whole(asking(stream=False), "openai")).stream is False


@pytest.mark.parametrize(
    ("fields", "choices"),
    [
        ({"n": 3}, 3),
        ({"stop": ["n"]}, 1),
        ({"body": b'{"model": "gpt-4o", "stream": true, "n": 3, "messages": 1}'}, 3),
    ],
)
def test_how_many_answers_are_asked_for(fields: dict[str, Any], choices: int) -> None:
    assert cloud(whole(asking(**fields), "openai")).choices == choices


def test_what_cannot_be_said_is_not_asked() -> None:
    config = with_cloud("messages")
    assert whole(asking(services_of(config), logit_bias={"1": 1}), "second") == NoLeg(Unfit.LOGIT_BIAS)
    broken = asking(services_of(config), body=b'{"model": "gpt-4o", "messages": 1}')
    assert whole(broken, "second") == NoLeg(Unfit.UNEXPECTED_SHAPE)
    assert rest(broken, "second") == NoLeg(Unfit.UNEXPECTED_SHAPE)


def test_a_local_model_gets_the_conversation() -> None:
    ask = asking(max_tokens=50)
    leg = local(whole(ask, "ollama"))
    assert (leg.given, leg.max_tokens, leg.half_call, leg.other_way) == ("", 50, None, False)
    assert leg.conversation == ask.incoming.readable
    assert leg.standby is ask.services.standbys["ollama"]


def test_what_a_local_model_cannot_read_it_is_told_so() -> None:
    leg = local(whole(asking(body=b'{"model": "gpt-4o", "messages": 1}'), "ollama"))
    assert leg.conversation.unsaid == (Unfit.UNEXPECTED_SHAPE,)


# -- the rest of one ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("continues", "last"),
    [
        ("prefill", {"role": "assistant", "content": "Keep the light"}),
        ("prefix", {"role": "assistant", "content": "Keep the light", "prefix": True}),
    ],
)
def test_a_cloud_goes_on_by_its_way(continues: str, last: dict[str, Any]) -> None:
    ask = asking(services_of(with_cloud("chat", continues=continues)), max_tokens=50)
    leg = cloud(rest(ask, "second"))
    assert body(leg)["messages"][-1] == last
    assert body(leg)["max_tokens"] == 46
    assert (leg.given, leg.overlaps, leg.is_native) == (Prefill("Keep the light", " "), False, False)
    # The client's own headers speak of the same wire.
    assert headers(leg)[b"content-type"] == b"application/json"


def test_the_other_way_is_an_instruction_and_may_overlap() -> None:
    ask = asking(services_of(with_cloud("chat", continues="prefill")))
    leg = cloud(rest(ask, "second", other_way=True))
    assert [message["role"] for message in body(leg)["messages"][-2:]] == ["assistant", "user"]
    assert leg.overlaps
    by_instruction = asking(services_of(with_cloud("chat", continues="instruction")))
    assert rest(by_instruction, "second", other_way=True) == NoLeg(Unfit.NO_CONTINUATION)


def test_a_prefill_of_the_clients_own_comes_before_ours() -> None:
    turns = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Well, "}]
    ask = asking(services_of(with_cloud("chat", continues="prefill")), messages=turns)
    assert body(rest(ask, "second"))["messages"][1:] == [
        {"role": "assistant", "content": "Well, Keep the light"}
    ]


def test_white_space_that_a_wire_refuses_is_withheld() -> None:
    config = with_cloud("messages", continues="prefill")
    leg = cloud(rest(asking(services_of(config)), "second", Text("Keep it.\n\n")))
    assert leg.given == Prefill("Keep it.", "\n\n")


def test_a_local_model_gets_what_the_client_has() -> None:
    leg = local(rest(asking(max_tokens=50), "ollama", ToolCallDelta(0, "c", "look", "{}"), HALF))
    assert (leg.given, leg.max_tokens) == ("Keep the light ", 46)
    assert [call.name for call in leg.calls] == ["look"]
    assert local(rest(asking(), "ollama", other_way=True)).other_way


def test_half_a_call_is_for_whom_a_grammar_binds() -> None:
    ask = asking(services_of(with_cloud("chat"), model=evolve(MODEL, takes_grammar=True)), tools=[TOOL])
    half = given(ToolCallDelta(0, "c", "look", '{"a'))
    leg = local(ask.leg(FinishCall(link_of(ask.route, "ollama")), half))
    assert leg.half_call is not None
    assert (leg.half_call[0], leg.half_call[1].arguments) == (0, '{"a')
    assert ask.leg(FinishCall(link_of(ask.route, "second")), half) == NoLeg(Unfit.NO_GRAMMAR)


@pytest.mark.parametrize(
    ("fields", "events", "left"),
    [
        ({"max_tokens": 10}, (HALF,), 6),
        ({"max_tokens": 10}, (), None),
        ({}, (HALF,), None),
        ({"body": b"nonsense"}, (HALF,), None),
    ],
)
def test_what_is_left_of_the_limit(
    fields: dict[str, Any], events: tuple[Event, ...], left: int | None
) -> None:
    assert asking(**fields).tokens_left(given(*events)) == left


# -- a request that was refused --------------------------------------------------------

REFUSED = Answer(400, (), b'{"error": {"message": "thinking: Invalid `signature` in `thinking` block"}}')
SEALED = [
    {"role": "user", "content": "Why?"},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "theirs"},
            {"type": "text", "text": "So."},
        ],
    },
    {"role": "user", "content": "Go on."},
]


def test_what_came_from_elsewhere_is_taken_out_once_it_was_refused() -> None:
    ask = asking(wire="messages", messages=SEALED)
    link = ask.route.links[0]
    assert ask.heal(link, Failed(FailureKind.INVALID_REQUEST, REFUSED))
    leg = ask.leg(Restart(link, again=True), given())
    assert b"signature" not in cloud(leg).call.body
    assert b"So." in cloud(leg).call.body


@pytest.mark.parametrize(
    "failed",
    [
        Failed(FailureKind.RATE_LIMIT, REFUSED),
        Failed(FailureKind.INVALID_REQUEST),
        Failed(FailureKind.INVALID_REQUEST, evolve(REFUSED, is_foreign=True)),
        Failed(FailureKind.INVALID_REQUEST, evolve(REFUSED, body=b'{"error": {"message": "max_tokens"}}')),
        # A reason stands in front: to look for it in a megabyte would hold up others.
        Failed(FailureKind.INVALID_REQUEST, evolve(REFUSED, body=b" " * 65_536 + REFUSED.body)),
    ],
)
def test_a_refusal_for_another_reason_stands(failed: Failed) -> None:
    ask = asking(wire="messages", messages=SEALED)
    assert not ask.heal(ask.route.links[0], failed)


def test_only_the_clients_own_request_is_healed() -> None:
    ask = asking(services_of(with_cloud("chat")), wire="messages", messages=SEALED)
    assert not ask.heal(link_of(ask.route, "second"), Failed(FailureKind.INVALID_REQUEST, REFUSED))


def test_each_reads_as_many_calls_as_are_configured() -> None:
    ask = asking(services_of(configured(max_tool_calls=7)))
    assert cloud(whole(ask, "openai")).max_tool_calls == 7
    assert local(whole(ask, "ollama")).max_tool_calls == 7


# -- without tools that only its provider has --------------------------------------

FOREIGN = [TOOL, {"type": "hologram"}]


def test_what_a_target_is_asked_without_is_told() -> None:
    ask = asking(services_of(with_cloud("messages")), tools=FOREIGN)
    assert ask.left_out_tools(whole(ask, "openai")) == ()
    assert ask.left_out_tools(whole(ask, "second")) == ("hologram",)
    assert ask.left_out_tools(whole(ask, "ollama")) == ("hologram",)
    # The rest of an answer is asked for in words of ours, whoever gives it.
    ask = asking(services_of(with_cloud("chat")), tools=FOREIGN)
    assert ask.left_out_tools(rest(ask, "second")) == ("hologram",)
    assert ask.left_out_tools(whole(ask, "second")) == ()


def test_nobody_is_asked_without_one_that_is_forced() -> None:
    ask = asking(services_of(with_cloud("messages")), tools=FOREIGN, tool_choice={"type": "hologram"})
    leg = whole(ask, "second")
    assert leg == NoLeg(Unfit.FORCED_TOOL)
    assert ask.left_out_tools(leg) == ()
    assert ask.left_out_tools(whole(ask, "ollama")) == ()


def test_a_request_that_nobody_could_read_was_asked_of_nobody_without_anything() -> None:
    ask = asking(services_of(with_cloud("messages")), messages="?")
    assert ask.left_out_tools(whole(ask, "ollama")) == ()
