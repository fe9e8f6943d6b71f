"""Who answers a request: the relay, our memory of past answers, the provider alone, or nobody here."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from scenes import WIRES, configured, stage
from trooper.relay.dispatch import is_ours
from trooper.testing import FAULTS, FaultAt, Script, ScriptedProvider, Status
from trooper.wires import WIRES as TABLE


@pytest.mark.parametrize("path", TABLE.paths)
def test_an_answer_is_asked_for_with_post(path: str) -> None:
    config = configured()
    assert is_ours(TABLE, config, "POST", path, ())
    assert not any(is_ours(TABLE, config, method, path, ()) for method in ("GET", "HEAD", "PUT", "DELETE"))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1/models"),
        ("GET", "/v1/"),
        ("GET", "/v1"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/v2/x"),
        ("GET", "/v1/../admin"),
        ("GET", "/v1/files/../../admin"),
        ("GET", "/v1/files//x"),
        ("GET", "/v1/.."),
        ("GET", "/v1/messages"),
    ],
)
def test_what_is_nobody_elses(method: str, path: str) -> None:
    assert not is_ours(TABLE, configured(), method, path, ())


def test_nothing_to_pass_on_to() -> None:
    config = configured()
    local = evolve(config, targets=tuple(t for t in config.targets if t.is_local))
    assert not is_ours(TABLE, local, "POST", "/v1/embeddings", ())


@pytest.mark.parametrize("wire", WIRES)
async def test_the_relay_answers_on_the_path_of_each_wire(autojump_clock: Any, wire: str) -> None:
    """Somebody else goes on where its provider fails: that is what only the relay does."""
    async with stage(ScriptedProvider(script=FaultAt(FAULTS["status-503"]))) as s:
        x = await s.ask(wire=wire)
        assert x.legs == [(WIRES[wire].target, "overloaded"), ("ollama", "completed")]


async def test_a_past_answer_of_ours_is_told_here(autojump_clock: Any) -> None:
    async with stage() as s:
        s.cloud.play_next(FaultAt(FAULTS["status-503"]))
        first = await s.ask(wire="responses")
        asked = len(s.cloud.requests)
        path = f"/v1/responses/{first.told().id}"
        x = await s.ask(method="GET", path=path, body=b"")
        assert (x.status, x.whole()["id"], x.ended) == (200, first.told().id, True)
        assert x.headers == {b"content-type": b"application/json", b"content-length": b"%d" % len(x.body)}
        assert len(s.cloud.requests) == asked


async def test_all_else_below_v1_is_the_providers(autojump_clock: Any) -> None:
    provider = ScriptedProvider(elsewhere=Script((Status(207, b"{}"),)))
    async with stage(provider) as s:
        x = await s.ask(method="GET", path="/v1/files", body=b"")
        assert (x.status, x.report["event"]) == (207, "passed_through")


async def test_nothing_is_said_where_it_is_not_ours(autojump_clock: Any) -> None:
    """The routes of the web layer answer it."""
    async with stage() as s:
        x = await s.ask(method="GET", path="/healthz", body=b"")
        assert (x.status, x.ended, s.cloud.requests) == (None, False, [])


async def test_questions_about_sessions_are_answered_here(autojump_clock: Any) -> None:
    config = configured()
    assert is_ours(TABLE, config, "GET", "/sessions", ())
    assert is_ours(TABLE, config, "DELETE", "/sessions/x", ())
    assert not is_ours(TABLE, config, "GET", "/sessions/x/y", ())
    async with stage() as s:
        listed = await s.ask(method="GET", path="/sessions", owner="a" * 32)
        refused = await s.ask(method="PUT", path="/sessions", owner="a" * 32)
        bare = await s.ask(method="HEAD", path="/sessions", owner="a" * 32)
        assert s.cloud.requests == []
    assert (listed.status, listed.whole()) == (200, {"sessions": [], "next": None})
    assert (refused.status, refused.headers[b"allow"]) == (405, b"GET")
    assert refused.whole()["error"]["code"] == "method_not_allowed"
    assert (bare.status, bytes(bare.body)) == (405, b"")
