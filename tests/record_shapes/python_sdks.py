"""
What the two SDKs send beyond plain turns, for `tests/shapes`: answers sent back
as the objects they came as, pictures in results, empty contents, forced calls
and limits. Run by hand, in an environment with openai and anthropic.

    PYTHONPATH=. python tests/record_shapes/python_sdks.py
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from python_frameworks import KEY, PNG, QUESTION, SYSTEM, Weather
from recorder import Recorder

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
URL = f"data:image/png;base64,{PNG}"
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
FUNCTION = {"name": "get_weather", "description": "How warm", "parameters": SCHEMA}
TOOLS: list[Any] = [{"type": "function", "function": FUNCTION}]
FLAT: list[Any] = [{"type": "function", "strict": True, **FUNCTION}]
QUESTIONS = {"role": "user", "content": QUESTION}
USABLE: list[Any] = [{"name": "get_weather", "description": "How warm", "input_schema": SCHEMA}]


PLAIN: dict[str, Any] = {"model": "claude-sonnet-4-5", "max_tokens": 1024}


def chat_client(recorder: Recorder, what: str) -> Any:
    """The chat part of a client whose requests are called `what`."""
    import openai

    return openai.OpenAI(base_url=f"{recorder.url(f'openai-sdk-chat-{what}')}/v1", api_key=KEY).chat


def chat_turns(recorder: Recorder) -> None:
    """Chat: the answer's own message goes back, with every null it has."""
    from openai.types.chat import ChatCompletionMessage

    messages: list[Any] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
    turns = chat_client(recorder, "turn").completions
    said = turns.create(model="gpt-4o", messages=messages, tools=TOOLS).choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": f"{n} °C"}
        for n, call in enumerate(said.tool_calls)
    ]
    messages += [said, *reversed(results)]
    messages.append(turns.create(model="gpt-4o", messages=messages, tools=TOOLS).choices[0].message)
    messages.append({"role": "user", "content": "And now?"})
    turns.create(
        model="gpt-4o", messages=messages, tools=TOOLS, stream=True, stream_options={"include_usage": True}
    ).close()

    refused = ChatCompletionMessage(role="assistant", content=None, refusal="I can't say that.")
    refused_parts = {"role": "assistant", "content": [{"type": "refusal", "refusal": "Nor that."}]}
    again = {"role": "user", "content": "And now?"}
    chat_client(recorder, "refused").completions.create(
        model="gpt-4o", messages=[QUESTIONS, refused, again, refused_parts, again]
    )


def chat(recorder: Recorder) -> None:
    """Chat: a document, every limit, and a result with a picture."""
    import openai

    chat_client(recorder, "parsed").completions.parse(
        model="gpt-4o",
        messages=[QUESTIONS],
        tools=[openai.pydantic_function_tool(Weather)],
        response_format=Weather,
    )
    chat_client(recorder, "settings").completions.create(
        model="gpt-5",
        messages=[QUESTIONS],
        tools=TOOLS,
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
        parallel_tool_calls=False,
        max_completion_tokens=300,
        temperature=0.5,
        top_p=0.9,
        seed=7,
        frequency_penalty=0.25,
        presence_penalty=0.5,
        reasoning_effort="low",
    )
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    picture = {"type": "image_url", "image_url": {"url": URL, "detail": "low"}}
    chat_client(recorder, "picture-result").completions.create(
        model="gpt-4o",
        messages=[
            QUESTIONS,
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {
                "role": "tool",
                "tool_call_id": "call_1",
                "content": [{"type": "text", "text": "See:"}, picture],
            },
            {"role": "user", "content": [{"type": "text", "text": "And "}, {"type": "text", "text": "now?"}]},
        ],
        tools=TOOLS,
        tool_choice="none",
    )


