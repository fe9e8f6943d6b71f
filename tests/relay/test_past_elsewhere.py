"""
What is asked of the store and of neighbours for one request: nothing where it names nothing, and a healthy
stream stays as it is in any case.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, field

from relay_parts import services_of
from scenes import Stage, stage
from trooper.relay import past_answers
from trooper.store import Kept, MemoryStore, PastAnswer
from trooper.store.store import LookedUp
from trooper.testing import DEFAULT_ANSWER, FAULTS, FaultAt
from trooper.wires import OPENAI_RESPONSES

OWNER = "1"
ASK = {"role": "user", "content": "Go on."}
FAULT_503 = FaultAt(FAULTS["status-503"], "start")


@define(eq=False)
class Watched(MemoryStore):
    """A store that tells what it was asked."""

    asked: list[Any] = field(factory=list)
    waits_s: float = 0.0

    async def find_answer(self, answer_id: str, owner: str) -> PastAnswer | None:
        self.asked.append(answer_id)
        await trio.sleep(self.waits_s)
        return await super().find_answer(answer_id, owner)

    async def find_answers_by_parts(
        self, part_ids: Sequence[str], owner: str, *, most: int = 64
    ) -> Sequence[LookedUp]:
        looked_up = await super().find_answers_by_parts(part_ids, owner, most=most)
        self.asked.append([part_id for part_id, _ in looked_up])
        return looked_up

    async def find_unknown(self, part_ids: Iterable[str]) -> frozenset[str]:
        ids = list(part_ids)
        self.asked.append(ids)
        return await super().find_unknown(ids)


def watch(s: Stage, waits_s: float = 0.0) -> Watched:
    store = Watched(waits_s=waits_s)
    s.services.store = s.services.remembered.store = store
    return store


def named(*ids: str) -> list[dict[str, str]]:
    return [{"type": "item_reference", "id": item_id} for item_id in ids]


@pytest.mark.parametrize("wire", ["chat", "messages", "responses"])
@pytest.mark.parametrize("stream", [True, False])
async def test_nothing_is_asked_for_a_request_that_names_nothing(
    autojump_clock: Any, wire: str, stream: bool
) -> None:
    async with stage() as s:
        store = watch(s)
        x = await s.ask(wire=wire, stream=stream)
        assert x.status == 200
        assert store.asked == []


async def test_a_healthy_stream_is_the_providers_bytes_whatever_is_kept(autojump_clock: Any) -> None:
    """With a store that is slow, and one that is not there, the client gets the same."""
    body = {
        "model": "gpt-4o",
        "stream": True,
        "input": [ASK, {"role": "assistant", "id": "msg_7", "content": "Hm."}],
    }
    raw = json.dumps({**body, "previous_response_id": "resp_of_yesterday"}).encode()
    heard = []
    for waits_s in (None, 0.0, 5.0):
        async with stage() as s:
            if waits_s is not None:
                watch(s, waits_s)
            x = await s.ask(wire="responses", body=raw)
            assert s.cloud.chats[-1].body == raw
            heard.append(bytes(x.body))
    assert heard[0] == heard[1] == heard[2]
    assert DEFAULT_ANSWER.encode()[:20] in heard[0]


async def test_the_parts_that_a_request_names_are_asked_for_at_once(autojump_clock: Any) -> None:
    items = [
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"role": "assistant", "id": "msg_1", "content": "Hm."},
        {"role": "assistant", "id": "msg_trooper_1", "content": "Ours."},
        ASK,
    ]
    async with stage() as s:
        store = watch(s)
        await s.ask(wire="responses", input=items)
        # Ours can be seen to be ours.
        assert store.asked == [["rs_1", "msg_1"]]
        assert [item.get("id") for item in sent(s)["input"]] == ["rs_1", "msg_1", None, None]
        s.services.remembered.note_unknown(["rs_1", "msg_1"], OWNER)
        await s.ask(wire="responses", input=items)
        assert [item.get("id") for item in sent(s)["input"]] == [None, None, None]


def sent(s: Stage) -> dict[str, Any]:
    body = s.cloud.chats[-1].json()
    assert isinstance(body, dict)
    return body


async def test_no_more_ids_are_asked_for_than_conversations_have() -> None:
    services, client = services_of(), OPENAI_RESPONSES.client
    assert client is not None
    store = services.store = Watched()
    body = json.dumps(
        {"input": [{"role": "user", "id": f"msg_{n}", "content": ""} for n in range(10_000)]}
    ).encode()
    assert await past_answers.cleaned(services, client, body) is body
    (ids,) = store.asked
    assert len(ids) == 4_096


async def test_an_answer_is_asked_for_once_however_many_of_its_parts_are_named() -> None:
    services = services_of()
    store = services.store = services.remembered.store = Watched()
    parts = [{"type": "message", "id": f"msg_{n}", "role": "assistant", "content": f"{n}"} for n in range(50)]
    kept = Kept(OWNER, b"{}", json.dumps({"output": parts}).encode(), False, tuple(p["id"] for p in parts))
    services.answers.keep("resp_1", kept)
    written = await bodies(services, named(*(p["id"] for p in parts)))
    assert [json.loads(body)["input"] for body in written] == [parts, parts]
    assert store.asked == []
    # Elsewhere: all that are not found are asked for at once, the latest first, and not without end.
    strange = [f"msg_strange_{n}" for n in range(100)]
    await bodies(services, named(*strange))
    assert store.asked == [strange[:-65:-1]]


async def bodies(services: Any, items: list[Any]) -> tuple[bytes, bytes]:
    client = OPENAI_RESPONSES.client
    assert client is not None
    assert client.past is not None
    body = json.dumps({"model": "m", "input": items}).encode()
    return await past_answers.bodies(services, client.past, body, OWNER)


async def test_what_was_not_deleted_everywhere_is_told(autojump_clock: Any, tmp_path: Path) -> None:
    """A worker that hangs has not heard it: an error that the client's SDK tries again, and no `deleted`."""
    # A thread looks into the folder meanwhile, and lives in real time.
    autojump_clock.autojump_threshold = 0.3
    hangs = trio.socket.socket(trio.socket.AF_UNIX)
    await hangs.bind(str(tmp_path / f"{'f' * 16}.sock"))
    hangs.listen()
    async with stage() as s:
        s.services.neighbours.folder = tmp_path
        s.cloud.play_next(FAULT_503)
        first = await s.ask(wire="responses", input="Hi")
        place = f"/v1/responses/{first.told().id}"
        x = await s.ask(method="DELETE", path=place, body=b"")
        assert (x.status, x.whole()["error"]["code"]) == (503, "not_deleted")
        assert (await s.ask(method="GET", path=place, body=b"")).status == 200
        hangs.close()
        assert (await s.ask(method="DELETE", path=place, body=b"")).whole()["deleted"]
        assert (await s.ask(method="GET", path=place, body=b"")).status == 404
