"""
An answer is found by its id, whichever worker is asked, and after a restart
where contents are on disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployed import fake
from worker_clients import Client, clients, served

#: In each round three answers are found.
ROUNDS = 334
DOWN = "fault/status-503/start"
SECRET = "The launch code is 4711."


def all_of(folder: Path) -> str:
    """What all of its files say."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert files
    return "".join(file.read_bytes().decode("latin-1") for file in files)


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
