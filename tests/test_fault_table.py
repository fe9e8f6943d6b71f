"""
The fakes are evidence about the proxy, so they are tested themselves: each row
of the fault table, as it looks on the wire. What Trooper makes of it is in
`test_faults.py`.
"""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from asking_provider import ASK, EVENTS, WHOLE, chat, provider_on
from trooper.core.outcome import FailureKind
from trooper.testing import DEFAULT_ANSWER, FAULTS, ScriptedProvider
from wire_validator import WireViolation, validate_chat, validate_whole

KINDS = {kind.value for kind in FailureKind}
POSITIONS: list[int | str] = ["start", 1, "middle", "end", "b300", "b900", "b5000", "b99999999"]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_every_row_is_told_completely(fault: Any) -> None:
    assert fault.title.endswith(".")
    assert {fault.kind, fault.kind_before} <= KINDS | {""}
    assert fault.fails == (bool(fault.kind) and not fault.passes)
    assert (fault.where == "before") == (not fault.after)
    assert (fault.where == "after") == (not fault.before)
    for position in POSITIONS:
        assert fault.build(EVENTS, position).steps
        kind, action = fault.expected(EVENTS, position)
        assert action
        assert bool(kind) == (action in ("restart", "continue")) or fault.passes
    assert fault.build_whole(b'{"some": "json"}').steps


@pytest.mark.parametrize("position", ["start", "middle", "end", "b4321"])
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("reset", "ReadError"),
        ("fin-between-chunks", "RemoteProtocolError"),
        ("fin-inside-chunk", "RemoteProtocolError"),
        ("short-content-length", "RemoteProtocolError"),
        ("bad-chunk-header", "RemoteProtocolError"),
        ("clean-eof", ""),
        ("close-delimited-eof", ""),
        ("silence", "ReadTimeout"),
    ],
)
async def test_a_cut_looks_as_measured_and_comes_after_what_was_sent(
    name: str, error: str, position: str, nursery: trio.Nursery, autojump_clock: Any
) -> None:
    provider = ScriptedProvider()
    client = provider_on(nursery, provider)
    got = await chat(client, ASK, x_fault=f"{name}@{position}")
    assert (got.status, got.error) == (200, error)
    healthy = (await chat(client)).body.replace(b"000001", b"000000").replace(b"790000001", b"790000000")
    given = got.body.removesuffix(b'data: {"id":"chatcmpl-')
    assert healthy.startswith(given)
    assert len(given) == (4321 if position == "b4321" else len(b"".join(_lead(healthy, position))))


def _lead(healthy: bytes, position: str) -> list[bytes]:
    events = [event + b"\n\n" for event in healthy.split(b"\n\n")[:-1]]
    content = len(events) - 3
    return events[: 1 + {"start": 0, "middle": (content + 1) // 2, "end": content}[position]]


@pytest.mark.parametrize(
    ("name", "tail"),
    [
        ("cut-inside-event", b'"'),
        ("cut-inside-character", b"\xc3"),
        ("cut-inside-crlf", b"\r"),
        ("cut-inside-last-crlf", b"\r\n\r"),
    ],
)
async def test_a_cut_inside_something_is_inside_it(name: str, tail: bytes, nursery: trio.Nursery) -> None:
    got = await chat(provider_on(nursery, ScriptedProvider()), ASK | {"model": f"fault/{name}/middle"})
    assert got.error == ""
    assert got.body.endswith(tail) or name == "cut-inside-event"
    with pytest.raises(WireViolation):
        validate_chat(got.body)


@pytest.mark.parametrize("name", [f.name for f in FAULTS.values() if not f.kind and "finish" not in f.after])
async def test_odd_but_whole_streams_are_whole(name: str, nursery: trio.Nursery, autojump_clock: Any) -> None:
    #: These are whole, but a strict reader does not take them as they are.
    loose = {
        "one-garbage-line": "not JSON",
        "two-events-in-a-frame": "not JSON",
        "control-character": "not JSON",
        "content-in-parts": "content",
        "finish-in-every-chunk": "goes on after its finish_reason",
        "bytes-behind-done": "something follows",
        "empty-but-counted": "",
        "offsets-after-finish": "object is",
        "prompt-filter-first": "object is",
        "finish-eos": "finish_reason is",
        "done-no-finish": "has no finish_reason",
        "gzip": "not UTF-8",
        "calls-one-index": "has its id or name again",
        "calls-no-index": "tool call index None",
        "calls-no-id": "has an empty id",
        "call-null-id": "has its id or name again",
        "call-named-again": "has its id or name again",
        "call-object": "arguments is not a string",
        "call-encoded-twice": "are not an object",
        "call-braces-first": "do not parse",
        "calls-and-none": "there is none",
    }
    got = await chat(provider_on(nursery, ScriptedProvider()), ASK, x_fault=name)
    try:
        result = validate_chat(got.body, include_usage=name == "usage-after-finish")
    except WireViolation as violation:
        assert loose[name] in str(violation)
    else:
        assert name not in loose
        assert result.text == ("" if name == "refusal" else DEFAULT_ANSWER)


async def test_faults_strike_whole_answers_too(nursery: trio.Nursery, autojump_clock: Any) -> None:
    client = provider_on(nursery, ScriptedProvider())
    reset = await chat(client, WHOLE, x_fault="reset")
    assert (reset.error, 0 < len(reset.body) < 700) == ("ReadError", True)
    assert validate_whole((await chat(client, WHOLE, x_fault="error-object")).body).error is not None
    assert (await chat(client, WHOLE, x_fault="no-headers")).error == "ReadTimeout"
