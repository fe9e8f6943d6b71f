"""
The switch: what the local model is asked, what the client gets, and what
happens when that fails, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import trio
from attrs import evolve

from scenes import Exchange, Stage, configured, stage, with_target
from trooper.testing import (
    ANSWERS,
    DEFAULT_ANSWER,
    FAULTS,
    Call,
    ChatAnswer,
    FakeOllama,
    FaultAt,
    Head,
    Model,
    OllamaFault,
    Reset,
    Script,
    ScriptedProvider,
    Send,
    ToolUse,
    chat_events,
    tokens,
)

TOOLS = [
    {
        "type": "function",
        "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}},
    }
]
ALL_WAYS = [
    Model(path="A"),
    Model(path="B"),
    Model(path="C"),
    Model(path="C", turn="trims"),
    Model(path="C", turn="newline"),
    Model(path="C", turn="closes"),
    Model(path="B", turn="closes"),
    Model(path="A", renders=False),
    Model(path="B", renders=False),
]


def dies(
    fault: str = "reset", position: int | str = "middle", answer: ChatAnswer | None = None
) -> ScriptedProvider:
    return ScriptedProvider(script=FaultAt(FAULTS[fault], position, answer))


def asked(s: Stage, number: int = -1) -> Mapping[str, Any]:
    """The body of one of the requests that Ollama got."""
    body = s.ollama.requests[number].json()
    assert isinstance(body, dict)
    return body


@pytest.mark.parametrize(
    "model", ALL_WAYS, ids=lambda m: f"{m.path}-{m.turn}-{'renders' if m.renders else 'old'}"
)
@pytest.mark.parametrize("position", [2, "middle", "end"])
async def test_every_way_of_continuing(autojump_clock: Any, model: Model, position: int | str) -> None:
    """Whatever the model's template does to a half answer, the text is exact."""
    async with stage(dies(position=position), FakeOllama(models=(model,))) as s:
        x = await s.ask()
        assert x.chat().text == DEFAULT_ANSWER
        assert x.report["legs"][-1]["how"] == "continue"
        assert s.ollama.mismatches == []


async def test_what_the_local_model_is_asked(autojump_clock: Any) -> None:
    """The half answer as a trailing turn, one fixed window, nothing that could reload or truncate."""
    async with stage(dies(position=4)) as s:
        await s.ask(temperature=0.3, stop=["END"], max_tokens=500)
        body = asked(s)
        assert body["messages"][-1] == {"role": "assistant", "content": "".join(tokens(DEFAULT_ANSWER)[:3])}
        assert body["messages"][0] == {"role": "user", "content": "Tell me about lighthouses."}
        assert body["truncate"] is False
        assert body["think"] is False
        assert "shift" not in body
        assert body["keep_alive"] == "30m"
        assert body["options"]["num_ctx"] == 4096
        assert body["options"]["temperature"] == 0.3
        # The request's list replaces the model's own.
        assert body["options"]["stop"] == ["END", "<|im_start|>", "<|im_end|>"]
        assert 0 < body["options"]["num_predict"] < 500
        assert (s.ollama.loads, s.ollama.reloads, s.ollama.truncations) == (1, 0, [])


async def test_one_load_for_many_switches(autojump_clock: Any) -> None:
    """Probe, load and failover repeat the same options: the model is never loaded anew."""
    async with stage(dies()) as s:
        for _ in range(3):
            await s.ask()
        await trio.sleep(400)
        await s.ask(stream=False)
        assert (s.ollama.loads, s.ollama.reloads) == (1, 0)


async def test_the_window_is_the_servers_own(autojump_clock: Any) -> None:
    """A model that somebody else has loaded is used with the window it has."""
    ollama = FakeOllama(default_num_ctx=8192)
    async with stage(dies(), ollama) as s:
        await s.ask()
        assert asked(s)["options"]["num_ctx"] == 8192


