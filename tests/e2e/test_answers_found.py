"""
An answer is found by its id, whichever worker is asked, and after a restart
where contents are on disk.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from deployed import LONG_S, Deployed, deployed, fake

#: In each round three answers are found.
ROUNDS = 334
DOWN = "fault/status-503/start"
SECRET = "The launch code is 4711."


class Client:
    """One kept connection, so it is one worker's."""

    def __init__(self, port: int, key: str = "sk-ann") -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONG_S)
        self.connection.connect()
        self.key = key

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.key}"}
        self.connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = self.connection.getresponse()
        return response.status, json.loads(response.read())

    def answer(self, *, by: str = "gpt-4o", **fields: Any) -> dict[str, Any]:
        status, answer = self.ask("POST", "/v1/responses", {"model": by, "input": "Hi", **fields})
        assert status == 200, answer
        return answer

    def worker(self) -> int:
        """The process that has the other end."""
        # It has accepted it by then.
        self.ask("GET", "/healthz")
        own = self.connection.sock.getsockname()
        ours = psutil.Process()
        for child in ours.children(recursive=True):
            if any(c.raddr and tuple(c.raddr) == own for c in child.net_connections("tcp4")):
                return child.pid
        raise AssertionError("nobody has it")


@contextmanager
def clients(trooper: Deployed, key: str = "sk-ann") -> Iterator[tuple[Client, Client]]:
    """A client of each of two workers."""
    found: dict[int, Client] = {}
    others = []
    while len(found) < 2:
        client = Client(trooper.port, key)
        others.append(client)
        found.setdefault(client.worker(), client)
        assert len(others) < 500, "one worker takes all"
    try:
        one, two = found.values()
        yield one, two
    finally:
        for client in others:
            client.connection.close()


def all_of(folder: Path) -> str:
    """What all of its files say."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert files
    return "".join(file.read_bytes().decode("latin-1") for file in files)


@contextmanager
def served(
    data_dir: Path, cloud: str, local: str, way: str = "hypercorn --workers 2", **env: str
) -> Iterator[Deployed]:
    folder = data_dir.parent
    with deployed(
        way, cloud, local, folder, TROOPER_DATA_DIR=str(data_dir), TROOPER_BREAKER="off", **env
    ) as one:
        yield one


@pytest.fixture(scope="module")
def places() -> Iterator[tuple[str, str]]:
    with fake("provider") as cloud, fake("ollama") as local:
        yield cloud.url, local.url


def test_an_answer_of_one_worker_is_found_by_the_other(places: tuple[str, str], tmp_path: Path) -> None:
    """At once, whoever has made it."""
    found, missed = 0, []
    with served(tmp_path / "data", *places) as trooper, clients(trooper) as (one, two):
        for number in range(ROUNDS):
            ours = one.answer(by=DOWN, input=f"Hi {number}")
            status, after_ours = two.ask("POST", "/v1/responses", goes_on_from(ours))
            _, items = one.ask("GET", f"/v1/responses/{after_ours.get('id')}/input_items")
            clouds = one.answer(input="Hi")
            other, after_clouds = two.ask("POST", "/v1/responses", goes_on_from(clouds))
            said = [item["content"][0]["text"] for item in items.get("data", [])][::-1]
            asked = f"Hi {number}"
            results = (
                status == 200,
                said[:1] + said[2:] == [asked, "Go on."],
                other == 200 and after_clouds["id"] != clouds["id"],
            )
            found += sum(results)
            missed += [(number, status, other, items)] * (not all(results))
    assert missed == []
    assert found == 3 * ROUNDS


def goes_on_from(answer: dict[str, Any]) -> dict[str, Any]:
    return {"model": DOWN, "input": "Go on.", "previous_response_id": answer["id"]}


def test_what_one_worker_deletes_the_other_does_not_find(places: tuple[str, str], tmp_path: Path) -> None:
    with (
        served(tmp_path / "data", *places) as trooper,
        clients(trooper) as (one, two),
        clients(trooper, "sk-ben") as (_, bens),
    ):
        for _ in range(20):
            path = f"/v1/responses/{one.answer(by=DOWN)['id']}"
            assert bens.ask("GET", path)[0] == 404
            assert bens.ask("DELETE", path)[0] == 404
            assert two.ask("GET", path)[0] == 200
            assert two.ask("DELETE", path)[1]["deleted"]
            assert (one.ask("GET", path)[0], two.ask("GET", path)[0]) == (404, 404)


@pytest.mark.parametrize("content", ["memory", "disk"])
def test_after_a_restart(places: tuple[str, str], tmp_path: Path, content: str) -> None:
    """With contents on disk it is found; else its id is as good as unknown, and nothing of it is in a file."""
    (tmp_path / "trooper.toml").write_text(f'[store]\ncontent = "{content}"\n', encoding="utf-8")
    with served(tmp_path / "data", *places) as trooper:
        one = Client(trooper.port)
        answers = [one.answer(by=DOWN, input=SECRET), one.answer(input=SECRET)]
        lost = [one.answer(by=DOWN, input=SECRET, store=False), one.answer(by=DOWN, input=SECRET)]
        assert one.ask("DELETE", f"/v1/responses/{lost[1]['id']}")[1]["deleted"]
        one.connection.close()
    if content == "memory":
        assert SECRET not in all_of(tmp_path / "data")
    with served(tmp_path / "data", *places, way="trooper serve") as trooper:
        client = Client(trooper.port)
        statuses = [client.ask("POST", "/v1/responses", goes_on_from(answer))[0] for answer in answers]
        gone = [client.ask("POST", "/v1/responses", goes_on_from(answer))[0] for answer in lost]
        client.connection.close()
    assert statuses == ([200, 200] if content == "disk" else [503, 503])
    assert gone == [503, 503]
