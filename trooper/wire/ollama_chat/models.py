"""
What an Ollama server says about its models, and what that means for us.

The facts behind this file were read off a running server (0.33); see
`docs/design.md`, "The local wire".
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec
from attrs import evolve

from trooper.core import names
from trooper.core.local_model import LocalModel
from trooper.core.window import Running, Shape
from trooper.wire.decoding import decoded_object

#: So many are looked at; nobody has as many on one machine.
MOST_MODELS: Final = 1_024
#: The first of a Modelfile: what the model is made from.
_FROM_LINE: Final = re.compile(r"^FROM\s+(\S.*)$", re.MULTILINE | re.IGNORECASE)
#: A list of more than five numbers comes empty. So many heads have most models that group them, at most.
_MOST_GROUPED_HEADS: Final = 8
#: Of so many layers one sees the whole window, and the others a short piece of it: as llama.cpp has it for these.
_ONE_SEES_ALL_IN: Final = {"gemma2": 2, "gemma3": 6, "gemma3n": 5, "gptoss": 2, "gpt-oss": 2, "cohere2": 4}
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


def read_loaded(body: bytes) -> Mapping[str, Running]:
    """Read `/api/ps`: the loaded models. When each will be forgotten is in seconds since 1970."""
    return {
        str(e.get("name") or e.get("model")): Running(
            window_tokens=_size(e.get("context_length")),
            size_bytes=_size(e.get("size")),
            vram_bytes=_size(e.get("size_vram")),
            expires_at=_time(e.get("expires_at")),
        )
        for e in itertools.islice(_entries(body), MOST_MODELS)
    }


def _time(value: object) -> float:
    try:
        return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else math.inf
    except (ValueError, OverflowError):
        return math.inf


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
        shape=_read_shape(info),
        file=_read_file(shown.get("modelfile")),
        runs_elsewhere=model.runs_elsewhere or bool(shown.get("remote_host") or shown.get("remote_model")),
    )


def _read_shape(info: Mapping[str, object]) -> Shape | None:
    """
    What a token takes in the cache, by the model's own facts; too much rather than too little.

    Where heads are not counted per group, there is one for each.
    """
    family = str(info.get("general.architecture"))
    layers, heads = (
        _size(info.get(f"{family}.block_count")),
        _heads(info.get(f"{family}.attention.head_count")),
    )
    grouped = info.get(f"{family}.attention.head_count_kv")
    kv_heads = _heads(grouped) or min(heads, _MOST_GROUPED_HEADS if isinstance(grouped, list) else heads)
    each = _size(info.get(f"{family}.embedding_length")) // heads if heads else 0
    sizes = [_size(info.get(f"{family}.attention.{kind}_length")) or each for kind in ("key", "value")]
    if not layers or not kv_heads or not all(sizes):
        return None
    whole = 1.0
    if _size(info.get(f"{family}.attention.sliding_window")) and family in _ONE_SEES_ALL_IN:
        whole = 1 / _ONE_SEES_ALL_IN[family]
    return Shape(layers * whole, kv_heads, sum(sizes))


def _heads(value: object) -> int:
    """A number of heads; of several, one for each layer, the largest."""
    return max(map(_size, value), default=0) if isinstance(value, list) else _size(value)


def _read_file(modelfile: object) -> str:
    found = _FROM_LINE.search(modelfile) if isinstance(modelfile, str) else None
    return names.kept(found[1].strip()) if found else ""


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
