"""
The agents that people put behind Trooper, and how long what they send is.

A window that does not hold an agent's first turn is no net for it: its system
prompt and its tools cannot be left out.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen


@frozen
class Agent:
    """
    One agent; which wire it speaks is in the table of wires.

    `turn_tokens`: about how many tokens its first turn has, tools and all.
    """

    name: str
    turn_tokens: int


#: Of the wires that clients speak, the agent that most people use there. The counts are round, and
#: on the large side of what was recorded of their releases of autumn 2026: whole prompts of 15,000
#: to 25,000 tokens in the words of the recordings, system prompt and tools together. Smaller ones
#: (aider sends a third of opencode's) fit wherever these do.
CLAUDE_CODE: Final = Agent("Claude Code", 18_000)
CODEX: Final = Agent("Codex", 15_000)
OPENCODE: Final = Agent("opencode", 12_000)
AGENTS: Final = (CLAUDE_CODE, CODEX, OPENCODE)


def who_fits(tokens: int) -> tuple[Agent, ...]:
    """The agents whose first turn a window of so many tokens holds."""
    return tuple(agent for agent in AGENTS if agent.turn_tokens <= tokens)


#: What an answer needs beside the turn that it answers: a call that writes a file, at least.
_ANSWER_TOKENS: Final = 2_048


def window_for(agent: Agent) -> int:
    """The window to ask for so that its turns fit, and answers to them: the next power of two."""
    return 1 << (agent.turn_tokens + _ANSWER_TOKENS - 1).bit_length()
