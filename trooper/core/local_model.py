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
from itertools import chain
from typing import Final, assert_never

from attrs import evolve, field, frozen

from trooper.core.conversation import Conversation, ImagePart, TextPart, UnknownPart
from trooper.core.unfit import Unfit
from trooper.core.window import Shape

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
        is_probed: how it continues was found out.
        way: how it continues; `NONE` until probed.
        way_with_tools: how it continues where a raw prompt cannot be: with tools
            or images; `None` where no other way than `way` is known.
        echoes: whether the server repeats a prefill; `None` until probed.
        trims: whether its template strips white space at a prefill's end.
        adds: white space that its template puts behind a prefill, so that the
            model goes on from something else than the client has.
        shape: what a token takes in its cache; `None` while not known.
        file: what names the file behind it: its server runs models of one file as one.
        takes_grammar: whether its server binds an answer by a grammar from the
            first character on, also behind a prompt that we rendered.
        renders: whether its server shows the prompt that it makes of a conversation.
        counts: whether its server says how many tokens a prompt is.
    """

    name: str
    digest: str = ""
    capabilities: frozenset[str] = frozenset()
    window_tokens: int = 0
    trained_tokens: int = 0
    stop: tuple[str, ...] = ()
    runs_elsewhere: bool = False
    # It is the same model.
    is_probed: bool = field(default=False, eq=False)
    way: Way = Way.NONE
    way_with_tools: Way | None = None
    echoes: bool | None = None
    trims: bool = False
    adds: str = ""
    shape: Shape | None = None
    file: str = ""
    takes_grammar: bool = False
    renders: bool = False
    counts: bool = False


#: What speaks for a model when nobody named one, the weightiest first.
_MERITS: Final = (
    "can go on with tools",
    "can go on",
    "loaded already",
    "can use tools",
    "largest window",
    "first by name",
)


def _merits(model: LocalModel, loaded: Container[str]) -> tuple[bool, bool, bool, bool, int, str]:
    # One that was not probed yet may.
    with_tools = (model.way_with_tools or model.way) is Way.PREFILL
    return (
        model.is_probed and not (with_tools and "tools" in model.capabilities),
        model.is_probed and model.way is Way.NONE,
        model.name not in loaded,
        "tools" not in model.capabilities,
        -model.trained_tokens,
        model.name,
    )


def rank(
    models: Sequence[LocalModel], loaded: Container[str], *, allow_remote: bool = False
) -> list[LocalModel]:
    """
    The models that can chat, the standby's choice first when nobody named one.

    Those last that were found to be unable to go on with an agent's answer, or
    at all. Loaded first, since it is warm; then able to use tools; then the
    larger window; then the name, so that the choice is the same every time.
    Never a model that runs elsewhere: local means local.
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
    """
    What the render probe proves: does the turn stay open behind the half answer, and is that all?

    A model that is shown more than the half answer begins a new word or a new
    line (measured: a newline behind it broke a third of the seams). A template
    that has begun to think there gets the half answer for a thought. Both are
    clean by the raw way, and take the other one only where that cannot be.
    """
    if rendered is None:
        # An old server, or an imitation: only a generation can tell.
        return evolve(model, way=Way.NONE, renders=False)
    model = evolve(model, renders=True)
    if not rendered.rstrip().endswith(PROBE_TEXT):
        return evolve(model, way=Way.RAW)
    before, _, behind = rendered.rpartition(PROBE_TEXT)
    trims = not behind.startswith(PROBE_BLANK)
    adds = behind if trims else behind[len(PROBE_BLANK) :]
    if adds or _OPEN_THINK.search(before):
        return evolve(model, way=Way.RAW, way_with_tools=Way.PREFILL, trims=trims, adds=adds)
    return evolve(model, way=Way.PREFILL, trims=trims)


def with_echo_probe(model: LocalModel, content: str) -> LocalModel:
    """
    What one generated token proves: is the prefill repeated before it?

    One that comes back behind something else (`<think></think>`, a blank)
    cannot be told from text for certain: then only the raw way is used.
    """
    if content.startswith(PROBE_TEXT):
        return evolve(model, echoes=True)
    # No model says this word by itself.
    return raw_alone(model) if PROBE_TEXT.split()[0] in content else evolve(model, echoes=False)


def raw_alone(model: LocalModel) -> LocalModel:
    """`model`, whose server cannot be asked to go on from a trailing assistant message."""
    return evolve(model, way=Way.RAW, way_with_tools=None, echoes=None, trims=False, adds="")


def with_probed(model: LocalModel, probed: LocalModel) -> LocalModel:
    """`model` with what was found out about the same one before."""
    return evolve(
        model,
        is_probed=True,
        way=probed.way,
        way_with_tools=probed.way_with_tools,
        echoes=probed.echoes,
        trims=probed.trims,
        adds=probed.adds,
        renders=probed.renders,
    )


def takes_prefill(model: LocalModel) -> bool:
    """Whether a trailing assistant message is a way of `model`'s: then it matters whether it comes back."""
    return Way.PREFILL in (model.way, model.way_with_tools)


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
    if _uses_tools(conversation) and known and "tools" not in model.capabilities:
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
    match way_on(model, conversation):
        case Way.PREFILL:
            return None
        case Way.RAW if _uses_tools(conversation):
            return Unfit.TOOLS_RAW
        case Way.RAW if _has_images(conversation):
            return Unfit.IMAGES_RAW
        case Way.RAW:
            return None
        case Way.NONE:
            return Unfit.CLOSES_TURN
        case _ as never:
            assert_never(never)


def way_on(model: LocalModel, conversation: Conversation) -> Way:
    """How `model` is made to continue a half answer to `conversation`."""
    if has_no_raw_form(conversation):
        return model.way_with_tools or model.way
    return model.way


def has_no_raw_form(conversation: Conversation) -> bool:
    """Whether a raw prompt cannot be made of it: tools and images need the server's own reading."""
    return _uses_tools(conversation) or _has_images(conversation)


def _uses_tools(conversation: Conversation) -> bool:
    return bool(conversation.tools) and conversation.tool_choice != "none"


def _has_images(conversation: Conversation) -> bool:
    parts = chain.from_iterable([message.parts for message in conversation.messages])
    return ImagePart in set(map(type, parts))


def unfit_to_finish_call(model: LocalModel, conversation: Conversation) -> Unfit | None:
    """Why `model` cannot write the rest of a tool call that the client has a part of; `None` if it can."""
    if not model.takes_grammar:
        return Unfit.NO_GRAMMAR
    # Whether it could have begun the call by itself does not matter: the grammar is its template.
    able = evolve(model, capabilities=model.capabilities | {"tools"})
    return unfit(able, conversation) or (Unfit.IMAGES_RAW if _has_images(conversation) else None)
