"""What is put beside a session: who hears of it, what is refused, and how much of it there may be."""

from __future__ import annotations

import json
from typing import Any

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


async def test_the_report_that_a_hand_over_would_carry(autojump_clock: Any) -> None:
    long = [
        turn
        for number in range(60)
        for turn in (
            {
                "role": "user",
                "content": f"Set port {8000 + number} in file /srv/{number}.toml now. " + "and " * 60,
            },
            {"role": "assistant", "content": f"Done: /srv/{number}.toml. " + "words " * 60},
        )
    ]
    async with place() as p:
        short = await p.chat(messages=HISTORY)
        fits = await p.get(f"/sitrep/{short}")
        name = await p.chat(BEARER, (b"x-session-id", b"long"), messages=[*long, HISTORY[0]])
        carried = await p.get(f"/sitrep/{name}")
        note = b'{"messages":[{"role":"user","content":"The password file is /etc/keeper.conf."}]}'
        assert (await p.post(f"/sessions/{name}/append", BEARER, body=note)).status == 200
        with_note = await p.get(f"/sitrep/{name}")

    assert (fits["target"], fits["is_carried"], fits["shortened"]) == ("ollama", False, {})
    assert "read: a.py" in fits["report"]
    assert carried["is_carried"] is True
    assert carried["shortened"]["turns"] > 0
    assert carried["window_tokens"] == 4096
    assert "/etc/keeper.conf" not in carried["report"]
    assert "/etc/keeper.conf" in with_note["report"]
