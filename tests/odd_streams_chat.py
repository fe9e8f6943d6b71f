"""Odd streams of the chat wire: fields, types and events that are in no document, or in another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from odd_stream import Kind, OddStream, data

TOP: Final[Mapping[str, Any]] = {
    "id": "chatcmpl-odd1",
    "object": "chat.completion.chunk",
    "created": 1_790_000_000,
    "model": "gpt-4o",
}
DONE: Final = data(b"[DONE]")


def chunk(delta: object, finish: object = None, choice: Mapping[str, Any] | None = None, **top: Any) -> bytes:
    """One chunk; what `choice` and `top` name takes the place of the usual."""
    one = {"index": 0, "delta": delta, "finish_reason": finish, **(choice or {})}
    return data({**TOP, "choices": [one], **top})


def say(text: str, **more: Any) -> bytes:
    """A chunk with text in it."""
    return chunk({"content": text}, **more)


BEGIN: Final = chunk({"role": "assistant", "content": ""})
END: Final = chunk({}, "stop")
USAGE: Final = data(
    {**TOP, "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16}}
)
#: Where the odd event stands: inside a word.
ODD_AT: Final = 2


def around(*odd: bytes) -> tuple[bytes, ...]:
    """A usual answer with something odd inside a word of it."""
    return (BEGIN, say("The light"), *odd, say("house keeps"), say(" its watch."), END, DONE)


def text(said: str = "") -> str:
    """What `around` says."""
    return f"The light{said}house keeps its watch."


def row(name: str, kind: Kind, source: str, *pieces: bytes, **more: Any) -> OddStream:
    """A row of this wire."""
    return OddStream(f"chat: {name}", "chat", kind, source, pieces, **more)


def odd(
    name: str, source: str, *pieces: bytes, said: str = "", kind: Kind = Kind.UNKNOWN, **more: Any
) -> OddStream:
    """A row with something odd inside a word, that says `said`."""
    return row(name, kind, source, *around(*pieces), text=text(said), **more)


OURS: Final = "issue 12"
#: Beside text in a delta: nothing, whatever their type. Name → source, fields.
NOTHING: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "an index of 0 in the delta": (OURS, {"index": 0}),
    "false in the delta": (OURS, {"stop": False, "is_last": False}),
    "empty things in the delta": (OURS, {"x": None, "y": "", "z": [], "w": {}, "v": 0.0}),
    "null calls": ("langgenius/dify#12171", {"tool_calls": None, "function_call": None}),
    "an empty list of calls": ("RooCodeInc/Roo-Code#9105", {"tool_calls": []}),
    "an empty old call": ("OpenAI chat API, deprecated fields", {"function_call": {}}),
    "a null refusal and audio": ("OpenAI chat API", {"refusal": None, "audio": None}),
    "a role in every chunk": ("mudler/LocalAI#340", {"role": "assistant"}),
    "a null role": ("sgl-project/sglang#35542", {"role": None}),
    "annotations": ("OpenAI chat API, web search", {"annotations": [{"type": "url_citation", "url": "u"}]}),
    "empty annotations": ("OpenAI chat API, web search", {"annotations": []}),
    "citations": ("Cohere compatibility API", {"citations": [{"start": 0, "end": 3, "text": "The"}]}),
    "nothing specific": ("BerriAI/litellm#17136", {"provider_specific_fields": None}),
    "padding": ("OpenAI chat API, obfuscation", {"obfuscation": "a8Kx0"}),
    "empty reasoning beside text": ("dirac-run/dirac#227", {"reasoning": "", "reasoning_content": None}),
    "empty details beside text": ("symfony/ai#909", {"reasoning": None, "reasoning_details": []}),
}
#: `delta.content` of other types. Name → source, value, what it says.
CONTENT: Final[Mapping[str, tuple[str, Any, str]]] = {
    "a number": ("cloudflare/ai#651", 6, "6"),
    "the number 0": ("cloudflare/ai#651", 0, "0"),
    "a fraction": ("cloudflare/ai#651", 0.005, "0.005"),
    "null": ("vllm-project/vllm-ascend#14501", None, ""),
    "false": ("neighbour of cloudflare/ai#651", False, ""),
    "an empty list": ("neighbour of tashfeenahmed/freellmapi#166", [], ""),
    "an empty object": ("openai/openai-dotnet#433", {}, ""),
    "a list of texts": ("tashfeenahmed/freellmapi#166", [{"type": "text", "text": "-"}], "-"),
    "two parts": ("epam/ai-dial-adapter-openai#395", [{"type": "text", "text": c} for c in "-+"], "-+"),
    "a list of strings": ("neighbour of tashfeenahmed/freellmapi#166", ["-", "+"], "-+"),
}
#: Thinking under its many names. Name → source, fields, what was thought.
THOUGHTS: Final[Mapping[str, tuple[str, dict[str, Any], str]]] = {
    "reasoning": ("dirac-run/dirac#227", {"content": "", "reasoning": "Hm."}, "Hm."),
    "reasoning_content": ("JetBrains/koog#2190", {"reasoning_content": "Hm."}, "Hm."),
    "reasoning_text": ("BerriAI/litellm#35021", {"reasoning_text": "Hm."}, "Hm."),
    "thinking": ("Alishahryar1/free-claude-code#944", {"thinking": "Hm."}, "Hm."),
    "thought": ("neighbour of Alishahryar1/free-claude-code#944", {"thought": "Hm."}, "Hm."),
    "details": (
        "Significant-Gravitas/AutoGPT#12870",
        {"reasoning_details": [{"type": "reasoning.text", "text": "Hm.", "index": 0}]},
        "Hm.",
    ),
    "a summary in details": (
        "Significant-Gravitas/AutoGPT#12870",
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "Hm.", "index": 0}]},
        "Hm.",
    ),
    "the same twice": (
        "laravel/ai#813",
        {"reasoning": "Hm.", "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]},
        "Hm.",
    ),
    "blocks beside the text of it": (
        "BerriAI/litellm, reasoning content page",
        {"reasoning_content": "Hm.", "thinking_blocks": [{"type": "thinking", "thinking": "Hm."}]},
        "Hm.",
    ),
    "blocks": ("BerriAI/litellm", {"thinking_blocks": [{"type": "thinking", "thinking": "Hm."}]}, "Hm."),
    "a list in content": (
        "NousResearch/hermes-agent#4748",
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]},
        "Hm.",
    ),
    "a list without a list": (
        "simonw/llm-mistral#39",
        {"content": [{"type": "thinking", "thinking": "Hm."}]},
        "Hm.",
    ),
    "a list of parts": (
        "neighbour of laravel/ai#813",
        {"reasoning": [{"type": "text", "text": "Hm."}]},
        "Hm.",
    ),
}
#: Fields that hold a part of the answer which nobody else could know. Name → source, delta.
OPAQUE: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "an image": (
        "open-webui/open-webui#20634",
        {"images": [{"type": "image_url", "image_url": {"url": "data:,"}}]},
    ),
    "a voice": ("OpenAI chat API, audio", {"audio": {"id": "audio_1", "data": "QUJD"}}),
    "an old call": (
        "OpenAI chat API, deprecated fields",
        {"function_call": {"name": "f", "arguments": "{}"}},
    ),
    "an unknown field": (OURS, {"holograms": ["x"]}),
    "an image among the parts": (
        "neighbour of tashfeenahmed/freellmapi#166",
        {"content": [{"type": "image_url", "image_url": {"url": "data:,"}}]},
    ),
}
#: At the top of a chunk with text. Name → source, fields.
TOPS: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "created is a fraction": ("BoundaryML/baml#1746", {"created": 1_790_000_000.25}),
    "created is a string": ("epam/ai-dial-adapter-openai#141", {"created": "1790000000"}),
    "created is null": ("neighbour of epam/ai-dial-adapter-openai#141", {"created": None}),
    "id is null": ("openai/openai-node#1982", {"id": None}),
    "id is a number": ("neighbour of openai/openai-node#1982", {"id": 17}),
    "model is null": ("openai/openai-python#1677", {"model": None}),
    "object is empty": ("mlflow/mlflow#12767", {"object": ""}),
    "object is another word": ("mlflow/mlflow#12767", {"object": "chat.completion"}),
    "usage is empty": ("zed-industries/zed#42893", {"usage": {}}),
    "usage counts are null": (
        "livekit/agents#6596",
        {"usage": {"prompt_tokens": 4, "completion_tokens": None, "total_tokens": None}},
    ),
    "usage is details alone": (
        "theopenco/llmgateway#2861",
        {"usage": {"prompt_tokens_details": {"cached_tokens": 0}}},
    ),
    "usage with fractions": (
        "cloudflare/ai#651",
        {"usage": {"prompt_tokens": 0, "completion_tokens": 1.0, "total_tokens": 1, "neurons": 0.2}},
    ),
    "usage is a list": ("neighbour of zed-industries/zed#42893", {"usage": []}),
    "usage in every chunk": (
        "vllm-project/vllm#7262",
        {"usage": {"prompt_tokens": 16, "completion_tokens": 1, "total_tokens": 17}},
    ),
    "an error that is null": (OURS, {"error": None}),
    "an error that is empty": ("neighbour of zed-industries/zed#42893", {"error": {}}),
    "a word from Groq": ("tashfeenahmed/freellmapi#156", {"x_groq": {"id": "req_1"}}),
    "timings": ("simonw/llm#1507", {"timings": {"prompt_n": 1, "predicted_ms": 661.064}}),
    "LM Studio's stats": ("lmstudio-ai/lmstudio-js#320", {"stats": {}, "model_info": {"arch": "qwen"}}),
    "Perplexity's sources": (
        "perplexityai/api-discussion#209",
        {"citations": ["https://a.example"], "search_results": [{"title": "A", "url": "https://a.example"}]},
    ),
    "OpenRouter's provider": ("openai/openai-go#227", {"provider": "OpenAI", "system_fingerprint": None}),
    "more fields of MiniMax": (
        "zed-industries/zed#42893",
        {"extend_fields": {"traceId": "1"}, "base_resp": None},
    ),
    "a last one and the text so far": ("0xPlaygrounds/rig#534", {"content": "The light-", "lastOne": False}),
    "no choice index": ("neighbour of openai/openai-python#3246", {"choices": [{"delta": {"content": "-"}}]}),
    "the choice's index is a string": (
        "neighbour of openai/openai-python#3246",
        {"choices": [{"index": "0", "delta": {"content": "-"}, "finish_reason": None}]},
    ),
    "the choice's index is null": (
        "neighbour of davidmigloz/ai_clients_dart#64",
        {"choices": [{"index": None, "delta": {"content": "-"}, "finish_reason": None}]},
    ),
    "the choice's index is a fraction": (
        "neighbour of BoundaryML/baml#1746",
        {"choices": [{"index": 0.0, "delta": {"content": "-"}, "finish_reason": None}]},
    ),
    "a message beside the delta": (
        "perplexityai/api-discussion#209",
        {
            "choices": [
                {
                    "index": 0,
                    "delta": {"content": "-"},
                    "message": {"role": "assistant", "content": "The light-"},
                }
            ]
        },
    ),
}
_FILTER: Final = {"hate": {"filtered": False, "severity": "safe"}}
_OFFSETS: Final = {"check_offset": 44, "start_offset": 44, "end_offset": 198}
#: Whole events that say nothing. Name → source, value.
EVENTS: Final[Mapping[str, tuple[str, Any]]] = {
    "null": ("Kilo-Org/kilocode#3083", None),
    "an empty object": ("earendil-works/pi#2468", {}),
    "an empty list": ("earendil-works/pi#2468", []),
    "a number": ("neighbour of earendil-works/pi#2468", 0),
    "choices is null": ("RooCodeInc/Roo-Code#9105", {**TOP, "choices": None}),
    "no choices": ("tashfeenahmed/freellmapi#156", {"usage": {"prompt_tokens": 3, "completion_tokens": 1}}),
    "a choice that is null": ("neighbour of RooCodeInc/Roo-Code#9105", {**TOP, "choices": [None]}),
    "a delta that is null": (
        "microsoft/agent-framework#5734",
        {**TOP, "choices": [{"index": 0, "delta": None, "finish_reason": None}]},
    ),
    "Azure's late filter": (
        "microsoft/autogen#6465",
        {
            "id": "",
            "object": "",
            "created": 0,
            "model": "",
            "usage": None,
            "choices": [
                {
                    "index": 0,
                    "finish_reason": None,
                    "content_filter_results": _FILTER,
                    "content_filter_offsets": _OFFSETS,
                }
            ],
        },
    ),
    "progress of the prompt": (
        "ggml-org/llama.cpp#15827",
        {
            **TOP,
            "choices": [],
            "prompt_progress": {"total": 237, "cache": 0, "processed": 128, "time_ms": 181},
        },
    ),
    "usage alone, early": (
        "vllm-project/semantic-router#2215",
        {**TOP, "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}},
    ),
    "a ping of another wire": ("neighbour of diegosouzapw/OmniRoute#8762", {"type": "ping"}),
}

ROWS: Final = (
    *(
        odd(name, source, chunk({"content": "-", **fields}), said="-")
        for name, (source, fields) in NOTHING.items()
    ),
    *(
        odd(f"content is {name}", source, chunk({"content": value}), said=said)
        for name, (source, value, said) in CONTENT.items()
    ),
    *(
        odd(f"thinking as {name}", source, chunk(delta), reasoning=thought)
        for name, (source, delta, thought) in THOUGHTS.items()
    ),
    *(
        odd(f"opaque: {name}", source, chunk(delta), kind=Kind.ORDER, opaque=ODD_AT)
        for name, (source, delta) in OPAQUE.items()
    ),
    *(odd(name, source, say("-", **top), said="-") for name, (source, top) in TOPS.items()),
    *(odd(f"event: {name}", source, data(value)) for name, (source, value) in EVENTS.items()),
    odd(
        "thoughts and text in one list",
        "BerriAI/litellm#16272",
        chunk(
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                    {"type": "text", "text": "-"},
                ]
            }
        ),
        said="-",
        reasoning="Hm.",
    ),
    odd(
        "content is an object",
        "openai/openai-dotnet#433",
        chunk({"content": {"type": "text", "text": "-"}}),
        said="-",
        undecided=True,
    ),
    odd("a sealed thought", "BerriAI/litellm#35021", chunk({"reasoning_opaque": "c2VhbGVk"}), undecided=True),
    odd(
        "sealed details",
        "Significant-Gravitas/AutoGPT#12870",
        chunk({"reasoning_details": [{"type": "reasoning.encrypted", "data": "c2VhbGVk"}]}),
    ),
    odd(
        "text with more content of Gemini's",
        "issue 12, noho/dayu-agent#45",
        chunk({"content": "-", "extra_content": {"google": {"thought": True}}}),
        kind=Kind.ORDER,
        said="-",
        opaque=ODD_AT,
    ),
    odd(
        "probabilities that are no numbers",
        "OpenAI chat API, logprobs",
        data(
            b'{"choices": [{"index": 0, "delta": {"content": "-"}, "logprobs": {"content": [NaN, -Infinity]}}]}'
        ),
        said="-",
        undecided=True,
    ),
    row(
        "Azure's first event and filter marks",
        Kind.UNKNOWN,
        "openai/openai-python#1677",
        data({"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_annotations": [{}]}),
        BEGIN,
        say("Colour", choice={"content_filter_results": _FILTER}),
        say(" me."),
        END,
        data(
            {
                "id": "",
                "choices": [{"index": 0, "content_filter_offsets": _OFFSETS, "content_filter_results": {}}],
            }
        ),
        DONE,
        text="Colour me.",
    ),
    row(
        "words and unknown content in turn",
        Kind.ORDER,
        OURS,
        BEGIN,
        say("un"),
        chunk({"content": "for", "extra_content": {"google": {"x": 1}}}),
        *map(say, ("tunately", ",", " we")),
        END,
        DONE,
        text="unfortunately, we",
        opaque=2,
    ),
    row(
        "nothing but unknown content",
        Kind.ORDER,
        "open-webui/open-webui#20634",
        BEGIN,
        chunk({"content": "", "images": [{"image_url": {"url": "data:image/png;base64,QUJD"}}]}),
        END,
        DONE,
        opaque=1,
    ),
    row(
        "unknown content in every chunk",
        Kind.ORDER,
        "neighbour of issue 12",
        BEGIN,
        *(chunk({"content": piece, "scores": [1]}) for piece in ("A be", "acon", " burns", ".")),
        END,
        DONE,
        text="A beacon burns.",
        opaque=1,
    ),
)
