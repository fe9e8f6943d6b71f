"""What a model is shown is counted by its server, and shortened until it fits: a server as a function, no network."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable
from secrets import token_hex
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, evolve, field

from trooper.core import fitting
from trooper.core.conversation import (
    Conversation,
    ImagePart,
    Message,
    Role,
    Sampling,
    TextPart,
    Tool,
    ToolCall,
)
from trooper.core.local_model import LocalModel, Way
from trooper.core.outcome import Answer, Failed, FailureKind
from trooper.core.unfit import Unfit
from trooper.targets import counting
from trooper.targets.counting import Counting, Sized, counted, first_ratio, look_through, most_times
from trooper.targets.prompt import HalfCall, shown
from trooper.wire.llama_server.ask import LlamaAsking
from trooper.wire.ollama_chat.ask import Loading, OllamaAsking
from trooper.wire.target_side import LocalSide, Post

ALL = frozenset({"completion", "tools", "vision"})
WINDOW = 1000
NOTE = "{count} messages were left out."
MODEL = LocalModel(
    "m",
    capabilities=ALL,
    window_tokens=WINDOW,
    way=Way.PREFILL,
    takes_grammar=True,
    renders=True,
    counts=True,
)
ANSWER = Message(Role.ASSISTANT, (TextPart("Hello, too."),))
HALF = (0, ToolCall("c1", "edit", '{"path": "src'))
REFUSED = Failed(FailureKind.SERVER_ERROR, Answer(500, (), b"no"))


def user(said: str) -> Message:
    return Message(Role.USER, (TextPart(said),))


def turns(said: str, number: int, **changes: Any) -> Conversation:
    return evolve(Conversation((*(user(said) for _ in range(number)), user("Question?"))), **changes)


@define
class Server:
    """Renders and counts; `tokens` says how many a text is."""

    tokens: Callable[[str], int] = len
    renders: bool = True
    counts: bool = True
    asked: list[str] = field(factory=list)
    counted: list[int] = field(factory=list)

    async def fetch(self, post: Post) -> Answer | Failed:
        self.asked.append(post.path)
        body = json.loads(post.body)
        if post.path == "/tokenize":
            self.counted.append(self.tokens(body["content"]))
            return (
                Answer(200, (), json.dumps({"tokens": [0] * self.counted[-1]}).encode())
                if self.counts
                else REFUSED
            )
        rendered = "".join(f"<{m['role']}>{m['content']}" for m in body["messages"])
        field = {"prompt": rendered} | {"_debug_info": {"rendered_template": rendered}}
        return Answer(200, (), json.dumps(field).encode()) if self.renders else REFUSED


async def sized(
    server: Server,
    conversation: Conversation,
    given: str = "",
    *,
    model: LocalModel = MODEL,
    half_call: HalfCall | None = None,
    safe_ratio: float = 1.0,
) -> Sized | Failed:
    def make(ratio: float, times: float) -> Any:
        return shown(
            model, conversation, given, half_call=half_call, ratio=ratio, note=NOTE, most_times=times
        )

    asking: LocalSide = LlamaAsking(model) if model.counts else OllamaAsking(model, Loading(WINDOW, "5m"))
    return await Counting(model, asking, make, server.fetch, safe_ratio).sized()


def words(text: str) -> int:
    return len(text.split())


def left_out(found: Sized | Failed) -> int:
    assert isinstance(found, Sized)
    notes = [m.text for m in found.prompt.conversation.messages if "were left out" in m.text]
    return int(notes[0].split()[0]) if notes else 0


async def test_what_is_short_costs_nothing() -> None:
    server = Server(words)
    found = await sized(server, turns("word " * 40, 6))
    assert left_out(found) == 0
    assert server.asked == []


async def test_near_the_window_the_server_is_asked_once() -> None:
    server = Server(words)
    found = await sized(server, turns("word " * 40, 14, sampling=Sampling(max_tokens=50)))
    assert isinstance(found, Sized)
    assert server.asked == ["/apply-template", "/tokenize"]
    assert (found.tokens, found.prompt.room_tokens) == (server.counted[-1], WINDOW - server.counted[-1])
    assert found.prompt.is_whole
    assert found.rendered is None


@pytest.mark.parametrize("given", ["", "Half an answer."])
@pytest.mark.parametrize("per_word", [0.2, 1, 3, 7])
async def test_as_little_as_fits_is_left_out(per_word: float, given: str) -> None:
    """Also by a server whose tokens are quite unlike ours, in either direction."""
    server = Server(lambda text: int(per_word * words(text)))
    found = await sized(server, turns("word " * 20, 400), given)
    assert isinstance(found, Sized)
    assert found.tokens == server.counted[-1] or found.tokens in server.counted
    assert 0.8 * WINDOW < found.tokens + found.prompt.reserve_tokens <= WINDOW
    assert left_out(found) > 0
    assert len(server.counted) <= 6
    assert found.prompt.half == given


async def test_what_only_seems_too_long_stays_whole() -> None:
    """Our own count is far too high for a script that the vocabulary has."""
    server = Server(words)
    found = await sized(server, turns("灯塔看守人 " * 40, 14))
    assert left_out(found) == 0


@pytest.mark.parametrize("given", ["", "Half"])
async def test_both_numbers_where_what_has_to_stay_does_not_fit(given: str) -> None:
    server = Server(words)
    asked = Conversation((user("old"), user("word " * 990)))
    found = await sized(server, asked, given)
    assert isinstance(found, Failed)
    assert (found.kind, found.window_tokens) == (FailureKind.CONTEXT_LENGTH, WINDOW)
    assert found.prompt_tokens == server.counted[-1] > 990


async def test_nobody_counts_a_hundred_windows() -> None:
    server = Server(words)
    found = await sized(server, turns("", 0, messages=(user("word " * 100_000),)))
    assert isinstance(found, Failed)
    assert (found.kind, found.prompt_tokens) == (FailureKind.CONTEXT_LENGTH, 100_009)
    assert server.asked == []


async def test_a_count_without_reason_ends() -> None:
    """One that says now this and now that is asked a few times, and the last time for the least."""
    server = Server(lambda _: 100_000)
    found = await sized(server, turns("word " * 20, 400))
    assert isinstance(found, Failed)
    assert found.prompt_tokens == 100_000
    assert len(server.counted) <= 6


async def test_without_a_tokenizer_the_rendered_prompt_is_counted_on_the_safe_side() -> None:
    server = Server(words)
    model = evolve(MODEL, counts=False)
    found = await sized(server, turns("word " * 40, 60), model=model)
    assert isinstance(found, Sized)
    assert set(server.asked) == {"/api/chat"}
    assert 0.8 * WINDOW < found.tokens + found.prompt.reserve_tokens <= WINDOW
    # Refusals have taught that this is not safe enough.
    less = await sized(Server(words), turns("word " * 40, 60), model=model, safe_ratio=2.0)
    assert isinstance(less, Sized)
    assert words(str(less.prompt.conversation)) < 0.6 * words(str(found.prompt.conversation))
    assert 0.8 * WINDOW < less.tokens + less.prompt.reserve_tokens <= WINDOW


@pytest.mark.parametrize(
    ("counts", "renders", "more"), [(False, True, True), (True, True, False), (False, False, False)]
)
def test_what_templates_add_is_reckoned_with_from_the_start(counts: bool, renders: bool, more: bool) -> None:
    """Where nobody but the rendered prompt tells of it: else a prompt that just fits is made twice."""
    model = evolve(MODEL, counts=counts, renders=renders)
    assert (first_ratio(model, 1.2) > 1.2) is more
    assert first_ratio(model, 1.2) < 1.2 * 1.1


async def test_images_count_where_no_prompt_shows_them() -> None:
    picture = Message(Role.USER, (TextPart("word " * 90), ImagePart("image/png", "aaaa")))
    asked = Conversation(
        (user("Hello."), ANSWER, user("word " * 600), picture), sampling=Sampling(max_tokens=20)
    )
    found = await sized(Server(words), asked)
    assert isinstance(found, Sized)
    assert found.tokens > 768 + 90
    assert left_out(found) == 2


async def test_a_server_that_fails_to_count_is_not_believed_to_have_room() -> None:
    server = Server(words, counts=False)
    found = await sized(server, turns("word " * 40, 60))
    assert isinstance(found, Sized)
    assert found.tokens + found.prompt.reserve_tokens <= WINDOW
    assert found.tokens > sum(words(message.text) for message in found.prompt.conversation.messages)


async def test_a_server_that_fails_to_render_gets_what_fits_by_our_own_count() -> None:
    server = Server(words, renders=False)
    asked = turns("word " * 40, 60)
    found = await sized(server, asked)
    assert isinstance(found, Sized)
    assert found.prompt == shown(MODEL, asked, note=NOTE)
    unsaid = await sized(server, Conversation((user("word " * 990),)))
    assert isinstance(unsaid, Failed)
    assert unsaid.kind is FailureKind.CONTEXT_LENGTH
    assert server.asked == ["/apply-template"] * 2


@pytest.mark.parametrize("half_call", [None, HALF])
@pytest.mark.parametrize("number", [2, 100])
async def test_the_raw_way_is_rendered_in_any_case(number: int, half_call: HalfCall | None) -> None:
    server = Server(words)
    model = evolve(MODEL, way=Way.RAW)
    found = await sized(server, turns("word " * 40, number), "Half", model=model, half_call=half_call)
    assert isinstance(found, Sized)
    assert found.rendered is not None
    assert found.rendered.startswith("<")
    assert words(found.rendered) < WINDOW
    assert ("/tokenize" in server.asked) == (number == 100)
    if number == 100:
        # Between the two stands the end of a thought, or a call's name.
        assert found.tokens > server.counted[-1]
        assert 0.8 * WINDOW < found.tokens + found.prompt.reserve_tokens <= WINDOW


@pytest.mark.parametrize("number", [2, 100])
async def test_what_cannot_be_rendered_cannot_go_on_raw(number: int) -> None:
    model = evolve(MODEL, way=Way.RAW)
    found = await sized(Server(words, renders=False), turns("word " * 40, number), "Half", model=model)
    assert isinstance(found, Failed)
    assert found.kind is FailureKind.SERVER_ERROR

    async def empty(_: Post) -> Answer:
        return Answer(200, (), b"{}")

    make = functools.partial(_make_raw, model, number)
    assert await Counting(model, LlamaAsking(model), make, empty).sized() == Failed(
        FailureKind.UNFIT, unfit_reason=Unfit.NO_RENDER
    )


def _make_raw(model: LocalModel, number: int, ratio: float, times: float) -> Any:
    return shown(model, turns("word " * 40, number), "Half", ratio=ratio, note=NOTE, most_times=times)


async def test_an_old_server_renders_nothing_and_is_asked_nothing() -> None:
    server = Server(words)
    model = evolve(MODEL, renders=False, counts=False)
    found = await sized(server, turns("word " * 40, 60), model=model)
    assert isinstance(found, Sized)
    assert (server.asked, found.tokens) == ([], 0)
    unknown = await sized(server, turns("word " * 40, 60), model=evolve(MODEL, window_tokens=0))
    assert isinstance(unknown, Sized)
    assert (server.asked, unknown.prompt.room_tokens) == ([], None)


async def test_unfit_is_unfit() -> None:
    found = await sized(Server(words), turns("a", 1, tool_choice="required"))
    assert found == Failed(FailureKind.UNFIT, unfit_reason=Unfit.TOOL_CHOICE)


def test_who_knows_better_than_we() -> None:
    assert most_times(MODEL) > most_times(evolve(MODEL, counts=False)) > 1
    assert most_times(evolve(MODEL, counts=False, renders=False)) == 1


async def test_a_large_turn_that_only_seems_too_long_is_counted_too() -> None:
    """Without it the rest is short, and nobody would ask."""
    asked = Conversation((user("灯塔看守人 " * 100), user("Question?")))
    assert left_out(await sized(Server(words), asked)) == 0


async def test_behind_a_large_turn_there_is_nothing_more_to_try() -> None:
    server = Server(words)
    asked = Conversation((user("Hello."), ANSWER, user("word " * 2000), user("word " * 100)))
    assert left_out(await sized(server, asked)) == 2
    assert len(server.counted) <= 2


async def test_the_last_try_is_for_the_least() -> None:
    """A server whose counts teach nothing is not asked for ever; what has to stay does fit."""
    server = Server(lambda text: words(text) if words(text) < 100 else WINDOW + 1)
    found = await sized(server, turns("word " * 20, 400))
    assert left_out(found) > 390
    assert len(server.counted) == 6


@pytest.mark.parametrize("seed", range(12))
async def test_turns_of_two_kinds(seed: int) -> None:
    """What one kind teaches is wrong for the other: the truth is found between too long and too short."""
    chance = random.Random(seed)
    kinds = ("word " * 30, "灯塔看守人 " * 30, "灯塔看守人 " * 250, "word " * 200)
    said = tuple(user(chance.choice(kinds)) for _ in range(40))
    server = Server(words)
    found = await sized(server, Conversation((*said, user("Question?"))))
    assert isinstance(found, Sized)
    assert found.tokens + found.prompt.reserve_tokens <= WINDOW
    assert len(server.counted) <= 6


# Before a window grows


@pytest.mark.parametrize("number", [0, 1, 700])
async def test_what_is_counted_in_steps_is_what_is_counted_at_once(number: int) -> None:
    """A long text is cut into pieces for that, which makes it no shorter."""
    once = turns("word " * 40, number)
    tool = Tool("look", "Looks. " * 200, {"type": "object", "properties": {"at": {"type": "string"}}})
    call = ToolCall("1", "look", '{"at": "' + "here " * 4000 + '"}')
    long = Message(Role.USER, (TextPart(f"{number} " + "A lighthouse, café or not. " * 3000),))
    all_of_it = evolve(
        once, messages=(*once.messages, long, Message(Role.ASSISTANT, (), (call,))), tools=(tool,)
    )
    with trio.testing.assert_checkpoints():
        steps = await counted(all_of_it)
    assert steps == fitting.count(all_of_it)


async def test_others_have_their_turn_while_a_long_one_is_counted() -> None:
    had = 0

    async def others() -> None:
        nonlocal had
        while True:
            had += 1
            await trio.lowlevel.checkpoint()

    text = "A megabyte of words that nobody has counted. " * 25_000
    async with trio.open_nursery() as nursery:
        nursery.start_soon(others)
        await counted(Conversation((Message(Role.USER, (TextPart(text),)),)))
        nursery.cancel_scope.cancel()
    assert had > 100


async def test_where_nothing_can_be_left_out_a_short_answer_is_better_than_none() -> None:
    """By its server's count an agent's first turn leaves less than a quarter of the window."""
    for said, fits in (("word " * 700, True), ("word " * 880, True), ("word " * 990, False)):
        found = await sized(Server(words), Conversation((user(said),)))
        assert isinstance(found, Sized) is fits
    # Where our own count saw more room than there is.
    found = await sized(Server(lambda text: words(text) * 6 // 5), Conversation((user("word " * 700),)))
    assert isinstance(found, Sized)
    assert found.tokens > 750


# Before a report is needed


async def test_what_a_report_may_tell_is_looked_for_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the turns that may be left out, and others have theirs meanwhile."""
    seen: list[Message] = []
    monkeypatch.setattr(counting, "found_in", seen.append)
    # Nobody has looked through these before.
    new = token_hex()
    answer, second = Message(Role.ASSISTANT, (TextPart(new),)), user(new)
    call = ToolCall("1", "write", f'{{"text": "{new}' + "word " * 2000 + '"}')
    done = [
        Message(Role.ASSISTANT, (), (call,)),
        Message(Role.TOOL, (TextPart(new + "word " * 2000),), tool_call_id="1"),
    ]
    asked = Conversation((user("first"), answer, second, *done, user("last"), *done))
    with trio.testing.assert_checkpoints():
        await look_through(asked)
    assert seen == [answer, second, *done, *done]
    seen.clear()
    await look_through(Conversation((user("first"), answer, user("last"))))
    assert seen == [answer]
    seen.clear()
    many = (user("first"), *(answer,) * 5000, user("last"))
    await look_through(Conversation(many))
    assert 2000 < len(seen) < 2500
