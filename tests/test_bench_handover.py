"""
The hand-over bench without its processes: its sessions and facts, its judge, the plain cut, and its figures.
"""

from __future__ import annotations

import io
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from rich.cells import cell_len
from rich.console import Console

from test_layers import PACKAGE, imports_of, part_of, path_of
from trooper.bench import commands, handover, report
from trooper.bench.handover import figures, kinds, kinds_apart, plain_cut, speed
from trooper.bench.handover.answers import Answer
from trooper.bench.handover.planted import Place, Planted
from trooper.bench.handover.sessions import TURNS, Session, session, sessions, texts
from trooper.bench.handover.speed import Timed, grown, shortening_ms
from trooper.bench.handover.told import Fault, Prompt, Way, percent, told_by, told_in
from trooper.bench.progress import Progress
from trooper.bench.result import Asked, Mode, NotRun
from trooper.core.tokens import tokens_at_most

SESSIONS = tuple(sessions(1, 20))
KINDS = {**kinds.KINDS, **kinds_apart.KINDS_APART}
#: What of the package the report's rules may live in: nobody there may know the generator.
PRODUCT = [file for file in sorted(PACKAGE.rglob("*.py")) if part_of(file) not in {"bench", "__main__"}]


# -- who may know whom --------------------------------------------------


def test_nothing_of_the_product_knows_the_generator() -> None:
    knowing = [
        path_of(file)
        for file in PRODUCT
        if part_of(file) != "commands" and any("bench" in name.split(".") for name in imports_of(file))
    ]

    assert knowing == []


def test_the_generator_knows_of_the_product_only_how_tokens_are_counted() -> None:
    made_of = (
        "planted",
        "kinds",
        "kinds_apart",
        "words_apart",
        "words",
        "noise",
        "tongues",
        "tools",
        "sessions",
    )
    known = {
        name
        for part in made_of
        for name in imports_of(PACKAGE / "bench" / "handover" / f"{part}.py")
        if name.startswith("trooper.") and not name.startswith("trooper.bench.handover")
    }

    assert known == {"trooper.core.tokens", "trooper.core.tokens.tokens_at_most"}


def test_a_third_of_the_kinds_is_written_apart() -> None:
    apart = set(imports_of(PACKAGE / "bench" / "handover" / "kinds_apart.py"))

    assert (len(kinds.KINDS), len(kinds_apart.KINDS_APART)) == (8, 4)
    assert not kinds.KINDS.keys() & kinds_apart.KINDS_APART.keys()
    assert {name for name in apart if name.startswith("trooper")} <= {
        "trooper.bench.handover.planted",
        "trooper.bench.handover.planted.Place",
        "trooper.bench.handover.planted.Planted",
        *(name for name in apart if name.startswith("trooper.bench.handover.words_apart")),
    }


# -- the facts -------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_fact_says_what_tells_it_and_its_question_does_not(kind: str) -> None:
    made = [KINDS[kind](random.Random(seed)) for seed in range(200)]

    assert {planted.kind for planted in made} == {kind}
    assert all(planted.is_in(planted.said) for planted in made)
    assert not any(planted.is_answered_by(planted.question) for planted in made)
    assert not any(planted.is_in(planted.question) for planted in made)
    # The same words each time would be a pattern to look for.
    assert len({planted.said for planted in made}) >= 30
    assert [KINDS[kind](random.Random(seed)) for seed in range(200)] == made


def test_facts_are_said_by_everybody() -> None:
    said_by = Counter(sown.planted.place for session in SESSIONS for sown in session.facts)

    assert set(said_by) == set(Place)
    assert min(said_by.values()) >= 20


def test_all_that_tells_a_fact_has_to_be_there() -> None:
    planted = Planted("port", Place.USER, "", ("Quayside", "20123"), "Which port?", ("20123", "20 123"))

    assert planted.is_in("port 20123 is quayside's")
    assert not planted.is_in("port 20123")
    assert planted.is_answered_by("It is 20 123.")
    assert not planted.is_answered_by("It is 2012.")


# -- the sessions ----------------------------------------------------------


