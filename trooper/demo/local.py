"""
Who goes on: a real Ollama if one can, else the model that Trooper runs itself,
else the scripted stand-in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import trio
from attrs import evolve, frozen
from rich.console import Console

from trooper.commands.fetch_model import fetch_saying_so
from trooper.config import Target, load
from trooper.core.local_model import LocalModel, Way
from trooper.core.outcome import Failed
from trooper.targets.embedded.fetch import NotFetched
from trooper.targets.embedded.model import EXTRA, MODEL, is_installed
from trooper.targets.standby import Standby
from trooper.targets.standby.ollama_chat import OllamaStandby
from trooper.targets.upstream import Call, open_upstream
from trooper.wires import LLAMA_SERVER, WIRES

NAME = "local"
_VARIABLES = ("OLLAMA_HOST", "TROOPER_OLLAMA_URL", "TROOPER_LOCAL_MODEL")
_REACH_S = 1.0
#: A model that takes longer to load is no demonstration.
_LOAD_S = 60.0


@frozen
class RealModel:
    """A model that can go on from a half answer, and in whose server it is."""

    kind: Literal["ollama", "embedded"]
    target: Target
    model: str
    words: str


@frozen
class NoModel:
    """Why there is none."""

    words: str


async def find_local(environ: Mapping[str, str], console: Console) -> RealModel | NoModel:
    """
    The first that can go on.

    Raises:
        ConfigError: a variable that names the place of an Ollama cannot be used.
    """
    ollama = await find_ollama(environ, lambda words: console.print(words, soft_wrap=True))
    if isinstance(ollama, RealModel):
        return ollama
    embedded = await find_embedded(environ, console)
    if isinstance(embedded, RealModel):
        return embedded
    return NoModel(f"{ollama.words}; {embedded.words}")


async def find_embedded(environ: Mapping[str, str], console: Console) -> RealModel | NoModel:
    """The model that Trooper runs itself, fetched if it is not there yet."""
    if not is_installed():
        return NoModel(f"for a small real model: {EXTRA}")
    path = await fetch_saying_so(console, environ)
    if isinstance(path, NotFetched):
        return NoModel("the small model could not be fetched")
    target = Target(NAME, LLAMA_SERVER.wire, "", gguf=str(path), load_timeout_s=_LOAD_S)
    words = f"{MODEL.name}, run by Trooper itself; a tiny model, which shows the seam and no more"
    return RealModel("embedded", target, MODEL.name, words)


async def find_ollama(environ: Mapping[str, str], say: Callable[[str], None]) -> RealModel | NoModel:
    """
    Look where Trooper itself would look, for at most a moment.

    Raises:
        ConfigError: a variable that names the place cannot be used.
    """
    wanted = {name: environ[name] for name in _VARIABLES if name in environ}
    # No file: the demo is about itself, not about somebody's configuration.
    config = load(wanted, Path("/nonexistent"), WIRES.known)
    target = evolve(next(t for t in config.targets if t.is_local), name=NAME)
    async with open_upstream(target) as upstream:
        answer: object = None
        with trio.move_on_after(_REACH_S):
            answer = await upstream.fetch(Call("GET", "/api/version"), 65_536)
        if answer is None or isinstance(answer, Failed):
            return NoModel(f"no Ollama answers at {target.base_url}")
        say(f"Ollama answers at {target.base_url}; waiting for its model …")
        return await _judge(OllamaStandby(target, upstream))


async def _judge(standby: Standby) -> RealModel | NoModel:
    model: LocalModel | Failed | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(standby.run)
        with trio.move_on_after(_LOAD_S):
            model = await standby.ready(None)
        nursery.cancel_scope.cancel()
    place = f"the Ollama at {standby.target.base_url}"
    match model:
        case None:
            return NoModel(f"{place} did not load its model within {_LOAD_S:.0f} s")
        case Failed(kind):
            return NoModel(f"{place} has no usable model ({kind.value})")
        case LocalModel(way=Way.NONE):
            return NoModel(f"{model.name} on {place} cannot go on from a half answer")
        case _:
            words = f"{model.name} on {place}; its words are its own"
            return RealModel("ollama", standby.target, model.name, words)
