"""
A function of the user's that writes situation reports: `report = "module:function"`.

It runs in a thread, so it may wait, and nothing waits for it for long: one that takes too long is left alone, and there are
never more than a few. Whatever it does, no request fails for it: the rules' report is there in any case.
"""

from __future__ import annotations

import enum
import importlib
import inspect
from typing import Final, Protocol, TypedDict, cast

import trio
from attrs import field, frozen

from trooper.config import Config
from trooper.core.conversation import Message
from trooper.core.reported import Reported
from trooper.core.tokens import MOST_CHARS_PER_TOKEN, tokens_at_most
from trooper.errors import ConfigError

#: So many calls at a time. One that hangs is given up, but its thread lasts.
_MOST_CALLS: Final = 4


class ReportedCall(TypedDict):
    """A tool call of an assistant's turn; `arguments` are JSON text, as the model wrote it."""

    id: str
    name: str
    arguments: str


class ReportedTurn(TypedDict):
    """
    One message that is left out of a prompt.

    `role` is `user`, `assistant`, `tool` or `system`. Of a message of several parts `text` has the texts, and no images.
    `tool_call_id` says which call a tool's result belongs to; it is empty elsewhere.
    """

    role: str
    text: str
    tool_calls: list[ReportedCall]
    tool_call_id: str


class ReportHook(Protocol):
    """Writes a report on the turns, oldest first, of at most so many tokens; an empty one leaves it to the rules."""

    def __call__(self, turns: list[ReportedTurn], room_tokens: int, /) -> str:
        """Called in a thread; it may be called for other conversations at the same time."""


class NoReport(enum.Enum):
    """Why a hook has given no report."""

    BUSY = "busy"
    TIMEOUT = "timeout"
    RAISED = "raised"
    NO_TEXT = "no_text"
    TOO_LONG = "too_long"
    #: It has left it to the rules.
    EMPTY = "empty"


@frozen
class Unwritten:
    """A hook has given no report; `error` is the name of the exception that it has raised."""

    why: NoReport
    error: str | None = None


def is_hook(report: str) -> bool:
    """Whether the value of `report` names a function."""
    return ":" in report


def found_hook(report: str) -> ReportHook:
    """
    The function that `report` names, imported.

    Raises:
        ConfigError: there is no such module or function, or it cannot be called as one.
    """
    key = "server.report"
    module_name, _, name = report.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            problem = f"the module {module_name!r} imports {error.name!r}, which is not installed"
            raise ConfigError(key, problem, "Install it beside Trooper") from None
        problem = f"there is no module {error.name!r}"
        fix = "Install it beside Trooper, or name its folder in PYTHONPATH"
        raise ConfigError(key, problem, fix) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever the user's module does
        problem = f"importing {module_name!r} raised {type(error).__name__}"
        raise ConfigError(key, problem, f"Try it alone: python -c 'import {module_name}'") from None
    function = getattr(module, name, None)
    if function is None:
        raise ConfigError(key, f"the module {module_name!r} has no {name!r}", "Name a function of it")
    if not callable(function):
        raise ConfigError(key, f"{report!r} is no function", 'Write it like "module:function"')
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004  # an object of a class with such a method
    ):
        fix = "Write it without `async`: it runs in a thread, and may wait there"
        raise ConfigError(key, f"{report!r} is a coroutine function", fix)
    return cast("ReportHook", function)


def with_hook(config: Config) -> Config:
    """`config`, and where it names a function, that it is there: an error must stop the server before it listens."""
    if is_hook(config.server.report):
        found_hook(config.server.report)
    return config


@frozen(eq=False)
class Hook:
    """The user's function, and how it is called."""

    function: ReportHook
    _limiter: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(_MOST_CALLS), init=False)

    async def write(self, reported: Reported, limit_s: float) -> str | Unwritten:
        """Its report, or why there is none; it is not waited for any longer than that."""
        if not self._limiter.available_tokens:
            # What holds the places hangs, or is slow for everybody.
            return Unwritten(NoReport.BUSY)
        with trio.move_on_after(limit_s):
            return await trio.to_thread.run_sync(
                _called, self.function, reported, abandon_on_cancel=True, limiter=self._limiter
            )
        return Unwritten(NoReport.TIMEOUT)


def _called(function: ReportHook, reported: Reported) -> str | Unwritten:
    """In the thread: call it, and look at what it gives."""
    room = reported.room_tokens
    try:
        given: object = function([_told(turn) for turn in reported.dropped.turns], room)
        if not isinstance(given, str):
            return Unwritten(NoReport.NO_TEXT)
        # Its own class may have its own ways, and what cannot be sent is no text.
        text = str.__str__(given).strip()
        text.encode()
    except UnicodeEncodeError:
        return Unwritten(NoReport.NO_TEXT)
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001  # the last two would end more than a report
        return Unwritten(NoReport.RAISED, type(error).__name__)
    if not text:
        return Unwritten(NoReport.EMPTY)
    if len(text) > room * MOST_CHARS_PER_TOKEN or tokens_at_most(text) > room:
        return Unwritten(NoReport.TOO_LONG)
    return text


def _told(turn: Message) -> ReportedTurn:
    calls = [ReportedCall(id=call.id, name=call.name, arguments=call.arguments) for call in turn.tool_calls]
    return ReportedTurn(
        role=turn.role.value, text=turn.text, tool_calls=calls, tool_call_id=turn.tool_call_id
    )
