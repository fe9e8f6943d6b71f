"""
Sessions of an agent, drawn by chance, with facts planted in them that are said once: does a report tell them?

The noise is of many kinds, and has numbers, paths and names of its own. The same number makes the same session.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from attrs import define, field, frozen

from trooper.core.conversation import Message, Role, TextPart, ToolCall

ROOT: Final = Path(__file__).parent.parent
TURNS: Final = 40


@frozen
class Planted:
    """
    A fact.

    Attributes:
        where: `user`, `assistant`, `call` or `result`.
        said: the sentence or the line that tells it.
        telling: what has to stand in a prompt that knows it.
    """

    kind: str
    where: str
    said: str
    telling: tuple[str, ...]

    def is_in(self, text: str) -> bool:
        return all(one in text for one in self.telling)


NAMES: Final = [
    "Ines",
    "Marta",
    "Jonas",
    "Priya",
    "Tomasz",
    "Aiko",
    "Lars",
    "Chidi",
    "Noor",
    "Elif",
    "Mateo",
    "Sanna",
    "Ruben",
    "Ivana",
    "Kofi",
    "Leila",
]
SURNAMES: Final = [
    "Albrecht",
    "Kowalczyk",
    "Okafor",
    "Lindqvist",
    "Haddad",
    "Moreau",
    "Tanaka",
    "Petrov",
    "Novak",
    "Silva",
    "Brandt",
    "Osei",
]
THINGS: Final = [
    "ledger",
    "billing",
    "search",
    "catalog",
    "inventory",
    "payments",
    "gateway",
    "mailer",
    "scheduler",
    "reporting",
    "export",
    "auth",
    "session",
    "upload",
    "thumbnail",
    "invoice",
    "shipping",
    "pricing",
    "webhook",
    "importer",
    "audit",
    "metrics",
    "cache",
    "queue",
    "tenant",
    "profile",
]
VERBS: Final = [
    "check",
    "fix",
    "refactor",
    "explain",
    "review",
    "extend",
    "simplify",
    "rename",
    "test",
    "document",
    "move",
    "clean",
]
ADJECTIVES: Final = [
    "slow",
    "flaky",
    "odd",
    "empty",
    "large",
    "small",
    "nested",
    "stale",
    "missing",
    "duplicate",
    "old",
    "new",
]
ANIMALS: Final = ["heron", "otter", "lynx", "badger", "osprey", "marten", "ibex", "puffin"]


def one(chance: random.Random, words: Sequence[str]) -> str:
    return chance.choice(words)


def person(chance: random.Random) -> str:
    return f"{one(chance, NAMES)} {one(chance, SURNAMES)}"


def number(chance: random.Random, low: int = 1000, high: int = 60000) -> str:
    return str(chance.randint(low, high))


def hexes(chance: random.Random, length: int) -> str:
    return "a" + "".join(chance.choice("0123456789abcdef") for _ in range(length - 2)) + "7"


Kind = Callable[[random.Random], tuple[str, str, tuple[str, ...]]]


# Kinds that the rules were tuned with: where it is said, the words, and what tells it.


def port(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    n, thing = number(chance), one(chance, THINGS)
    said = [
        f"The {thing} service listens on port {n} on staging.",
        f"btw {thing} is on {n} now",
        f"Please note that in our setup the {thing} database is reachable on port {n}, not on the default one.",
        f"Der {thing}-Dienst läuft auf Port {n}.",
    ]
    return "user", one(chance, said), (n,)


def identity(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    who, thing = person(chance), one(chance, THINGS)
    said = [
        f"I'm {who}, I look after {thing} here.",
        f"My name is {who} and I am on call for {thing} this week.",
        f"Ich bin {who} und verantworte {thing}.",
        f"Je m'appelle {who}, je m'occupe de {thing}.",
    ]
    return "user", one(chance, said), (who,)


def never(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    path = f"/srv/{one(chance, THINGS)}/{one(chance, ANIMALS)}"
    said = [
        f"Whatever you do, never touch {path}.",
        f"don't write anything below {path} pls",
        f"One more thing before you go on: {path} is read by the auditors, so it must stay exactly as it is.",
        f"Fass {path} bitte niemals an.",
    ]
    return "user", one(chance, said), (path,)


def decision(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    a, b = chance.sample(
        ["SQLite", "Redis", "Postgres", "Kafka", "RabbitMQ", "DuckDB", "Memcached", "NATS"], 2
    )
    thing = one(chance, THINGS)
    said = [
        f"Decision: the {thing} jobs go through {a} instead of {b}.",
        f"I went with {a} rather than {b} for {thing}, since it is already deployed.",
        f"We agreed to keep {thing} state in {a}, not in {b}.",
    ]
    return "assistant", one(chance, said), (a, b)


def written_path(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    path = f"deploy/{one(chance, THINGS)}/{one(chance, ANIMALS)}-{chance.randint(2, 99)}.yaml"
    return "call", path, (path,)


def written_value(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    name = f"{one(chance, THINGS).upper()}_{one(chance, ANIMALS).upper()}_TTL"
    n = number(chance)
    return "call", f"{name}={n}", (name, n)


def error_code(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    code = f"{one(chance, ['PG', 'E', 'ORA', 'SVC', 'TLS'])}-{chance.randint(1000, 99999)}"
    said = [
        f"ERROR {one(chance, THINGS)} refused the request with code {code}",
        f"{one(chance, THINGS)}.py:{chance.randint(3, 300)}: fatal: {code} while opening the store",
        f"RuntimeError: upstream answered {code}",
    ]
    return "result", one(chance, said), (code,)


def config_value(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    key, n = (
        f"{one(chance, THINGS)}_{one(chance, ['retries', 'limit', 'shards', 'budget'])}",
        number(chance, 11, 999),
    )
    return "result", one(chance, [f"{key} = {n}", f'  "{key}": {n},', f"{key}: {n}"]), (key, n)


def commit(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    digest = hexes(chance, 9)
    return "result", f"[main {digest}] {one(chance, VERBS)} the {one(chance, THINGS)} module", (digest,)


def open_task(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    thing, animal = one(chance, THINGS), one(chance, ANIMALS)
    said = [
        f"Still open: the {animal} migration of {thing} has to be tested by hand.",
        f"todo for later: write the {animal} runbook for {thing}",
        f"What remains after this is the {animal} rollout for {thing}.",
    ]
    return one(chance, ["user", "assistant"]), one(chance, said), (animal, thing)


def deadline(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    day = f"{chance.randint(1, 28)} {one(chance, ['March', 'April', 'October', 'November'])}"
    return "user", f"The freeze begins on {day}, so it has to be merged before that.", (day,)


def outcome(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    a, b = number(chance, 2, 40), number(chance, 100, 900)
    return (
        "result",
        f"===== {a} failed, {b} passed in {chance.randint(2, 90)}.{chance.randint(10, 99)}s =====",
        (f"{a} failed, {b} passed",),
    )


TUNED: Final[Sequence[Kind]] = (
    *(port, identity, never, decision, written_path, written_value, error_code, config_value, commit),
    *(open_task, deadline, outcome),
)


# Kinds that were held out.


def ticket(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    n = f"{one(chance, ['OPS', 'PAY', 'INFRA'])}-{chance.randint(100, 9999)}"
    return one(chance, ["user", "assistant"]), f"All of this is tracked in {n}, by the way.", (n,)


def amount(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    n = f"{chance.randint(2, 90)},{chance.randint(100, 999)} EUR"
    return "user", f"Finance gave us {n} for the whole quarter.", (n,)


def preference(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    style = one(
        chance, ["tabs", "British spelling", "one-line commit messages", "snake case", "bullet points"]
    )
    return "user", f"I like {style} much better, keep that in mind for everything you write.", (style,)


def mascot(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    name = one(chance, ["Biscuit", "Waffle", "Pixel", "Gizmo"])
    return (
        "user",
        f"our staging cluster is nicknamed {name.lower()} and everybody calls it that",
        (name.lower(),),
    )


def correction(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    a, b = chance.sample(ANIMALS, 2)
    return "user", f"No, I meant the {a} branch, not {b}.", (a, b)


def mail(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    address = f"{one(chance, NAMES).lower()}.{one(chance, SURNAMES).lower()}@example.org"
    return "user", f"Send the summary to {address} when everything is green.", (address,)


def cron(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    when = f"{chance.randint(1, 59)} {chance.randint(1, 23)} * * {chance.randint(1, 6)}"
    return "call", f'schedule: "{when}"', (when,)


def version(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    v = f"{chance.randint(2, 19)}.{chance.randint(0, 30)}.{chance.randint(0, 30)}"
    return "result", f"{one(chance, ['openssl', 'libvips', 'node', 'terraform'])} {v} (pinned)", (v,)


def measured(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    n = number(chance, 201, 999)
    return (
        "assistant",
        f"After the change the p99 of {one(chance, THINGS)} is {n} ms, down from about a second.",
        (n,),
    )


def root_cause(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    thing, animal = one(chance, THINGS), one(chance, ANIMALS)
    return (
        "assistant",
        f"So the reason is that {thing} closes the {animal} handle twice when the client goes away.",
        (thing, animal),
    )


def host(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    name = f"{one(chance, ANIMALS)}-{chance.randint(2, 9)}.corp.example"
    return one(chance, ["user", "call"]), f"primary={name}", (name,)


def warning(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    day = f"20{chance.randint(27, 39)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
    return "result", f"notice: certificate of {one(chance, THINGS)} expires {day}", (day,)


def branch(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    name = f"feature/{one(chance, ANIMALS)}-{one(chance, THINGS)}"
    return "call", f"git checkout -b {name}", (name,)


def role_of(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    who = person(chance)
    return (
        "user",
        f"{who} from legal signs off everything about {one(chance, THINGS)} exports.",
        (who, "legal"),
    )


def chinese_port(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    n = number(chance)
    return "user", f"测试环境的数据库端口是{n}，千万不要改。", (n,)


def russian_limit(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    n = number(chance, 100, 999)
    return "user", f"Учти, что больше {n} запросов в минуту сервис не выдержит.", (n,)


HELD_OUT: Final[Sequence[Kind]] = (
    *(
        ticket,
        amount,
        preference,
        mascot,
        correction,
        mail,
        cron,
        version,
        measured,
        root_cause,
        host,
        warning,
    ),
    *(branch, role_of, chinese_port, russian_limit),
)


# Noise


def user_noise(chance: random.Random) -> str:
    thing, other = one(chance, THINGS), one(chance, THINGS)
    return one(
        chance,
        [
            f"Can you {one(chance, VERBS)} the {thing} part next?",
            f"ok go on with {thing}",
            f"Looks good to me. Now {one(chance, VERBS)} src/{thing}/{other}.py please and tell me what you see.",
            f"Hmm, why is test {chance.randint(1, 90)} so {one(chance, ADJECTIVES)}? I would have thought that {other} does that already.",
            f"Thanks! The {thing} code is rather {one(chance, ADJECTIVES)}. Let's {one(chance, VERBS)} it step by step, I don't mind if it takes a while.",
            f"Das sieht gut aus. Mach bitte mit {thing} weiter.",
            "yes, please continue",
            f"I see. And what about {thing}, does it have the same problem as {other}? It would be good to know before we go on.",
        ],
    )


def assistant_noise(chance: random.Random) -> str:
    thing, other = one(chance, THINGS), one(chance, THINGS)
    said = [
        f"Let me look at the {thing} module first.",
        f"The {thing} code is {one(chance, ADJECTIVES)}, and it calls `{other}.handle_{thing}()` in a loop of {chance.randint(2, 20)} steps.",
        "I'll run the tests now to see whether anything else depends on it.",
        f"That is done. Next I will {one(chance, VERBS)} `src/{other}/{thing}_{chance.randint(1, 9)}.py`, which has {chance.randint(20, 400)} lines.",
        f"There are {chance.randint(2, 9)} places where {thing} is used; most of them only read it.",
        "This seems reasonable, but the naming is a little confusing, so it may be worth a second look later on.",
        f"I have read the file. It defines a class `{thing.title()}{other.title()}` with a few methods and nothing surprising.",
    ]
    return " ".join(chance.sample(said, chance.randint(2, 5)))


DOCS: Final = ("docs/seam.md", "docs/upstream.md", "docs/wires.md", "docs/security.md")
SOURCES: Final = (
    "trooper/core/gate.py",
    "trooper/core/plan.py",
    "trooper/core/history.py",
    "trooper/relay/route.py",
)


def part_of_file(chance: random.Random, names: Sequence[str], chars: int) -> str:
    text = (ROOT / one(chance, names)).read_text(encoding="utf-8")
    at = chance.randrange(max(1, len(text) - chars))
    return text[at : at + chars]


def log_noise(chance: random.Random, chars: int) -> list[str]:
    lines = []
    while sum(map(len, lines)) < chars:
        lines.append(
            f"2026-03-{chance.randint(1, 28):02}T12:{len(lines) % 60:02}:{chance.randint(0, 59):02}Z "
            f"{one(chance, ['INFO', 'INFO', 'DEBUG'])} {one(chance, THINGS)}-{chance.randint(1, 9)} handled "
            f"{one(chance, ['GET', 'POST'])} /{one(chance, THINGS)}/{chance.randint(1, 9999)} in {chance.randint(1, 900)}ms"
        )
    return lines


def listing_noise(chance: random.Random, chars: int) -> list[str]:
    lines = []
    while sum(map(len, lines)) < chars:
        lines.append(
            f"-rw-r--r-- 1 dev dev {chance.randint(100, 99999):>7} Mar {chance.randint(1, 28):>2} 10:{chance.randint(10, 59)} "
            f"{one(chance, THINGS)}_{one(chance, THINGS)}{chance.randint(1, 99)}.py"
        )
    return lines


def json_noise(chance: random.Random, chars: int) -> list[str]:
    rows: list[object] = []
    while len(json.dumps(rows)) < chars * 0.6:
        rows.append(
            {
                "id": chance.randint(1, 99999),
                "name": f"{one(chance, THINGS)}-{one(chance, ADJECTIVES)}",
                "enabled": chance.random() < 0.5,
                "score": round(chance.random(), 3),
            }
        )
    return json.dumps(rows, indent=2).splitlines()


def grep_noise(chance: random.Random, chars: int) -> list[str]:
    lines = []
    while sum(map(len, lines)) < chars:
        lines.append(
            f"src/{one(chance, THINGS)}/{one(chance, THINGS)}.py:{chance.randint(1, 400)}:    "
            f"{one(chance, THINGS)} = {one(chance, VERBS)}_{one(chance, THINGS)}({chance.randint(0, 99)})"
        )
    return lines


def test_noise(chance: random.Random, chars: int) -> list[str]:
    lines = ["============ test session starts ============", "platform linux -- Python 3.12.1, pytest-8.3.2"]
    while sum(map(len, lines)) < chars:
        lines.append(
            f"tests/test_{one(chance, THINGS)}.py::test_{one(chance, VERBS)}_{one(chance, ADJECTIVES)} PASSED [ {len(lines):>2}%]"
        )
    return lines


def toml_noise(chance: random.Random, chars: int) -> list[str]:
    lines = []
    while sum(map(len, lines)) < chars:
        if chance.random() < 0.15:
            lines.append(f"[{one(chance, THINGS)}.{one(chance, THINGS)}]")
        lines.append(
            f"{one(chance, ADJECTIVES)}_{one(chance, THINGS)} = {one(chance, ['true', '12', '8', chr(34) + 'auto' + chr(34)])}"
        )
    return lines


def code_noise(chance: random.Random, chars: int) -> list[str]:
    return part_of_file(chance, SOURCES, chars).splitlines()


def doc_noise(chance: random.Random, chars: int) -> list[str]:
    return part_of_file(chance, DOCS, chars).splitlines()


def diff_noise(chance: random.Random, chars: int) -> list[str]:
    lines = ["diff --git a/src/x.py b/src/x.py", "--- a/src/x.py", "+++ b/src/x.py", "@@ -12,7 +12,9 @@"]
    return [*lines, *(chance.choice(" +- ") + line for line in code_noise(chance, chars))]


RESULTS: Final = (
    log_noise, listing_noise, json_noise, grep_noise, test_noise, toml_noise, code_noise, doc_noise, diff_noise,
)  # fmt: skip


@define
class Session:
    """A session, and what was planted in it."""

    messages: list[Message] = field(factory=list)
    planted: list[Planted] = field(factory=list)


def session(seed: int, kinds: Sequence[Kind] = TUNED, facts: int = 12, turns: int = TURNS) -> Session:
    """A session of so many turns, and facts of `kinds` at different ages in them."""
    chance = random.Random(seed)
    made = Session()
    places = chance.sample(range(1, turns - 1), facts)
    planted = dict[int, Planted]()
    for place, kind in zip(places, _drawn(chance, kinds, facts), strict=True):
        where, said, telling = kind(chance)
        planted[place] = Planted(kind.__name__, where, said, telling)
    made.planted = [planted[place] for place in sorted(places)]
    size = chance.randint(2_000, 4_600)
    for turn in range(turns):
        made.messages += _turn(chance, turn, planted.get(turn), size)
    return made


def _drawn(chance: random.Random, kinds: Sequence[Kind], facts: int) -> list[Kind]:
    """Each kind as often as any other."""
    drawn: list[Kind] = []
    while len(drawn) < facts:
        drawn += chance.sample(list(kinds), len(kinds))
    return drawn[:facts]


def _inserted(chance: random.Random, text: str, said: str) -> str:
    return one(chance, [f"{text} {said}", f"{said} {text}", f"{text}\n\n{said}"])


def _turn(chance: random.Random, turn: int, fact: Planted | None, size: int) -> list[Message]:
    where = fact.where if fact else ""
    said = fact.said if fact else ""
    asked = user_noise(chance)
    if where == "user":
        asked = _inserted(chance, asked, said)
    answer = assistant_noise(chance)
    if where == "assistant":
        answer = _inserted(chance, answer, said)
    lines = one_noise(chance, size)
    if where == "result":
        lines.insert(chance.randrange(len(lines) + 1), said)
    call = ToolCall(f"call_{turn}", *_call(chance, said if where == "call" else "", fact))
    return [
        Message(Role.USER, (TextPart(asked),)),
        Message(
            Role.ASSISTANT, (TextPart(assistant_noise(chance) if chance.random() < 0.5 else ""),), (call,)
        ),
        Message(Role.TOOL, (TextPart("\n".join(lines)),), tool_call_id=call.id),
        Message(Role.ASSISTANT, (TextPart(answer),)),
    ]


def one_noise(chance: random.Random, size: int) -> list[str]:
    return chance.choice(RESULTS)(chance, chance.randint(size // 2, size * 2))


def _call(chance: random.Random, said: str, fact: Planted | None) -> tuple[str, str]:
    path = f"src/{one(chance, THINGS)}/{one(chance, THINGS)}.py"
    if fact and said and fact.kind == "written_path":
        return "write_file", json.dumps({"path": said, "content": "\n".join(code_noise(chance, 500))})
    if said.startswith("git "):
        return "bash", json.dumps({"command": said})
    if said:
        lines = chance.choice([toml_noise, code_noise])(chance, 900)
        lines.insert(chance.randrange(len(lines) + 1), said)
        return "write_file", json.dumps({"path": path, "content": "\n".join(lines)})
    made: list[tuple[str, dict[str, object]]] = [
        ("read_file", {"path": path}),
        ("bash", {"command": f"pytest -q tests/test_{one(chance, THINGS)}.py"}),
        ("grep", {"pattern": one(chance, THINGS), "path": "src"}),
        (
            "edit_file",
            {
                "path": path,
                "old_string": code_noise(chance, 300)[0],
                "new_string": "\n".join(code_noise(chance, 600)),
            },
        ),
        ("bash", {"command": f"cd src/{one(chance, THINGS)} && ls -la | head -{chance.randint(10, 80)}"}),
    ]
    name, arguments = chance.choice(made)
    return name, json.dumps(arguments)
