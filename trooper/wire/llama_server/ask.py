"""
Writes requests to a llama.cpp server.

Its chat route is OpenAI's with a trailing assistant message that is gone on
from; `/apply-template` renders the same messages without generating, and
`/completion` goes on from any prompt. The prompt cache is on by default, and a
window that is too small is an error: nothing is ever cut off in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

import msgspec
from attrs import frozen

from trooper.core.conversation import (
    Conversation,
    ImagePart,
    Message,
    Part,
    Role,
    TextPart,
    ToolCall,
    UnknownPart,
)
from trooper.core.history import before_arguments, plain
from trooper.core.json_tail import tail_grammar
from trooper.core.local_model import (
    PROBE_BLANK,
    PROBE_QUESTION,
    PROBE_TEXT,
    LocalModel,
    with_thinking_closed,
)
from trooper.core.tool_calls import MOST_CALLS
from trooper.wire.decoding import decoded_object
from trooper.wire.llama_server.models import read_count, read_render
from trooper.wire.llama_server.reader import LlamaReader
from trooper.wire.target_side import Post, PromptReader

#: A prefill behind an open thinking block is refused by older servers.
_NO_THINKING: Mapping[str, object] = {"enable_thinking": False}


def _post(path: str, **fields: object) -> Post:
    return Post(path, msgspec.json.encode(fields))


def render_probe() -> Post:
    """Ask what the prompt looks like when an answer has begun. Deterministic; generates nothing."""
    return _post(
        "/apply-template", messages=_probe(PROBE_TEXT + PROBE_BLANK), chat_template_kwargs=_NO_THINKING
    )


def echo_probe(model: LocalModel) -> Post:
    """
    Generate one token behind a prefill, to see whether the prefill comes back.

    Streamed, as answers are: unstreamed, the server repeats it in any case.
    """
    return _post(
        "/v1/chat/completions",
        model=model.name,
        messages=_probe(PROBE_TEXT),
        max_tokens=1,
        temperature=0,
        stream=True,
        chat_template_kwargs=_NO_THINKING,
    )


def _probe(prefill: str) -> list[dict[str, object]]:
    return [{"role": "user", "content": PROBE_QUESTION}, {"role": "assistant", "content": prefill}]


@frozen
class LlamaAsking:
    """Asks the server's model for answers."""

    model: LocalModel

    def chat(
        self,
        conversation: Conversation,
        *,
        prefill: str = "",
        max_tokens: int | None = None,
        seed_offset: int = 0,
    ) -> Post:
        """`/v1/chat/completions`, with the prefill as a trailing assistant message."""
        messages = _messages(conversation)
        if prefill:
            messages.append({"role": "assistant", "content": prefill})
        fields: dict[str, object] = {
            "model": self.model.name,
            "messages": messages,
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_progress": True,
            "chat_template_kwargs": _NO_THINKING,
            **_sampling(conversation, seed_offset),
        }
        if max_tokens is not None:
            fields["max_tokens"] = max(1, max_tokens)
        fields |= _tools(conversation)
        if conversation.is_structured and not prefill:
            # Behind a prefill the grammar would start anew; the joined document is checked instead.
            fields["response_format"] = _format(conversation)
        return _post("/v1/chat/completions", **fields)

    def render(self, conversation: Conversation, *, prefill: str = "") -> Post:
        """`/apply-template`, which generates nothing."""
        messages = _messages(conversation)
        if prefill:
            messages.append({"role": "assistant", "content": prefill})
        return _post(
            "/apply-template",
            messages=messages,
            chat_template_kwargs=_NO_THINKING,
            **_tools(conversation),
        )

    def read_render(self, body: bytes) -> str | None:
        """The prompt."""
        return read_render(body)

    def counts(self) -> bool:
        """It does, by its own tokenizer."""
        return True

    def count(self, rendered: str) -> Post:
        """`/tokenize`, as the chat route does it: with what begins a prompt, and special tokens for what they are."""
        return _post("/tokenize", content=rendered, add_special=True, parse_special=True)

    def read_count(self, body: bytes) -> int | None:
        """How many tokens came."""
        return read_count(body)

    def raw(
        self, rendered: str, conversation: Conversation, *, prefill: str, max_tokens: int | None = None
    ) -> Post:
        """`/completion`."""
        limit: dict[str, object] = {} if max_tokens is None else {"n_predict": max(1, max_tokens)}
        return _post(
            "/completion",
            prompt=with_thinking_closed(rendered) + prefill,
            stream=True,
            return_progress=True,
            **limit,
            **_sampling(conversation, 0),
        )

    def finish_call(
        self,
        rendered: str,
        conversation: Conversation,
        call: ToolCall,
        *,
        max_tokens: int | None = None,
    ) -> Post | None:
        """`/completion` under the grammar of what is missing."""
        grammar = tail_grammar(call.arguments)
        if grammar is None:
            return None
        post = self.raw(
            before_arguments(rendered, call.name), conversation, prefill=call.arguments, max_tokens=max_tokens
        )
        return Post(post.path, msgspec.json.encode({**decoded_object(post.body), "grammar": grammar}))

    def reader(
        self, post: Post, max_event_bytes: int, call_id: str, max_calls: int = MOST_CALLS
    ) -> PromptReader:
        """One reader for both paths: their events tell themselves apart."""
        return LlamaReader(
            max_event_bytes,
            call_id=call_id,
            max_calls=max_calls,
            window_tokens=self.model.window_tokens,
        )


def _sampling(conversation: Conversation, seed_offset: int) -> Mapping[str, object]:
    wanted = conversation.sampling
    more: dict[str, object] = {
        "temperature": wanted.temperature,
        "top_p": wanted.top_p,
        "seed": None if wanted.seed is None else wanted.seed + seed_offset,
        "frequency_penalty": wanted.frequency_penalty,
        "presence_penalty": wanted.presence_penalty,
        "stop": list(wanted.stop) or None,
    }
    return {key: value for key, value in more.items() if value is not None}


def _format(conversation: Conversation) -> Mapping[str, object]:
    if not conversation.json_schema:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": conversation.json_schema}}


def _tools(conversation: Conversation) -> Mapping[str, object]:
    if not conversation.tools or conversation.tool_choice == "none":
        return {}
    return {
        "tools": [
            {
                "type": "function",
                "function": {"name": t.name, "description": t.description, "parameters": t.parameters},
            }
            for t in conversation.tools
        ]
    }


def _messages(conversation: Conversation) -> list[dict[str, object]]:
    return [_message(message) for message in plain(conversation.messages)]


def _message(message: Message) -> dict[str, object]:
    images = any(isinstance(part, ImagePart) for part in message.parts)
    # Text alone stays a string: not every template knows lists of parts.
    content = [_part(part) for part in message.parts] if images else message.text
    told: dict[str, object] = {"role": message.role.value, "content": content}
    if message.tool_calls:
        told["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments or "{}"}}
            for c in message.tool_calls
        ]
    if message.role is Role.TOOL:
        told["tool_call_id"] = message.tool_call_id
    return told


def _part(part: Part) -> dict[str, object]:
    match part:
        case ImagePart(media_type=media_type, base64=data):
            return {"type": "image_url", "image_url": {"url": f"data:{media_type};base64,{data}"}}
        case TextPart(text):
            return {"type": "text", "text": text}
        case UnknownPart(kind):
            # Such a request is unfit for a local model, so it never comes here.
            raise ValueError(kind)
        case _ as never:
            assert_never(never)
