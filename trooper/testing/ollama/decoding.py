"""
Requests, read as strictly as the real server reads them.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import Factory, frozen

from trooper.testing.ollama.models import Model

#: A change in one of these reloads the model.
LOAD_TIME = ("num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread", "draft_num_predict")

_INTEGERS = {*LOAD_TIME, "num_keep", "seed", "num_predict", "top_k", "repeat_last_n"} - {"use_mmap"}
_FLOATS = {
    "top_p",
    "min_p",
    "typical_p",
    "repeat_penalty",
    "temperature",
    "presence_penalty",
    "frequency_penalty",
}
_LEVELS = ("low", "medium", "high", "max")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class Rejected(Exception):
    """The request is answered with a status and an error text."""

    def __init__(self, status: int, error: str, **more: object) -> None:
        super().__init__(error)
        self.status = status
        self.body = {"error": error} | more


@frozen
class Ask:
    """A decoded request to `/api/chat` or `/api/generate`."""

    model: str
    chat: bool
    messages: tuple[Mapping[str, Any], ...] = ()
    prompt: str = ""
    raw: bool = False
    tools: tuple[Any, ...] = ()
    stream: bool = True
    format: object = None
    options: Mapping[str, Any] = Factory(dict)
    keep_alive_s: float | None = None
    think: bool | str | None = None
    truncate: bool = True
    shift: bool = True
    debug: bool = False

    @property
    def loads_only(self) -> bool:
        """Whether there is nothing to answer: the model is loaded or unloaded."""
        return not self.messages if self.chat else not self.prompt

    @property
    def load_options(self) -> tuple[tuple[str, object], ...]:
        """The options that are fixed at load time, without `num_ctx`."""
        return tuple((key, self.options[key]) for key in LOAD_TIME[1:] if key in self.options)


def decode(body: bytes, *, chat: bool) -> Ask:
    """Read a request or reject it."""
    value = decode_object(body)
    try:
        return _decoded(value, chat=chat)
    except (AttributeError, KeyError, TypeError, ValueError):
        # Go names the field; whoever asks is only told that it was none of his.
        raise Rejected(400, "json: cannot unmarshal a value into Go struct ChatRequest") from None


def _decoded(value: Mapping[str, Any], *, chat: bool) -> Ask:
    _want(value, "stream", bool, "bool")
    for name in ("truncate", "shift", "raw", "_debug_render_only"):
        _want(value, name, bool, "bool")
    if not value.get("model"):
        raise Rejected(400, "model is required")
    if value.get("raw") and any(value.get(name) for name in ("template", "system", "context")):
        raise Rejected(400, "raw mode does not support template, system, or context")
    if int(value.get("top_logprobs") or 0) > 20:
        raise Rejected(400, "top_logprobs must be between 0 and 20")
    return Ask(
        model=str(value["model"]),
        chat=chat,
        messages=_messages(value.get("messages") or []) if chat else (),
        prompt=str(value.get("prompt") or ""),
        raw=bool(value.get("raw")),
        tools=_tools(value.get("tools") or ()),
        stream=value.get("stream") is not False,
        format=value.get("format") or None,
        options=dict(value.get("options") or {}),
        keep_alive_s=_keep_alive(value.get("keep_alive")),
        think=_think(value.get("think")),
        truncate=value.get("truncate") is not False,
        shift=value.get("shift") is not False,
        debug=bool(value.get("_debug_render_only")),
    )


def decode_object(body: bytes) -> Mapping[str, Any]:
    """A JSON object, or the errors of Go's decoder."""
    if not body:
        raise Rejected(400, "missing request body")
    try:
        value = json.loads(body)
    except RecursionError:
        raise Rejected(400, "json: exceeded max depth") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        first = body[:1].decode("latin-1")
        raise Rejected(400, f"invalid character '{first}' looking for beginning of value") from None
    if not isinstance(value, dict):
        raise _unmarshal(value, "ChatRequest", "api.ChatRequest")
    return value


def check(ask: Ask, model: Model) -> None:
    """What the server checks once it knows the model."""
    if ask.chat and "completion" not in model.capabilities:
        raise Rejected(400, f'"{ask.model}" does not support chat')
    if ask.tools and "tools" not in model.capabilities:
        full = f"registry.ollama.ai/library/{model.full_name}"
        raise Rejected(400, f"{full} does not support tools")
    if ask.think and not model.thinks:
        raise Rejected(400, f'"{ask.model}" does not support thinking')
    if any(m.get("images") for m in ask.messages) and "vision" not in model.capabilities:
        raise Rejected(500 if model.path == "A" else 400, "image input is not supported by this model")
    if ask.format is not None and ask.format != "json" and not isinstance(ask.format, dict):
        wanted = 'expected "json" or a valid JSON Schema object'
        raise Rejected(500, f"invalid format: {json.dumps(ask.format)}; {wanted}")
    _check_options(ask.options)
    roles = [str(m.get("role")) for m in ask.messages[-2:]]
    if model.path == "A" and roles == ["assistant", "assistant"]:
        raise Rejected(400, "Cannot have 2 or more assistant messages at the end of the list.")


