"""
Which clients read which dialect, and what they cannot read of their own provider.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

from dialect_cases import CALL, MORE, NOTHING, Case, said
from dialect_chat_clients import CHAT, Ask
from dialect_framework_clients import LANGCHAIN, PYDANTIC_AI
from dialect_other_clients import MESSAGES, RESPONSES
from dialect_reading import Read
from trooper.testing.dialects import DIALECTS, Golden, Then

CLIENTS: Mapping[str, Ask] = {**CHAT, **RESPONSES, **MESSAGES, **PYDANTIC_AI, **LANGCHAIN}
TOOLS = ("get_weather", "get_time")
#: In these nothing is said that a client might tell otherwise: words and calls are those of the events.
PLAIN = ("text", "tool", "parallel", "text_tool")
#: How the ways to end are called, by the wires and by the frameworks; Responses have one word for both.
ENDED = ("stop", "completed", "end_turn")
CALLED = ("tool_calls", "tool_call", "tool_use")


@frozen
class Row:
    """A dialect's streams on one wire, and who reads them."""

    dialect: str
    wire: str
    clients: tuple[str, ...]

    @property
    def cases(self) -> list[Case]:
        goldens = DIALECTS[self.dialect].goldens.values()
        return [Case(self.dialect, golden.kind) for golden in goldens if golden.wire == self.wire]


_C, _R, _M = "openai-chat", "openai-responses", "anthropic-messages"
ROWS = (
    Row("openai-chat", _C, ("openai", "openai helper", "pydantic-ai OpenAIChatModel", "langchain-openai")),
    Row(
        "openai-responses",
        _R,
        (
            "openai responses",
            "openai responses helper",
            "pydantic-ai OpenAIResponsesModel",
            "langchain-openai responses",
        ),
    ),
    Row("azure-openai", _C, ("openai AzureOpenAI", "openai")),
    Row("azure-openai", _R, ("openai responses",)),
    Row("anthropic", _M, ("anthropic",)),
    Row("bedrock-anthropic", _M, ("anthropic BedrockMantle",)),
    Row("vertex-anthropic", _M, ("anthropic Vertex",)),
    Row("gemini-compat", _C, ("openai", "openai helper", "pydantic-ai OpenAIChatModel", "langchain-openai")),
    Row("deepseek", _C, ("pydantic-ai DeepSeekProvider", "langchain-deepseek")),
    Row("deepseek", _R, ("openai responses",)),
    Row("mistral", _C, ("mistralai", "openai")),
    Row("openrouter", _C, ("pydantic-ai OpenRouterModel", "langchain-openrouter")),
    Row("openrouter", _R, ("openai responses",)),
    Row("vllm", _C, ("openai", "pydantic-ai VLLMProvider")),
    Row("llama-server", _C, ("openai", "langchain-openai")),
    Row("llama-server", _R, ("openai responses",)),
    Row("llama-server", _M, ("anthropic",)),
    Row("lm-studio", _C, ("openai", "langchain-openai")),
    Row("lm-studio", _R, ("openai responses",)),
    Row("groq", _C, ("groq",)),
    Row("qwen-dashscope", _C, ("openai", "pydantic-ai AlibabaProvider")),
    Row("kimi", _C, ("openai", "pydantic-ai MoonshotAIProvider")),
    Row("kimi", _M, ("anthropic",)),
    Row("glm", _C, ("zai-sdk", "pydantic-ai ZaiModel")),
    Row("copilot", _C, ("openai", "pydantic-ai GitHubCopilotModel")),
    Row("together", _C, ("together", "pydantic-ai TogetherProvider")),
    Row("fireworks", _C, ("openai", "pydantic-ai FireworksProvider")),
    Row("fireworks", _M, ("anthropic",)),
    Row("cerebras", _C, ("cerebras-cloud-sdk", "pydantic-ai CerebrasModel")),
    Row("xai", _C, ("openai", "langchain-xai")),
    Row("xai", _R, ("openai responses",)),
    Row("sglang", _C, ("openai", "openai helper")),
    Row("cohere-compat", _C, ("openai", "langchain-openai")),
    Row("ollama-compat", _C, ("openai", "pydantic-ai OllamaModel")),
    Row("ollama-compat", _R, ("openai responses",)),
    Row("ollama-compat", _M, ("anthropic",)),
    Row("perplexity", _C, ("perplexityai", "openai")),
    Row("minimax", _C, ("openai",)),
    Row("huggingface-router", _C, ("huggingface-hub", "openai")),
)


@frozen
class Unreadable:
    """What a client cannot read of a provider: the class that it raises, with Trooper and without."""

    raised: str
    why: str


