"""
What is known of one local model, and what it can therefore take over.

A wire reads these values off its server; nothing here knows which server that
is. How a model goes on from a half answer is verified by probes rather than
believed: see `docs/design.md`, "The local wires".
"""

from __future__ import annotations

import enum
import re
from collections.abc import Container, Sequence
from typing import Final, assert_never

from attrs import evolve, frozen

from trooper.core.conversation import Conversation, ImagePart, TextPart, UnknownPart
from trooper.core.unfit import Unfit

#: What the probe asks a model to go on from. Nothing a template would strip or change.
PROBE_TEXT: Final = "TROOPERPROBE x"
#: What stands behind it in the render probe: a template that strips white
#: space shows that only where there is some. Two, since templates add one.
PROBE_BLANK: Final = "\n\n"
PROBE_QUESTION: Final = "Q"
#: What a model counts on from, where nothing can be rendered.
COUNTING: Final = "1, 2, 3, 4,"
_OPEN_THINK: Final = re.compile(r"<(think|thinking)>\s*$")


class Way(enum.Enum):
    """How a model can be made to continue a half answer."""

    #: A trailing assistant message: the template leaves the turn open.
    PREFILL = "prefill"
    #: The prompt is rendered, the half answer appended, both sent raw.
    RAW = "raw"
    #: Not known to continue at all.
    NONE = "none"


@frozen
class LocalModel:
    """
    One model of one server.

    Attributes:
        window_tokens: the window it is loaded with; 0 while not known.
        trained_tokens: the window it was trained for; 0 if not said.
        stop: stop sequences of its own, which a request's would replace.
        way: how it continues; `NONE` until probed.
        echoes: whether the server repeats a prefill; `None` until probed.
        trims: whether its template strips white space at a prefill's end.
        takes_grammar: whether its server binds an answer by a grammar from the
            first character on, also behind a prompt that we rendered.
    """

    name: str
    digest: str = ""
    capabilities: frozenset[str] = frozenset()
    window_tokens: int = 0
    trained_tokens: int = 0
    stop: tuple[str, ...] = ()
    runs_elsewhere: bool = False
    way: Way = Way.NONE
    echoes: bool | None = None
    trims: bool = False
    takes_grammar: bool = False


#: What speaks for a model when nobody named one, the weightiest first.
_MERITS: Final = ("loaded already", "can use tools", "largest window", "first by name")


def _merits(model: LocalModel, loaded: Container[str]) -> tuple[bool, bool, int, str]:
    return (model.name not in loaded, "tools" not in model.capabilities, -model.trained_tokens, model.name)


def rank(
    models: Sequence[LocalModel], loaded: Container[str], *, allow_remote: bool = False
) -> list[LocalModel]:
    """
    The models that can chat, the standby's choice first when nobody named one.

    Loaded first, since it is warm; then able to use tools; then the larger
    window; then the name, so that the choice is the same every time. Never a
    model that runs elsewhere: local means local.
    """
    fit = [
        m
        for m in models
        if (allow_remote or not m.runs_elsewhere)
        and (not m.capabilities or "completion" in m.capabilities)
        and "embedding" not in m.capabilities
    ]
    return sorted(fit, key=lambda m: _merits(m, loaded))


def why_first(ranked: Sequence[LocalModel], loaded: Container[str]) -> str:
    """What put the first before the second."""
    if len(ranked) < 2:
        return "the only one"
    first, second = (_merits(model, loaded) for model in ranked[:2])
    merits = (merit for merit, a, b in zip(_MERITS, first, second, strict=True) if a != b)
    return next(merits, _MERITS[-1])


def with_render_probe(model: LocalModel, rendered: str | None) -> LocalModel:
    """What the render probe proves: does the turn stay open behind the half answer?"""
    if rendered is None:
        # An old server, or an imitation: only a generation can tell.
        return evolve(model, way=Way.NONE)
    if not rendered.rstrip().endswith(PROBE_TEXT):
        return evolve(model, way=Way.RAW)
    return evolve(model, way=Way.PREFILL, trims=PROBE_TEXT + PROBE_BLANK not in rendered)


def with_echo_probe(model: LocalModel, content: str) -> LocalModel:
    """What one generated token proves: is the prefill repeated before it?"""
    return evolve(model, echoes=content.startswith(PROBE_TEXT))


def with_generation_probe(model: LocalModel, content: str) -> LocalModel:
    """What a short generation suggests where nothing can be rendered: a model that continues says 5."""
    echoes = content.startswith(COUNTING)
    rest = content[len(COUNTING) :] if echoes else content
    return evolve(model, way=Way.PREFILL if rest.lstrip().startswith("5") else Way.NONE, echoes=echoes)


def with_thinking_closed(rendered: str) -> str:
    """A rendered prompt behind which the answer itself begins, also where its template has begun to think."""
    think = _OPEN_THINK.search(rendered)
    return f"{rendered}\n</{think[1]}>\n\n" if think else rendered


def unfit(model: LocalModel, conversation: Conversation) -> Unfit | None:
    """Why `model` cannot answer `conversation` from the beginning; `None` if it can."""
    if conversation.unsaid:
        return conversation.unsaid[0]
    if conversation.tool_choice not in ("auto", "none"):
        # No local server forces a call reliably, and an agent that forces one relies on it.
        return Unfit.TOOL_CHOICE
    known = bool(model.capabilities)
    if (
        conversation.tools
        and conversation.tool_choice != "none"
        and known
        and "tools" not in model.capabilities
    ):
        return Unfit.TOOLS
    for message in conversation.messages:
        for part in message.parts:
            match part:
                case ImagePart(url=url) if url:
                    return Unfit.IMAGE_URL
                case ImagePart() if known and "vision" not in model.capabilities:
                    return Unfit.VISION
                case UnknownPart():
                    return Unfit.CONTENT_PART
                case TextPart() | ImagePart():
                    pass
                case _ as never:
                    assert_never(never)
    return None


def unfit_to_go_on(model: LocalModel, conversation: Conversation) -> Unfit | None:
    """Why `model` cannot continue a half answer to `conversation`; `None` if it can."""
    reason = unfit(model, conversation)
    if reason:
        return reason
    if conversation.choices > 1:
        return Unfit.CHOICES
    uses_tools = bool(conversation.tools) and conversation.tool_choice != "none"
    has_images = any(isinstance(p, ImagePart) for m in conversation.messages for p in m.parts)
    match model.way:
        case Way.PREFILL:
            return None
        case Way.RAW if uses_tools:
            return Unfit.TOOLS_RAW
        case Way.RAW if has_images:
            return Unfit.IMAGES_RAW
        case Way.RAW:
            return None
        case Way.NONE:
            return Unfit.CLOSES_TURN
        case _ as never:
            assert_never(never)


def unfit_to_finish_call(model: LocalModel, conversation: Conversation) -> Unfit | None:
    """Why `model` cannot write the rest of a tool call that the client has a part of; `None` if it can."""
    if not model.takes_grammar:
        return Unfit.NO_GRAMMAR
    has_images = any(isinstance(p, ImagePart) for m in conversation.messages for p in m.parts)
    # Whether it could have begun the call by itself does not matter: the grammar is its template.
    able = evolve(model, capabilities=model.capabilities | {"tools"})
    return unfit(able, conversation) or (Unfit.IMAGES_RAW if has_images else None)
