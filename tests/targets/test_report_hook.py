"""A function of the user's: found at the start, called in a thread, and whatever it does, nobody fails for it."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from scenes import configured
from trooper.commands.settings import settings
from trooper.core.conversation import ImagePart, Message, Role, TextPart, ToolCall
from trooper.core.reported import Reported
from trooper.core.situation.dropped import Dropped
from trooper.errors import ConfigError
from trooper.targets.report_hook import Hook, NoReport, Unwritten, found_hook, is_hook, with_hook

LONG_S = 60.0
TURNS = (
    Message(Role.USER, (TextPart("Look "), ImagePart("image/png", "AA=="), TextPart("here."))),
    Message(Role.ASSISTANT, (), (ToolCall("c1", "look", '{"at": 1}'),)),
    Message(Role.TOOL, (TextPart("A lamp."),), (), "c1"),
)
REPORTED = Reported(Dropped(TURNS, "half", (Message(Role.SYSTEM),)), 50)


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module of the user's."""
    module = types.ModuleType("users_own")
    monkeypatch.setitem(sys.modules, "users_own", module)
    return module


async def given(function: Callable[..., Any], limit_s: float = LONG_S) -> str | Unwritten:
    return await Hook(function).write(REPORTED, limit_s)


# -- at the start --------------------------------------------------------------------


def test_what_a_hook_is() -> None:
    assert [is_hook(report) for report in ("rules", "model", "none", "a.b:c")] == [False, False, False, True]


def test_it_is_found(users: Any) -> None:
    users.report = lambda *_: ""
    assert found_hook("users_own:report") is users.report
    config = configured(report="users_own:report")
    assert with_hook(config) is config
    assert with_hook(configured()).server.report == "rules"


class Asynchronous:
    async def __call__(self, turns: Any, room: int) -> str:
        return ""


async def asynchronous(turns: Any, room: int) -> str:
    return ""