def test_the_same_seed_makes_the_same_sessions() -> None:
    assert session(1, 7) == SESSIONS[7]
    assert session(2, 7) != SESSIONS[7]
    assert tuple(sessions(1, 3)) == SESSIONS[:3]


def test_sessions_have_forty_turns_and_the_length_that_they_shall_have() -> None:
    for one in SESSIONS:
        assert sum(m["role"] == "user" for m in one.messages) == TURNS == 40
        assert 30_000 <= one.tokens <= 60_000
        # Those of a usual tokenizer, which makes up to a third fewer of it.
        assert one.tokens / 1.35 >= 30_000
        assert one.messages[-1]["role"] == "user"
        assert 6 <= len(one.request["tools"]) <= 10
    assert Counter(one.tongue for one in SESSIONS) == {"en": 16, "de": 1, "fr": 1, "es": 1, "zh": 1}


def test_every_call_has_its_result_and_names_a_tool_with_its_arguments() -> None:
    for one in SESSIONS:
        tools = {tool["function"]["name"]: tool["function"] for tool in one.request["tools"]}
        waiting: list[str] = []
        seen: set[str] = set()
        for message in one.messages:
            if message["role"] == "tool":
                assert message["tool_call_id"] == waiting.pop()
                continue
            assert waiting == []
            for call in message.get("tool_calls", ()):
                parameters = tools[call["function"]["name"]]["parameters"]
                given = json.loads(call["function"]["arguments"]).keys()
                assert set(parameters["required"]) <= given <= parameters["properties"].keys()
                waiting.append(call["id"])
                seen.add(call["id"])
        assert len(seen) == sum(m["role"] == "tool" for m in one.messages) > 40


def test_each_fact_is_said_once_and_at_its_place() -> None:
    for one in SESSIONS:
        everything = "\n".join([*texts(one.messages), json.dumps(one.request["tools"])]).casefold()
        for sown in one.facts:
            said = sown.planted.said.casefold()
            assert everything.count(said) == 1
            for telling in map(str.casefold, sown.planted.telling):
                assert everything.count(telling) == said.count(telling) > 0
            assert _place(one, sown.planted.said) == (sown.planted.place, sown.turn)


def _place(one: Session, said: str) -> tuple[Place, int]:
    turn = -1
    for message in one.messages:
        turn += message["role"] == "user"
        if said in str(message.get("content")):
            places = {"user": Place.USER, "assistant": Place.ASSISTANT, "tool": Place.RESULT}
            return places[message["role"]], turn
        if any(said in text for text in texts([message])):
            return Place.CALL, turn
    raise AssertionError(said)


