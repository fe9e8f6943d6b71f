"""Loading a model of Ollama, and finding out how it goes on (`wire.ollama_chat.ask`)."""

from __future__ import annotations

from typing import Any

from ollama_requests import ASKING, LOADING, MODEL, Q, asked, sent, text
from trooper.core.conversation import Role
from trooper.core.local_model import PROBE_BLANK, PROBE_TEXT
from trooper.wire.ollama_chat.ask import echo_probe, generation_probe, load, render_probe, show
from trooper.wire.target_side import Post


def test_loading() -> None:
    assert sent(load(MODEL, LOADING)) == {
        "model": "qwen2.5:3b",
        "keep_alive": "30m",
        "messages": [],
        "options": {"num_ctx": 4096},
    }


def test_show() -> None:
    assert sent(show("a:b"), "/api/show") == {"model": "a:b"}


def probed(post: Post) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is asked, and all else."""
    body = sent(post)
    question, half = body.pop("messages")
    assert question == {"role": "user", "content": "Q"}
    assert body.pop("stream") is False
    return half, body


def test_the_render_probe_generates_nothing() -> None:
    half, rest = probed(render_probe(MODEL, LOADING))
    assert half == {"role": "assistant", "content": PROBE_TEXT + PROBE_BLANK}
    assert rest["_debug_render_only"] is True
    assert rest["options"] == {"num_ctx": 4096}


def test_the_echo_probe_generates_one_token() -> None:
    half, rest = probed(echo_probe(MODEL, LOADING))
    assert half == {"role": "assistant", "content": PROBE_TEXT}
    assert "_debug_render_only" not in rest
    assert rest["options"] == {"num_ctx": 4096, "num_predict": 1, "temperature": 0}


def test_the_generation_probe_counts_on() -> None:
    half, rest = probed(generation_probe(MODEL, LOADING))
    assert half == {"role": "assistant", "content": "1, 2, 3, 4,"}
    assert rest["options"] == {"num_ctx": 4096, "num_predict": 8, "temperature": 0}


def test_rendering_says_nothing_of_the_half_answer() -> None:
    assert sent(ASKING.render(asked(text(Role.SYSTEM, "S"), Q))) == {
        "model": "qwen2.5:3b",
        "keep_alive": "30m",
        "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}],
        "think": False,
        "truncate": False,
        "options": {"num_ctx": 4096},
        "_debug_render_only": True,
    }
