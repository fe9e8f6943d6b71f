"""
The providers of the AI SDK read the dialects through a running Trooper:
healthy streams as they read them of the provider itself, cut ones to their end.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dialect_answers import Row, Unreadable, check, tools
from dialect_cases import Case
from dialect_reading import Read
from dialect_servers import Servers, serving

SCRIPT = Path(__file__).with_name("dialects.mjs")
_C, _R, _M = "openai-chat", "openai-responses", "anthropic-messages"
ROWS = (
    Row("openai-chat", _C, ("@ai-sdk/openai",)),
    Row("openai-responses", _R, ("@ai-sdk/openai responses",)),
    Row("anthropic", _M, ("@ai-sdk/anthropic",)),
    Row("cerebras", _C, ("@ai-sdk/cerebras",)),
    Row("deepseek", _C, ("@ai-sdk/deepseek",)),
    Row("groq", _C, ("@ai-sdk/groq",)),
    Row("mistral", _C, ("@ai-sdk/mistral",)),
    Row("openrouter", _C, ("@openrouter/ai-sdk-provider",)),
    Row("perplexity", _C, ("@ai-sdk/perplexity",)),
    Row("together", _C, ("@ai-sdk/togetherai",)),
    Row("xai", _R, ("@ai-sdk/xai",)),
    *(
        Row(dialect, _C, ("@ai-sdk/openai-compatible",))
        for dialect in (
            "azure-openai",
            "cohere-compat",
            "copilot",
            "fireworks",
            "gemini-compat",
            "glm",
            "huggingface-router",
            "kimi",
            "llama-server",
            "lm-studio",
            "minimax",
            "ollama-compat",
            "qwen-dashscope",
            "sglang",
            "vllm",
            "xai",
        )
    ),
)
#: Dialect → kind.
UNREADABLE: Mapping[tuple[str, str], Unreadable] = {
    ("openai-responses", "background_resumed"): Unreadable(
        "String", "it wants the beginning, which a resumed stream does not have"
    ),
    ("copilot", "confirmation"): Unreadable("AI_TypeValidationError", "it wants a choice's delta"),
}
PAIRS = [pytest.param(row, row.clients[0], id=f"{row.dialect} {row.clients[0]}") for row in ROWS]


@pytest.fixture(scope="module")
def dialects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with serving(tmp_path_factory.mktemp("cwd")) as running:
        yield running


def ask(how: str, url: str, packages: Path, cases: Sequence[Case]) -> dict[Case, Read]:
    asked = [{"question": case.question, "tools": tools(case.golden)} for case in cases]
    done = subprocess.run(
        ["node", SCRIPT],
        cwd=packages,
        input=json.dumps({"how": how, "url": url, "asked": asked}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = (json.loads(line) for line in done.stdout.splitlines())
    return dict(zip(cases, map(_read, lines), strict=True))


def _read(told: dict[str, Any]) -> Read:
    calls = tuple((name, value) for name, value in told["calls"])
    raised = tuple(told["raised"]) if told["raised"] else None
    return Read(told["text"], told["reasoning"], calls, told["finish"], raised)


@pytest.mark.parametrize(("row", "client"), PAIRS)
def test_a_provider_of_the_ai_sdk_reads_its_dialect(
    dialects: Servers, packages: Path, row: Row, client: str
) -> None:
    cloud, trooper = (partial(ask, client, url, packages) for url in (dialects.cloud, dialects.trooper))
    cannot = {Case(d, kind): what for (d, kind), what in UNREADABLE.items() if d == row.dialect}
    assert check(row.cases, cloud, trooper, cannot).bad == []
