"""
Which program is started how.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trooper.clients.launch import ANY, Program, called
from trooper.clients.launch_aider import AIDER
from trooper.clients.launch_claude_code import CLAUDE_CODE
from trooper.clients.launch_codex import CODEX
from trooper.clients.launch_opencode import OPENCODE

PROGRAMS: Final[Mapping[str, Program]] = {
    "claude": CLAUDE_CODE,
    "codex": CODEX,
    "opencode": OPENCODE,
    "aider": AIDER,
}


def program_of(word: str) -> Program:
    """The program that `word` starts; one that nobody knows is told by the SDKs' variables."""
    return PROGRAMS.get(called(word), ANY)
