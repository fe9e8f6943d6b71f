"""
Hard work of one client beside eight streams of others, in each way to serve:
schemas that take for ever, requests of a hundred thousand parts, too many bytes at once.
"""

from __future__ import annotations

import http.client
import json
import os
import resource
import select
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from beside import Steady, steady_provider
from deployed import LONG_S, WAYS, Deployed, deployed, fake

DOCUMENT = json.dumps({"name": "a" * 40 + "!", "more": "A keeper lights the lamp. " * 8})
WEAPON = {"type": "object", "properties": {"name": {"type": "string", "pattern": "^(a+)+$"}}}
HONEST = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
#: Eight streams beside an attack in each of them; more of them need not be tried.
ONE_PROCESS = [way for way in WAYS if "--workers" not in way]


@frozen
class Place:
    steady: Steady
    trooper: Deployed


@pytest.fixture(scope="module", params=ONE_PROCESS)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("cwd")
    (folder / "trooper.toml").write_text("[server]\nmax_total_bytes = 20_000_000\n")
    with (
        steady_provider() as steady,
        fake("provider", "--answer", DOCUMENT, "--fault", "reset@middle") as dying,
        fake("ollama", "--answer", DOCUMENT) as local,
        deployed(
            request.param, steady.url, local.url, folder, TROOPER_ANTHROPIC_BASE_URL=dying.url
        ) as trooper,
    ):
        yield Place(steady, trooper)


def ask(port: int, **fields: Any) -> tuple[int, dict[str, str], bytes]:
    """One request on the wire that the eight do not speak."""
    question = [{"role": "user", "content": "Lighthouses?"}]
    asked = {"model": "claude", "max_tokens": 4096, "stream": True, "messages": question, **fields}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONG_S)
    try:
        headers = {"content-type": "application/json", "x-api-key": "sk-attacker"}
        connection.request("POST", "/v1/messages", json.dumps(asked), headers)
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    finally:
        connection.close()


def follows(schema: dict[str, Any]) -> dict[str, Any]:
    return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}


def children(pid: int) -> list[int]:
    """The processes that it has begun and that still run."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def test_schemas_that_take_for_ever(place: Place) -> None:
    port = place.trooper.port
    with place.steady.eight(port):
        for _ in range(2):
            status, _, body = ask(port, **follows(WEAPON))
            assert (status, b"event: error" in body, b"message_stop" in body) == (200, True, False)
        status, _, body = ask(port, **follows(HONEST))
        assert (status, b"event: error" in body, b"message_stop" in body) == (200, False, True)
    assert len(children(place.trooper.pid)) <= 2


def test_a_hundred_thousand_parts_keep_their_net(place: Place) -> None:
    port = place.trooper.port
    turns = [{"role": "assistant" if at % 2 else "user", "content": f"Turn {at}."} for at in range(100_001)]
    with place.steady.eight(port):
        status, _, body = ask(port, messages=turns)
        assert (status, b"event: error" in body, b"message_stop" in body) == (200, False, True)
        assert b"ollama" in body


def test_more_bytes_than_there_is_room_for(place: Place) -> None:
    port = place.trooper.port
    with place.steady.eight(port):
        status, headers, body = ask(port, metadata={"padding": "x" * 20_000_000})
        assert status == 503
        assert int(headers["retry-after"]) > 0
        assert json.loads(body)["type"] == "error"
        status, _, body = ask(port)
        assert (status, b"message_stop" in body) == (200, True)


def grown(pid: int, more: int) -> tuple[int, int]:
    """A limit of its address space that lets a process grow by so much."""
    told = Path(f"/proc/{pid}/status").read_text()
    limit = int(told.partition("VmSize:")[2].split()[0]) * 1024 + more
    return limit, limit


@pytest.mark.parametrize("way", ONE_PROCESS)
def test_where_memory_runs_out_before_the_budget(way: str, tmp_path: Path) -> None:
    """As in a container that is smaller than what was configured."""
    (tmp_path / "trooper.toml").write_text("[server]\nmax_total_bytes = 900_000_000\n")
    body = {"messages": [{"role": "user", "content": "x" * 100}] * 200_000}
    with (
        steady_provider() as steady,
        fake("ollama", "--answer", DOCUMENT) as local,
        deployed(way, steady.url, local.url, tmp_path, TROOPER_ANTHROPIC_BASE_URL=steady.url) as trooper,
    ):
        ask(trooper.port, messages=[{"role": "user", "content": "x"}] * 30_000)
        resource.prlimit(trooper.pid, resource.RLIMIT_AS, grown(trooper.pid, 60_000_000))
        with steady.eight(trooper.port), ThreadPoolExecutor(6) as clients:
            # Some are answered, some refused, and some hung up on in the middle of what they send.
            attacks = [clients.submit(ask, trooper.port, **body) for _ in range(6)]
            wait(attacks)
            assert any(attack.exception() or attack.result()[0] == 503 for attack in attacks)
        status, _, said = ask(trooper.port)
        assert (status, b"message_stop" in said) == (200, True)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("way", ONE_PROCESS)
def test_a_process_aside_ends_with_its_server(way: str, end: signal.Signals, tmp_path: Path) -> None:
    with (
        fake("provider", "--answer", DOCUMENT, "--fault", "reset@middle") as dying,
        fake("ollama", "--answer", DOCUMENT) as local,
        deployed(way, dying.url, local.url, tmp_path, TROOPER_ANTHROPIC_BASE_URL=dying.url) as trooper,
    ):
        ask(trooper.port, **follows(HONEST))
        aside = [os.pidfd_open(child) for child in children(trooper.pid)]
        assert len(aside) == 1
        os.kill(trooper.pid, end)
        ended = select.poll()
        ended.register(aside[0], select.POLLIN)
        assert ended.poll(LONG_S * 1000)
        os.close(aside[0])
