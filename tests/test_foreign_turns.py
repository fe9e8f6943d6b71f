"""
The next turn goes back to the cloud: what another model has left in the
history must not brick the session.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

from clouds import going_on
from scenes import WIRES, Stage, configured, stage, with_second
from trooper.testing import (
    ANSWERS,
    DEFAULT_ANSWER,
    FAULTS,
    ChatAnswer,
    FakeOllama,
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


# previous_response_id


def id_of(x: Any) -> str:
    return str(x.told().id)


async def test_an_answer_of_ours_is_written_out_for_the_cloud(autojump_clock: Any) -> None:
    async with stage() as s:
        s.cloud.play_next(FAULT_503)
        first = await s.ask(wire="responses", input="Hi", instructions="Be kind.")
        await s.ask(wire="responses", input=[ASK], previous_response_id=id_of(first))
        body = sent(s)
        assert "previous_response_id" not in body
        assert "instructions" not in body
        assert [item.get("role") for item in body["input"]] == ["user", "assistant", "user"]
        assert body["input"][0]["content"] == [{"type": "input_text", "text": "Hi"}]
        assert body["input"][1]["content"][0]["text"] == DEFAULT_ANSWER


async def test_an_answer_of_the_clouds_is_written_out_for_the_local_model(autojump_clock: Any) -> None:
    async with stage(ScriptedProvider("The first answer."), FakeOllama()) as s:
        first = await s.ask(wire="responses", input="Hi")
        s.cloud.play_next(FAULT_503)
        second = await s.ask(wire="responses", input=[ASK], previous_response_id=id_of(first))
        # The cloud was asked by the id: it remembers more than we do.
        assert sent(s)["previous_response_id"] == id_of(first)
        asked = s.ollama.requests[-1].json()
        assert isinstance(asked, dict)
        said = [(m["role"], m["content"]) for m in asked["messages"]]
        assert said == [("user", "Hi"), ("assistant", "The first answer."), ("user", "Go on.")]
        # A third turn goes on from all of it.
        await s.ask(wire="responses", input=[ASK], previous_response_id=id_of(second))
        assert [item.get("role") for item in sent(s)["input"]] == [
            "user",
            "assistant",
            "user",
            "assistant",
            "user",
        ]


async def test_one_that_only_the_cloud_knows(autojump_clock: Any) -> None:
    async with stage(ScriptedProvider(script=FAULT_503)) as s:
        x = await s.ask(wire="responses", input=[ASK], previous_response_id="resp_of_yesterday")
        assert x.status == 503
        assert x.legs == [("openai-responses", "overloaded")]
        assert s.ollama.requests == []


async def test_an_answer_belongs_to_who_asked_for_it(autojump_clock: Any) -> None:
    async with stage(ScriptedProvider("The first answer.")) as s:
        first = await s.ask(wire="responses", input="Hi", owner="1")
        s.cloud.play_next(FAULT_503)
        x = await s.ask(wire="responses", input=[ASK], previous_response_id=id_of(first), owner="2")
        assert x.status == 503
        assert s.ollama.requests == []


@pytest.mark.parametrize("stream", [True, False])
async def test_what_is_not_to_be_stored_is_not(autojump_clock: Any, stream: bool) -> None:
    async with stage() as s:
        s.cloud.play_next(FAULT_503)
        await s.ask(wire="responses", input="Hi", store=False, stream=stream)
        assert len(s.services.answers) == 0
        s.cloud.play_next(FAULT_503)
        await s.ask(wire="responses", input="Hi", stream=stream)
        assert len(s.services.answers) == 1


def named(item_id: str) -> dict[str, str]:
    return {"type": "item_reference", "id": item_id}


async def test_items_that_are_only_named_are_found_for_the_local_model(autojump_clock: Any) -> None:
    """As Vercel's AI SDK sends a turn back: what the provider has said is named, and not repeated."""
    async with stage(ScriptedProvider(ANSWERS["tools"])) as s:
        first = await s.ask(wire="responses", input=[ASK])
        calls = output_of(bytes(first.body))
        results = [{"type": "function_call_output", "call_id": c["call_id"], "output": "7"} for c in calls]
        s.cloud.play_next(FAULT_503)
        x = await s.ask(wire="responses", input=[ASK, *(named(c["id"]) for c in calls), *results])
        # Its provider knows them by their ids.
        assert sent(s)["input"][1:3] == [named(c["id"]) for c in calls]
        assert x.legs[-1] == ("ollama", "completed")
        asked = s.ollama.requests[-1].json()
        assert isinstance(asked, dict)
        assert [m["role"] for m in asked["messages"]] == ["user", "assistant", "tool", "tool"]
        told = [call["function"]["name"] for call in asked["messages"][1]["tool_calls"]]
        assert told == [call["name"] for call in calls]


async def test_items_of_ours_that_are_only_named_are_written_out_for_the_cloud(autojump_clock: Any) -> None:
    async with stage() as s:
        s.cloud.play_next(FAULT_503)
        first = await s.ask(wire="responses", input=[ASK])
        (message,) = output_of(bytes(first.body))
        await s.ask(wire="responses", input=[ASK, named(message["id"]), ASK])
        assert sent(s)["input"][1] == {k: v for k, v in message.items() if k != "id"}


async def test_items_that_nobody_here_knows(autojump_clock: Any) -> None:
    async with stage(ScriptedProvider(script=FAULT_503)) as s:
        x = await s.ask(wire="responses", input=[ASK, named("msg_of_yesterday")])
        assert x.status == 503
        assert s.ollama.requests == []


async def test_coming_back_to_an_answer_of_ours(autojump_clock: Any) -> None:
    async with stage() as s:
        s.cloud.play_next(FAULT_503)
        first = await s.ask(wire="responses", input="Hi")
        path = f"/v1/responses/{id_of(first)}"
        got = await s.ask(method="GET", path=path, body=b"")
        assert (got.status, got.whole()["id"]) == (200, id_of(first))
        assert got.whole()["output"] == output_of(bytes(first.body))
        items = await s.ask(method="GET", path=f"{path}/input_items", body=b"")
        assert [item["content"][0]["text"] for item in items.whole()["data"]] == ["Hi"]
        other = await s.ask(method="GET", path=path, body=b"", owner="5")
        assert other.status == 404
        deleted = await s.ask(method="DELETE", path=path, body=b"")
        assert deleted.whole() == {"id": id_of(first), "object": "response", "deleted": True}
        again = await s.ask(method="GET", path=path, body=b"")
        assert again.status == 404
        # Whoever may not have it gets its provider's word on it.
        assert [r.path for r in s.cloud.requests[-2:]] == [path, path]


async def test_an_answer_of_the_clouds_is_the_clouds_to_show(autojump_clock: Any) -> None:
    async with stage() as s:
        first = await s.ask(wire="responses", input="Hi")
        await s.ask(method="GET", path=f"/v1/responses/{id_of(first)}", body=b"")
        assert s.cloud.requests[-1].path == f"/v1/responses/{id_of(first)}"


async def test_nothing_is_kept_of_an_answer_that_failed(autojump_clock: Any) -> None:
    cloud = ScriptedProvider(script=FaultAt(FAULTS["reset"], "middle"))
    config = configured({"TROOPER_OLLAMA_URL": "http://127.0.0.1:9"})
    async with stage(cloud, config=config, warm=False) as s:
        await trio.sleep(60)
        x = await s.ask(wire="responses", input="Hi")
        assert x.told().error is not None
        assert len(s.services.answers) == 0


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
