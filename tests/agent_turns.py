"""
What the fakes behind an agent say: in the first turn a sentence and a call of
the agent's own shell tool, and when its result is there a sentence that ends
the run. Everything that is asked beside it (titles, counts) gets two words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from trooper.testing import Call

LOOK = "I will write one line into the file, and then say what happened; it takes one command."
FINAL = "The command ran, and the file has its line now: the lighthouse – café, 灯台, 🚢 – is lit."
ASIDE = "Fine, thanks."
COMMAND = "echo ran >> marker.txt"

#: What an agent without tools takes for an edit: aider's own form.
EDIT = f"""I add the line.

notes.txt
```
<<<<<<< SEARCH
=======
The lighthouse – café, 灯台, 🚢 – is lit.
>>>>>>> REPLACE
```

{FINAL}
"""

#: The shell tools of agents, and how each takes a command.
_SHELLS: Mapping[str, Any] = {
    "Bash": {"command": COMMAND, "description": "Write a line"},
    "bash": {"command": COMMAND, "description": "Write a line"},
    "exec_command": {"cmd": COMMAND},
    "shell_command": {"command": COMMAND},
    "shell": {"command": ["bash", "-lc", COMMAND]},
}


@frozen
class Turn:
    """What is to be said: a text, and a call behind it."""

    name: str
    text: str
    call: Call | None = None


def turn_of(asked: Mapping[str, Any]) -> Turn:
    """Which turn a request of any wire is."""
    names = [tool.get("function", tool).get("name") for tool in asked.get("tools") or ()]
    turns = asked.get("messages") or asked.get("input")
    if "SEARCH/REPLACE" in json.dumps(turns):
        return Turn("edit", EDIT)
    shell = next((name for name in _SHELLS if name in names), None)
    if shell is None:
        return Turn("aside", ASIDE)
    if _has_result(turns):
        return Turn("final", FINAL)
    return Turn("call", LOOK, Call(shell, json.dumps(_SHELLS[shell]), id="call_0000000000000000000007"))


def _has_result(turns: Any) -> bool:
    said = json.dumps(turns)
    return any(word in said for word in ('"role": "tool"', '"tool_result"', '"function_call_output"'))