async def test_a_restart_has_no_half_answer(autojump_clock: Any) -> None:
    """Before content the question is asked as it was."""
    async with stage(dies("status-503")) as s:
        x = await s.ask(max_tokens=300)
        assert [m["role"] for m in asked(s)["messages"]] == ["user"]
        assert asked(s)["options"]["num_predict"] == 300
        assert x.chat().text == DEFAULT_ANSWER


# -- limits and usage ---------------------------------------------------------


async def test_the_token_limit_shrinks(autojump_clock: Any) -> None:
    """What the cloud has said is taken off the limit; at the limit nobody is asked."""
    async with stage(dies(position="middle")) as s:
        x = await s.ask(max_tokens=20)
        result = x.chat()
        assert result.finish_reason == "length"
        assert DEFAULT_ANSWER.startswith(result.text)
        assert s.ollama.requests == []
        assert x.report["outcome"] == "completed"


async def test_usage_is_counted_once(autojump_clock: Any) -> None:
    """One usage chunk: the prompt once, the completions added, estimates marked."""
    async with stage(dies()) as s:
        x = await s.ask(stream_options={"include_usage": True})
        result = x.chat(include_usage=True)
        assert result.usage is not None
        legs = x.report["legs"]
        assert result.usage["completion_tokens"] == sum(leg["tokens"] for leg in legs)
        assert 0 < result.usage["prompt_tokens"] < 40
        assert (
            result.usage["total_tokens"] == result.usage["prompt_tokens"] + result.usage["completion_tokens"]
        )
        assert b'"trooper_estimated":true' in bytes(x.body)
        assert [leg["estimated"] for leg in legs] == [True, False]


async def test_usage_of_a_restart_is_the_local_models(autojump_clock: Any) -> None:
    """An answer from one model alone has that model's own counts."""
    async with stage(dies("status-500")) as s:
        x = await s.ask(stream_options={"include_usage": True})
        usage = x.chat(include_usage=True).usage
        assert usage is not None
        assert usage["prompt_tokens"] == s.ollama.generations[-1].prompt_tokens
        assert usage["completion_tokens"] == s.ollama.generations[-1].said_tokens
        assert b"trooper_estimated" not in bytes(x.body)


# -- tool calls ------------------------------------------------------------------

WEATHER = ANSWERS["tools"].calls[0]
LEAD = "Let me look that up for you."


def all_cuts(answer: ChatAnswer) -> list[int]:
    return list(range(1, len(b"".join(answer.events())), 193))


@pytest.mark.parametrize("name", ["tools", "text-tools"])
async def test_a_cut_in_a_tool_call_is_never_a_call(autojump_clock: Any, name: str) -> None:
    """
    Wherever a stream with tool calls is cut, the client never gets half a
    call: it gets whole ones and a finish, or what the local model makes of it.
    """
    local = ToolUse("get_weather", {"city": "Bern"}, id="call_local")
    ollama = FakeOllama(answer="Let me look.", tool_calls=(local,), before_calls="")
    async with stage(ScriptedProvider(), ollama) as s:
        for at in all_cuts(ANSWERS[name]):
            s.cloud.play_next(FaultAt(FAULTS["reset"], f"b{at}", ANSWERS[name]))
            x = await s.ask(tools=TOOLS)
            result = x.chat()
            assert result.error is None
            names = [call.name for call in result.tool_calls]
            cloud_calls = [c.arguments for c in ANSWERS[name].calls]
            for call in result.tool_calls:
                assert call.arguments in cloud_calls or json.loads(call.arguments) == {"city": "Bern"}
            assert names.count("get_weather") <= 1
            if result.tool_calls:
                assert result.finish_reason == "tool_calls"


async def test_whole_calls_are_kept_when_the_next_is_cut(autojump_clock: Any) -> None:
    """After a whole call the turn is finished with it; nobody else is asked."""
    events = ANSWERS["tools"].events()
    second = next(
        i for i, e in enumerate(events) if b'"index":1' in e.replace(b" ", b"") and b"get_time" in e
    )
    script = Script((Head(), *(Send(e) for e in events[: second + 2]), Reset()))
    async with stage(ScriptedProvider(script=script)) as s:
        x = await s.ask(tools=TOOLS)
        result = x.chat()
        assert [(c.id, c.name, c.arguments) for c in result.tool_calls] == [
            (WEATHER.id, WEATHER.name, WEATHER.arguments)
        ]
        assert result.finish_reason == "tool_calls"
        assert s.ollama.requests == []


