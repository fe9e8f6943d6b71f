"""
Names as long as bodies, and names that terminals obey, in every place that takes one.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from attrs import evolve

from chat_chunks import chunk, sse
from relay_parts import incoming, services_of
from scenes import configured, stage, with_second
from trooper.config import Chain
from trooper.relay import past_answers
from trooper.testing import FAULTS, FaultAt, Reset, Script, ScriptedProvider, Send, Status
from trooper.testing.script import End, Head
from trooper.wire.calls import CallPieces
from trooper.wire.client_side import Routing
from trooper.wire.llama_server import models as llama
from trooper.wire.ollama_chat import models as ollama
from trooper.wire.openai_responses.items import Items
from trooper.wire.openai_responses.reader import new_reader
from trooper.wire.routing import read_routing
from trooper.wires import OPENAI_RESPONSES

HUGE = "m" * 5_000_000
NAMES = {
    "long": "m" * 300,
    "as long as is read": "m" * 4_000,
    "beyond that": "m" * 5_000,
    "five megabytes": HUGE,
    "emoji": "😀" * 1_000,
    "an escape code": "\x1b[2J\x07",
    "lines": "a\n{}\n",
}
LIMITED = Status(429, b"{}", (("retry-after", "30"),))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("wire", ["chat", "messages", "responses"])
async def test_a_models_name_makes_no_long_line_and_is_not_kept(
    autojump_clock: Any, name: str, wire: str
) -> None:
    """The log line had it once for each leg, and a cooldown kept it."""
    async with stage(ScriptedProvider(script=Script((LIMITED,)))) as s:
        x = await s.ask(wire=wire, model=NAMES[name])
        assert x.legs[-1] == ("ollama", "completed")
        assert len(json.dumps(x.report, default=str)) < 2_000
        assert x.report.get("model", "") in ("unprintable", "")
        assert x.report["legs"][0].get("model", "") in ("unprintable", "")
        assert sum(map(len, x.headers.values())) < 1_000
        assert len(x.body) < 30_000
        kept = [word for key in s.services.cooldowns._until for word in key]
        assert len(kept) == 3
        assert max(map(len, kept)) <= 256


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("position", [0, "middle"])
async def test_it_makes_no_long_note_at_a_seam(
    autojump_clock: Any, stream: bool, position: int | str
) -> None:
    cut = ScriptedProvider(script=FaultAt(FAULTS["reset"], position))
    async with stage(cut) as s:
        x = await s.ask(model="m" * 4_000, stream=stream)
        assert len(x.report["legs"]) == 2
        _, _, ours = bytes(x.body).rpartition(b"trooper seam")
        assert b"m" * 300 not in ours


async def test_what_a_provider_calls_its_answer_is_not_said_again_in_each_chunk(autojump_clock: Any) -> None:
    """Half a megabyte in each of some hundred chunks."""
    begin = {"id": "i" * 200_000, "object": "chat.completion.chunk", "created": 1, "model": "m" * 200_000}
    begun = (
        b"data: " + json.dumps(begin | {"choices": [{"index": 0, "delta": {"role": "assistant"}}]}).encode()
    )
    said = [begun + b"\n\n", chunk({"content": "An old "}), chunk({"content": "tower "})]
    script = Script((Head(), *map(Send, said), Reset()))
    async with stage(ScriptedProvider(script=script)) as s:
        x = await s.ask()
        assert x.legs == [("openai", "conn_reset"), ("ollama", "completed")]
        assert bytes(x.body).startswith(said[0])
        assert len(x.body) < len(said[0]) + 50_000


async def test_nor_is_another_wires_name_for_it(autojump_clock: Any) -> None:
    """Each chunk is said by us, so each had it."""
    start = {"id": "msg_1", "type": "message", "role": "assistant", "model": HUGE[:200_000], "content": []}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "tower "}}
    ended = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 30}}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**start, "usage": {"input_tokens": 1, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *[delta] * 30,
        *({"type": "content_block_stop", "index": 0}, ended, {"type": "message_stop"}),
    ]
    said = [sse(event, event["type"]) for event in events]
    config = with_second(configured(), "messages")
    config = evolve(config, chains=(Chain("*", ("openai", "second")),))
    second = ScriptedProvider(script=Script((Head(), *map(Send, said), End())))
    async with stage(
        ScriptedProvider(script=FaultAt(FAULTS["status-503"])), config=config, second=second
    ) as s:
        x = await s.ask()
        assert x.legs == [("openai", "overloaded"), ("second", "completed")]
        assert len(x.body) < 20_000


async def test_nor_is_the_name_that_was_asked_for(autojump_clock: Any) -> None:
    """Where its provider names none, and its answer is said anew."""
    message = {"role": "assistant", "content": "An old tower."}
    whole = {"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    answered = Script((Status(200, json.dumps(whole).encode()),))
    async with stage(ScriptedProvider(script=answered)) as s:
        x = await s.ask(model="m" * 4_000)
        assert x.legs == [("openai", "completed")]
        assert b"An old tower." in x.body
        assert b"m" * 300 not in x.body


@pytest.mark.parametrize("body", [b'{"model":"%s"}', b'{"model":"%s","stream":"yes","n":"two"}'])
@pytest.mark.parametrize("chars", [5_000, 5_000_000])
def test_a_longer_name_of_a_model_is_none(body: bytes, chars: int) -> None:
    """In whatever body; the lenient reader took any."""
    assert read_routing(body % b"gpt-4o") == Routing("gpt-4o", stream=b"yes" in body)
    assert read_routing(body % (b"m" * chars)) == Routing("", stream=b"yes" in body and chars < 1_000_000)


def test_an_item_with_a_longer_id_goes_on_under_one_of_ours() -> None:
    items = Items()
    for told, ours in (("msg_1", "msg_1"), (HUGE, "msg_trooper_1")):
        items.learn({"type": "response.output_item.added", "item": {"type": "message", "id": told}})
        assert items.open is not None
        assert items.open.id == ours


def test_a_server_lists_what_can_be_shown() -> None:
    odd = [HUGE, "\x1b[31mred", "a\nb", ""]
    tags = {"models": [{"name": name, "digest": HUGE} for name in ("good:1b", *odd)]}
    models = ollama.read_tags(msgspec.json.encode(tags))
    assert [m.name for m in models] == ["good:1b"]
    assert len(models[0].digest) < 64
    many = {"models": [{"name": f"m{n}"} for n in range(3_000)]}
    assert len(ollama.read_tags(msgspec.json.encode(many))) == ollama.MOST_MODELS
    assert ollama.read_version(msgspec.json.encode({"version": "\x1b[2J"})) == "unprintable"
    for name in odd:
        props = msgspec.json.encode({"model_alias": name, "model_path": HUGE, "build_info": name})
        model = llama.read_props(props)
        assert (model.name, len(model.digest) < 64) == ("model", True)
        assert llama.read_version(props) in ("unprintable", "")
    path = msgspec.json.encode({"model_path": "/models/good.gguf"})
    assert llama.read_props(path).name == "good.gguf"


def test_ids_of_calls_are_known_by_what_is_kept_of_them() -> None:
    """A piece with another id each was kept each time, whole."""
    pieces = CallPieces()
    pieces.piece(0, "c", "look", '{"a": "')
    for n in range(10_000):
        pieces.piece(0, f"{n}{'i' * 300}", "", "x")
    assert len(pieces._by_id) <= 4_096
    assert max(map(len, pieces._by_id._known)) < 64
    one, other = CallPieces(), "i" * 1_000
    first = one.piece(None, other, "look", "{}")
    assert first is not None
    assert first.id == other
    again = one.whole(0, other, "look", '{"a": 1}')
    assert again is not None
    assert again.index == first.index


def test_items_are_known_by_what_is_kept_of_their_ids() -> None:
    reader = new_reader(1_000_000)
    for n in range(5_000):
        event = {"type": "response.output_text.delta", "item_id": f"{n}{'i' * 300}", "delta": "a"}
        reader.feed(b"data: " + msgspec.json.encode(event) + b"\n\n")
    assert len(reader._places) <= 4_096
    assert max(map(len, reader._places._known)) < 64


async def test_nobody_comes_back_to_an_answer_whose_id_is_no_name() -> None:
    services = services_of()
    client = OPENAI_RESPONSES.client
    assert client is not None
    past = client.past
    assert past is not None
    parts = [{"type": "message", "id": part, "content": []} for part in ("msg_1", HUGE)]
    for answer_id in ("resp_1", HUGE):
        answer = {"id": answer_id, "output": parts}
        past_answers.keep(services, past, answer, b"{}", "owner", provider_knows=False)
    assert len(services.answers) == 1
    kept = services.answers.find("resp_1", "owner")
    assert kept is not None
    assert kept.part_ids == ("msg_1",)
    past_answers.note_parts(services, past, {"output": parts}, "owner")
    assert await services.store.find_unknown(["msg_1", HUGE]) == {"msg_1"}


async def test_a_cooldown_for_a_long_name_holds_for_that_name(autojump_clock: Any) -> None:
    config = evolve(configured(), chains=(Chain("*", ("openai",)),))
    async with stage(ScriptedProvider(script=Script((LIMITED,))), config=config) as s:
        for name in ("m" * 300, "m" * 301):
            for _ in range(2):
                assert (await s.ask(model=name)).status == 429
        assert len(s.cloud.chats) == 2
    assert incoming(services_of(), model="m" * 300).routing.model == "m" * 300