def _check_options(options: Mapping[str, Any]) -> None:
    for name, value in options.items():
        if name == "stop" and not (isinstance(value, list) and all(isinstance(s, str) for s in value)):
            raise Rejected(500, 'option "stop" must be of type array')
        if name == "use_mmap" and not isinstance(value, bool):
            raise Rejected(500, 'option "use_mmap" must be of type boolean')
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if name in _INTEGERS and not number:
            raise Rejected(500, f'option "{name}" must be of type integer')
        if name in _FLOATS and not number:
            raise Rejected(500, f'option "{name}" must be of type float32')


def _messages(value: object) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, list):
        raise _unmarshal(value, "ChatRequest.messages", "[]api.Message")
    for message in value:
        if not isinstance(message, dict):
            raise _unmarshal(message, "ChatRequest.messages", "api.Message")
        for name in ("role", "content", "thinking", "tool_name", "tool_call_id"):
            _want(message, name, str, "string", "Alias")
        _check_images(message.get("images") or ())
        for call in message.get("tool_calls") or ():
            arguments = call.get("function", {}).get("arguments")
            if arguments is not None and not isinstance(arguments, dict):
                where = "ToolCallFunction.tool_calls.function.arguments"
                raise _unmarshal(arguments, where, "api.ToolCallFunctionArguments")
    return tuple({**m, "role": str(m.get("role", "")).lower()} for m in value)


def _check_images(images: Sequence[object]) -> None:
    for image in images:
        text = str(image)
        wrong = re.search(r"[^A-Za-z0-9+/=]", text)
        if wrong is not None:
            raise Rejected(400, f"illegal base64 data at input byte {wrong.start()}")
        try:
            base64.b64decode(text, validate=True)
        except binascii.Error:
            raise Rejected(400, f"illegal base64 data at input byte {len(text)}") from None


def _tools(value: object) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _unmarshal(value, "ChatRequest.tools", "api.Tools")
    for tool in value:
        parameters = tool.get("function", {}).get("parameters") or {}
        if not isinstance(parameters.get("type", "object"), str):
            where = "ToolFunctionParameters.tools.function.parameters.type"
            raise _unmarshal(parameters["type"], where, "string")
        for schema in (parameters.get("properties") or {}).values():
            if not isinstance(schema, dict):
                raise _unmarshal(schema, "tools.function.parameters.properties", "api.ToolProperty")
    return tuple(value)


def _think(value: object) -> bool | str | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and value in _LEVELS:
        return value
    wanted = 'must be "high", "medium", "low", "max", true, or false'
    raise Rejected(400, f"invalid think value: {json.dumps(value)} ({wanted})")


def _keep_alive(value: object) -> float | None:
    match value:
        case None:
            return None
        case bool():
            raise Rejected(400, f"invalid keep_alive value: {json.dumps(value)}")
        case int() | float():
            seconds = float(value)
        case str():
            seconds = _go_duration(value)
        case _:
            raise Rejected(400, f"invalid keep_alive value: {json.dumps(value)}")
    return math.inf if seconds < 0 else seconds


def _go_duration(text: str) -> float:
    sign, rest = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    if rest == "0":
        return 0.0
    if re.fullmatch(r"[0-9.]+", rest):
        raise Rejected(400, f'time: missing unit in duration "{text}"')
    parts = re.findall(r"([0-9]+(?:\.[0-9]*)?)(ns|us|µs|ms|s|m|h)", rest)
    if not parts or "".join(number + unit for number, unit in parts) != rest:
        raise Rejected(400, f'time: invalid duration "{text}"')
    return sign * sum(float(number) * _UNITS[unit] for number, unit in parts)


def _want(value: Mapping[str, Any], name: str, kind: type, go: str, where: str = "ChatRequest") -> None:
    if value.get(name) is not None and not isinstance(value[name], kind):
        raise _unmarshal(value[name], f"{where}.{name}", go)


def _unmarshal(value: object, where: str, go: str) -> Rejected:
    match value:
        case bool():
            kind = "bool"
        case int() | float():
            kind = "number"
        case str():
            kind = "string"
        case list():
            kind = "array"
        case _:
            kind = "object"
    return Rejected(400, f"json: cannot unmarshal {kind} into Go struct field {where} of type {go}")