async def test_a_tool_call_waits_until_it_is_whole(autojump_clock: Any) -> None:
    """No byte of an open call reaches the client, while keep-alives do."""
    events = ANSWERS["tools"].events()
    pieces: list[Any] = []
    for event in events:
        pieces += [Send(event)]
    provider = ScriptedProvider(script=Script((Head(), *pieces)), pace_s=3.0)
    async with stage(provider, config=configured(keepalive_s=5)) as s:
        x = await s.ask(tools=TOOLS)
        assert bytes(x.body).replace(b": trooper keep-alive\n\n", b"") == b"".join(events)
        assert b"keep-alive" in bytes(x.body)
        for _, body in x.arrivals:
            if b"tool_calls" in body and b"get_weather" in body:
                # The whole call in one piece.
                said = "".join(
                    call["function"].get("arguments", "")
                    for line in body.decode().splitlines()
                    if line.startswith("data: {")
                    for choice in json.loads(line[6:])["choices"]
                    for call in choice["delta"].get("tool_calls", [])
                    if call["index"] == 0
                )
                assert said == WEATHER.arguments


async def test_the_local_model_calls_tools(autojump_clock: Any) -> None:
    """A restart with tools: the local model's calls arrive whole, with ids and a finish."""
    for model in (Model(path="A"), Model(path="C")):
        ollama = FakeOllama(models=(model,), tool_calls=(ToolUse("get_weather", {"city": "Bern"}),))
        async with stage(dies("status-503"), ollama) as s:
            x = await s.ask(tools=TOOLS)
            result = x.chat()
            assert [c.name for c in result.tool_calls] == ["get_weather"]
            assert json.loads(result.tool_calls[0].arguments) == {"city": "Bern"}
            assert result.tool_calls[0].id
            assert result.finish_reason == "tool_calls"
            assert asked(s)["tools"][0]["function"]["name"] == "get_weather"


async def test_tools_on_a_template_that_closes_the_turn(autojump_clock: Any) -> None:
    """Raw completion would lose tool parsing: an error after content, a restart before it."""
    closing = FakeOllama(models=(Model(path="C", turn="closes"),))
    async with stage(dies(), closing) as s:
        result = (await s.ask(tools=TOOLS)).chat()
        assert result.error is not None
        assert not result.done
    async with stage(dies("status-500"), FakeOllama(models=(Model(path="C", turn="closes"),))) as s:
        assert (await s.ask(tools=TOOLS)).chat().text == DEFAULT_ANSWER


# -- what cannot be continued ------------------------------------------------------

JSON_FORMAT = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}


@pytest.mark.parametrize(
    "fields", [{"response_format": {"type": "json_object"}}, {"response_format": JSON_FORMAT}]
)
async def test_json_mode(autojump_clock: Any, fields: dict[str, Any]) -> None:
    """JSON restarts under the server's own grammar, and is never glued together."""
    async with stage(dies("status-500")) as s:
        assert (await s.ask(**fields)).chat().text == s.ollama.json_answer
        assert asked(s)["format"] in ("json", {"type": "object"})
    async with stage(dies(position=3)) as s:
        result = (await s.ask(**fields)).chat()
        assert result.error is not None
        assert result.error.code == "conn_reset"
        assert s.ollama.requests == []


