"""The situation report: what it says, and of what it says nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from dropped_turns import assistant, call, report, result, user
from planted import session
from planted_kinds import HELD_OUT, TUNED, UNSEEN, Kind
from trooper.core.conversation import ToolCall
from trooper.core.situation.cues import CUES, Cue
from trooper.core.situation.languages import LABELS, language_of, votes
from trooper.core.situation.values import words_of
from trooper.core.tokens import tokens_at_most

# What it says


def test_a_session_in_its_order() -> None:
    made = report(
        user("I'm Ines Albrecht. The staging database listens on port 5443, and never touch /srv/legacy."),
        assistant("We go with SQLite instead of Redis.", call("bash", command="pytest -q tests/queue")),
        result("call_0", "..........\n2 failed, 57 passed in 3.10s\n"),
        user("Still open: the otter migration."),
    )

    assert made.splitlines() == [
        LABELS["en"].heading,
        "User: I'm Ines Albrecht. | The staging database listens on port 5443, and never touch /srv/legacy.",
        "Assistant: We go with SQLite instead of Redis.",
        "bash: pytest -q tests/queue",
        "-> 2 failed, 57 passed in 3.10s",
        "User: Still open: the otter migration.",
        "Messages left out: 4",
    ]


@pytest.mark.parametrize(
    ("kinds", "least"),
    [(TUNED, (0.95, 0.9)), (HELD_OUT, (0.95, 0.9)), (UNSEEN, (0.9, 0.8))],
    ids=("tuned", "held out", "unseen"),
)
def test_facts_that_were_said_once_are_told(
    kinds: Sequence[Kind], least: tuple[float, float], record_property: Callable[[str, object], None]
) -> None:
    rooms = (2_048, 1_000)
    told, planted = dict.fromkeys(rooms, 0), 0
    for seed in range(20, 25):
        made = session(seed, kinds)
        planted += len(made.planted)
        for room in rooms:
            said = report(*made.messages[1:-4], room=room, first=made.messages[:1])
            assert tokens_at_most(said) <= room
            told[room] += sum(fact.is_in(said) for fact in made.planted)
    recall = tuple(told[room] / planted for room in rooms)
    record_property("recall", recall)
    print("recall:", *(f"{share:.3f} in {room} tokens" for room, share in zip(rooms, recall, strict=True)))

    assert recall[0] >= least[0]
    assert recall[1] >= least[1]


def test_the_other_arguments_of_a_call() -> None:
    made = report(assistant("", call("set_limit", path="otter.toml", retries=4711)))

    assert made.splitlines()[1] == "set_limit: otter.toml | retries: 4711"


def test_what_is_told_already_is_not_told_again() -> None:
    made = report(assistant("The gateway is on port 8443."), assistant("So 8443 it is, as I said above."))

    assert made.count("8443") == 1


def test_cues_in_scripts_without_blanks() -> None:
    assert Cue.BOUND in {word.cue for word in words_of("千万不要改主机", {})}
    assert Cue.DECIDED in {word.cue for word in words_of("キューはNATSにすることにした", {})}


@pytest.mark.parametrize(
    ("noise", "fact"),
    [
        (
            [f"12:00:{i:02} INFO worker-{i % 3} did job {i * 37} in {i} ms" for i in range(60)],
            "ERROR worker-1 lost job 7 of 9",
        ),
        ([f'{{"id": {i}, "state": "ready"}},' for i in range(80)], '"retention_days": 45,'),
        ([f"src/part_{i}.py" for i in range(80)], "fatal: not a git repository: /srv/otter"),
        ([f"    total += parts[{i}].weight({i})" for i in range(80)], "TOKEN_TTL_S = 4711"),
        ([f"test_{i} PASSED" for i in range(80)], "test_otter FAILED: expected 14 rows, got 13"),
    ],
    ids=("log", "json", "listing", "code", "tests"),
)
def test_the_one_line_that_differs(noise: list[str], fact: str) -> None:
    lines = [*noise[:41], fact, *noise[41:]]

    made = report(result("x", "\n".join(lines)), room=70)

    assert fact.strip(",") in made


def test_what_a_call_writes_and_asks_for() -> None:
    made = report(
        assistant("", call("write_file", path="deploy/otter.yaml", content="kind: Job\nreplicas: 7\n")),
        assistant("", call("bash", 1, command="git checkout -b feature/heron")),
        assistant("", ToolCall("2", "odd", "this is no JSON, port 5151")),
    )

    assert "write_file: deploy/otter.yaml" in made
    assert "replicas: 7" in made
    assert "bash: git checkout -b feature/heron" in made
    assert "5151" in made


def test_a_result_without_its_call() -> None:
    assert report(result("gone", "exit code 137")).splitlines()[1] == "-> exit code 137"


def test_the_beginning_of_the_answer_that_is_left_out() -> None:
    made = report(begun="I renamed the table to otter_17.", room=200)

    assert "Assistant: I renamed the table to otter_17." in made


def test_what_stands_in_front_is_not_said_again() -> None:
    said = "The staging database listens on port 5443."
    turns = (user(said), user("The token is for tenant ACME-12."))

    assert said in report(*turns)
    assert said not in report(*turns, first=[user(f"Hello. {said} Please help.")])


def test_a_long_sentence_is_told_by_what_stands_around_its_value() -> None:
    around = "and so on and so forth as everybody knows who was there in those days " * 4

    made = report(assistant(f"Well {around}the gateway answers on port 8443 for now {around}."))

    assert "gateway answers on port 8443" in made
    assert tokens_at_most(made) < 90


def test_no_speaker_and_no_region_starves() -> None:
    turns = [
        user(f"Note that host otter-{i}.example has the address 10.0.{i}.7 and the code A-{i}99.")
        for i in range(60)
    ]
    turns[30:30] = [assistant("We decided for NATS."), result("x", "fatal: lost 99 rows")]

    made = report(*turns, room=1_000)

    assert "NATS" in made
    assert "lost 99 rows" in made
    for region in range(4):
        assert any(f"10.0.{i}.7" in made for i in range(region * 15, region * 15 + 16))


# What is no longer so


def test_the_newest_value_of_the_same_holds() -> None:
    filler = [
        user(f"Please go on with part {i} of the otter plan, it is on page {i + 300}.") for i in range(8)
    ]
    turns = [user("The staging port is 5443."), *filler, user("The staging port is now 6551.")]

    assert "6551" in report(*turns, room=110)
    assert "5443" not in report(*turns, room=110)


def test_the_newest_run_of_the_same_command_holds() -> None:
    turns = [
        message
        for place in range(12)
        for message in (
            assistant("", call("bash", place, command="make check")),
            result(f"call_{place}", f"{place + 30} tests failed"),
        )
    ]

    assert "41 tests failed" in report(*turns, room=62)
    assert "30 tests failed" not in report(*turns, room=62)
    assert report(*turns).count("make check") == 1


# Languages


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Could you please have a look at the server? It is on port 8443."),
        ("de", "Kannst du dir bitte den Server ansehen? Er ist auf Port 8443."),
        ("fr", "Est-ce que tu peux regarder le serveur ? Il est sur le port 8443."),
        ("es", "¿Puedes mirar el servidor? Está en el puerto 8443, por favor."),
        ("it", "Puoi guardare il server? È sulla porta 8443, grazie."),
        ("pt", "Você pode olhar o servidor? Ele está na porta 8443, obrigado."),
        ("nl", "Kun je naar de server kijken? Het is op poort 8443."),
        ("pl", "Czy możesz spojrzeć na serwer? Jest na porcie 8443, proszę."),
        ("ru", "Посмотри, пожалуйста, на сервер. Он на порту 8443."),
        ("uk", "Подивись, будь ласка, на сервер. Він на порту 8443, і це важливо."),
        ("tr", "Sunucuya bakar mısın lütfen? Bu sunucu 8443 portunda ve çok yavaş."),
        ("zh", "请看一下服务器。它在端口8443上。"),
        ("ja", "サーバーを見てください。ポートは8443です。"),
        ("ko", "서버를 봐 주세요. 포트는 8443입니다."),
        ("ar", "انظر إلى الخادم من فضلك. المنفذ هو 8443."),
        ("hi", "कृपया सर्वर देखें। पोर्ट 8443 है।"),
    ],
)
def test_its_own_words_are_in_the_language_of_the_user(language: str, text: str) -> None:
    labels = LABELS[language]

    made = report(user(text), assistant("The port is 8443 and the host is otter.example."))

    assert made.splitlines()[0] == labels.heading
    assert f"\n{labels.user}: " in made
    assert "8443" in made
    assert made.splitlines()[-1] == labels.count.format(count=2)


def test_english_where_nobody_knows() -> None:
    assert report(user("8443!")).splitlines()[0] == LABELS["en"].heading
    assert language_of([]) == "en"
    assert language_of([votes("xyz 123")]) == "en"


def test_every_language_has_its_words() -> None:
    assert all(
        label and "\n" not in label
        for labels in LABELS.values()
        for label in (labels.heading, labels.user, labels.assistant)
    )
    assert all("{count}" in labels.count for labels in LABELS.values())
    assert all(word == word.lower() for word in CUES)


@pytest.mark.parametrize(
    "said",
    [
        "测试环境的端口是8443，千万不要改。",
        "本番のキューは「otter-7」です。絶対に止めないで。",
        "배포 전에 반드시 Noor의 승인을 받으세요.",
    ],
)
def test_scripts_without_blanks(said: str) -> None:
    filler = "继续。" if "的" in said else "続けて。" if "の" in said else "계속해 주세요."

    made = report(*[user(filler)] * 30, user(said), *[user(filler)] * 30, room=250)

    assert all(sentence in made for sentence in said.split("。"))
