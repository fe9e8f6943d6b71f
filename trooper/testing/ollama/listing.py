"""
How models are listed and shown.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import trio

from trooper.testing.ollama.models import Model
from trooper.testing.ollama.runner import Loaded


def now() -> str:
    """A timestamp as Go writes it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def tag(model: Model) -> dict[str, Any]:
    """An entry of `/api/tags`."""
    entry: dict[str, Any] = {
        "name": model.full_name,
        "model": model.full_name,
        "modified_at": "2026-08-21T09:12:44.170918417Z",
        "size": model.size,
        "digest": model.digest,
        "details": _details(model),
        "capabilities": list(model.capabilities),
    }
    return entry | _remote(model)


def running(loaded: Loaded) -> dict[str, Any]:
    """An entry of `/api/ps`."""
    model = loaded.model
    left_s = loaded.expires_at - trio.current_time() if not loaded.users else loaded.keep_alive_s
    # Go has no infinite time either: the real server says a date in the year 2318.
    expires = datetime.now(UTC) + timedelta(seconds=left_s if math.isfinite(left_s) else 292 * 365 * 86400)
    return {
        "name": model.full_name,
        "model": model.full_name,
        "size": model.size,
        "digest": model.digest,
        "details": _details(model),
        "expires_at": expires.isoformat().replace("+00:00", "Z"),
        "size_vram": 0,
        "context_length": loaded.num_ctx,
    }


def show(model: Model) -> dict[str, Any]:
    """The answer of `/api/show`."""
    renderer = f"RENDERER {model.family}\nPARSER {model.family}\n" if model.path == "C" else ""
    parameters = [f'{"stop":<30} "{stop}"' for stop in model.stop]
    if model.num_ctx is not None:
        parameters.append(f"{'num_ctx':<30} {model.num_ctx}")
    answer = {
        "modelfile": f"FROM {model.full_name}\n{renderer}",
        "parameters": "\n".join(parameters),
        "template": "{{ .Prompt }}" if model.path == "C" else "{{ range .Messages }}{{ .Content }}{{ end }}",
        "details": _details(model),
        "model_info": {
            "general.architecture": model.family,
            "general.parameter_count": 3_085_938_688,
            f"{model.family}.context_length": model.context_length,
        },
        "capabilities": list(model.capabilities),
        "modified_at": "2026-08-21T09:12:44.170918417Z",
    }
    return answer | _remote(model)


def _details(model: Model) -> dict[str, Any]:
    return {
        "parent_model": "",
        "format": "" if model.remote_host else "gguf",
        "family": model.family,
        "families": [model.family],
        "parameter_size": "3.1B",
        "quantization_level": "Q4_K_M",
        "context_length": model.context_length,
    }


def _remote(model: Model) -> dict[str, Any]:
    if not model.remote_host:
        return {}
    return {"remote_model": model.remote_model or model.name, "remote_host": model.remote_host}
