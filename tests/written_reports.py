"""
A conversation with facts in its old turns, and a model that writes a report on them when it is asked for one.
"""

from __future__ import annotations

from typing import Any, Final

from trooper.testing import DEFAULT_ANSWER, FakeOllama
from trooper.testing.ollama import Ask, Generation, Words

QUESTION: Final = "Tell me about lighthouses."
FACTS: Final = (
    "Our database listens on port 5433, and never touch /etc/harbour/keys.toml. The ticket is HAR-2214."
)
#: What the model writes.
REPORT: Final = (
    "The lamp of HAR-2214 stands at port 5433, and the keeper must not touch /etc/harbour/keys.toml."
)
#: What stands in the prompt that asks for it.
_INSTRUCTION: Final = "Write a situation report"


def history(turns: int = 60) -> list[dict[str, Any]]:
    """Some thousands of tokens, as a client of the chat wire sends them."""
    said = [
        {"role": "user", "content": "Keep the lamp."},
        {"role": "assistant", "content": "I keep it."},
        {"role": "user", "content": FACTS},
    ]
    for number in range(turns):
        role = "user" if number % 2 else "assistant"
        all_is_well = f"All is well at the lamp tonight, says the keeper ({number}). "
        said.append({"role": role, "content": all_is_well * 10})
    return [*said, {"role": "user", "content": QUESTION}]


def is_for_report(ask: Ask) -> bool:
    """Whether a model was asked to write one."""
    return any(_INSTRUCTION in str(message.get("content")) for message in ask.messages)


def writing(report: str = REPORT, **changes: Any) -> FakeOllama:
    """A model that writes `report` when it is asked for one, and else goes on with the answer."""

    def answer(ask: Ask) -> Words:
        return Words(report if is_for_report(ask) else DEFAULT_ANSWER)

    return FakeOllama(script=answer, **changes)


def asked_for(ollama: FakeOllama) -> list[Generation]:
    """The reports that the model was asked for."""
    return [one for one in ollama.generations if is_for_report(one.ask)]


def shown(ollama: FakeOllama) -> str:
    """What the model was shown last that was to answer."""
    return next(one.prompt.text for one in reversed(ollama.generations) if not is_for_report(one.ask))
