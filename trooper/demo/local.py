"""
Who goes on: a real Ollama if one can, else the scripted stand-in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import trio
from attrs import evolve, frozen

from trooper.config import Target, load
from trooper.core.local_model import LocalModel, Way
from trooper.core.outcome import Failed
from trooper.standby import OllamaStandby, Standby
from trooper.upstream import Call, open_upstream

NAME = "local"
_VARIABLES = ("OLLAMA_HOST", "TROOPER_OLLAMA_URL", "TROOPER_LOCAL_MODEL")
_REACH_S = 1.0
#: A model that takes longer to load is no demonstration.
_LOAD_S = 60.0


@frozen
class RealOllama:
    """An Ollama with a model that can go on from a half answer."""

    target: Target
    model: str
    words: str


@frozen
class NoOllama:
    """Why there is none."""

    words: str


async def find_ollama(environ: Mapping[str, str], say: Callable[[str], None]) -> RealOllama | NoOllama:
    """
    Look where Trooper itself would look, for at most a moment.

    Raises:
        ConfigError: a variable that names the place cannot be used.
    """
    wanted = {name: environ[name] for name in _VARIABLES if name in environ}
    # No file: the demo is about itself, not about somebody's configuration.
    config = load(wanted, Path("/nonexistent"))
    target = evolve(next(t for t in config.targets if t.is_local), name=NAME)
    async with open_upstream(target) as upstream:
        answer: object = None
        with trio.move_on_after(_REACH_S):
            answer = await upstream.fetch(Call("GET", "/api/version"), 65_536)
        if answer is None or isinstance(answer, Failed):
            return NoOllama(f"no Ollama answers at {target.base_url}")
        say(f"Ollama answers at {target.base_url}; waiting for its model …")
        return await _judge(OllamaStandby(target, upstream))


async def _judge(standby: Standby) -> RealOllama | NoOllama:
    model: LocalModel | Failed | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(standby.run)
        with trio.move_on_after(_LOAD_S):
            model = await standby.ready(None)
        nursery.cancel_scope.cancel()
    place = f"the Ollama at {standby.target.base_url}"
    match model:
        case None:
            return NoOllama(f"{place} did not load its model within {_LOAD_S:.0f} s")
        case Failed(kind):
            return NoOllama(f"{place} has no usable model ({kind.value})")
        case LocalModel(way=Way.NONE):
            return NoOllama(f"{model.name} on {place} cannot go on from a half answer")
        case _:
            return RealOllama(standby.target, model.name, f"{model.name} on {place}")
