"""
The models a fake Ollama has, and how they render a conversation.

The template is always ChatML. What differs between real models, and what
matters to a continuation, is what happens to a trailing assistant message.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from attrs import field, frozen

Message: TypeAlias = Mapping[str, Any]

_OPEN = "<|im_start|>assistant\n"
_CLOSED_THINKING = "<think>\n\n</think>\n\n"
_THINKING = re.compile(r"<think>\s*</think>\n{0,2}")


def _digest(model: Model) -> str:
    return hashlib.sha256(model.name.encode()).hexdigest()


@frozen
class Model:
    """
    One pulled model.

    Attributes:
        path: how the real server would talk to its runner: `A` native Jinja,
            `B` Go template, `C` built-in renderer.
        turn: what a trailing assistant message becomes: it `continues`
            byte for byte, `trims` its white space, `newline` (trims and adds
            a newline), or `closes` the turn, which means a second answer.
        adds: white space that stands behind a trailing assistant message, as
            where a template ends on a line of its own.
        echoes: whether the first line repeats the prefill; `None` means as
            the real path does, which is on A only.
        echo_prefix: what some templates put before that, `<think></think>`.
        renders: answers `_debug_render_only`; servers before 0.11.5 ignore it.
        num_ctx: the Modelfile's own window, if it sets one.
        always_thinks: the template opens a think block whatever is asked.
        prefill_as_thinking: with thinking on, a continuation arrives as
            `thinking`, as some parsers do.
        file: the file it is made from. Models of one file are one to the
            server: it runs it once, under the name that it was loaded by.
        layers, heads, kv_heads, embedding: what its window takes in memory.
    """

    name: str = "qwen2.5:3b"
    path: Literal["A", "B", "C"] = "A"
    turn: Literal["continues", "trims", "newline", "closes"] = "continues"
    adds: str = ""
    echoes: bool | None = None
    echo_prefix: str = ""
    renders: bool = True
    capabilities: tuple[str, ...] = ("completion", "tools")
    context_length: int = 32768
    num_ctx: int | None = None
    stop: tuple[str, ...] = ("<|im_start|>", "<|im_end|>")
    remote_host: str = ""
    remote_model: str = ""
    size: int = 1_929_912_432
    family: str = "qwen2"
    always_thinks: bool = False
    prefill_as_thinking: bool = False
    digest: str = field(factory=str)
    file: str = field(factory=str)
    layers: int = 36
    heads: int = 16
    kv_heads: int = 2
    embedding: int = 2048

    def __attrs_post_init__(self) -> None:
        if not self.digest:
            object.__setattr__(self, "digest", _digest(self))
        if not self.file:
            object.__setattr__(self, "file", f"/models/blobs/sha256-{self.digest}")

    @property
    def full_name(self) -> str:
        """The name with its tag."""
        return self.name if ":" in self.name else f"{self.name}:latest"

    def cache_bytes(self, tokens: int) -> int:
        """What a window of so many tokens takes in memory, two bytes for each number."""
        return tokens * self.layers * self.kv_heads * 2 * (self.embedding // self.heads) * 2

    @property
    def echo(self) -> bool:
        """Whether a prefill comes back."""
        return self.path == "A" if self.echoes is None else self.echoes

    @property
    def thinks(self) -> bool:
        """Whether it has the capability."""
        return "thinking" in self.capabilities


@frozen
class Prompt:
    """What the model gets to see: all of it, and its two interesting parts."""

    text: str
    prefill: str = ""
    question: str | None = None


def render(
    model: Model, messages: Sequence[Message], tools: Sequence[Any] = (), think: object = None
) -> Prompt:
    """Write the conversation as one prompt, the way `model` would."""
    *history, last = messages or ({},)
    partial = str(last.get("content") or "") if last.get("role") == "assistant" else ""
    continues = last.get("role") == "assistant" and not last.get("tool_calls") and model.turn != "closes"
    if continues:
        turns, partial = list(history), _partial(model, partial)
    else:
        turns, partial = list(messages), ""
    if model.path == "B" and continues:
        # The Go template merges assistant messages that stand together.
        while turns and turns[-1].get("role") == "assistant":
            partial = f"{turns.pop().get('content') or ''}\n\n{partial}"
    text = _tools(tools) + "".join(_turn(model, m) for m in turns) + _OPEN + _thinking(model, think, partial)
    return Prompt(text + partial, partial, _question(turns))


def read_raw(prompt: str) -> Prompt:
    """Find the half answer and the question in a prompt that was rendered before."""
    before, found, after = prompt.rpartition(_OPEN)
    if not found:
        return Prompt(prompt, "", prompt)
    if thinking := _THINKING.match(after):
        after = after[thinking.end() :]
    questions = re.findall(r"<\|im_start\|>user\n(.*?)<\|im_end\|>", before, re.DOTALL)
    return Prompt(prompt, after, questions[-1] if questions else None)


def _partial(model: Model, partial: str) -> str:
    match model.turn:
        case "trims":
            return partial.strip()
        case "newline":
            return partial.strip() + "\n" if partial.strip() else ""
        case _:
            return partial + model.adds if partial else ""


def _thinking(model: Model, think: object, partial: str) -> str:
    if model.always_thinks:
        return "<think>\n"
    if not model.thinks:
        return ""
    return "<think>\n" if think is not False and not partial else _CLOSED_THINKING


def _tools(tools: Sequence[Any]) -> str:
    if not tools:
        return ""
    listed = "\n".join(json.dumps(tool, sort_keys=True) for tool in tools)
    return f"<|im_start|>system\n# Tools\n<tools>\n{listed}\n</tools><|im_end|>\n"


def _turn(model: Model, message: Message) -> str:
    role, content = str(message.get("role", "")).lower(), str(message.get("content") or "")
    if role == "developer" and model.path != "C":
        # Path B drops it without a word; path A maps it; C prints it.
        if model.path == "B":
            return ""
        role = "system"
    if role == "tool":
        role, content = "user", f"<tool_response>\n{content}\n</tool_response>"
    content += "".join(f"[img-{n}]" for n in range(len(message.get("images") or ())))
    for call in message.get("tool_calls") or ():
        content += f"\n<tool_call>\n{json.dumps(call['function'], sort_keys=True)}\n</tool_call>"
    return f"<|im_start|>{role}\n{content}<|im_end|>\n"


def _question(turns: Sequence[Message]) -> str | None:
    asked = [m for m in turns if m.get("role") in ("user", "tool")]
    return str(asked[-1].get("content") or "") if asked else None
