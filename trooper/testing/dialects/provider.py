"""
A provider that speaks a dialect of the table, on the paths of that dialect's
wires, below whatever base URL it is asked at.

What it says is decided by whoever starts it, by the request (`x-answer`, or a
model called `answer/<kind>`), or by what the request has: tools of the names
that the table calls, a wish for thoughts, or for usage.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from attrs import define, evolve, field, frozen

from trooper.testing.chat import dumps
from trooper.testing.dialects import DIALECTS, Dialect, Golden, Refusal
from trooper.testing.faults import FAULTS, ON_EVERY_WIRE
from trooper.testing.http import Request, Response, Server
from trooper.testing.provider import FaultAt, UnknownFault
from trooper.testing.script import End, Head, Script, Send, Status, Step, play
from trooper.testing.served import Served

_PLAIN = "text/plain; charset=utf-8"
#: How the path of each wire ends. The last two are Vertex's.
_ENDS: Mapping[str, str] = {
    "/chat/completions": "openai-chat",
    "/responses": "openai-responses",
    "/messages": "anthropic-messages",
    ":streamRawPredict": "anthropic-messages",
    ":rawPredict": "anthropic-messages",
}
#: What stands in front of the kinds of a wire that is not a dialect's first.
_PREFIXES: Mapping[str, str] = {"openai-responses": "responses_", "anthropic-messages": "messages_"}


class UnknownDialect(ValueError):
    """A dialect or a kind that somebody asked for, and that there is not."""


@frozen
class Chosen:
    """A dialect, and the kind that every answer is of, if one was chosen."""

    dialect: Dialect
    kind: str = ""

    @property
    def path(self) -> str:
        """Where its clients find it: the path of its base URL."""
        return urlsplit(self.dialect.base_url).path

    @classmethod
    def parse(cls, text: str) -> Chosen:
        """
        Read `name` or `name/kind`.

        Raises:
            UnknownDialect: there is no such dialect or kind; the words say which there are.
        """
        name, _, kind = text.partition("/")
        if name not in DIALECTS:
            near = difflib.get_close_matches(name, DIALECTS, n=1)
            guess = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(DIALECTS)}"
            raise UnknownDialect(f"there is no dialect {name!r}; {guess}")
        dialect = DIALECTS[name]
        if kind and kind not in dialect.kinds:
            raise UnknownDialect(f"{name} has no kind {kind!r}; it has {', '.join(dialect.kinds)}")
        return cls(dialect, kind)


@define(eq=False)
class DialectProvider(Served):
    """
    A provider on any stream: give `provider.serve` to a listener.

    Attributes:
        chosen: whose bytes it sends, and of which kind.
        fault: what befalls every answer: a cut, a silence, or a status, which has the
            dialect's own body if one is known. Faults of a wire's events are not a dialect's.
        pace_s: silence after each event.
        api_key: when set, other keys get a 401.
    """

    chosen: Chosen
    fault: FaultAt | None = None
    pace_s: float = 0.0
    api_key: str | None = field(default=None, repr=False)
    server: Server = field(init=False)

    def __attrs_post_init__(self) -> None:
        if self.fault is not None and self.fault.fault.name not in ON_EVERY_WIRE:
            name = self.chosen.dialect.name
            raise UnknownFault(
                f"{self.fault.fault.name!r} is no fault of a dialect; use one of a transport or a status,"
                f" for example reset or status-503, or the dialect's own, like {name}/error"
            )
        self.server = Server(self._answer, state=lambda: {"kind": "provider"})

    async def _answer(self, request: Request, response: Response) -> None:
        key = self.api_key
        keys = [request.header(name) for name in ("authorization", "x-api-key", "api-key")]
        if key is not None and f"Bearer {key}" not in keys and key not in keys:
            script = self._refused(FAULTS["auth-401"].build_whole(b""), self.chosen.dialect.wire)
        else:
            script = self._script(request)
        await play(script, response, pace_s=self.pace_s)

    def _script(self, request: Request) -> Script:
        dialect = self.chosen.dialect
        if (request.method, request.path) == ("GET", f"{self.chosen.path}/models"):
            return Script((Status(200, _models_of(dialect)),))
        wire = next((wire for end, wire in _ENDS.items() if request.path.endswith(end)), "")
        spoken = [golden for golden in dialect.goldens.values() if golden.wire == wire]
        if request.method != "POST" or not spoken:
            wires = ", ".join(sorted({golden.wire for golden in dialect.goldens.values()}))
            said = f"{dialect.name} speaks {wires}; {request.method} {request.path} is none of it\n"
            return Script((Status(404, said.encode(), content_type=_PLAIN),))
        chosen = dialect.kinds.get(self.chosen.kind)
        if chosen is not None and chosen.wire != wire:
            said = (
                f"{dialect.name}/{self.chosen.kind} is said on {chosen.wire}, and {request.path} is {wire}\n"
            )
            return Script((Status(400, said.encode(), content_type=_PLAIN),))
        try:
            told = request.json()
        except ValueError:
            told = None
        asked: dict[str, Any] = told if isinstance(told, dict) else {}
        streams = bool(asked.get("stream")) or request.path.endswith(":streamRawPredict")
        rows = dialect.kinds if streams else dialect.wholes
        golden = self._golden(request, asked, wire, {k: row for k, row in rows.items() if row.wire == wire})
        if isinstance(golden, str):
            return Script((Status(400, golden.encode(), content_type=_PLAIN),))
        healthy = self._streamed(golden) if streams else Script((Status(200, golden.body),))
        if self.fault is None:
            return healthy
        if not streams:
            return self._refused(self.fault.fault.build_whole(golden.body), wire)
        return self._refused(self.fault.fault.build(golden.pieces, self.fault.position), wire)

    def _golden(
        self, request: Request, asked: Mapping[str, Any], wire: str, rows: Mapping[str, Golden]
    ) -> Golden | str:
        """The row that fits best, or any healthy one of the wire; words, if there is none."""
        prefix = "" if wire == self.chosen.dialect.wire else _PREFIXES.get(wire, "")
        model = str(asked.get("model", ""))
        named = model.removeprefix("answer/") if model.startswith("answer/") else request.header("x-answer")
        if named and named not in rows:
            return f"{self.chosen.dialect.name} has no {named!r} here; it has {', '.join(rows)}\n"
        kinds = (
            named or "",
            self.chosen.kind,
            *(f"{prefix}{kind}" for kind in _kinds_for(asked, rows, prefix)),
        )
        fitting = [rows[kind] for kind in kinds if kind in rows] or [r for r in rows.values() if r.is_healthy]
        return fitting[0] if fitting else f"the table has no such answer of {self.chosen.dialect.name}\n"

    def _streamed(self, golden: Golden) -> Script:
        head = Head(content_type=self.chosen.dialect.content_type)
        return Script((head, *map(Send, golden.pieces), End()))

    def _refused(self, script: Script, wire: str) -> Script:
        """The same steps, with the dialect's own head, and its own body where a status is said."""
        steps: list[Step] = []
        for step in script.steps:
            match step:
                case Status(code, headers=said) if own := self._refusal(code, wire):
                    headers = tuple({**dict(own.headers), **dict(said)}.items())
                    steps.append(Status(code, own.body, headers, own.content_type))
                case Head(content_type=kind) if kind.startswith("text/event-stream"):
                    steps.append(evolve(step, content_type=self.chosen.dialect.content_type))
                case _:
                    steps.append(step)
        return Script(tuple(steps))

    def _refusal(self, code: int, wire: str) -> Refusal | None:
        refusals = self.chosen.dialect.refusals
        return next((r for r in refusals if (r.code, r.wire) == (code, wire)), None)


