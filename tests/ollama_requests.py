"""
What Ollama is asked in these tests, and how it is read again; shared by the tests
of `wire.ollama_chat`.
"""

from __future__ import annotations

import json
from typing import Any

from trooper.core.conversation import Conversation, Message, Role, TextPart, ToolCall
from trooper.core.local_model import LocalModel
from trooper.wire.ollama_chat.ask import Loading, OllamaAsking
from trooper.wire.target_side import Post

MODEL = LocalModel("qwen2.5:3b", stop=("<|im_end|>",))
LOADING = Loading(4096, "30m")
ASKING = OllamaAsking(MODEL, LOADING)
Q = Message(Role.USER, (TextPart("Q"),))


def sent(post: Post, path: str = "/api/chat") -> dict[str, Any]:
    assert post.path == path
    body: dict[str, Any] = json.loads(post.body)
    return body


def asked(*messages: Message, **fields: Any) -> Conversation:
    return Conversation(messages or (Q,), **fields)


def text(role: Role, *parts: str, **fields: Any) -> Message:
    return Message(role, tuple(map(TextPart, parts)), **fields)


def calling(*calls: ToolCall, say: str = "") -> Message:
    return Message(Role.ASSISTANT, (TextPart(say),) if say else (), calls)
