"""
opencode: the address of two providers that it has built in. Its models, its
keys and their limits stay as they are. It adds `/messages` and `/responses`.

Of the files in its folder the later ones of the list count more. Elsewhere it does not look at the first of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from trooper.clients import jsonc
from trooper.clients.client import Client, folder_by
from trooper.clients.placing import is_placed
from trooper.clients.wanted import Wanted

FILES: Final = ("config.json", "opencode.json", "opencode.jsonc")


def _asked(url: str) -> tuple[Wanted, ...]:
    return tuple(
        Wanted(("provider", provider, "options", "baseURL"), f"{url}/v1")
        for provider in ("anthropic", "openai")
    )


def _file(environ: Mapping[str, str], home: Path) -> Path:
    if said := environ.get("OPENCODE_CONFIG"):
        return Path(said)
    files = own_files(environ, home)
    # Where the block is already, another file that has come since changes nothing.
    there = [file for file in files if is_placed(file)] or [file for file in files if file.exists()]
    return there[-1] if there else files[1]


def own_files(environ: Mapping[str, str], home: Path) -> list[Path]:
    """The files of its user's own folder; one that a variable names comes beside them."""
    folder = folder_by(environ, "XDG_CONFIG_HOME", home, ".config") / "opencode"
    return [folder / name for name in FILES]


OPENCODE: Final = Client(
    name="opencode",
    title="opencode",
    asked=_asked,
    form=jsonc,
    file=_file,
    fresh='{\n  "$schema": "https://opencode.ai/config.json"\n}\n',
    note="A ChatGPT plan in opencode does not go through Trooper: it asks chatgpt.com whatever its address is.",
)
