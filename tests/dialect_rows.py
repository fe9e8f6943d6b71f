"""
Which clients read which dialect, and what they cannot read of their own provider.
"""

from __future__ import annotations

from collections.abc import Mapping

from dialect_answers import Row, Unreadable
from dialect_cases import Case
from dialect_chat_clients import CHAT, Ask
from dialect_framework_clients import LANGCHAIN, PYDANTIC_AI
from dialect_other_clients import MESSAGES, RESPONSES

CLIENTS: Mapping[str, Ask] = {**CHAT, **RESPONSES, **MESSAGES, **PYDANTIC_AI, **LANGCHAIN}

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
    Row("openrouter", _M, ("anthropic",)),
    Row("vllm", _C, ("openai", "pydantic-ai VLLMProvider")),
    Row("vllm", _M, ("anthropic",)),
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
    Row("glm", _M, ("anthropic",)),
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
    Row("litellm", _R, ("openai responses",)),
    Row("litellm", _M, ("anthropic",)),
    Row("databricks-agents", _R, ("openai responses items",)),
    Row("huggingface-router", _C, ("huggingface-hub", "openai")),
    Row("workers-ai", _C, ("openai",)),
    Row("databricks", _C, ("openai",)),
    Row("watsonx", _C, ("openai",)),
)


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
    ("anthropic", "openrouter", "messages_text"): Unreadable(
        "JSONDecodeError", "it reads the event behind the end, whose name is `data`, as JSON"
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


def unreadable(client: str) -> Mapping[Case, Unreadable]:
    """What this client cannot read."""
    return {Case(d, kind): what for (name, d, kind), what in UNREADABLE.items() if name == client}


def by_piece(client: str) -> list[Case]:
    """Where this client wants tags as pieces."""
    return [Case(dialect, kind) for name, dialect, kind in TAGS_BY_PIECE if name == client]
