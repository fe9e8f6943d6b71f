"""
A real small model is asked for the facts, once with Trooper's hand-over and once with the plain cut.

Both ways go through Trooper, whose cloud fails: what has been cut to fit
already is left as it is. Of one session only the last question changes, so that
a server that keeps what it has read reads a session once for each way. No tools
are offered: small models know none.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import trio
from attrs import define, field, frozen

from trooper.bench.handover import plain_cut
from trooper.bench.handover.sessions import Session, Sown
from trooper.bench.handover.told import Way
from trooper.bench.rig import Running, Serving, open_rig, toml
from trooper.targets.embedded.model import EXTRA, alias_of, cached, is_installed
from trooper.testing import FaultAt, ScriptedProvider, serve_tcp
from trooper.testing.client import Heard, ask

WINDOWS: Final = (4_096, 8_192)
SESSIONS: Final = 5
MOST_TOKENS: Final = 40
_HINT: Final = "Answer in a few words, with the exact name or value."
#: A processor reads some fifty tokens a second.
_PATIENCE_S: Final = 900.0
_KEYS: Final = ("ttft_timeout_s", "stall_timeout_s", "alive_timeout_s")
#: The first cut is made by the safe count, and by the server's own from then on, with a little less room.
_NEARLY: Final = 0.97


@frozen
class Model:
    """The model that is asked: a file that Trooper runs, or one of somebody's Ollama."""

    name: str
    gguf: Path | None = None
    ollama: str = ""


@frozen
class Answer:
    """One answer to the question for one fact; `problem` says why there is none."""

    session: Session
    sown: Sown
    window_tokens: int
    way: Way
    said: str = ""
    prompt_tokens: int = 0
    problem: str = ""

    @property
    def is_right(self) -> bool:
        """Whether the fact is in it."""
        return self.sown.planted.is_answered_by(self.said)


async def embedded(gguf: Path | None) -> Model | str:
    """The model in `gguf`, or the one that Trooper fetches; why it cannot be asked, in words."""
    file = gguf or await trio.to_thread.run_sync(cached, os.environ)
    if file is None:
        return "the model is not there: trooper fetch-model"
    if not await trio.Path(file).is_file():
        return f"there is no file {file}"
    if not is_installed():
        return f"it needs an extra: {EXTRA}"
    file = file.absolute()
    return Model(alias_of(str(file)), file)


@define(eq=False)
class _Room:
    """How many of our tokens the plain cut may keep, so that its prompt is as long as Trooper's."""

    #: Of the server's tokens for one of ours.
    ratio: float = 1.0
    is_known: bool = field(default=False, init=False)

    def counted(self, of_them: int, of_ours: float) -> None:
        self.ratio = of_them / of_ours
        self.is_known = True


async def measure(
    model: Model, known: Sequence[Session], windows: Sequence[int], facts: int, step: Callable[[], None]
) -> list[Answer]:
    """
    Ask for the first `facts` facts of each session, at each window, both ways.

    Raises:
        NotStarted: Trooper does not start with this model; in an exception group.
    """
    found: list[Answer] = []
    for window in windows:
        room = _Room()
        async with _open(model, window) as trooper:
            for session in known:
                sown = (
                    session.facts
                    if facts >= len(session.facts)
                    else session.facts[:: len(session.facts) // facts]
                )
                ours = [await _asked(trooper, window, session, one, session.messages, step) for one in sown]
                found += ours
                # As long as what Trooper makes of it, and not as what there is room for.
                size = max((answer.prompt_tokens for answer in ours), default=0) or plain_cut.room_in(window)
                if not room.is_known:
                    await _count(trooper, window, session, size, room)
                short = _cut(session, _NEARLY * size / room.ratio)
                found += [
                    await _asked(trooper, window, session, one, short, step, way=Way.PLAIN_CUT)
                    for one in sown
                ]
    return found


def _cut(session: Session, room_tokens: float) -> Sequence[Mapping[str, Any]]:
    """Cut for the longest of the questions, so that all of them stand behind the same words."""
    longest = max((f"{sown.planted.question} {_HINT}" for sown in session.facts), key=len)
    return plain_cut.cut(session.asking(longest), (), room_tokens)


async def _count(trooper: Running, window: int, session: Session, size: int, room: _Room) -> None:
    """Find out what the server's tokens are worth."""
    ours = 0.7 * size
    short = _cut(session, ours)
    answer = await _asked(trooper, window, session, session.facts[0], short, lambda: None, way=Way.PLAIN_CUT)
    if answer.prompt_tokens:
        room.counted(answer.prompt_tokens, ours)


async def _asked(
    trooper: Running,
    window: int,
    session: Session,
    sown: Sown,
    messages: Sequence[Mapping[str, Any]],
    step: Callable[[], None],
    *,
    way: Way = Way.TROOPER,
) -> Answer:
    question = {"role": "user", "content": f"{sown.planted.question} {_HINT}"}
    heard: list[Heard] = []
    request: dict[str, Any] = {
        "model": "gpt-4o",
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0,
        "max_tokens": MOST_TOKENS,
        "messages": [*messages[:-1], question],
    }
    status = 0
    with trio.move_on_after(_PATIENCE_S):
        status = await ask(trooper.port, request, heard.append)
    step()
    said = "".join(event.text for event in heard)
    tokens = next((_prompt_tokens(event) for event in reversed(heard) if _prompt_tokens(event)), 0)
    is_whole = status == 200 and bool(heard) and heard[-1].data == "[DONE]"
    return Answer(session, sown, window, way, said, tokens, "" if is_whole else f"status {status}, or no end")


def _prompt_tokens(event: Heard) -> int:
    match event.chunk:
        case {"usage": {"prompt_tokens": int(tokens)}}:
            return tokens
        case _:
            return 0


@asynccontextmanager
async def _open(model: Model, window: int) -> AsyncIterator[Running]:
    provider = ScriptedProvider(script=FaultAt.parse("status-429@start"))
    async with open_rig() as rig, trio.open_nursery() as nursery:
        cloud = f"http://127.0.0.1:{await serve_tcp(provider, nursery)}"
        local: dict[str, object] = {"num_ctx": window, **dict.fromkeys(_KEYS, _PATIENCE_S)}
        if model.gguf is None:
            configuration = toml(cloud, model.ollama, local={"model": model.name, **local})
        else:
            lines = [f"{key} = {value}" for key, value in local.items()]
            own = ["[[targets]]", 'name = "local"', 'wire = "llama-server"', f"gguf = '{model.gguf}'", *lines]
            configuration = toml(cloud, None) + "\n".join(own) + "\n"
        yield await rig.trooper(Serving.TRIO, configuration, ready_s=_PATIENCE_S)
        nursery.cancel_scope.cancel(reason="all is asked")
