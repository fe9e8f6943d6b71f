"""What memory this machine has left."""

from __future__ import annotations

from pathlib import Path

import pytest

from trooper.targets import memory


def test_this_machine_says_it() -> None:
    free = memory.free_bytes()
    assert free is not None
    assert 0 < free < 1 << 50


@pytest.mark.parametrize(
    ("bound", "used", "stat", "left"),
    [
        ("1000", "400", "inactive_file 0", 600),
        ("1000\n", "400\n", "anon 5\ninactive_file 100\n", 700),
        ("1000", "1400", "inactive_file 0", 0),
        ("1000", "400", "", 600),
        ("max", "400", "", None),
        ("1000", "many", "", None),
        ("1000", "400", "inactive_file", None),
    ],
)
def test_a_container_has_a_bound_of_its_own(
    bound: str, used: str, stat: str, left: int | None, tmp_path: Path
) -> None:
    for name, text in (("bound", bound), ("used", used), ("memory.stat", stat)):
        (tmp_path / name).write_text(text)
    assert memory.left_of(str(tmp_path), "bound", "used") == left


def test_where_there_is_no_container_there_is_no_bound(tmp_path: Path) -> None:
    assert memory.left_of(str(tmp_path), "bound", "used") is None


def test_the_smallest_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bound").write_text("1000")
    (tmp_path / "used").write_text("1")
    (tmp_path / "memory.stat").write_text("")
    monkeypatch.setattr(memory, "_GROUPS", ((str(tmp_path), "bound", "used"),))
    assert memory.free_bytes() == 999


def test_a_machine_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> None:
        raise NotImplementedError

    monkeypatch.setattr(memory.psutil, "virtual_memory", unknown)
    assert memory.free_bytes() is None
