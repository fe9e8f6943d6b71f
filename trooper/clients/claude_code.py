"""
Claude Code: one variable, in its user settings, which it puts into its own
environment at each start. It adds `/v1/messages` itself.

Whatever it proves itself with goes along: a key as `x-api-key`, a subscription's
token as `Authorization`. Neither needs a word here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from trooper.clients import jsonc
from trooper.clients.client import Client, folder_by
from trooper.clients.wanted import Wanted

VARIABLE: Final = "ANTHROPIC_BASE_URL"
#: Where its settings have the variable.
PLACE: Final = ("env", VARIABLE)


def _asked(url: str) -> tuple[Wanted, ...]:
    return (Wanted(PLACE, url),)


def _file(environ: Mapping[str, str], home: Path) -> Path:
    return folder_by(environ, "CLAUDE_CONFIG_DIR", home, ".claude") / "settings.json"


CLAUDE_CODE: Final = Client(
    name="claude-code",
    title="Claude Code",
    asked=_asked,
    form=jsonc,
    file=_file,
    note="Claude Code sends its own login, key or subscription, without being told.",
)
