"""
What an Ollama server says about its models, and what that means for us.

The facts behind this file were read off a running server (0.33); see
`docs/design.md`, "The local wire".
"""

from __future__ import annotations

import enum
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Final

import msgspec
from attrs import evolve, frozen

from trooper.core.conversation import Conversation, ImagePart, UnknownPart
from trooper.wire.decoding import decoded_object

#: What the probe asks a model to go on from. Nothing a template would strip or change.
PROBE_TEXT: Final = "TROOPERPROBE x"
#: What stands behind it in the render probe: a template that strips white
#: space shows that only where there is some. Two, since templates add one.
PROBE_BLANK: Final = "\n\n"
PROBE_QUESTION: Final = "Q"

_STOP_LINE: Final = re.compile(r'^stop\s+(".*")\s*$', re.MULTILINE)


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


def _entries(body: bytes) -> Iterable[Mapping[str, object]]:
    models = decoded_object(body).get("models")
    return (m for m in models if isinstance(m, dict)) if isinstance(models, list) else ()


def _strings(value: object) -> frozenset[str]:
    return frozenset(str(v) for v in value) if isinstance(value, list) else frozenset()


def _size(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def read_tags(body: bytes) -> tuple[LocalModel, ...]:
    """Read `/api/tags`: every model the server has."""
    found = []
    for entry in _entries(body):
        name = str(entry.get("name") or entry.get("model") or "")
        details = entry.get("details")
        found.append(
            LocalModel(
                name=name,
                digest=str(entry.get("digest") or ""),
                capabilities=_strings(entry.get("capabilities")),
                trained_tokens=_size(details.get("context_length")) if isinstance(details, dict) else 0,
                runs_elsewhere=bool(entry.get("remote_host") or entry.get("remote_model"))
                or is_cloud_name(name),
            )
        )
    return tuple(m for m in found if m.name)


def is_cloud_name(name: str) -> bool:
    """Whether Ollama itself sends a model of this name to its own cloud."""
    tag = name.rpartition(":")[2] if ":" in name else ""
    return tag == "cloud" or tag.endswith("-cloud")


def read_loaded(body: bytes) -> Mapping[str, int]:
    """Read `/api/ps`: the loaded models, each with the window it was loaded with."""
    return {str(e.get("name") or e.get("model")): _size(e.get("context_length")) for e in _entries(body)}


def read_version(body: bytes) -> str:
    """Read `/api/version`."""
    return str(decoded_object(body).get("version") or "")


def with_details(model: LocalModel, body: bytes) -> LocalModel:
    """Add what `/api/show` says to what `/api/tags` said."""
    shown = decoded_object(body)
    info = shown.get("model_info")
    info = info if isinstance(info, dict) else {}
    trained = info.get(f"{info.get('general.architecture')}.context_length")
    return evolve(
        model,
        capabilities=_strings(shown.get("capabilities")) or model.capabilities,
        trained_tokens=_size(trained) or model.trained_tokens,
        stop=_read_stops(shown.get("parameters")),
        runs_elsewhere=model.runs_elsewhere or bool(shown.get("remote_host") or shown.get("remote_model")),
    )


def _read_stops(parameters: object) -> tuple[str, ...]:
    if not isinstance(parameters, str):
        return ()
    stops = []
    for quoted in _STOP_LINE.findall(parameters):
        try:
            stops.append(str(msgspec.json.decode(quoted)))
        except msgspec.DecodeError:
            stops.append(quoted[1:-1])
    return tuple(stops)


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


def find(models: Sequence[LocalModel], name: str) -> LocalModel | None:
    """The model that the server means by `name`; without a tag that is `latest`."""
    full = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
    return next((m for m in models if m.name in (name, full)), None)


def read_render(body: bytes) -> str | None:
    """The rendered prompt of a `_debug_render_only` answer; `None` where the server has no such thing."""
    info = decoded_object(body).get("_debug_info")
    rendered = info.get("rendered_template") if isinstance(info, dict) else None
    return rendered if isinstance(rendered, str) else None


def read_said(body: bytes) -> str:
    """The text of an unstreamed `/api/chat` answer."""
    message = decoded_object(body).get("message")
    return str(message.get("content") or "") if isinstance(message, dict) else ""


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


def with_generation_probe(model: LocalModel, content: str, shown: str) -> LocalModel:
    """
    What a short generation suggests where nothing can be rendered.

    `shown` was "1, 2, 3, 4,": a model that continues says 5.
    """
    echoes = content.startswith(shown)
    rest = content[len(shown) :] if echoes else content
    return evolve(model, way=Way.PREFILL if rest.lstrip().startswith("5") else Way.NONE, echoes=echoes)


def unfit(model: LocalModel, conversation: Conversation) -> str:
    """Why `model` cannot answer `conversation` from the beginning; empty if it can."""
    if conversation.unsaid:
        return conversation.unsaid[0]
    if conversation.tool_choice not in ("auto", "none"):
        # Ollama cannot force a call, and an agent that forces one relies on it.
        return "tool_choice"
    known = bool(model.capabilities)
    if (
        conversation.tools
        and conversation.tool_choice != "none"
        and known
        and "tools" not in model.capabilities
    ):
        return "tools"
    for message in conversation.messages:
        for part in message.parts:
            match part:
                case ImagePart(url=url) if url:
                    return "image_url"
                case ImagePart() if known and "vision" not in model.capabilities:
                    return "vision"
                case UnknownPart():
                    return "content_part"
                case _:
                    pass
    return ""


def unfit_to_go_on(model: LocalModel, conversation: Conversation) -> str:
    """Why `model` cannot continue a half answer to `conversation`; empty if it can."""
    reason = unfit(model, conversation)
    if reason:
        return reason
    if conversation.choices > 1:
        return "n"
    if conversation.json_mode or conversation.json_schema is not None:
        # Behind a prefill Ollama starts the grammar anew (paths B and C).
        return "json"
    uses_tools = bool(conversation.tools) and conversation.tool_choice != "none"
    has_images = any(isinstance(p, ImagePart) for m in conversation.messages for p in m.parts)
    match model.way:
        case Way.PREFILL:
            return ""
        case Way.RAW if uses_tools:
            return "tools_raw"
        case Way.RAW if has_images:
            return "images_raw"
        case Way.RAW:
            return ""
        case _:
            return "closes_turn"
