"""A client's request: what is read of it, when, and what is kept of its answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio.testing
from attrs import evolve

from at_once import at_once
from relay_parts import incoming, request, services_of, without_waiting
from scenes import WIRES, configured
from trooper.aside.work import Aside
from trooper.core.conversation import Conversation, Role
from trooper.core.events import FinishReason, Text, ToolCallDelta
from trooper.core.unfit import Unfit
from trooper.relay.request import ClientRequest, Incoming, Packed, read
from trooper.wire.client_side import Unreadable, Voice
from trooper.wire.openai_responses.past_answers import part_ids

FOREIGN = {"type": "web_search"}
FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}


def told(read: Incoming, *, whole: bool = True) -> Voice:
    """A voice that has said an answer, or the first half of it."""
    voice = read.new_voice("resp_1", 0, fallback_block=False)
    voice.speak((Text("All of it."),))
    if whole:
        voice.finish(FinishReason.STOP, ())
        voice.terminate()
    return voice


@pytest.mark.parametrize("wire", WIRES)
def test_it_is_read_in_the_wire_of_its_path(wire: str) -> None:
    found = incoming(services_of(), wire)
    assert (found.wire, found.client_side) == (WIRES[wire].wire, WIRES[wire].client_side)
    assert (found.routing.model, found.routing.stream) == ("gpt-4o", True)
    assert found.native is found.written_out is found.request.body
    conversation = found.readable
    assert conversation is not None
    assert [message.text for message in conversation.messages] == ["Tell me about lighthouses."]
    # It is read once.
    assert found.conversation is conversation


PACKED = Packed(b"zstd", b"as it came")


@pytest.mark.parametrize("packed", [None, PACKED])
def test_its_provider_gets_what_came_unless_something_is_changed(packed: Packed | None) -> None:
    asked = evolve(request(), packed=packed)
    found = without_waiting(read(services_of(), asked))
    came = asked.headers if packed is None else (*asked.headers, (b"content-encoding", b"zstd"))
    assert asked.as_it_came == (came, asked.body if packed is None else b"as it came")
    assert found.sent_as(found.native) == asked.as_it_came
    assert found.sent_as(b"changed") == (asked.headers, b"changed")


@pytest.mark.parametrize("wire", WIRES)
def test_what_is_nearly_json_is_read_as_what_it_means(wire: str) -> None:
    plain = request(wire).body
    odd = b"\xef\xbb\xbf" + plain.replace(b"Tell me", rb"\ud83d Tell me")
    found = incoming(services_of(), wire, body=odd)
    assert (found.routing.model, found.routing.stream) == ("gpt-4o", True)
    assert found.readable is not None
    assert found.readable.messages[0].text == "\ufffd Tell me about lighthouses."
    assert found.sent_as(found.native)[1] == odd


def test_another_path_is_nobodys() -> None:
    asked = ClientRequest("/v1/embeddings", b"", (), b"{}", "trooper-0123456789ab")
    with pytest.raises(LookupError, match="/v1/embeddings"):
        without_waiting(read(services_of(), asked))


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("body", "reason"), [(b"{", Unfit.NOT_JSON), (b"[1]", Unfit.UNEXPECTED_SHAPE)], ids=["half", "a list"]
)
def test_what_cannot_be_read_is_its_providers_to_refuse(wire: str, body: bytes, reason: Unfit) -> None:
    found = incoming(services_of(), wire, body=body)
    assert found.conversation == Unreadable(reason)
    assert found.readable is None
    assert (found.routing.model, found.routing.stream) == ("", False)
    assert found.native == body


def test_routed_but_not_readable() -> None:
    found = incoming(services_of(), messages="?")
    assert (found.routing.model, found.routing.stream) == ("gpt-4o", True)
    assert isinstance(found.conversation, Unreadable)
    assert found.readable is None


@pytest.mark.parametrize(("foreign_tools", "unsaid"), [("drop", ()), ("unfit", (Unfit.SERVER_TOOLS,))])
def test_tools_that_only_its_provider_has(foreign_tools: str, unsaid: tuple[Unfit, ...]) -> None:
    services = services_of(configured(foreign_tools=foreign_tools))
    conversation = incoming(services, "responses", tools=[FOREIGN, FUNCTION]).readable
    assert conversation is not None
    assert [tool.name for tool in conversation.tools] == ["f"]
    assert conversation.unsaid == unsaid


@pytest.mark.parametrize(
    ("name", "logged"),
    [
        ("gpt-4o", "gpt-4o"),
        ("m" * 128, "m" * 128),
        ("m" * 129, "unprintable"),
        ("a\nb", "unprintable"),
        ("", ""),
    ],
)
def test_a_models_name_comes_from_the_client(name: str, logged: str) -> None:
    assert incoming(services_of(), model=name).model_for_log() == logged


@pytest.mark.parametrize(
    ("value", "wanted"), [(None, True), (b"on", True), (b"", True), (b"off", False), (b" OFF ", False)]
)
def test_failover_can_be_refused(value: bytes | None, wanted: bool) -> None:
    headers = () if value is None else ((b"x-trooper-failover", value),)
    assert incoming(services_of(), headers=headers).wants_failover is wanted


def test_secrets_are_not_in_its_repr() -> None:
    found = incoming(services_of(), body=b'{"secret": 1}', key=b"Bearer sk-client")
    assert "sk-client" not in repr(found)
    assert "secret" not in repr(found)


@pytest.mark.parametrize("provider_knows", [True, False])
def test_an_answer_may_be_come_back_to(provider_knows: bool) -> None:
    services = services_of()
    found = incoming(services, "responses")
    voice = told(found)
    assert voice.answer is not None
    found.remember(services, voice, provider_knows=provider_knows)
    answer_id = str(voice.answer["id"])
    kept = services.answers.find(answer_id, "")
    assert kept is not None
    assert (kept.request, kept.provider_knows) == (found.written_out, provider_knows)
    assert json.loads(kept.response) == voice.answer
    # What the provider never said it must not be asked about.
    unknown = without_waiting(services.store.find_unknown(kept.part_ids))
    assert unknown == (frozenset() if provider_knows else frozenset(kept.part_ids))


@pytest.mark.parametrize(
    ("wire", "fields", "whole"),
    [
        ("chat", {}, True),
        ("messages", {}, True),
        ("responses", {}, False),
        ("responses", {"store": False}, True),
    ],
)
def test_not_every_answer(wire: str, fields: dict[str, Any], whole: bool) -> None:
    services = services_of()
    found = incoming(services, wire, **fields)
    found.remember(services, told(found, whole=whole), provider_knows=True)
    assert len(services.answers) == 0


def test_parts_of_an_answer_that_is_not_kept_are_noted_all_the_same() -> None:
    services = services_of()
    found = incoming(services, "responses", store=False)
    voice = told(found)
    found.remember(services, voice, provider_knows=False)
    assert voice.answer is not None
    (part_id,) = part_ids(voice.answer)
    assert without_waiting(services.store.find_unknown([part_id])) == {part_id}
    assert len(services.answers) == 0


def test_it_goes_on_from_a_past_answer() -> None:
    """What everybody but its provider is asked has the past answer in it."""
    services = services_of()
    first = incoming(services, "responses")
    voice = told(first)
    first.remember(services, voice, provider_knows=True)
    assert voice.answer is not None
    next_one = incoming(services, "responses", previous_response_id=voice.answer["id"])
    assert next_one.native == next_one.request.body
    assert next_one.written_out != next_one.native
    conversation = next_one.conversation
    assert isinstance(conversation, Conversation)
    assert [message.role for message in conversation.messages] == [Role.USER, Role.ASSISTANT, Role.USER]


def large(wire: str, count: int) -> ClientRequest:
    turns = [{"role": "user", "content": f"Turn {at}."} for at in range(count)]
    fields: dict[str, Any] = {"input" if wire == "responses" else "messages": turns}
    return request(wire, **fields)


async def nobody() -> Any:
    raise OSError


@pytest.mark.parametrize("wire", WIRES)
async def test_a_large_one_is_unread_until_somebody_reads_it_aside(wire: str) -> None:
    services = services_of(configured(foreign_tools="drop"))
    services.aside = Aside(at_once)
    found = await read(services, large(wire, 40_000))
    unread = (found.is_unread, found.readable, found.conversation)
    assert unread == (True, None, Unreadable(Unfit.TOO_LARGE))
    await found.read_conversation(services)
    conversation = found.readable
    assert conversation is not None
    assert not found.is_unread
    assert conversation.left_out > 0
    assert conversation.messages[-1].text == "Turn 39999."
    # Once.
    await found.read_conversation(services)
    assert found.conversation is conversation


async def test_one_that_cannot_be_read_aside_has_no_net() -> None:
    services = services_of()
    services.aside = Aside(nobody)
    found = await read(services, large("chat", 40_000))
    await found.read_conversation(services)
    assert (found.is_unread, found.conversation) == (False, Unreadable(Unfit.TOO_LARGE))


async def test_why_it_cannot_be_read_is_known_then() -> None:
    services = services_of()
    services.aside = Aside(at_once)
    found = await read(services, request(messages=1, metadata={"a": "," * 30_000}))
    await found.read_conversation(services)
    assert found.conversation == Unreadable(Unfit.UNEXPECTED_SHAPE)


@pytest.mark.parametrize(("starts", "is_mended"), [(at_once, True), (nobody, False)])
async def test_a_long_one_that_is_not_quite_json_is_mended_aside(starts: Any, is_mended: bool) -> None:
    services = services_of()
    services.aside = Aside(starts)
    body = b'{"model": "m", "stream": true, "a": NaN, "messages": [], "b": "' + b"x" * 1_100_000 + b'"}'
    found = await read(services, request(body=body))
    assert (found.text != body) is is_mended
    assert (found.routing.model, found.routing.stream) == ("m", True)


async def test_a_short_one_is_mended_at_once() -> None:
    services = services_of()
    services.aside = Aside(nobody)
    body = b'{"model": "m", "messages": [], "a": NaN}'
    assert (await read(services, request(body=body))).text == b'{"model":"m","messages":[],"a":null}'


async def test_of_one_that_is_dense_nobody_looks_whether_it_is_json() -> None:
    """Even that would hold up others: it passes as it came."""
    services = services_of()
    services.aside = Aside(at_once)
    body = b'{"model": "m", "x": [' + b"0," * 2_000_001 + b"NaN]}"
    found = await read(services, request(body=body))
    assert found.native is found.text is body
    assert found.routing.model == "m"


@pytest.mark.parametrize(("size", "has_turn"), [(1_000, False), (1_100_000, True)])
async def test_others_have_their_turn_behind_the_reading_of_a_long_one(size: int, *, has_turn: bool) -> None:
    services = services_of()
    found = await read(services, request(messages=[{"role": "user", "content": "x" * size}]))
    with trio.testing.assert_checkpoints() if has_turn else trio.testing.assert_no_checkpoints():
        await found.read_conversation(services)
    assert found.readable is not None


@pytest.mark.parametrize("whole", [True, False])
def test_the_voice_says_a_custom_call_as_its_client_offered_it(whole: bool) -> None:
    tools = [FUNCTION, {"type": "custom", "name": "patch"}, FOREIGN]
    found = incoming(services_of(), "responses", tools=tools, stream=not whole)
    voice = found.new_voice("r1", 0, fallback_block=False)
    said = voice.speak((ToolCallDelta(0, "c", "patch", '{"input":"+a"}'), ToolCallDelta(1, "d", "f", "{}")))
    said += voice.finish(FinishReason.TOOL_CALLS, ()) + voice.terminate()
    assert voice.answer is not None
    kinds = [(item["type"], item["name"]) for item in voice.answer["output"]]  # type: ignore[attr-defined]
    assert kinds == [("custom_tool_call", "patch"), ("function_call", "f")]
    assert b'"input":"+a"' in said


def test_what_cannot_be_read_offers_nothing() -> None:
    voice = incoming(
        services_of(), "responses", input=[7], tools=[{"type": "custom", "name": "patch"}]
    ).new_voice("r1", 0, fallback_block=False)
    assert b"function_call_arguments.delta" in voice.speak(
        (ToolCallDelta(0, "c", "patch", '{"input":"+a"}'),)
    )
