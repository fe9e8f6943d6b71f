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


#: Of the wires that clients speak, the agent that most people use there. Recorded in November 2026 from their
#: first turns in an empty project, without servers of tools (`tests/prompts`): 20,843, 12,741 and 7,604 tokens by
#: SmolLM2's tokenizer, whose vocabulary is a third of that of most models of a useful size; those make a tenth to a
#: fifth fewer of it. aider's 2,851 fit wherever these do.
CLAUDE_CODE: Final = Agent("Claude Code", 18_000)
CODEX: Final = Agent("Codex", 12_000)
OPENCODE: Final = Agent("opencode", 8_000)
AGENTS: Final = (CLAUDE_CODE, CODEX, OPENCODE)


def who_fits(tokens: int) -> tuple[Agent, ...]:
    """The agents whose first turn a window of so many tokens holds."""
    return tuple(agent for agent in AGENTS if agent.turn_tokens <= tokens)


#: What an answer needs beside the turn that it answers: a call that writes a file, at least.
_ANSWER_TOKENS: Final = 2_048


def window_for(agent: Agent) -> int:
    """The window to ask for so that its turns fit, and answers to them: the next power of two."""
    return 1 << (agent.turn_tokens + _ANSWER_TOKENS - 1).bit_length()
