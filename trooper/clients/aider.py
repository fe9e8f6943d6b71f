"""
aider: its own option for the address of OpenAI's API, and a variable for
Anthropic's, which the library that it asks with reads.

Written into the file of the home folder; those of a repository and of the
folder that it is started in count more.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from trooper.clients import yaml
from trooper.clients.client import Client
from trooper.clients.wanted import Wanted

#: Where its file has the address of OpenAI's API.
PLACE: Final = ("openai-api-base",)


def _asked(url: str) -> tuple[Wanted, ...]:
    return (
        Wanted(PLACE, f"{url}/v1"),
        Wanted(("set-env",), f"ANTHROPIC_API_BASE={url}", is_item=True),
    )


def _file(environ: Mapping[str, str], home: Path) -> Path:
    return home / ".aider.conf.yml"


AIDER: Final = Client(name="aider", title="aider", asked=_asked, form=yaml, file=_file)
