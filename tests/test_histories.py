"""
What an agent has said before, in the words of the local model and within its window.
"""

from __future__ import annotations

from typing import Any

from scenes import TOOLS, asked, configured, dies, stage, with_target
from trooper.testing import (
    DEFAULT_ANSWER,
    FakeOllama,
)


async def test_a_history_of_an_agent(autojump_clock: Any) -> None:
    """Roles, parts, calls and results are said the way Ollama takes them."""
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Use tools."}]},
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"city":"Bern"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "And "}, {"type": "text", "text": "tomorrow?"}],
        },
    ]
    async with stage(dies("status-503")) as s:
        x = await s.ask(messages=messages, tools=TOOLS)
        assert x.chat().text == DEFAULT_ANSWER
        assert asked(s)["messages"] == [
            {"role": "system", "content": "Be brief.\n\nUse tools."},
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {
                        "id": "c1",
                        "function": {"index": 0, "name": "get_weather", "arguments": {"city": "Bern"}},
                    }
                ],
            },
            {"role": "tool", "content": "rain", "tool_call_id": "c1", "tool_name": "get_weather"},
            {"role": "user", "content": "And tomorrow?"},
        ]


async def test_a_clients_own_prefill(autojump_clock: Any) -> None:
    """A trailing assistant turn and the half answer become one: two would be a 400."""
    messages = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "It is said: "}]
    ollama = FakeOllama(answer="It is said: " + DEFAULT_ANSWER)
    async with stage(dies(), ollama) as s:
        x = await s.ask(messages=messages)
        assert x.chat().text == DEFAULT_ANSWER
        assert asked(s)["messages"][-1]["content"].startswith("It is said: A lighthouse")


async def test_a_history_too_long_for_the_window(autojump_clock: Any) -> None:
    """Old turns are left out, the question and the half answer never; the server never truncates."""
    history: list[dict[str, str]] = [{"role": "system", "content": "S"}]
    for n in range(60):
        history += [
            {"role": "user", "content": f"question {n} " + "word " * 60},
            {"role": "assistant", "content": f"answer {n}"},
        ]
    history += [{"role": "user", "content": "the last question"}]
    async with stage(dies(), config=with_target(configured(), "ollama", num_ctx=2048)) as s:
        x = await s.ask(messages=history)
        assert x.chat().text == DEFAULT_ANSWER
        sent = asked(s)["messages"]
        assert sent[0]["content"].startswith("S")
        assert "question 0" in sent[1]["content"]
        assert sent[-2]["content"] == "the last question"
        assert sent[-1]["role"] == "assistant"
        assert s.ollama.truncations == []
        assert len(sent) < len(history)


async def test_a_question_too_long_for_the_window(autojump_clock: Any) -> None:
    """What cannot be fitted is told with both numbers, and nothing is cut out of it."""
    async with stage(dies(), config=with_target(configured(), "ollama", num_ctx=512)) as s:
        result = (await s.ask(messages=[{"role": "user", "content": "word " * 2000}])).chat()
        assert result.error is not None
        assert not any(r.path == "/api/chat" and b"word word" in r.body for r in s.ollama.requests)
