"""
Odd streams of the chat wire as services and servers send them that are in no table of ours: their errors without
an `error` around them, their signs of life, their drafts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from odd_stream import Kind, data
from odd_streams_chat import ODD_AT, OURS, chunk, odd, say
from odd_streams_chat_calls import CALLED, HALVES, called, piece
from odd_streams_chat_failures import failing

WATSONX: Final = {"code": "downstream_request_failed", "message": "no memory", "more_info": "u"}
#: Errors with a member that only errors have. Name → source, event.
BARE: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "an error code": ("Databricks REST API, errors", {"error_code": "INTERNAL_ERROR", "message": "m"}),
    "a number and its words": (
        "alibaba/higress, provider baidu",
        {"error_code": 336100, "error_msg": "busy", "id": "as-1"},
    ),
    "a list of errors": (
        "cloudflare/cloudflare-docs#15116",
        {"result": None, "success": False, "errors": [{"code": 7009, "message": "m"}], "messages": []},
    ),
    "a list of errors and a status": (
        "IBM/watsonx-ai-java-sdk",
        {"errors": [WATSONX], "trace": "t", "status_code": 500},
    ),
    "a bad result": (
        "MiniMax API, base_resp",
        {"id": "x", "choices": None, "base_resp": {"status_code": 1013, "status_msg": "m"}},
    ),
    "a fault": ("Apigee, faults", {"fault": {"faultstring": "m", "detail": {"errorcode": "x"}}}),
    "an error in a choice": (
        "OpenRouter API, choices[].error",
        {"choices": [{"index": 0, "error": {"code": 502, "message": "m"}}]},
    ),
}
#: Errors that what follows has to prove. Name → source, event.
PROBLEMS: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "a number and words": (
        "SiliconFlow API, error 50505",
        {"code": 50505, "message": "Model service overloaded.", "data": None},
    ),
    "a word and words": (
        "neighbour of DashScope's",
        {"code": "InternalError", "message": "m", "request_id": "r"},
    ),
    "a status and words": (
        "NVIDIA NIM API",
        {"status": 500, "title": "Internal Server Error", "detail": "m"},
    ),
    "a problem with a kind": (
        "NVIDIA NIM API, RFC 9457",
        {"type": "urn:inference-service:x", "title": "t", "status": 500, "detail": "m", "instance": "/v2"},
    ),
    "details alone": ("neighbour of FastAPI's", {"detail": "Infrastructure is at maximum capacity"}),
    "details in a list": ("neighbour of FastAPI's", {"detail": [{"loc": ["body"], "msg": "m", "type": "x"}]}),
    "no success": ("neighbour of Cloudflare's", {"success": False, "message": "m"}),
    "a kind that is an error": ("neighbour of Cerebras'", {"type": "server_error", "message": "m"}),
}
#: Events that look like a problem at most to those who look for one. Name → source, value.
NO_PROBLEMS: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "a progress in words": (OURS, {"status": "searching", "message": "Looking for lighthouses"}),
    "a good code": (OURS, {"code": 0, "message": "success"}),
    "a good status": (OURS, {"status": 200, "message": "OK"}),
}
DRAFT: Final = {"diffusion_progress": 0.5, "diffusion_content": True}

ROWS: Final = (
    *(failing(f"an error: {name}", source, data(value)) for name, (source, value) in BARE.items()),
    *(failing(f"an error: {name}", source, data(value)) for name, (source, value) in PROBLEMS.items()),
    *(
        odd(f"{name}, and the answer goes on", source, data(value), opaque=ODD_AT, is_unread=True)
        for name, (source, value) in PROBLEMS.items()
    ),
    *(
        odd(name, source, data(value), opaque=ODD_AT, undecided=True)
        for name, (source, value) in NO_PROBLEMS.items()
    ),
    *(
        failing(f"the reason is {word}", source, chunk({}, word))
        for word, source in (
            ("TIMEOUT", "Cohere API, finish_reason"),
            ("cancelled", "watsonx API, finish_reason"),
            ("failed", "neighbour of Cohere's"),
        )
    ),
    odd("a ping in words", "neighbour of Anthropic's ping", data(b"ping", "ping"), kind=Kind.BYTES),
    odd("a heartbeat with a time", "neighbour of Anthropic's ping", data({"ts": "10:00"}, "heartbeat")),
    odd("a keep-alive with null", "neighbour of OpenAI's keepalive", data(b"null", "keep-alive")),
    odd(
        "what a gateway's hooks found",
        "Portkey-AI/gateway, streamHandler",
        data({"hook_results": {"before_request_hooks": [{"verdict": True, "id": "x", "type": "guardrail"}]}}),
    ),
    odd(
        "its tokens' numbers",
        "InternLM/lmdeploy, gen_tokens",
        chunk({"content": "-", "gen_tokens": [5]}),
        said="-",
    ),
    odd(
        "a draft of the whole text",
        "Inception API, diffusing",
        say("-", diffusion_meta=DRAFT),
        kind=Kind.ORDER,
        said="-",
        opaque=ODD_AT,
    ),
    odd("no draft", "Inception API", say("-", diffusion_meta={"diffusion_progress": 1.0}), said="-"),
    odd(
        "a call without a function around it",
        "Cloudflare Workers AI, its own wire",
        chunk({"tool_calls": [{"index": 0, "name": "get_weather", "arguments": {"city": "Bern"}}]}),
        kind=Kind.ORDER,
        opaque=ODD_AT,
        undecided=True,
    ),
    called(
        "one in place of a list",
        "huggingface/text-generation-inference, ChatCompletionDelta",
        chunk({"role": "assistant", "tool_calls": piece("get_weather", "", call="0")}),
        *(chunk({"role": "assistant", "tool_calls": piece(None, half, call="0")}) for half in HALVES),
        CALLED,
    ),
)