@pytest.mark.parametrize(
    ("report", "problem", "fix"),
    [
        ("nowhere_at_all:report", "there is no module 'nowhere_at_all'", "PYTHONPATH"),
        ("nowhere_at_all.inside:report", "there is no module 'nowhere_at_all'", "PYTHONPATH"),
        ("users_own:nothing", "the module 'users_own' has no 'nothing'", "function"),
        ("users_own:NUMBER", "'users_own:NUMBER' is no function", "module:function"),
        ("users_own:asynchronous", "'users_own:asynchronous' is a coroutine function", "without `async`"),
        ("users_own:an_object", "'users_own:an_object' is a coroutine function", "without `async`"),
    ],
)
def test_what_cannot_be_one_stops_the_start(report: str, problem: str, fix: str, users: Any) -> None:
    users.NUMBER, users.asynchronous, users.an_object = 7, asynchronous, Asynchronous()
    with pytest.raises(ConfigError) as caught:
        with_hook(configured(report=report))
    assert (caught.value.key, caught.value.problem) == ("server.report", problem)
    assert fix in caught.value.fix


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import nothing_like_it", "imports 'nothing_like_it', which is not installed"),
        ("def (", "raised SyntaxError"),
        ("raise SystemExit(3)", "raised SystemExit"),
        ("1 / 0", "raised ZeroDivisionError"),
    ],
)
def test_a_module_that_cannot_be_imported(
    code: str, problem: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "users_broken.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "users_broken", raising=False)
    with pytest.raises(ConfigError) as caught:
        found_hook("users_broken:report")
    assert problem in caught.value.problem


def test_a_start_with_a_wrong_one_fails_before_it_listens(tmp_path: Path) -> None:
    (tmp_path / "trooper.toml").write_text('[server]\nreport = "nowhere_at_all:report"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="there is no module 'nowhere_at_all'"):
        settings({}, tmp_path)


def test_the_folder_of_the_start_is_not_looked_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration that lies about can name no code that lies beside it."""
    (tmp_path / "trooper.toml").write_text('[server]\nreport = "users_beside:report"\n', encoding="utf-8")
    (tmp_path / "users_beside.py").write_text("def report(turns, room): return ''", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    with pytest.raises(ConfigError, match="PYTHONPATH"):
        settings({}, tmp_path)
    assert sys.path == path


# -- called --------------------------------------------------------------------------


async def test_what_it_is_given_and_gives() -> None:
    seen: list[Any] = []

    def report(turns: Any, room_tokens: int) -> str:
        seen.append((turns, room_tokens, threading.current_thread() is threading.main_thread()))
        return " A lamp was seen.\n"

    assert await given(report) == "A lamp was seen."
    ((turns, room, is_main),) = seen
    assert (room, is_main) == (50, False)
    assert turns == [
        {"role": "user", "text": "Look here.", "tool_calls": [], "tool_call_id": ""},
        {
            "role": "assistant",
            "text": "",
            "tool_calls": [{"id": "c1", "name": "look", "arguments": '{"at": 1}'}],
            "tool_call_id": "",
        },
        {"role": "tool", "text": "A lamp.", "tool_calls": [], "tool_call_id": "c1"},
    ]


class Odd(str):
    """A text with ways of its own."""

    __slots__ = ()

    def strip(self, *_: Any) -> Any:
        raise AssertionError

    def encode(self, *_: Any) -> Any:
        raise AssertionError


def raising(error: BaseException) -> Callable[..., str]:
    def report(turns: Any, room: int) -> str:
        raise error

    return report


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (raising(ValueError("secret")), Unwritten(NoReport.RAISED, "ValueError")),
        (raising(SystemExit(1)), Unwritten(NoReport.RAISED, "SystemExit")),
        (raising(KeyboardInterrupt()), Unwritten(NoReport.RAISED, "KeyboardInterrupt")),
        (lambda: "", Unwritten(NoReport.RAISED, "TypeError")),
        (lambda *_: None, Unwritten(NoReport.NO_TEXT)),
        (lambda *_: b"bytes", Unwritten(NoReport.NO_TEXT)),
        (lambda *_: "half a character: \ud800", Unwritten(NoReport.NO_TEXT)),
        (lambda *_: " \n", Unwritten(NoReport.EMPTY)),
        (lambda *_: "word " * 51, Unwritten(NoReport.TOO_LONG)),
        (lambda *_: "x" * 10_000_000, Unwritten(NoReport.TOO_LONG)),
        (lambda *_: Odd("fine"), "fine"),
    ],
)
async def test_whatever_it_does_is_a_value(function: Any, expected: object) -> None:
    found = await given(function)
    assert found == expected
    assert "secret" not in repr(found)


async def test_one_that_hangs_is_left_alone_and_four_are_the_most() -> None:
    hangs, begun = threading.Event(), threading.Semaphore(0)

    def report(turns: Any, room: int) -> str:
        begun.release()
        hangs.wait(LONG_S)
        return "late"

    hook = Hook(report)
    try:
        for _ in range(4):
            assert await hook.write(REPORTED, 0.05) == Unwritten(NoReport.TIMEOUT)
            assert begun.acquire(timeout=LONG_S)
        assert await hook.write(REPORTED, LONG_S) == Unwritten(NoReport.BUSY)
    finally:
        hangs.set()
    with trio.fail_after(LONG_S):
        while await hook.write(REPORTED, LONG_S) != "late":  # noqa: ASYNC110  # the threads have to end
            await trio.sleep(0.01)


async def test_who_stops_waiting_is_free_at_once() -> None:
    hangs = threading.Event()
    try:
        with trio.fail_after(LONG_S / 2), trio.move_on_after(0.05) as scope:
            await Hook(lambda *_: str(hangs.wait(LONG_S))).write(REPORTED, LONG_S)
        assert scope.cancelled_caught
    finally:
        hangs.set()
