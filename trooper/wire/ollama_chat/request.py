"""
Writes requests to an Ollama server.

Ollama decodes strictly: contents are strings, arguments are objects, images
are bare base64, roles are four. Load-time options must be the same in every
request to one model, or the server loads it anew; `shift` is one of them and
is never sent. `truncate` is always false: with it on, the server drops the
question and keeps the half answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from attrs import evolve, frozen

from trooper.core.conversation import Conversation, ImagePart, Message, Role, ToolCall
from trooper.core.tool_calls import is_object
from trooper.wire.ollama_chat.models import PROBE_BLANK, PROBE_QUESTION, PROBE_TEXT, LocalModel

#: Schema keys that Ollama's tool decoder knows; others it drops by itself.
_OPEN_THINK: Final = re.compile(r"<(think|thinking)>\s*$")
COUNTING: Final = "1, 2, 3, 4,"


@frozen
class Post:
    """One request: a path and a JSON body."""

    path: str
    body: bytes


@frozen
class Loading:
    """The load-time options of one model: one value each, in every request."""

    num_ctx: int | None
    keep_alive: str


def _options(loading: Loading, **more: object) -> dict[str, object]:
    options: dict[str, object] = {} if loading.num_ctx is None else {"num_ctx": loading.num_ctx}
    return options | more


def _post(path: str, model: LocalModel, loading: Loading, **fields: object) -> Post:
    body = {"model": model.name, "keep_alive": _keep_alive(loading.keep_alive), **fields}
    return Post(path, msgspec.json.encode(body))


def _keep_alive(value: str) -> str | int:
    # A number must be a number: "300" in quotes is a 400.
    try:
        return int(value)
    except ValueError:
        return value


def load(model: LocalModel, loading: Loading) -> Post:
    """Load the model and keep it; nothing is generated."""
    return _post("/api/chat", model, loading, messages=[], options=_options(loading))


def show(name: str) -> Post:
    """Ask what a model is."""
    return Post("/api/show", msgspec.json.encode({"model": name}))


def render_probe(model: LocalModel, loading: Loading) -> Post:
    """Ask what the prompt looks like when an answer has begun. Deterministic; generates nothing."""
    return _post(
        "/api/chat", model, loading, **_probe(PROBE_TEXT + PROBE_BLANK, loading), _debug_render_only=True
    )


def echo_probe(model: LocalModel, loading: Loading) -> Post:
    """Generate one token behind a prefill, to see whether the prefill comes back."""
    return _post("/api/chat", model, loading, **_probe(PROBE_TEXT, loading, num_predict=1, temperature=0))


def generation_probe(model: LocalModel, loading: Loading) -> Post:
    """Let the model count on, where nothing can be rendered."""
    return _post("/api/chat", model, loading, **_probe(COUNTING, loading, num_predict=8, temperature=0))


def _probe(prefill: str, loading: Loading, **options: object) -> dict[str, object]:
    messages = [{"role": "user", "content": PROBE_QUESTION}, {"role": "assistant", "content": prefill}]
    return {
        "messages": messages,
        "think": False,
        "stream": False,
        "truncate": False,
        "options": _options(loading, **options),
    }


def chat(
    conversation: Conversation,
    model: LocalModel,
    loading: Loading,
    *,
    prefill: str = "",
    max_tokens: int | None = None,
    seed_offset: int = 0,
) -> Post:
    """
    Ask for an answer, or for the rest of one that begins with `prefill`.

    `conversation` must not end in an assistant turn then: whatever the client
    prefilled itself belongs into `prefill`.
    """
    messages = native_messages(conversation)
    if prefill:
        messages.append({"role": "assistant", "content": prefill})
    fields: dict[str, object] = {
        "messages": messages,
        "stream": True,
        "think": False,
        "truncate": False,
        "options": _sampling(conversation, model, loading, max_tokens, seed_offset),
    }
    if conversation.tools and conversation.tool_choice != "none":
        fields["tools"] = [
            {
                "type": "function",
                "function": {"name": t.name, "description": t.description, "parameters": t.parameters},
            }
            for t in conversation.tools
        ]
    if conversation.json_schema is not None:
        fields["format"] = conversation.json_schema or "json"
    elif conversation.json_mode:
        fields["format"] = "json"
    return _post("/api/chat", model, loading, **fields)


def render(conversation: Conversation, model: LocalModel, loading: Loading) -> Post:
    """Ask for the prompt that `conversation` becomes; the first half of the raw way."""
    return _post(
        "/api/chat",
        model,
        loading,
        messages=native_messages(conversation),
        think=False,
        truncate=False,
        options=_options(loading),
        _debug_render_only=True,
    )


def raw(
    rendered: str,
    conversation: Conversation,
    model: LocalModel,
    loading: Loading,
    *,
    prefill: str,
    max_tokens: int | None = None,
) -> Post:
    """Let the model go on from a rendered prompt and a half answer; no template, no parser."""
    think = _OPEN_THINK.search(rendered)
    if think:
        # The template has begun a thinking block; the answer comes after it.
        rendered += f"\n</{think[1]}>\n\n"
    return _post(
        "/api/generate",
        model,
        loading,
        prompt=rendered + prefill,
        raw=True,
        stream=True,
        truncate=False,
        options=_sampling(conversation, model, loading, max_tokens, 0),
    )


def _sampling(
    conversation: Conversation,
    model: LocalModel,
    loading: Loading,
    max_tokens: int | None,
    seed_offset: int,
) -> Mapping[str, object]:
    wanted = conversation.sampling
    more: dict[str, object] = {
        "temperature": wanted.temperature,
        "top_p": wanted.top_p,
        "seed": None if wanted.seed is None else wanted.seed + seed_offset,
        "frequency_penalty": wanted.frequency_penalty,
        "presence_penalty": wanted.presence_penalty,
        # 0 means "without end" on two of three paths.
        "num_predict": None if max_tokens is None else max(1, max_tokens),
        # The list replaces the model's own, so both are sent.
        "stop": [*wanted.stop, *model.stop] if wanted.stop else None,
    }
    return _options(loading, **{k: v for k, v in more.items() if v is not None})


def split_prefill(conversation: Conversation) -> tuple[Conversation, str]:
    """Take a prefill of the client's own off the end of the conversation."""
    messages = conversation.messages
    end = len(messages)
    # All of them: the server refuses two assistant messages at the end.
    while end and messages[end - 1].role is Role.ASSISTANT and not messages[end - 1].tool_calls:
        end -= 1
    return evolve(conversation, messages=messages[:end]), "\n\n".join(
        m.text for m in messages[end:] if m.text
    )


