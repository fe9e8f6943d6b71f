"""
A real llama.cpp reads the grammars that Trooper writes: calls that were cut at
random are finished by a small model, and what comes out is a whole call.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import trio

from deployed import WAYS, running
from half_calls import NOTE
from trooper.testing import (
    Call,
    ChatAnswer,
    End,
    Head,
    Request,
    Reset,
    Script,
    ScriptedProvider,
    Send,
    serve_tcp,
)
from trooper.testing.client import Heard
from trooper.testing.client import ask as ask_for_stream
from wire_validator import ChatResult, validate_chat

CUTS = 25
CALL = Call("edit", json.dumps(NOTE, ensure_ascii=False))
#: As small models keep it: the form is the grammar's business, the length is theirs.
ASKED: dict[str, Any] = {
    "model": "gpt-4o",
    "stream": True,
    "max_tokens": 200,
    "messages": [{"role": "user", "content": "Edit the file."}],
    "tools": [{"type": "function", "function": {"name": "edit", "parameters": {"type": "object"}}}],
}
TOML = """
[server]
tool_calls = "stream"

[[targets]]
name = "cloud"
wire = "openai-chat"
base_url = "{cloud}"
key = "none"

[[targets]]
name = "own"
wire = "llama-server"
gguf = "{gguf}"
"""


async def answers(url: str, count: int) -> list[ChatResult]:
    results = []
    for _ in range(count):
        heard: list[Heard] = []
        status = await ask_for_stream(int(url.rpartition(":")[2]), ASKED, heard.append)
        assert status == 200
        results.append(validate_chat(b"".join(event.raw for event in heard)))
    return results


async def test_half_calls_are_finished(gguf: Path, tmp_path: Path) -> None:
    events = ChatAnswer(calls=(CALL,), finish="tool_calls").events()
    stream = b"".join(events)
    chance = random.Random(3)
    begin, end = len(b"".join(events[:2])), len(b"".join(events[:-2]))

    def script(_: Request) -> Script:
        at = chance.randrange(begin, end)
        return Script((Head(), Send(stream[:at]), chance.choice((Reset(), End()))))

    async with trio.open_nursery() as nursery:
        port = await serve_tcp(ScriptedProvider(script=script), nursery)
        toml = TOML.format(cloud=f"http://127.0.0.1:{port}/v1", gguf=gguf)
        (tmp_path / "trooper.toml").write_text(toml, encoding="utf-8")
        with running(*WAYS["trooper serve"], cwd=tmp_path) as process:
            url = process.wait_for(r"on (http://127\.0\.0\.1:\d+)")[1]
            await trio.to_thread.run_sync(process.wait_for, '"standby_ready"')
            results = await answers(url, CUTS)
            reports = [json.loads(line) for line in process.lines if '"event": "request"' in line]
        nursery.cancel_scope.cancel()

    whole = [result for result in results if result.error is None]
    for result in whole:
        (call,) = result.tool_calls
        assert (call.name, result.finish_reason, result.done) == ("edit", "tool_calls", True)
        assert isinstance(json.loads(call.arguments), dict)
        assert call.arguments[:1] == CALL.arguments[:1]
    for result in results:
        assert result.error is None or (result.finish_reason is None and not result.done)
    # A grammar that llama.cpp could not read would be a refusal. A model of this size
    # may ramble in a string up to the client's limit; then there is no call.
    outcomes = [leg["outcome"] for report in reports for leg in report["legs"] if leg["target"] == "own"]
    assert len(outcomes) >= CUTS - 4
    assert set(outcomes) <= {"completed", "unfit"}
    print(f"\n{CUTS} calls cut at random, {len(whole)} finished by the model, the others raised")
    assert len(whole) >= CUTS // 5
