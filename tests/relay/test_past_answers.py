"""Past answers that a client comes back to by their id, and whose they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import trio

from relay_parts import services_of
from scenes import Stage, configured, stage, with_second
from trooper.relay import past_answers
from trooper.services import Services
from trooper.testing import ANSWERS, DEFAULT_ANSWER, FAULTS, FakeOllama, FaultAt, ScriptedProvider
from trooper.wires import OPENAI_RESPONSES, WIRES

OWNER = "1"
UNDER = "/v1/responses/resp_1"
QUESTION = b'{"model": "m", "input": "Hi"}'
ITEM = {"type": "message", "id": "msg_1", "role": "assistant", "content": "Half."}
ANSWER = {"id": "resp_1", "object": "response", "output": [ITEM]}
ASK = {"role": "user", "content": "Go on."}
REFERENCE = {"type": "item_reference", "id": "msg_1"}
FAULT_503 = FaultAt(FAULTS["status-503"], "start")


def past_of() -> Any:
    client = OPENAI_RESPONSES.client
    assert client is not None
    assert client.past is not None
    return client.past


PAST = past_of()


def keeping(*, provider_knows: bool, answer: Mapping[str, object] = ANSWER) -> Services:
    """Services that remember one answer."""
    services = services_of()
    past_answers.keep(services, PAST, answer, QUESTION, OWNER, provider_knows=provider_knows)
    return services


def asked(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "input": [ASK], **fields}).encode()


def roles(body: bytes) -> list[str]:
    return [item.get("role", item.get("type")) for item in json.loads(body)["input"]]


class TestWhatARequestIsAskedWith:
    async def test_one_that_goes_on_from_nothing_stays_as_it_is(self) -> None:
        body = asked()
        for services in (services_of(), keeping(provider_knows=False)):
            native, written_out = await past_answers.bodies(services, PAST, body, OWNER)
            assert native is written_out is body

    async def test_an_answer_that_its_provider_knows_is_written_out_for_the_others(self) -> None:
        body = asked(previous_response_id="resp_1")
        native, written_out = await past_answers.bodies(keeping(provider_knows=True), PAST, body, OWNER)
        assert native is body
        assert roles(written_out) == ["user", "assistant", "user"]
        assert "previous_response_id" not in json.loads(written_out)

    async def test_one_of_ours_is_written_out_for_everybody(self) -> None:
        body = asked(previous_response_id="resp_1")
        native, written_out = await past_answers.bodies(keeping(provider_knows=False), PAST, body, OWNER)
        assert native == written_out
        assert roles(native) == ["user", "assistant", "user"]

    async def test_an_id_that_its_provider_will_not_know_is_taken_out(self) -> None:
        services, client = services_of(), OPENAI_RESPONSES.client
        assert client is not None
        body = asked(input=[{**ITEM, "role": "assistant", "content": "Half."}, ASK])
        assert await past_answers.cleaned(services, client, body) is body
        past_answers.note_parts(services, PAST, ANSWER, OWNER)
        cleaned = json.loads(await past_answers.cleaned(services, client, body))
        assert [item.get("id") for item in cleaned["input"]] == [None, None]
        assert [item["content"] for item in cleaned["input"]] == ["Half.", "Go on."]

    @pytest.mark.parametrize(("answer_id", "owner"), [("resp_2", OWNER), ("resp_1", "2"), ("resp_1", "")])
    async def test_one_that_is_not_known_or_not_his_stays_a_name(self, answer_id: str, owner: str) -> None:
        body = asked(previous_response_id=answer_id)
        services = keeping(provider_knows=False)
        assert await past_answers.bodies(services, PAST, body, owner) == (body, body)

    @pytest.mark.parametrize("provider_knows", [True, False])
    async def test_a_part_that_is_only_named(self, provider_knows: bool) -> None:
        body = asked(input=[ASK, REFERENCE])
        native, written_out = await past_answers.bodies(
            keeping(provider_knows=provider_knows), PAST, body, OWNER
        )
        assert json.loads(written_out)["input"] == [ASK, ITEM]
        assert json.loads(native)["input"] == [ASK, REFERENCE if provider_knows else ITEM]

    async def test_a_part_of_somebody_elses_stays_a_name(self) -> None:
        body = asked(input=[ASK, REFERENCE])
        for found in await past_answers.bodies(keeping(provider_knows=False), PAST, body, "2"):
            assert json.loads(found)["input"] == [ASK, REFERENCE]


class TestWhatIsRemembered:
    def test_an_answer_without_an_id_is_not(self) -> None:
        assert len(keeping(provider_knows=False, answer={"output": [ITEM]}).answers) == 0

    async def test_the_parts_that_the_provider_will_not_know(self) -> None:
        services = services_of()
        past_answers.note_parts(services, PAST, ANSWER, OWNER)
        assert await services.store.find_unknown(["msg_1", "resp_1"]) == {"msg_1"}


class TestQuestions:
    async def test_about_one_of_ours(self) -> None:
        services = keeping(provider_knows=False)
        told = await past_answers.reply(services, "GET", UNDER, OWNER)
        items = await past_answers.reply(services, "GET", f"{UNDER}/input_items", OWNER)
        assert told is not None
        assert items is not None
        assert json.loads(told.body) == ANSWER
        assert [item["content"][0]["text"] for item in json.loads(items.body)["data"]] == ["Hi"]

    async def test_a_deleted_one_is_gone(self) -> None:
        services = keeping(provider_knows=False)
        told = await past_answers.reply(services, "DELETE", UNDER, OWNER)
        assert told is not None
        assert json.loads(told.body) == {"id": "resp_1", "object": "response", "deleted": True}
        assert len(services.answers) == 0
        assert await services.store.find_answer("resp_1", OWNER) is None
        assert await past_answers.reply(services, "GET", UNDER, OWNER) is None

    @pytest.mark.parametrize(
        ("method", "path", "owner"),
        [
            ("GET", UNDER, "2"),
            ("DELETE", UNDER, "2"),
            ("GET", "/v1/responses/resp_2", OWNER),
            ("GET", f"{UNDER}/else", OWNER),
            ("DELETE", f"{UNDER}/input_items", OWNER),
            ("POST", f"{UNDER}/cancel", OWNER),
            ("GET", "/v1/files/resp_1", OWNER),
        ],
    )
    async def test_what_its_provider_has_to_say(self, method: str, path: str, owner: str) -> None:
        services = keeping(provider_knows=False)
        assert await past_answers.reply(services, method, path, owner) is None
        assert len(services.answers) == 1

    @pytest.mark.parametrize(("method", "left"), [("GET", 1), ("DELETE", 0)])
    async def test_an_answer_that_its_provider_knows_is_the_providers_to_show(
        self, method: str, left: int
    ) -> None:
        """What is deleted there is not kept here."""
        services = keeping(provider_knows=True)
        assert await past_answers.reply(services, method, UNDER, OWNER) is None
        assert len(services.answers) == left

    def test_only_wires_with_such_ids_are_asked(self) -> None:
        assert [row for row in WIRES.rows if row.client and row.client.past] == [OPENAI_RESPONSES]


# Whole requests


def sent(s: Stage) -> dict[str, Any]:
    body = s.cloud.chats[-1].json()
    assert isinstance(body, dict)
    return body


def output_of(body: bytes) -> list[dict[str, Any]]:
    last = body.rstrip().rpartition(b"\ndata: ")[2]
    output = json.loads(last)["response"]["output"]
    assert isinstance(output, list)
    return output


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


async def test_an_answer_from_a_provider_of_another_wire_is_ours_to_show(autojump_clock: Any) -> None:
    """It was left to the client's own provider, which has never seen it."""
    config = with_second(configured(), "messages", alone=True)
    async with stage(config=config, warm=False) as s:
        first = await s.ask(wire="responses")
        assert first.legs == [("second", "completed")]
        answer_id = first.told().id
        x = await s.ask(wire="responses", method="GET", path=f"/v1/responses/{answer_id}")
        assert (x.status, x.whole()["id"]) == (200, answer_id)