def test_facts_have_all_ages() -> None:
    turns = [[sown.turn for sown in one.facts] for one in SESSIONS]
    later = Counter(turn // 10 for own in turns for turn in own if turn)

    for one in SESSIONS:
        first = one.messages[1]["content"]
        assert first.startswith(one.facts[0].planted.said + " " + one.facts[1].planted.said + " ")
    assert all(own == sorted(own) and own[:2] == [0, 0] and own[2] > 0 for own in turns)
    assert {sown.planted.kind for one in SESSIONS for sown in one.facts if sown.is_first} == {
        "who I am",
        "goal",
    }
    # Each quarter of a session has about a quarter of them.
    assert all(35 <= later[quarter] <= 65 for quarter in range(4))
    assert all({sown.planted.kind for sown in one.facts} == KINDS.keys() for one in SESSIONS)
    assert all(sum(sown.is_apart for sown in one.facts) == 4 for one in SESSIONS)


def test_no_kind_has_an_age_of_its_own() -> None:
    for kind in KINDS.keys() - set(kinds.FIRST):
        ages = [sown.turn for one in SESSIONS for sown in one.facts if sown.planted.kind == kind]
        assert max(ages) - min(ages) > 20


# -- the judge -------------------------------------------------------------


def test_a_prompt_with_everything_tells_everything() -> None:
    for one in SESSIONS:
        assert told_by(one, one.messages) == KINDS.keys()
        assert told_in(one, json.dumps(list(one.messages))) == KINDS.keys()
        assert told_by(one, one.messages[-1:]) == set()


def test_a_report_may_tell_a_fact_in_words_of_its_own() -> None:
    one = SESSIONS[0]
    sown = next(sown for sown in one.facts if sown.planted.kind == "goal")

    assert told_in(one, " / ".join(sown.planted.telling).upper()) == {"goal"}


def test_arguments_may_be_written_as_json_has_them() -> None:
    planted = Planted("deadline", Place.CALL, "", ("12 août", "14h05"), "When?", ("14h05",))
    one = evolve(SESSIONS[0], facts=(evolve(SESSIONS[0].facts[0], planted=planted),))

    assert told_in(one, json.dumps({"command": "echo '12 août, 14h05'"})) == {"deadline"}
    assert told_in(one, json.dumps({"command": "echo '12 aout, 14h05'"})) == set()


def test_the_share_of_the_facts() -> None:
    one = SESSIONS[0]
    half = Prompt(one, 4096, Way.TROOPER, Fault.BEFORE, frozenset(["goal", "taboo", "path"]))
    none = Prompt(one, 4096, Way.TROOPER, Fault.BEFORE)

    assert percent([half]) == 25
    assert percent([half, none]) == 12.5
    assert percent([half], lambda sown: sown.is_first) == 50
    assert percent([half], lambda sown: sown.is_apart) == 25
    assert percent([]) is None


# -- the plain cut ---------------------------------------------------------


@pytest.mark.parametrize("window", [4_096, 8_192, 16_384, 32_768])
def test_the_plain_cut_keeps_the_newest_turns_that_fit(window: int) -> None:
    for one in SESSIONS[:5]:
        room = plain_cut.room_in(window)
        kept = plain_cut.cut(one.messages, one.request["tools"], room)
        middle = kept[1:-1]
        tools = tokens_at_most(json.dumps(one.request["tools"]))

        assert kept[0] == one.messages[0]
        assert kept[-1] == one.messages[-1]
        assert middle == list(one.messages[-1 - len(middle) : -1])
        assert not middle or middle[0]["role"] != "tool"
        assert sum(map(tokens_at_most, texts(kept))) + tools <= room
        assert len(kept) < len(one.messages)
        # One group more would be too much: what is left of the room is less than the longest result.
        assert sum(map(tokens_at_most, texts(kept))) + tools > room - 8_000


def test_the_plain_cut_leaves_alone_what_fits() -> None:
    one = SESSIONS[0]

    assert plain_cut.cut(one.messages, one.request["tools"], 1e9) == list(one.messages)
    assert plain_cut.cut(one.messages, one.request["tools"], 0) == [one.messages[0], one.messages[-1]]


# -- how long it takes ---------------------------------------------------


def test_a_conversation_grows_to_any_length_and_stays_whole() -> None:
    for tokens in speed.SIZES:
        messages = grown(1, iter(range(5, 20)), tokens)
        size = sum(map(tokens_at_most, texts(messages)))

        assert tokens <= size <= tokens + 8_000
        assert messages[-1]["role"] == "user"
        assert sum(m["role"] == "system" for m in messages) == 1
        calls = sum(len(m.get("tool_calls", ())) for m in messages)
        assert calls == sum(m["role"] == "tool" for m in messages)


def test_the_shortening_is_what_a_long_conversation_takes_longer() -> None:
    timed = [
        *(Timed(0, Fault.MIDWAY, ms) for ms in (3, 5, 90)),
        Timed(0, Fault.BEFORE, 1),
        Timed(60_000, Fault.MIDWAY, 25),
        Timed(60_000, Fault.BEFORE, 41),
        Timed(60_000, Fault.MIDWAY, 900, "status 503"),
    ]

    assert shortening_ms(timed, Fault.MIDWAY, 60_000) == [20]
    assert shortening_ms(timed, Fault.BEFORE, 60_000) == [40]
    assert shortening_ms(timed, Fault.BEFORE, 15_000) == []


# -- the figures -----------------------------------------------------------


def measured(**changes: Any) -> Any:
    prompts = [
        Prompt(one, window, way, fault, frozenset(KINDS if way is Way.TROOPER else ["port"]))
        for one in SESSIONS[:2]
        for window in (4_096, 32_768)
        for way, fault in ((Way.TROOPER, Fault.BEFORE), (Way.TROOPER, Fault.MIDWAY), (Way.PLAIN_CUT, None))
    ]
    timed = [Timed(size, fault, 2.0 + size / 10_000) for size in (0, *speed.SIZES) for fault in Fault]
    said = [
        Answer(SESSIONS[0], sown, 4_096, way, sown.planted.answer[0] if way is Way.TROOPER else "", 3_000)
        for sown in SESSIONS[0].facts
        for way in Way
    ]
    given: dict[str, Any] = {"prompts": prompts, "timed": timed, "said": said} | changes
    return figures.result(Asked(Mode.FULL), given["prompts"], given["timed"], given["said"], "tiny")


def test_the_figures_are_those_of_both_ways() -> None:
    told = measured().as_json()
    summary = told["summary"]

    assert summary["told_percent"]["4096"]["trooper"]["all"] == 100
    assert summary["told_percent"]["4096"]["plain cut"] == {
        "all": 8.33,
        "first_turn": 0,
        "later": 10,
        "own_kinds": 12.5,
        "kinds_apart": 0,
    }
    assert summary["by_kind_percent"].keys() == KINDS.keys()
    assert summary["shortening_ms"]["prepared"]["60000"]["p50"] == pytest.approx(6)
    assert summary["right_answers_percent"]["4096"]["trooper"]["first_turn"] == 100
    assert summary["right_answers_percent"]["4096"]["plain cut"]["all"] == 0
    assert told["problems"] == []
    json.dumps(told)


def test_what_went_wrong_is_no_figure_and_is_said() -> None:
    one = SESSIONS[0]
    wrong = Prompt(one, 4096, Way.TROOPER, Fault.BEFORE, frozenset(), "status 429")
    right = evolve(wrong, told=frozenset(KINDS), problem="")
    result = measured(prompts=[wrong, right])

    assert result.is_bad
    assert result.summary["told_percent"]["4096"]["trooper"]["all"] == 100
    assert result.problems == ("1 hand-overs: status 429",)


def test_eighty_columns_hold_everything() -> None:
    console = Console(file=io.StringIO(), width=200)
    report.show(measured(), Progress(console))
    shown = console.file.getvalue()  # type: ignore[attr-defined]  # it is a StringIO

    assert max(map(cell_len, shown.splitlines())) <= 80
    assert "first turn" in shown


def test_the_plot_has_both_ways_at_each_window() -> None:
    bars = handover.plot(measured()).bars

    assert [(bar.label, bar.series, bar.high) for bar in bars[:4]] == [
        ("4096", 0, 100),
        ("4096, first turn", 0, 100),
        ("4096", 1, 8.33),
        ("4096, first turn", 1, 0),
    ]
    assert len(bars) == 8


# -- who is asked ----------------------------------------------------------


def test_models_that_cannot_be_asked_are_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.handover(ollama="http://127.0.0.1:1") == 2
    assert commands.handover(model="m") == 2
    assert commands.handover(ollama="http://127.0.0.1:1", model="m", gguf=tmp_path / "m.gguf") == 2
    assert "belong together" in capsys.readouterr().err


async def test_a_model_that_is_not_there_is_said_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = Progress(Console(file=io.StringIO()))
    monkeypatch.setenv("TROOPER_CACHE", str(tmp_path))
    asked = Asked(Mode.QUICK)
    nowhere = handover.Questioned(ollama="http://127.0.0.1:1", model="m")
    results = [
        await handover.measure(asked, quiet, questioned=questioned)
        for questioned in (handover.Questioned(), handover.Questioned(tmp_path / "x.gguf"), nowhere)
    ]

    assert [result.why for result in results if isinstance(result, NotRun)] == [
        "the model is not there: trooper fetch-model",
        f"there is no file {tmp_path / 'x.gguf'}",
        "no Ollama: nobody answers at http://127.0.0.1:1",
    ]
