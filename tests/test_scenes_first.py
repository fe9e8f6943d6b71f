from __future__ import annotations

from typing import Any

import pytest
import trio

from scenes import stage
from trooper.testing import DEFAULT_ANSWER, FAULTS, FaultAt, FakeOllama, ScriptedProvider


async def test_healthy(autojump_clock: Any) -> None:
    async with stage() as s:
        x = await s.ask()
        print(x.status, bytes(x.body)[:500])
        r = x.chat()
        assert r.text == DEFAULT_ANSWER


@pytest.mark.parametrize("name", list(FAULTS))
@pytest.mark.parametrize("position", ["start", "middle", "end"])
async def test_fault(autojump_clock: Any, name: str, position: str) -> None:
    fault = FAULTS[name]
    async with stage(ScriptedProvider(script=FaultAt(fault, position)), FakeOllama(answer=DEFAULT_ANSWER)) as s:
        x = await s.ask()
        print(fault.title, fault.kind, x.status, [l.target+":"+l.outcome for l in []], trio.current_time())
        print(bytes(x.body)[-700:])
        if x.status == 200:
            r = x.chat()
            assert r.error or r.text == DEFAULT_ANSWER
            print("RESULT", r.error, r.finish_reason, len(r.text))
        assert not s.ollama.mismatches