async def test_several_choices(autojump_clock: Any) -> None:
    """`n > 1` restarts before content, one run for each choice; after content it is an honest error."""
    async with stage(dies("status-500")) as s:
        result = (await s.ask(n=2, stream_options={"include_usage": True}, seed=7)).chat(include_usage=True)
        assert result.texts == (DEFAULT_ANSWER, DEFAULT_ANSWER)
        assert [g.ask.options["seed"] for g in s.ollama.generations[-2:]] == [7, 8]
    async with stage(dies("status-500")) as s:
        whole = (await s.ask(n=2, stream=False)).whole()
        assert [c["message"]["content"] for c in whole["choices"]] == [DEFAULT_ANSWER] * 2
    async with stage(dies(position=3)) as s:
        assert (await s.ask(n=2)).chat().error is not None
    # The second run fails: half of the choices is no answer.
    async with stage(dies("status-500")) as s:
        s.ollama.fail_next(None, OllamaFault("error_line", 2))
        result = (await s.ask(n=2)).chat()
        assert result.error is not None
        assert not result.done


async def test_a_refusal_is_never_continued(autojump_clock: Any) -> None:
    """Another model must not finish what a safety system began to refuse."""
    refusing = ChatAnswer(refusal=tuple(tokens("I cannot help with that.")))
    async with stage(dies(position=2, answer=refusing)) as s:
        result = (await s.ask()).chat()
        assert result.error is not None
        assert s.ollama.requests == []


async def test_reasoning_is_followed_by_an_answer(autojump_clock: Any) -> None:
    """A cut inside the thinking: the answer starts, under the same name."""
    async with stage(dies(position=3, answer=ANSWERS["reasoning"])) as s:
        result = (await s.ask()).chat()
        assert result.reasoning
        assert result.text == DEFAULT_ANSWER
        assert [m["role"] for m in asked(s)["messages"]] == ["user"]


@pytest.mark.parametrize(
    "unsaid", [{"logprobs": True}, {"modalities": ["text", "audio"]}, {"tool_choice": "required"}]
)
async def test_what_ollama_cannot_say_is_not_dropped(autojump_clock: Any, unsaid: dict[str, Any]) -> None:
    """A feature that the local model would silently leave out makes it unfit."""
    async with stage(dies("status-503")) as s:
        x = await s.ask(**unsaid, tools=TOOLS)
        assert x.status == 503
        assert s.ollama.requests == []


async def test_images(autojump_clock: Any) -> None:
    """An image goes to a model that can see, bare; a URL is never fetched."""
    seeing = FakeOllama(models=(Model(capabilities=("completion", "vision")),))
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "What?"}, image]}]
    async with stage(dies("status-503"), seeing) as s:
        assert (await s.ask(messages=messages)).status == 200
        assert asked(s)["messages"] == [{"role": "user", "content": "What?", "images": ["aGk="]}]
    async with stage(dies("status-503")) as s:
        assert (await s.ask(messages=messages)).status == 503
    url = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x/y.png"}}]}]
    async with stage(
        dies("status-503"), FakeOllama(models=(Model(capabilities=("completion", "vision")),))
    ) as s:
        assert (await s.ask(messages=url)).status == 503


# -- the local leg fails, too ----------------------------------------------------------


@pytest.mark.parametrize("fault", ["error_line", "eof", "reset", "fin", "cut_line", "stall", "garbage"])
@pytest.mark.parametrize("at", [0, 1, 3])
async def test_a_second_failure_is_never_success(autojump_clock: Any, fault: Any, at: int) -> None:
    """After content: an in-band error and no terminator, whatever the local model did."""
    async with stage(dies()) as s:
        s.ollama.fault = OllamaFault(fault, at)
        x = await s.ask()
        result = x.chat()
        assert result.error is not None
        assert result.error.code == "conn_reset"
        assert not result.done
        assert DEFAULT_ANSWER.startswith(result.text)
        assert x.report["outcome"] == "failed"


@pytest.mark.parametrize("fault", ["error_line", "eof", "reset"])
async def test_the_clouds_own_failure_comes_back(autojump_clock: Any, fault: Any) -> None:
    """Before content: the cloud's status, body and Retry-After."""
    async with stage(dies("status-429-retry-after")) as s:
        s.ollama.fault = OllamaFault(fault)
        x = await s.ask()
        assert x.status == 429
        assert x.headers[b"retry-after"]
        assert x.whole()["error"]["code"] == "rate_limit_exceeded"


