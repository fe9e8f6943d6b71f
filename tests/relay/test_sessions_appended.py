"""What is put beside a session: who hears of it, what is refused, and how much of it there may be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge import BEARER
from scenes import dies
from session_place import HISTORY, code, place
from trooper.testing import ScriptedProvider


async def test_what_was_appended_is_in_the_next_hand_over(autojump_clock: Any) -> None:
    cloud = ScriptedProvider()
    long = [{"role": "user", "content": "Set port 8000 in /srv/one.toml. " + "and so on, " * 400}] * 20
    async with place(cloud) as p:
        name = await p.chat(messages=HISTORY)
        note = b'{"messages":[{"role":"assistant","content":[{"text":"Mind /etc/keeper.conf first."}]}]}'
        assert (await p.post(f"/sessions/{name}/append", BEARER, body=note)).status == 200
        cloud.script = dies().script
        p.ollama.requests.clear()
        await p.chat(messages=[*long, HISTORY[0]])
        recovery = await p.get(f"/recovery/{name}")

    assert any(b"/etc/keeper.conf" in request.body for request in p.ollama.requests)
    assert [(one["role"], one["text"]) for one in recovery["appended"]] == [
        ("assistant", "Mind /etc/keeper.conf first.")
    ]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", "messages"),
        (b"{", "JSON"),
        (b"[]", "messages"),
        (b'{"messages":[]}', "messages"),
        (b'{"messages":[1]}', "messages[0]"),
        (b'{"messages":[{"role":"boss","content":"x"}]}', "messages[0].role"),
        (b'{"messages":[{"role":"user"}]}', "messages[0].content"),
        (b'{"messages":[{"role":"user","content":" "}]}', "messages[0].content"),
        (b'{"messages":[{"role":"user","content":[{"type":"image"}]}]}', "messages[0].content"),
        (json.dumps({"messages": [{"role": "user", "content": "x"}] * 101}).encode(), "100"),
    ],
)
async def test_what_cannot_be_appended_is_told(body: bytes, named: str, autojump_clock: Any) -> None:
    async with place() as p:
        name = await p.chat()
        answer = await p.post(f"/sessions/{name}/append", BEARER, body=body)
        assert (await p.get(f"/sessions/{name}"))["appended"] == 0

    assert answer.status == 400
    assert named in json.loads(answer.body)["error"]["message"]


async def test_there_is_only_so_much_room_beside_a_session(autojump_clock: Any) -> None:
    def saying(text: str, count: int) -> bytes:
        return json.dumps({"messages": [{"role": "user", "content": text}] * count}).encode()

    async with place() as p:
        name = await p.chat()
        sizes = [saying("x" * 200_000, 1), saying("x" * 200_000, 1), saying("x" * 1_100_000, 1)]
        statuses = [(await p.post(f"/sessions/{name}/append", BEARER, body=body)).status for body in sizes]
        for _ in range(5):
            last = await p.post(f"/sessions/{name}/append", BEARER, body=saying("x", 100))
        shown = await p.get(f"/sessions/{name}")

    assert statuses == [200, 413, 413]
    assert (last.status, code(last), shown["appended"]) == (413, "too_much_appended", 401)
