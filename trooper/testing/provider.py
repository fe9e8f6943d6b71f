"""
A provider whose behaviour is a script. It speaks OpenAI's chat and Responses
and Anthropic's Messages, each on its own path.

Without instructions it gives a healthy answer. A fault can be chosen for all
requests (`script`), for the next ones (`play_next`), or by the request itself:
the header `x-fault: name@position`, or a model called
`fault/<name>/<position>[/<answer>]`. A request's `x-answer` header, or a model
called `answer/<answer>`, picks one of `ANSWERS`.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from attrs import define, evolve, field, frozen

from trooper.testing.chat import DEFAULT_ANSWER, Call, ChatAnswer, dumps, tokens
from trooper.testing.faults import FAULTS, Fault
from trooper.testing.faults.shape import Events
from trooper.testing.http import ClosedByPeer, Request, Response, Server
from trooper.testing.messages import counted_tokens, messages_body, messages_events
from trooper.testing.responses import responses_body, responses_events
from trooper.testing.script import End, Head, KeepAlive, Places, Script, Send, Status, play
from trooper.testing.served import Served

WEATHER = Call("get_weather", '{"city": "Zürich", "days": [1, 2, 3], "note": "a \\"b\\" {c}"}')
CLOCK = Call("get_time", '{"zone": "Europe/Zurich"}', id="call_0000000000000000000002")

ANSWERS: Mapping[str, ChatAnswer] = {
    "text": ChatAnswer(tokens=tuple(tokens(DEFAULT_ANSWER))),
    "tools": ChatAnswer(calls=(WEATHER, CLOCK), finish="tool_calls"),
    "text-tools": ChatAnswer(tokens=tuple(tokens("Let me look.")), calls=(WEATHER,), finish="tool_calls"),
    "reasoning": ChatAnswer(
        tokens=tuple(tokens(DEFAULT_ANSWER)), reasoning=tuple(tokens("The user asks about lighthouses."))
    ),
    "json": ChatAnswer(tokens=tuple(tokens('{"city": "Zürich", "days": [1, 2, 3]}', 4))),
    "long-word": ChatAnswer(tokens=tuple(tokens("Here it is: " + "QUJD" * 64 + " – done.", 6))),
    "empty": ChatAnswer(),
}


@frozen
class Wire:
    """How an answer is said on one wire; `id_prefix` is what its ids begin with."""

    events: Callable[[ChatAnswer], list[bytes]]
    body: Callable[[ChatAnswer], bytes]
    id_prefix: str


#: Path → wire.
WIRES: Mapping[str, Wire] = {
    "/v1/chat/completions": Wire(ChatAnswer.events, ChatAnswer.body, "chatcmpl-"),
    "/v1/responses": Wire(responses_events, responses_body, "resp_"),
    "/v1/messages": Wire(messages_events, messages_body, "msg_"),
}

_POSITION = re.compile(r"|start|middle|end|b?\d{1,9}", re.ASCII)

#: What a provider answers: a script, a fault at a position, or an answer.
Plan: TypeAlias = "Script | FaultAt | ChatAnswer"


class UnknownFault(ValueError):
    """A fault or its position that somebody asked for, and that there is not."""


@frozen
class FaultAt:
    """
    A fault of the table, after `position`: a number of content events,
    `start`, `middle`, `end`, or `b<bytes>` for a place in the byte stream.
    """

    fault: Fault
    position: int | str = "middle"
    answer: ChatAnswer | None = None

    @classmethod
    def parse(cls, text: str) -> FaultAt:
        """
        Read `name@position`.

        Raises:
            UnknownFault: there is no such fault or position; the words say which there are.
        """
        name, _, position = text.partition("@")
        if name not in FAULTS:
            near = difflib.get_close_matches(name, FAULTS, n=1)
            guess = f"did you mean {near[0]!r}?" if near else "docs/failures.md lists them"
            raise UnknownFault(f"there is no fault {name!r}; {guess}")
        if not _POSITION.fullmatch(position):
            raise UnknownFault(
                f"{position!r} is no position; use start, middle, end, a number, or b and a number"
            )
        return cls(FAULTS[name], int(position) if position.isdecimal() else position or "middle")


@define(eq=False)
class ScriptedProvider(Served):
    """
    A provider on any stream: give `provider.serve` to a listener.

    Attributes:
        answer: what it says when healthy, and what faults cut.
        script: used for every request that asks for nothing else.
        pace_s: silence after each event.
        headers: response headers of every streamed answer.
        api_key: when set, other keys get a 401.
        token_chars: cut the answer into pieces of so many characters instead
            of words.
        keepalive_s: the pause between keep-alives of faults that have them.
        elsewhere: what it does on all other paths, in place of a 404.

    Its control command `play` sets `script` to a fault (`name@position`), or to
    nothing, and `keepalive_s`.
    """

    answer: ChatAnswer | str = ANSWERS["text"]
    script: Plan | Callable[[Request], Plan] | None = None
    pace_s: float = 0.0
    models: tuple[str, ...] = ("gpt-4o", "gpt-4o-mini")
    headers: tuple[tuple[str, str], ...] = (("x-request-id", "req_scripted"),)
    api_key: str | None = field(default=None, repr=False)
    token_chars: int | None = None
    keepalive_s: float | None = None
    elsewhere: Script | None = None
    server: Server = field(init=False)
    _next: deque[Plan] = field(init=False, factory=deque)
    _numbers: Iterator[int] = field(init=False, factory=itertools.count)

    def __attrs_post_init__(self) -> None:
        self.server = Server(self._answer, state=self._state, commands={"play": self._play})

    def play_next(self, *plans: Plan) -> None:
        """Use these for the next requests, one each, before anything else."""
        self._next.extend(plans)

    @property
    def chats(self) -> list[Request]:
        """The requests for answers among them, on whichever wire."""
        return [r for r in self.server.requests if r.path in WIRES]

    @property
    def open_connections(self) -> int:
        """Connections not closed by either side."""
        return self.server.open_connections

    @property
    def closed_by_peer(self) -> list[ClosedByPeer]:
        """When peers went away, and during which request."""
        return self.server.closed_by_peer

    def _state(self) -> dict[str, object]:
        return {"kind": "provider"}

    def _play(self, told: Mapping[str, Any]) -> None:
        self.script = FaultAt.parse(told["fault"]) if told["fault"] else None
        self.keepalive_s = told["keepalive_s"]

    async def _answer(self, request: Request, response: Response) -> None:
        key = self.api_key
        keys = (request.header("authorization"), request.header("x-api-key"))
        if key is not None and f"Bearer {key}" not in keys and key not in keys:
            await play(FAULTS["auth-401"].build((), 0), response)
            return
        match request.method, request.path:
            case "GET", "/v1/models":
                await play(Script((Status(200, self._model_list()),)), response)
            case "HEAD", "/":
                await play(Script((Status(200),)), response)
            case "POST", "/v1/messages/count_tokens":
                await play(Script((Status(200, counted_tokens(self._default())),)), response)
            case "POST", path if path in WIRES:
                said = request.json()
                asked: dict[str, Any] = said if isinstance(said, dict) else {}
                try:
                    script, places = self._script_for(request, asked, WIRES[path])
                except UnknownFault as error:
                    await response.whole(400, (), str(error).encode())
                    return
                await play(script, response, pace_s=self.pace_s, places=places)
            case _:
                await play(self.elsewhere or FAULTS["not-found-404"].build((), 0), response)

    def _script_for(self, request: Request, asked: Mapping[str, Any], wire: Wire) -> tuple[Script, Places]:
        plan = self._plan_for(request, str(asked.get("model", "")))
        if isinstance(plan, Script):
            return plan, Places()
        answer = plan.answer or self._default() if isinstance(plan, FaultAt) else plan
        options = asked.get("stream_options") or {}
        number = next(self._numbers)
        answer = evolve(
            answer,
            id=f"{wire.id_prefix}scripted{number:012d}",
            created=answer.created + number,
            model=str(asked.get("model", answer.model)),
            usage=bool(options.get("include_usage")),
        )
        streams = bool(asked.get("stream"))
        events = wire.events(answer)
        healthy = self._streamed(events) if streams else self._whole(wire.body(answer))
        content = _content_steps(events) if streams else range(1)
        match plan:
            case FaultAt(fault, position):
                script = fault.build(events, position) if streams else fault.build_whole(wire.body(answer))
                return self._spaced(script), Places.of(script, healthy, content)
            case _:
                return healthy, Places(content)

    def _spaced(self, script: Script) -> Script:
        every = self.keepalive_s
        if every is None:
            return script
        steps = (
            evolve(step, interval_s=every) if isinstance(step, KeepAlive) else step for step in script.steps
        )
        return Script(tuple(steps))

    def _streamed(self, events: Iterable[bytes]) -> Script:
        return Script((Head(headers=self.headers), *map(Send, events), End()))

    def _whole(self, body: bytes) -> Script:
        return Script((Status(200, body, self.headers),))

    def _plan_for(self, request: Request, model: str) -> Plan:
        if self._next:
            return self._next.popleft()
        if fault := request.header("x-fault"):
            return FaultAt.parse(fault)
        match model.split("/"):
            case ["fault", name, position, *answer]:
                chosen = ANSWERS[answer[0]] if answer else None
                return evolve(FaultAt.parse(f"{name}@{position}"), answer=chosen)
            case ["answer", name]:
                return ANSWERS[name]
        if named := request.header("x-answer"):
            return ANSWERS[named]
        if self.script is None:
            return self._default()
        return self.script(request) if callable(self.script) else self.script

    def _default(self) -> ChatAnswer:
        answer = self.answer
        if isinstance(answer, str):
            answer = ChatAnswer(tokens=tuple(tokens(answer)))
        if self.token_chars is not None:
            answer = evolve(answer, tokens=tuple(tokens("".join(answer.tokens), self.token_chars)))
        return answer

    def _model_list(self) -> bytes:
        data = [
            {"id": m, "object": "model", "created": 1_790_000_000, "owned_by": "openai"} for m in self.models
        ]
        return dumps({"object": "list", "data": data})


def _content_steps(events: list[bytes]) -> range:
    """Behind the head and the preamble; before the finish reason and what follows it."""
    sorted_ = Events.of(events)
    first = 1 + len(sorted_.preamble)
    return range(first, first + len(sorted_.content))