async def test_no_ollama_at_all(autojump_clock: Any) -> None:
    """Trooper passes through when no local model is there, and fails honestly."""
    async with stage(warm=False) as s:
        s.network.close("127.0.0.1", 11434)
        await trio.sleep(1)
        assert (await s.ask()).chat().text == DEFAULT_ANSWER
        s.cloud.play_next(FaultAt(FAULTS["reset"]))
        result = (await s.ask()).chat()
        assert result.error is not None
        assert s.services.readiness()["status"] == "ready"


async def test_an_empty_continuation_ends_a_whole_sentence(autojump_clock: Any) -> None:
    """A model that has nothing to add finishes an answer only where it reads as whole."""
    sentence = "One sentence. And another."
    for text, whole in ((sentence, True), ("An answer that stops in the", False)):
        cloud = dies("clean-eof", "end", ChatAnswer(tokens=tuple(tokens(text + " x"))))
        async with stage(cloud, FakeOllama(answer=text)) as s:
            result = (await s.ask()).chat()
            assert result.text == text
            assert (result.error is None) is whole
            assert (result.finish_reason == "stop") is whole


async def test_an_empty_continuation_is_tried_another_way(autojump_clock: Any) -> None:
    """One more try, rendered and raw, before giving up."""
    text = "An answer that stops in the"
    cloud = dies("clean-eof", "end", ChatAnswer(tokens=tuple(tokens(text + " x"))))
    async with stage(cloud, FakeOllama(answer=text)) as s:
        await s.ask()
        assert [r.path for r in s.ollama.requests] == ["/api/chat", "/api/chat", "/api/generate"]
        assert s.ollama.requests[-1].json()["raw"] is True


# -- histories --------------------------------------------------------------------------


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
    async with stage(dies(), FakeOllama(default_num_ctx=2048)) as s:
        x = await s.ask(messages=history)
        assert x.chat().text == DEFAULT_ANSWER
        sent = asked(s)["messages"]
        assert sent[0]["content"].startswith("S")
        assert "earlier messages" in sent[0]["content"]
        assert sent[-2]["content"] == "the last question"
        assert sent[-1]["role"] == "assistant"
        assert s.ollama.truncations == []
        assert len(sent) < len(history)


async def test_a_question_too_long_for_the_window(autojump_clock: Any) -> None:
    """What cannot be fitted is told with both numbers, and nothing is cut out of it."""
    async with stage(dies(), FakeOllama(default_num_ctx=512)) as s:
        result = (await s.ask(messages=[{"role": "user", "content": "word " * 2000}])).chat()
        assert result.error is not None
        assert not any(r.path == "/api/chat" and b"word word" in r.body for r in s.ollama.requests)


# -- the standby ------------------------------------------------------------------------------


async def test_a_load_is_not_the_requests(autojump_clock: Any) -> None:
    """A client that leaves during the load does not abort it; the next request finds the model loaded."""
    async with stage(dies("status-503"), FakeOllama(load_s=20), warm=False) as s:
        x = Exchange()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(s.play, x)
            await trio.sleep(5)
            x.leave()
        assert x.report["outcome"] == "client_cancelled"
        y = await s.ask()
        assert y.chat().text == DEFAULT_ANSWER
        assert (s.ollama.loads, s.ollama.aborted_loads) == (1, 0)


async def test_one_request_per_slot(autojump_clock: Any) -> None:
    """Two switches at once: the second waits with us, not in silence inside the server."""
    async with stage(dies("status-503"), FakeOllama(token_s=0.5)) as s:
        exchanges = [Exchange() for _ in range(3)]
        async with trio.open_nursery() as nursery:
            for x in exchanges:
                nursery.start_soon(s.play, x)
        for x in exchanges:
            assert x.chat().text == DEFAULT_ANSWER
        assert s.ollama.waiting_for_slot == 0
        starts = [g.started_at for g in s.ollama.generations[-3:]]
        ends = [g.ended_at for g in s.ollama.generations[-3:]]
        assert all(end is not None and end <= start for end, start in zip(ends, starts[1:], strict=False))