def native_messages(conversation: Conversation) -> list[dict[str, object]]:
    """
    The history as Ollama takes it.

    One system message in front: some templates keep only one. Neighbours of
    one role are merged, since templates may refuse them.
    """
    names = {call.id: call.name for m in conversation.messages for call in m.tool_calls}
    system = [m.text for m in conversation.messages if m.role is Role.SYSTEM and m.text]
    messages: list[dict[str, object]] = []
    if system:
        messages.append({"role": "system", "content": "\n\n".join(system)})
    for message in conversation.messages:
        if message.role is not Role.SYSTEM:
            _append(messages, _native(message, names))
    return messages


def _native(message: Message, names: Mapping[str, str]) -> dict[str, object]:
    text = message.text
    native: dict[str, object] = {"role": message.role.value, "content": text}
    images = [p.base64 for p in message.parts if isinstance(p, ImagePart) and p.base64]
    if images:
        native["images"] = images
    calls = [call for call in message.tool_calls if is_object(call.arguments or "{}")]
    if calls:
        native["tool_calls"] = _native_calls(calls)
    # Arguments that are no object cannot be said; the words of the call can.
    unsaid = [f"{c.name}({c.arguments})" for c in message.tool_calls if c not in calls]
    if unsaid:
        native["content"] = "\n".join([text, *unsaid] if text else unsaid)
    if message.role is Role.TOOL:
        native["tool_call_id"] = message.tool_call_id
        # Templates use the name or the id, never both; a result without its
        # call still has to be called something.
        native["tool_name"] = names.get(message.tool_call_id, "tool")
    return native


def _native_calls(calls: Sequence[ToolCall]) -> list[dict[str, object]]:
    return [
        {
            "id": call.id,
            "function": {
                "index": index,
                "name": call.name,
                "arguments": msgspec.json.decode(call.arguments or "{}"),
            },
        }
        for index, call in enumerate(calls)
    ]


def _append(messages: list[dict[str, object]], native: dict[str, object]) -> None:
    last = messages[-1] if messages else None
    mergeable = (
        last is not None
        and last["role"] == native["role"]
        and native["role"] in ("user", "assistant")
        and "tool_calls" not in last
    )
    if last is None or not mergeable:
        messages.append(native)
        return
    last["content"] = "\n\n".join(str(m["content"]) for m in (last, native) if m["content"])
    if "tool_calls" in native:
        last["tool_calls"] = native["tool_calls"]
    if "images" in native:
        earlier = last.get("images")
        last["images"] = [*(earlier if isinstance(earlier, list) else []), *native["images"]]  # type: ignore[misc]
