"""
What the fakes behind an agent say. An agent is asked for a text, for a command
or for a patch; its first turn gets the text, or a sentence and a call of its own
tool, and when the result is there a sentence that ends the run. Everything that
is asked beside it (titles, counts) gets two words.

The same for both sides of Trooper: the provider is offered the agent's tools as
they are, the local model as functions, whatever Trooper calls them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias

from attrs import frozen

from trooper.testing import Call, ChatAnswer, ToolUse, Words, tokens

LOOK = "I will write one line into the file, and then say what happened; it takes one command."
FINAL = "The command ran, and the file has its line now: the lighthouse – café, 灯台, 🚢 – is lit."
ASIDE = "Fine, thanks."
COMMAND = "echo ran >> marker.txt"
PATCHED = "The lighthouse – café, 灯台 – is lit.\n"
PATCH = f"*** Begin Patch\n*** Add File: patched.txt\n+{PATCHED}*** End Patch\n"

#: What the agents are asked for.
ASK_TEXT = "Say in one sentence how the file is."
ASK_COMMAND = "Write a line into the file with one command."
ASK_PATCH = "Add the file with one patch."

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

Kind: TypeAlias = Literal["shell", "patch"]
CALL_ID = "call_0000000000000000000007"

#: The tools that take a command, as functions: what each is called with.
_SHELLS: Mapping[str, Any] = {
    "Bash": {"command": COMMAND, "description": "Write a line"},
    "bash": {"command": COMMAND, "description": "Write a line"},
    "exec_command": {"cmd": COMMAND},
    "shell_command": {"command": COMMAND},
    "shell": {"command": ["bash", "-lc", COMMAND]},
}
#: The freeform ones: what each is given for a command and for a patch.
_FREEFORM: Mapping[str, Mapping[Kind, str]] = {
    "exec": {
        "shell": f"const done = await tools.exec_command({json.dumps({'cmd': COMMAND})}); text(done.output);",
        "patch": f"text(await tools.apply_patch({json.dumps(PATCH)}));",
    },
    "apply_patch": {"patch": PATCH},
}
_RESULTS = ("function_call_output", "custom_tool_call_output", "tool_result")


@frozen
class Offered:
    """A tool of a request; `is_custom` where it takes text and no JSON."""

    name: str
    is_custom: bool = False
    namespace: str = ""
    #: What it takes, where it is a function.
    takes: tuple[str, ...] = ()

    def is_for(self, name: str) -> bool:
        """Whether it is the tool of that name, with a namespace in its name or not."""
        return re.fullmatch(rf"(.*[^a-zA-Z])?{name}", self.name) is not None


@frozen
class Turn:
    """What is to be said: a text, and a call behind it."""

    name: str
    text: str
    call: Call | None = None

    @property
    def answer(self) -> ChatAnswer:
        """The turn as a provider gives it."""
        calls = () if self.call is None else (self.call,)
        finish = "tool_calls" if calls else "stop"
        return ChatAnswer(tokens=tuple(tokens(self.text)), calls=calls, finish=finish)

    @property
    def words(self) -> Words:
        """The same from a local model, that goes on from a half of it."""
        if self.call is None:
            return Words(self.text)
        use = ToolUse(self.call.name, json.loads(self.call.arguments))
        return Words(self.text, calls=(use,), before_calls=self.text, calls_in_rest=True)


def turn_of(asked: Mapping[str, Any]) -> Turn:
    """Which turn a request of any wire is."""
    turns = asked.get("messages") or asked.get("input") or ()
    said = json.dumps(turns)
    if "SEARCH/REPLACE" in said:
        return Turn("edit", EDIT)
    offered = list(_offered(asked))
    if not offered:
        return Turn("aside", ASIDE)
    if _has_result(turns):
        return Turn("final", FINAL)
    if ASK_TEXT in said:
        return Turn("text", FINAL)
    return Turn("call", LOOK, _call(offered, "patch" if ASK_PATCH in said else "shell"))


def _call(offered: list[Offered], kind: Kind) -> Call:
    for tool in offered:
        if kind == "shell" and tool.name in _SHELLS:
            return Call(tool.name, json.dumps(_SHELLS[tool.name]), id=CALL_ID)
        for name, given in _FREEFORM.items():
            if kind in given and tool.is_for(name):
                if tool.is_custom:
                    return Call(tool.name, given[kind], CALL_ID, custom=True, namespace=tool.namespace)
                if len(tool.takes) == 1:
                    return Call(tool.name, json.dumps({tool.takes[0]: given[kind]}), id=CALL_ID)
    raise AssertionError(f"no tool for a {kind} among {[tool.name for tool in offered]}")


def _offered(asked: Mapping[str, Any]) -> Iterator[Offered]:
    yield from _named(asked.get("tools") or ())
    for item in asked.get("input") or ():
        if isinstance(item, dict) and item.get("type") == "additional_tools":
            yield from _named(item["tools"])


def _named(tools: Any, namespace: str = "") -> Iterator[Offered]:
    for tool in tools:
        function = tool.get("function", tool)
        if tool.get("type") == "namespace":
            yield from _named(tool["tools"], tool["name"])
        elif "name" in function:
            schema = function.get("parameters") or function.get("input_schema") or {}
            takes = tuple(schema.get("properties") or ())
            yield Offered(function["name"], tool.get("type") == "custom", namespace, takes)


def _has_result(turns: Any) -> bool:
    """A turn that is a result, or has one in it."""
    parts = [part for turn in turns for part in (turn, *_parts(turn))]
    return any(part.get("type") in _RESULTS or part.get("role") == "tool" for part in parts)


def _parts(turn: Mapping[str, Any]) -> list[Any]:
    content = turn.get("content")
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
