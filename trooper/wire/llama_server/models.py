"""
What a llama.cpp server says about its one model.

The facts behind this file were read off a running server (October 2026); see
`docs/design.md`, "The local wires".
"""

from __future__ import annotations

from collections.abc import Mapping

from trooper.core import names
from trooper.core.local_model import LocalModel
from trooper.wire.decoding import decoded_object


def read_props(body: bytes) -> LocalModel:
    """Read `/props`: the model, its window, and what its template can say."""
    props = decoded_object(body)
    settings = _object(props.get("default_generation_settings"))
    path = str(props.get("model_path") or "")
    called = str(props.get("model_alias") or path.replace("\\", "/").rpartition("/")[2])
    return LocalModel(
        # It is listed, and shown in terminals.
        name=called if called and names.is_sayable(called) else "model",
        # The server has no digest: the same file behind the same template is the same model.
        digest=names.digest(f"{path}\0{props.get('chat_template')}"),
        capabilities=_capabilities(props),
        window_tokens=_size(settings.get("n_ctx")),
        takes_grammar=True,
        counts=True,
    )


def _capabilities(props: Mapping[str, object]) -> frozenset[str]:
    can = {"completion"}
    template = _object(props.get("chat_template_caps"))
    # Older servers say nothing of the kind; a template with tools mentions them.
    tools = template.get("supports_tools") if template else "tools" in str(props.get("chat_template"))
    if tools is True:
        can.add("tools")
    if _object(props.get("modalities")).get("vision") is True:
        can.add("vision")
    return frozenset(can)


def read_version(body: bytes) -> str:
    """Read the build from `/props`."""
    return names.shown(str(decoded_object(body).get("build_info") or ""))


def read_trained(body: bytes) -> int:
    """Read `/v1/models`: the window the model was trained for; 0 if not said."""
    data = decoded_object(body).get("data")
    first = _object(data[0]) if isinstance(data, list) and data else {}
    return _size(_object(first.get("meta")).get("n_ctx_train"))


def read_render(body: bytes) -> str | None:
    """The prompt in an answer of `/apply-template`."""
    prompt = decoded_object(body).get("prompt")
    return prompt if isinstance(prompt, str) else None


def read_count(body: bytes) -> int | None:
    """How many tokens are in an answer of `/tokenize`."""
    tokens = decoded_object(body).get("tokens")
    return len(tokens) if isinstance(tokens, list) else None


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _size(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