_HELPER_LENGTH = Unreadable("LengthFinishReasonError", "by design: its helper parses, and half is not parsed")
_HELPER_FILTER = Unreadable("ContentFilterFinishReasonError", "by design, as with length")
_HELPER_INDEX = Unreadable("TypeError", "its helper counts on a call's index, which this provider leaves out")
_HELPER_INCOMPLETE = Unreadable("RuntimeError", "its helper knows no end but response.completed")
_NO_SUCH_ITEM = Unreadable("UserWarning", "it has no such item yet, and says so")

#: Client → dialect → kind.
UNREADABLE: Mapping[tuple[str, str, str], Unreadable] = {
    ("openai helper", "openai-chat", "length"): _HELPER_LENGTH,
    ("openai helper", "openai-chat", "content_filter"): _HELPER_FILTER,
    ("openai helper", "sglang", "length"): _HELPER_LENGTH,
    ("cerebras-cloud-sdk", "cerebras", "length"): Unreadable(
        "AttributeError", "it demands the fingerprint, which some of its models leave out"
    ),
    ("openai helper", "gemini-compat", "length"): _HELPER_LENGTH,
    ("openai helper", "gemini-compat", "filter"): _HELPER_FILTER,
    **{
        ("openai helper", "gemini-compat", kind): _HELPER_INDEX
        for kind in (
            "tool",
            "parallel",
            "text_tool",
            "parallel_one_chunk",
            "reasoning_tool",
            "signature_only",
        )
    },
    ("openai responses helper", "openai-responses", "length"): _HELPER_INCOMPLETE,
    ("openai responses helper", "openai-responses", "content_filter"): _HELPER_INCOMPLETE,
    ("openai responses helper", "openai-responses", "background_resumed"): Unreadable(
        "RuntimeError", "its helper wants the beginning, which a resumed stream does not have"
    ),
    ("openai responses", "openai-responses", "background_resumed"): Unreadable(
        "AssertionError", "what a resumed stream says is less than its whole"
    ),
    ("pydantic-ai OpenAIResponsesModel", "openai-responses", "custom_tool"): _NO_SUCH_ITEM,
    ("pydantic-ai OpenAIResponsesModel", "openai-responses", "mcp_approval"): _NO_SUCH_ITEM,
    ("pydantic-ai GitHubCopilotModel", "copilot", "parallel_claude"): Unreadable(
        "JSONDecodeError", "two calls of one index are one to it"
    ),
}


#: It knows the tags of a thought only where each is a piece of its own, as their provider sends them. The pieces
#: behind a cut are another model's, so what is thought and what is said may be told apart otherwise.
TAGS_BY_PIECE = frozenset({("pydantic-ai TogetherProvider", "together", "reasoning_think_tags")})


def tools(golden: Golden) -> tuple[str, ...]:
    """A stream with calls answers a request with tools."""
    return TOOLS if said(golden.wire, golden.pieces).calls else ()


def cuts(case: Case) -> Iterator[Case]:
    """Words: in front of them and in their middle. Calls: behind the first piece of one, and behind all of them."""
    golden, sent = case.golden, range(1, len(case.golden.pieces))
    so_far = {n: said(golden.wire, golden.pieces[:n]) for n in sent}
    whole = said(golden.wire, golden.pieces)
    places = [
        0 if case.kind == "text" else None,
        next((n for n, s in so_far.items() if s.text and len(s.text) * 2 >= len(whole.text)), None),
        next((n for n, s in so_far.items() if s.calls), None),
        next((n for n, s in so_far.items() if s.calls and s.whole_calls == whole.whole_calls), None),
    ]
    for place in dict.fromkeys(places):
        if place is not None:
            yield Case(case.dialect, case.kind, place)


def expected(case: Case, alone: Read) -> tuple[str, tuple[object, ...]]:
    """Words and calls of an answer that somebody else has finished."""
    golden = case.golden
    whole, given = said(golden.wire, golden.pieces), said(golden.wire, case.sent)
    if given.calls and len(given.calls) == len(given.whole_calls):
        # Whole calls are a turn of their own.
        return given.text, given.whole_calls
    if not whole.calls:
        return alone.text, ()
    return (whole.text + MORE, ()) if given.text else ("", (CALL,))


def own_failure(case: Case) -> tuple[str, tuple[object, ...]]:
    """What an answer comes to whose provider fails by itself; behind a finish that is nothing more."""
    golden = case.golden
    text = said(golden.wire, golden.pieces).text
    return (text if text or _is_long(golden.pieces) else NOTHING), ()


def ends(case: Case, read: Read) -> tuple[str | None, ...]:
    """How an answer may end that its provider did not end by itself, or not in peace."""
    golden = case.golden
    if _is_long(case.sent):
        return ("length",)
    if read.calls and golden.wire != "openai-responses":
        return CALLED
    return ENDED


def _is_long(events: Sequence[bytes]) -> bool:
    """Whether its provider has said that it ends for its length."""
    return any(b'"finish_reason":"length"' in event for event in events)


def may_break(golden: Golden) -> bool:
    """Whether nobody may go on behind some of its content."""
    return golden.then is not Then.CONTINUED