async def test_a_model_that_runs_elsewhere_is_not_local(autojump_clock: Any) -> None:
    """Nothing is sent to a cloud model behind a local server."""
    elsewhere = Model(name="big:cloud", remote_host="https://ollama.com")
    async with stage(dies("status-503"), FakeOllama(models=(elsewhere,)), warm=False) as s:
        await trio.sleep(1)
        assert (await s.ask()).status == 503
        assert s.ollama.remote_requests == 0


async def test_the_standbys_choice(autojump_clock: Any) -> None:
    """Tools before size of the window; embedding models and strangers never."""
    models = (
        Model(name="plain:1b", capabilities=("completion",), context_length=131072),
        Model(name="tools:1b", capabilities=("completion", "tools"), context_length=8192),
        Model(name="bigger:1b", capabilities=("completion", "tools"), context_length=32768),
        Model(name="embed:1b", capabilities=("embedding",), context_length=999999),
        Model(name="far:cloud", capabilities=("completion", "tools"), context_length=999999, remote_host="h"),
    )
    async with stage(ollama=FakeOllama(models=models)) as s:
        assert s.services.standbys["ollama"].chosen == "bigger:1b"
    named = with_target(configured(), "ollama", model="plain:1b")
    async with stage(ollama=FakeOllama(models=models), config=named) as s:
        assert s.services.standbys["ollama"].chosen == "plain:1b"


async def test_a_server_that_comes_later(autojump_clock: Any) -> None:
    """Ollama started after Trooper is found."""
    async with stage(dies(), warm=False) as s:
        s.network.close("127.0.0.1", 11434)
        await trio.sleep(20)
        s.network.listen("127.0.0.1", 11434, s.ollama.serve)
        await s.warm()
        assert (await s.ask()).chat().text == DEFAULT_ANSWER


# -- the transcript's cap ------------------------------------------------------------------------


async def test_past_the_cap_there_is_no_net(autojump_clock: Any) -> None:
    """A long answer outlives the memory for it: the stream goes on, and a cut is an honest error."""
    async with stage(ScriptedProvider(), config=configured(transcript_bytes=40)) as s:
        assert (await s.ask()).chat().text == DEFAULT_ANSWER
        s.cloud.play_next(FaultAt(FAULTS["reset"], "end"))
        result = (await s.ask()).chat()
        assert result.error is not None
        assert s.ollama.requests == []


async def test_a_second_cloud(autojump_clock: Any) -> None:
    """Before content the next cloud answers, in its own bytes; the finish tells of the switch."""
    first = configured({"TROOPER_OPENAI_API_KEY": "sk-1"})
    second = evolve(first.target("openai"), name="second", base_url="http://second.example/v1")
    config = configured()
    config = type(config)(
        server=config.server,
        targets=(first.target("openai"), second, first.target("ollama")),
        chains=(type(config.chains[0])("*", ("openai", "second", "ollama")),),
    )
    async with stage(dies("status-529"), config=config) as s:
        other = ScriptedProvider()
        s.network.listen("second.example", 80, other.serve)
        x = await s.ask()
        result = x.chat()
        assert result.text == DEFAULT_ANSWER
        assert x.legs == [("openai", "overloaded"), ("second", "completed")]
        assert result.trooper is not None
        seam = b": trooper seam from=openai to=second reason=overloaded phase=preamble\n\n"
        healthy = chat_events(DEFAULT_ANSWER, id=result.id, created=result.created)
        got = bytes(x.body).replace(seam, b"").split(b"\n\n")
        # All but the finishing event, which has the note.
        assert [e for e in got if b'"trooper"' not in e] == [
            e.removesuffix(b"\n\n") for e in healthy if b'"stop"' not in e
        ] + [b""]


def test_calls_are_told_apart() -> None:
    """The answers these tests cut really have two calls."""
    assert [type(c) for c in ANSWERS["tools"].calls] == [Call, Call]
