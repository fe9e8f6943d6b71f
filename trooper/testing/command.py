"""
`trooper fake`: the fakes as a command.
"""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from trooper.testing.__main__ import main


def fake(*words: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> int:
    """
    Run a scripted provider, or a stand-in for Ollama, until it is stopped.

    Args:
        words: which one, and its options; they are the fake's own.
    """
    return main(words)