def _models_of(dialect: Dialect) -> bytes:
    """The models that its answers are by, as a list of OpenAI's."""
    bodies = b"".join(golden.body for golden in dialect.goldens.values())
    names = sorted({name.decode() for name in re.findall(rb'"model": ?"([^"]+)"', bodies)})
    models = [{"id": name, "object": "model", "created": 0, "owned_by": dialect.name} for name in names]
    return dumps({"object": "list", "data": models})


def _kinds_for(asked: Mapping[str, Any], rows: Mapping[str, Golden], prefix: str) -> Iterator[str]:
    """The kinds that a request is for, the best first."""
    names = _tool_names(asked) if _wants_calls(asked) else set()
    one_only = not asked.get("parallel_tool_calls", True)
    for kind, least in (("parallel", 2), ("tool", 1)):
        row = rows.get(f"{prefix}{kind}")
        called = set(re.findall(rb'"name": ?"(\w+)"', row.body)) if row else set()
        if len(called & names) >= least and not (one_only and kind == "parallel"):
            yield kind
    thinking = asked.get("thinking")
    if asked.get("reasoning_effort") or asked.get("reasoning") or (thinking and thinking != _UNTHINKING):
        yield "reasoning"
    if (asked.get("stream_options") or {}).get("include_usage"):
        yield "usage"
    yield "text"


_UNTHINKING = {"type": "disabled"}


def _tool_names(asked: Mapping[str, Any]) -> set[bytes]:
    tools = [tool for tool in asked.get("tools") or () if isinstance(tool, dict)]
    return {str((tool.get("function") or tool).get("name")).encode() for tool in tools}


def _wants_calls(asked: Mapping[str, Any]) -> bool:
    """Whether calls are in place: not where they are forbidden, nor right behind their results."""
    if asked.get("tool_choice") in ("none", {"type": "none"}):
        return False
    turns = asked.get("messages") or asked.get("input")
    match turns[-1] if isinstance(turns, list) and turns else None:
        case {"role": "tool"} | {"type": "function_call_output"} | {"content": [{"type": "tool_result"}, *_]}:
            return False
        case _:
            return True
