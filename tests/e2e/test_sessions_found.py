"""A session is one, whichever of two workers is asked: what was said last, what was put beside it, what is deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployed import fake
from worker_clients import Client, clients, served

ROUNDS = 25
RUN = {"x-session-id": "9706b2de-2776-4d52-8ae9-daae730a595b"}
SECRET = "The launch code is 4711."


@pytest.fixture(scope="module")
def places() -> Iterator[tuple[str, str]]:
    with fake("provider", "--fault", "reset@middle") as cloud, fake("ollama") as local:
        yield f"{cloud.url}/v1", local.url


def turn(client: Client, text: str, **more: str) -> str:
    """One turn; the id of its session."""
    body = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": text}]}
    status, headers, told = client.told("POST", "/v1/chat/completions", body, **{**RUN, **more})
    assert status == 200, told
    return headers["x-trooper-session"]


def told(client: Client, path: str) -> Any:
    status, answer = client.ask("GET", path)
    assert status == 200, answer
    return answer


def test_whichever_worker_is_asked_knows_the_latest_turn(places: tuple[str, str], tmp_path: Path) -> None:
    """At once; they have the turns by turns."""
    with served(tmp_path / "data", *places) as trooper, clients(trooper) as workers:
        for number in range(ROUNDS):
            name = turn(workers[number % 2], f"{SECRET} {number}")
            note = {"messages": [{"role": "user", "content": f"Note {number}"}]}
            status, appended = workers[number % 3 % 2].ask("POST", f"/sessions/{name}/append", note)
            assert (status, appended["heard_by_all"]) == (200, True)
            for each in workers:
                recovery = told(each, f"/recovery/{name}")
                assert recovery["asked"] == f"{SECRET} {number}"
                assert recovery["answer"]["is_whole"]
                assert [one["text"] for one in recovery["appended"]] == [
                    f"Note {each}" for each in range(number + 1)
                ]
                assert f"Note {number}" in told(each, f"/sitrep/{name}")["report"]
                assert told(each, f"/sessions/{name}")["appended"] == number + 1
        files = b"".join(file.read_bytes() for file in (tmp_path / "data").rglob("*") if file.is_file())

    assert SECRET.encode() not in files
    assert b"Note 1" not in files


def test_what_one_worker_deletes_is_gone_in_the_other(places: tuple[str, str], tmp_path: Path) -> None:
    with (
        served(tmp_path / "data", *places) as trooper,
        clients(trooper) as (one, two),
        clients(trooper, "sk-ben") as (_, bens),
    ):
        for number in range(10):
            name = turn(one, f"One {number}")
            assert turn(two, f"Two {number}") == name
            assert bens.ask("GET", f"/recovery/{name}")[0] == 404
            assert bens.ask("DELETE", f"/sessions/{name}")[0] == 404
            assert two.ask("DELETE", f"/sessions/{name}") == (200, {"id": name, "deleted": True})
            for each in (one, two):
                assert each.ask("GET", f"/recovery/{name}")[0] == 404
                assert told(each, "/sessions")["sessions"] == []


def test_the_answers_of_a_session_go_in_both(places: tuple[str, str], tmp_path: Path) -> None:
    with served(tmp_path / "data", *places) as trooper, clients(trooper) as (one, two):
        ids, names = [], set()
        for worker in (one, two, one):
            body = {"model": "fault/status-503/start", "input": "Hi", "stream": False}
            status, headers, answer = worker.told("POST", "/v1/responses", body, **RUN)
            assert status == 200, answer
            names.add(headers["x-trooper-session"])
            ids.append(json.loads(answer)["id"])
        (name,) = names
        assert [two.ask("GET", f"/v1/responses/{each}")[0] for each in ids] == [200] * 3
        assert two.ask("DELETE", f"/sessions/{name}")[0] == 200
        statuses = [each.ask("GET", f"/v1/responses/{answer}")[0] for answer in ids for each in (one, two)]
    assert 200 not in statuses