def responses(recorder: Recorder) -> None:
    """Responses: what came out goes back in."""
    import openai

    def client(what: str) -> Any:
        base = f"{recorder.url(f'openai-sdk-responses-{what}')}/v1"
        return openai.OpenAI(base_url=base, api_key=KEY).responses

    items: list[Any] = [{"role": "user", "content": QUESTION}]
    turns = client("turn")
    said = turns.create(model="gpt-4o", instructions=SYSTEM, input=items, tools=FLAT, store=False)
    calls = [item for item in said.output if item.type == "function_call"]
    items += said.output
    items += [
        {"type": "function_call_output", "call_id": call.call_id, "output": f"{n} °C"}
        for n, call in enumerate(calls)
    ]
    items += turns.create(model="gpt-4o", instructions=SYSTEM, input=items, tools=FLAT, store=False).output
    items.append({"role": "user", "content": "And now?"})
    turns.create(model="gpt-4o", instructions=SYSTEM, input=items, tools=FLAT, store=False)
    client("settings").create(
        model="gpt-5",
        input=QUESTION,
        tools=FLAT,
        tool_choice={"type": "function", "name": "get_weather"},
        parallel_tool_calls=False,
        max_output_tokens=300,
        temperature=0.5,
        top_p=0.9,
        reasoning={"effort": "low", "summary": "auto"},
        include=["reasoning.encrypted_content"],
        store=False,
    )
    client("refused").create(
        model="gpt-4o",
        input=[
            {"role": "user", "content": [{"type": "input_text", "text": QUESTION}]},
            {
                "type": "message",
                "id": "msg_1",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "refusal", "refusal": "I can't say that."}],
            },
            {"role": "assistant", "content": "Ask something else.", "phase": "final_answer"},
            {"role": "user", "content": "And now?"},
        ],
    )


def messages_client(recorder: Recorder, what: str) -> Any:
    """A client whose requests are called `what`."""
    import anthropic

    return anthropic.Anthropic(base_url=recorder.url(f"anthropic-sdk-messages-{what}"), api_key=KEY)


def messages_turns(recorder: Recorder) -> None:
    """Messages: the answer's own blocks go back."""
    turns: list[Any] = [QUESTIONS]
    asked = messages_client(recorder, "turn").messages
    said = asked.create(**PLAIN, system=SYSTEM, messages=turns, tools=USABLE)
    calls = [block for block in said.content if block.type == "tool_use"]
    turns.append({"role": "assistant", "content": said.content})
    turns.append(
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": c.id, "content": "7 °C"} for c in reversed(calls)
            ],
        }
    )
    said = asked.create(**PLAIN, system=SYSTEM, messages=turns, tools=USABLE)
    turns += [{"role": "assistant", "content": said.content}, {"role": "user", "content": "And now?"}]
    with asked.stream(**PLAIN, system=SYSTEM, messages=turns, tools=USABLE) as stream:
        stream.until_done()


def messages(recorder: Recorder) -> None:
    """Messages: a document, every limit, results of every kind, and the SDK's own loop."""
    from anthropic import beta_tool

    messages_client(recorder, "parsed").messages.parse(**PLAIN, messages=[QUESTIONS], output_format=Weather)
    messages_client(recorder, "settings").messages.create(
        **PLAIN,
        messages=[QUESTIONS],
        tools=USABLE,
        tool_choice={"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True},
        metadata={"user_id": "nobody"},
        # This SDK has no words for them any more.
        extra_body={"temperature": 0.5, "top_p": 0.9, "top_k": 40},
    )
    uses = [{"type": "tool_use", "id": f"toolu_{n}", "name": "get_weather", "input": {}} for n in range(3)]
    messages_client(recorder, "empty").messages.create(
        **PLAIN,
        messages=[
            QUESTIONS,
            {"role": "assistant", "content": uses},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Here they are:"},
                    {"type": "tool_result", "tool_use_id": "toolu_1"},
                    {"type": "tool_result", "tool_use_id": "toolu_2", "content": [IMAGE]},
                    {"type": "tool_result", "tool_use_id": "toolu_0", "content": ""},
                ],
            },
        ],
        tools=USABLE,
    )

    @beta_tool
    def get_weather(city: str) -> str:
        """
        How warm it is.

        Args:
            city: where.
        """
        if city == "Genève":
            raise ValueError(city)
        return f"{city}: 7 °C"

    for _ in messages_client(recorder, "runner").beta.messages.tool_runner(
        **PLAIN, messages=[QUESTIONS], tools=[get_weather]
    ):
        pass


def main() -> None:
    """Run them all; one that fails does not stop the others."""
    recorder = Recorder(last_only=True)
    for run in (chat_turns, chat, responses, messages_turns, messages):
        try:
            run(recorder)
        except Exception as error:  # told, and the rest goes on
            print(f"{run.__name__}: {type(error).__name__}: {error}"[:500])
    print(dict(recorder.counts))


if __name__ == "__main__":
    main()
