"""
Writes requests to an Ollama server.

Ollama decodes strictly: contents are strings, arguments are objects, images
are bare base64, roles are four. Load-time options must be the same in every
request to one model, or the server loads it anew; `shift` is one of them and
is never sent. `truncate` is always false: with it on, the server drops the
question and keeps the half answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from attrs import frozen

from trooper.core.conversation import Conversation, ImagePart, Message, Role, ToolCall
from trooper.core.history import call_names, plain
from trooper.core.local_model import (
    COUNTING,
    PROBE_BLANK,
    PROBE_QUESTION,
    PROBE_TEXT,
    LocalModel,
    with_thinking_closed,
)
from trooper.core.tool_calls import MOST_CALLS
from trooper.wire.ollama_chat.models import read_render
from trooper.wire.ollama_chat.reader import OllamaReader
from trooper.wire.target_side import Post


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


def unload(model: LocalModel) -> Post:
    """Give the model's memory back."""
    return Post("/api/chat", msgspec.json.encode({"model": model.name, "messages": [], "keep_alive": 0}))


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


@frozen
class OllamaAsking:
    """Asks one model for answers, always with the same load-time options."""

    model: LocalModel
    loading: Loading

    def chat(
        self,
        conversation: Conversation,
        *,
        prefill: str = "",
        max_tokens: int | None = None,
        seed_offset: int = 0,
    ) -> Post:
        """`/api/chat`, with the prefill as a trailing assistant message."""
        fields: dict[str, object] = {
            **_asked(conversation, prefill),
            "stream": True,
            "options": self._sampling(conversation, max_tokens, seed_offset),
        }
        if conversation.is_structured and not prefill:
            # Behind a prefill the server starts the grammar anew on two of its
            # three paths; the joined document is checked instead.
            fields["format"] = conversation.json_schema or "json"
        return _post("/api/chat", self.model, self.loading, **fields)

    def render(self, conversation: Conversation, *, prefill: str = "") -> Post:
        """`/api/chat` with `_debug_render_only`, which generates nothing."""
        return _post(
            "/api/chat",
            self.model,
            self.loading,
            **_asked(conversation, prefill),
            options=_options(self.loading),
            _debug_render_only=True,
        )

    def read_render(self, body: bytes) -> str | None:
        """The prompt, where the server is new enough to show it."""
        return read_render(body)

    def count(self, rendered: str) -> Post | None:
        """It has no tokenizer to ask: what it renders has to be estimated."""
        return None

    def read_count(self, body: bytes) -> int | None:
        """Never there."""
        return None

    def raw(
        self, rendered: str, conversation: Conversation, *, prefill: str, max_tokens: int | None = None
    ) -> Post:
        """`/api/generate` with `raw`."""
        return _post(
            "/api/generate",
            self.model,
            self.loading,
            prompt=with_thinking_closed(rendered) + prefill,
            raw=True,
            stream=True,
            truncate=False,
            options=self._sampling(conversation, max_tokens, 0),
        )

    def finish_call(
        self,
        rendered: str,
        conversation: Conversation,
        call: ToolCall,
        *,
        max_tokens: int | None = None,
    ) -> Post | None:
        """Ollama's grammars begin at the beginning: never."""
        return None

    def reader(
        self, post: Post, max_event_bytes: int, call_id: str, max_calls: int = MOST_CALLS
    ) -> OllamaReader:
        """One reader for both paths: their lines tell themselves apart."""
        return OllamaReader(
            max_event_bytes,
            call_id=call_id,
            max_calls=max_calls,
            window_tokens=self.model.window_tokens,
        )

    def _sampling(
        self, conversation: Conversation, max_tokens: int | None, seed_offset: int
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
            "stop": [*wanted.stop, *self.model.stop] if wanted.stop else None,
        }
        return _options(self.loading, **{k: v for k, v in more.items() if v is not None})


def _asked(conversation: Conversation, prefill: str) -> dict[str, object]:
    """What makes the prompt, in every request to `/api/chat`."""
    messages = native_messages(conversation)
    if prefill:
        messages.append({"role": "assistant", "content": prefill})
    fields: dict[str, object] = {"messages": messages, "think": False, "truncate": False}
    if conversation.tools and conversation.tool_choice != "none":
        fields["tools"] = [
            {
                "type": "function",
                "function": {"name": t.name, "description": t.description, "parameters": t.parameters},
            }
            for t in conversation.tools
        ]
    return fields


def native_messages(conversation: Conversation) -> list[dict[str, object]]:
    """The history as Ollama takes it."""
    names = call_names(conversation.messages)
    return [_native(message, names) for message in plain(conversation.messages)]


def _native(message: Message, names: Mapping[str, str]) -> dict[str, object]:
    native: dict[str, object] = {"role": message.role.value, "content": message.text}
    images = [p.base64 for p in message.parts if isinstance(p, ImagePart) and p.base64]
    if images:
        native["images"] = images
    if message.tool_calls:
        native["tool_calls"] = _native_calls(message.tool_calls)
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
