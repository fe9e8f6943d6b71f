"""
The official SDKs of OpenAI (Responses) and Anthropic (Messages): the faults
that the two wires can have, at three positions, through every way to serve.
"""

from __future__ import annotations

from typing import Any

import pytest

from sdk_apis import ASYNC, FINISH, SYNC, ask_all
from sdk_clients import Seen
from sdk_rows import POSITIONS
from trooper.testing import ANSWERS, DEFAULT_ANSWER, FAULTS
from trooper.testing.faults import ON_EVERY_WIRE
from trooper.testing.provider import WIRES

IN_BAND = {
    "responses": ("error-response-nested", "error-response-failed", "error-event-flat-type"),
    "messages": ("error-type-overloaded", "error-event-lmstudio"),
}
#: Its same event again and again would have the same number.
NOT_OF_RESPONSES = ("silence-empty-deltas",)
#: The first is how people start it; the third has Trio's own server.
WAYS = ("hypercorn", "trooper serve")
CASES = sorted([*SYNC, *ASYNC])
STREAMING = [case for case in CASES if "whole" not in case[1]]


def rows(api: str) -> list[str]:
    """The models' names: each says its fault."""
    names = [n for n, fault in ON_EVERY_WIRE.items() if fault.fails]
    names = [n for n in names if api != "responses" or n not in NOT_OF_RESPONSES]
    events = WIRES[f"/v1/{api}"].events(ANSWERS["text"])
    return [
        f"fault/{name}/{position}"
        for name in (*names, *IN_BAND[api])
        for position in (POSITIONS if FAULTS[name].where == "both" else ("middle",))
        # A torn last event may be whole all the same.
        if FAULTS[name].expected(events, position)[1] in ("restart", "continue")
    ]


def is_whole(seen: Seen, api: str) -> bool:
    """The complete answer, once, under one name, with counts that are there."""
    exact = (seen.text, seen.finishes, seen.raised) == (DEFAULT_ANSWER, (FINISH[api],), None)
    return exact and len(seen.ids) == 1 and seen.usage is not None and seen.usage[1] > 0


@pytest.mark.parametrize("servers", WAYS, indirect=True)
@pytest.mark.parametrize(("api", "how"), CASES)
def test_every_fault(servers: Any, table: Any, api: str, how: str) -> None:
    before = servers.answers()
    asked = rows(api)
    if "whole" in how:
        asked = [model for model in asked if FAULTS[model.split("/")[1]].whole is not None]
    results = ask_all(api, how, servers.healthy.url, asked)
    bad = [(model, seen) for model, seen in zip(asked, results, strict=True) if not is_whole(seen, api)]
    table.add(servers.way, f"{api} {how}", "every fault of the wire", len(asked) - len(bad), len(asked))
    assert bad == []
    assert servers.answers() - before >= len(asked)


def is_honest(seen: Seen, model: str) -> bool:
    """The SDK raises an error of its own kind; nothing looks like an end."""
    if seen.raised is None or not seen.raised.is_api_error or seen.finishes:
        return False
    if seen.text:
        return DEFAULT_ANSWER.startswith(seen.text) and seen.raised.status is None
    # Before content there is a status, unless a preamble had given it away.
    return seen.raised.status is None or seen.raised.status >= 400


@pytest.mark.parametrize("servers", WAYS, indirect=True)
@pytest.mark.parametrize(("api", "how"), STREAMING)
def test_the_local_model_fails_too(servers: Any, table: Any, api: str, how: str) -> None:
    asked = rows(api)
    results = ask_all(api, how, servers.forsaken.url, asked)
    bad = [(model, seen) for model, seen in zip(asked, results, strict=True) if not is_honest(seen, model)]
    table.add(servers.way, f"{api} {how}", "and Ollama fails too", len(asked) - len(bad), len(asked))
    assert bad == []
