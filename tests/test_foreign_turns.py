"""
The next turn goes back to the cloud: what another model has left in the
history must not brick the session.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from clouds import going_on
from scenes import WIRES, Stage, configured, stage, with_second
from trooper.testing import (
    ANSWERS,
    DEFAULT_ANSWER,
    FAULTS,
    ChatAnswer,
    FaultAt,
    Request,
    Script,
    ScriptedProvider,
    Status,
    tokens,
)

SIGNED = {"type": "thinking", "thinking": "Hm", "signature": "c2lnbmVk"}
UNSIGNED = {"type": "thinking", "thinking": "Hm", "signature": ""}
TEXT_BLOCK = {"type": "text", "text": "Half of it."}
CALL_BLOCK = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}]}
ASK = {"role": "user", "content": "Go on."}


def refusal(message: str) -> Script:
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
    return Script((Status(400, json.dumps(error).encode()),))


def sent(s: Stage, number: int = -1) -> dict[str, Any]:
    body = s.cloud.chats[number].json()
    assert isinstance(body, dict)
    return body


def turns(*blocks: Any) -> list[Any]:
    return [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": list(blocks)}, ASK]


async def test_thinking_that_nobody_signed_is_taken_out(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.ask(wire="messages", messages=turns(UNSIGNED, TEXT_BLOCK), thinking={"type": "adaptive"})
        assert sent(s)["messages"][1]["content"] == [TEXT_BLOCK]
        assert sent(s)["thinking"] == {"type": "adaptive"}


async def test_signed_thinking_stays_byte_for_byte(autojump_clock: Any) -> None:
    async with stage() as s:
        body = json.dumps(
            {"model": "m", "stream": True, "max_tokens": 9, "messages": turns(SIGNED, TEXT_BLOCK)}, indent=1
        ).encode()
        await s.ask(wire="messages", body=body)
        assert s.cloud.chats[-1].body == body


async def test_a_turn_of_nothing_else_goes_with_it(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.ask(wire="messages", messages=turns(UNSIGNED))
        assert [turn["role"] for turn in sent(s)["messages"]] == ["user", "user"]


async def test_a_call_that_thinking_has_to_open(autojump_clock: Any) -> None:
    """While thinking is on the API wants it before a call that is being answered: it is off for this turn."""
    async with stage() as s:
        messages = [*turns(UNSIGNED, CALL_BLOCK)[:2], RESULT]
        await s.ask(wire="messages", messages=messages, thinking={"type": "enabled", "budget_tokens": 1024})
        assert sent(s)["messages"][1]["content"] == [CALL_BLOCK]
        assert "thinking" not in sent(s)


async def test_a_block_of_our_own_is_taken_out(autojump_clock: Any) -> None:
    fallback = {"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}}
    async with stage() as s:
        await s.ask(wire="messages", messages=turns(TEXT_BLOCK, fallback, TEXT_BLOCK))
        assert sent(s)["messages"][1]["content"] == [TEXT_BLOCK, TEXT_BLOCK]


@pytest.mark.parametrize(
    ("message", "thinking_left"),
    [
        ("messages.1.content.0: Invalid `signature` in `thinking` block", True),
        ("Expected `thinking` or `redacted_thinking`, but found `tool_use`", False),
    ],
)
async def test_a_signature_that_is_not_theirs(autojump_clock: Any, message: str, thinking_left: bool) -> None:
    """The 400 is healed: one more request, without any thinking."""
    async with stage() as s:
        s.cloud.play_next(refusal(message))
        mode = {"type": "enabled", "budget_tokens": 1024}
        x = await s.ask(wire="messages", messages=turns(SIGNED, TEXT_BLOCK), thinking=mode)
        assert x.told().text == DEFAULT_ANSWER
        assert x.legs == [("anthropic", "invalid_request"), ("anthropic", "completed")]
        assert sent(s, 0)["messages"][1]["content"] == [SIGNED, TEXT_BLOCK]
        assert sent(s, 1)["messages"][1]["content"] == [TEXT_BLOCK]
        assert ("thinking" in sent(s, 1)) is thinking_left


@pytest.mark.parametrize("kind", ["server_tool_use", "mcp_tool_use"])
async def test_a_call_of_theirs_that_broke_off(autojump_clock: Any, kind: str) -> None:
    """Behind a search that never came to its end another model went on: it goes, where the API refuses it."""
    broken = {"type": kind, "id": "srvtoolu_1", "name": "web_search", "input": {}}
    whole = {"type": kind, "id": "srvtoolu_2", "name": "web_search", "input": {}}
    result = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_2", "content": []}
    async with stage() as s:
        said = "`web_search` tool use with id `srvtoolu_1` was found without a corresponding result block"
        s.cloud.play_next(refusal(said))
        x = await s.ask(wire="messages", messages=turns(broken, whole, result, TEXT_BLOCK))
        assert x.told().text == DEFAULT_ANSWER
        assert sent(s, 0)["messages"][1]["content"] == [broken, whole, result, TEXT_BLOCK]
        assert sent(s, 1)["messages"][1]["content"] == [whole, result, TEXT_BLOCK]
        # Where all of them have come to their ends, the refusal is about something else.
        s.cloud.play_next(refusal(said))
        x = await s.ask(wire="messages", messages=turns(whole, result, TEXT_BLOCK))
        assert x.status == 400


async def test_it_is_healed_once(autojump_clock: Any) -> None:
    async with stage() as s:
        no = refusal("Invalid `signature` in `thinking` block")
        s.cloud.play_next(no, no, no)
        x = await s.ask(wire="messages", messages=turns(SIGNED, TEXT_BLOCK))
        assert x.status == 400
        assert len(s.cloud.chats) == 2
        assert s.ollama.requests == []


async def test_another_400_is_the_clients(autojump_clock: Any) -> None:
    async with stage() as s:
        s.cloud.play_next(refusal("max_tokens: Field required"))
        x = await s.ask(wire="messages", messages=turns(SIGNED, TEXT_BLOCK))
        assert (x.status, len(s.cloud.chats)) == (400, 1)
        assert b"max_tokens: Field required" in x.body


async def test_a_prefill_that_the_model_refuses(autojump_clock: Any) -> None:
    """The trailing turn stays, and behind it the model is asked to go on."""
    async with stage() as s:
        s.cloud.play_next(refusal("This model does not support assistant message prefill."))
        x = await s.ask(wire="messages", messages=turns(TEXT_BLOCK)[:2])
        assert x.told().text == DEFAULT_ANSWER
        assert [turn["role"] for turn in sent(s)["messages"]] == ["user", "assistant", "user"]


async def test_the_next_turn_after_a_cut_in_thinking(autojump_clock: Any) -> None:
    """What the client got is sent back as it came; the cloud sees nothing of ours."""
    async with stage() as s:
        s.cloud.play_next(FaultAt(FAULTS["reset"], 3, ANSWERS["reasoning"]))
        first = await s.ask(wire="messages")
        content = blocks_of(first.told(), bytes(first.body))
        assert content[0]["type"] == "thinking"
        await s.ask(
            wire="messages",
            messages=[WIRES["messages"].asks["messages"][0], {"role": "assistant", "content": content}, ASK],
        )
        assert [block["type"] for block in sent(s)["messages"][1]["content"]] == ["text"]


def blocks_of(result: Any, body: bytes) -> list[dict[str, Any]]:
    """The blocks as an SDK collects them."""
    assert b"signature_delta" not in body
    return [
        {"type": "thinking", "thinking": result.reasoning, "signature": ""},
        {"type": "text", "text": result.text},
    ]


# Responses


def output_of(body: bytes) -> list[dict[str, Any]]:
    last = body.rstrip().rpartition(b"\ndata: ")[2]
    output = json.loads(last)["response"]["output"]
    assert isinstance(output, list)
    return output


def reasoning_cut() -> FaultAt:
    return FaultAt(FAULTS["reset"], 3, ANSWERS["reasoning"])


async def test_items_of_ours_go_home_without_their_ids(autojump_clock: Any) -> None:
    """The provider would look them up; it never made them."""
    async with stage() as s:
        s.cloud.play_next(FAULT_503)
        first = await s.ask(wire="responses")
        (message,) = output_of(bytes(first.body))
        assert "trooper" in message["id"]
        await s.ask(wire="responses", input=[message, ASK])
        assert sent(s)["input"][0] == {k: v for k, v in message.items() if k != "id"}


FAULT_503 = FaultAt(FAULTS["status-503"], "start")


async def test_reasoning_that_somebody_else_finished_is_taken_out(autojump_clock: Any) -> None:
    async with stage() as s:
        s.cloud.play_next(reasoning_cut())
        first = await s.ask(wire="responses")
        output = output_of(bytes(first.body))
        assert [item["type"] for item in output] == ["reasoning", "message"]
        assert "trooper" not in output[0]["id"]
        await s.ask(wire="responses", input=[*output, ASK])
        assert [item.get("type") for item in sent(s)["input"]] == ["message", None]
        assert "id" not in sent(s)["input"][0]


async def test_items_of_the_providers_own_stay_byte_for_byte(autojump_clock: Any) -> None:
    async with stage() as s:
        first = await s.ask(wire="responses", model="answer/reasoning")
        output = output_of(bytes(first.body))
        body = json.dumps({"model": "m", "stream": True, "input": [*output, ASK]}, indent=1).encode()
        await s.ask(wire="responses", body=body)
        assert s.cloud.chats[-1].body == body


@pytest.mark.parametrize(
    "message",
    [
        "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false.",
        "The encrypted content for item rs_1 could not be verified.",
    ],
)
async def test_sealed_reasoning_of_somebody_else(autojump_clock: Any, message: str) -> None:
    async with stage() as s:
        s.cloud.play_next(refusal(message))
        foreign = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
        said = {"type": "message", "id": "msg_1", "role": "assistant", "content": "Half."}
        x = await s.ask(wire="responses", input=[foreign, said, ASK])
        assert x.told().text == DEFAULT_ANSWER
        assert sent(s, 0)["input"][0] == foreign
        assert sent(s, 1)["input"] == [{"type": "message", "role": "assistant", "content": "Half."}, ASK]


async def test_a_second_cloud_that_refuses_what_it_never_said_is_not_healed(autojump_clock: Any) -> None:
    """Only the client's own request can be sanitised; ours has nothing of that kind in it."""

    def script(request: Request) -> Any:
        return refusal("Invalid `signature` in `thinking` block")

    config = with_second(configured(), "messages")
    cloud = ScriptedProvider(
        script=FaultAt(FAULTS["reset"], "middle", ChatAnswer(tokens=tuple(tokens("One two three."))))
    )
    async with stage(cloud, config=config, second=ScriptedProvider(script=script)) as s:
        x = await s.ask(wire="chat")
        assert x.told().error is not None
    assert going_on("x").script is not None
