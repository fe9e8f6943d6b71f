"""
What an Ollama server says about its models, and what that means for us.

The facts behind this file were read off a running server (0.33); see
`docs/design.md`, "The local wire".
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
from attrs import evolve

from trooper.core import names
from trooper.core.local_model import LocalModel
from trooper.wire.decoding import decoded_object

#: So many are looked at; nobody has as many on one machine.
MOST_MODELS: Final = 1_024
_STOP_LINE: Final = re.compile(r'^stop\s+(".*")\s*$', re.MULTILINE)


def _entries(body: bytes) -> Iterable[Mapping[str, object]]:
    models = decoded_object(body).get("models")
    return (m for m in models if isinstance(m, dict)) if isinstance(models, list) else ()


def _strings(value: object) -> frozenset[str]:
    return frozenset(str(v) for v in value) if isinstance(value, list) else frozenset()


def _size(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def read_tags(body: bytes) -> tuple[LocalModel, ...]:
    """Read `/api/tags`: every model the server has, as far as it has a name that can be shown."""
    found = []
    for entry in itertools.islice(_entries(body), MOST_MODELS):
        name = str(entry.get("name") or entry.get("model") or "")
        details = entry.get("details")
        found.append(
            LocalModel(
                name=name,
                digest=names.kept(str(entry.get("digest") or "")),
                capabilities=_strings(entry.get("capabilities")),
                trained_tokens=_size(details.get("context_length")) if isinstance(details, dict) else 0,
                runs_elsewhere=bool(entry.get("remote_host") or entry.get("remote_model"))
                or is_cloud_name(name),
            )
        )
    return tuple(m for m in found if m.name and names.is_sayable(m.name))


def is_cloud_name(name: str) -> bool:
    """Whether Ollama itself sends a model of this name to its own cloud."""
    tag = name.rpartition(":")[2] if ":" in name else ""
    return tag == "cloud" or tag.endswith("-cloud")


def read_loaded(body: bytes) -> Mapping[str, int]:
    """Read `/api/ps`: the loaded models, each with the window it was loaded with."""
    return {str(e.get("name") or e.get("model")): _size(e.get("context_length")) for e in _entries(body)}


def read_version(body: bytes) -> str:
    """Read `/api/version`."""
    return names.shown(str(decoded_object(body).get("version") or ""))


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
