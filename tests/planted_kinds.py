"""
Facts to be planted in a session: where each is said, in which words, and what tells it.

The rules of the report were tuned with `TUNED`. What was missed of `HELD_OUT` was read, and led to rules that are not
about these kinds alone. `UNSEEN` was written when the rules were done, and nothing was changed for what it showed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

from planted_words import ANIMALS, NAMES, SURNAMES, THINGS, VERBS, hexes, number, one, person

Kind = Callable[[random.Random], tuple[str, str, tuple[str, ...]]]


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


def badge(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    n = number(chance)
    return "user", f"my badge for the data centre is {n}, you will need it in the form", (n,)


def office(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    city = one(chance, ["Gdansk", "Tromso", "Porto", "Leeds"])
    return "user", f"Our office is in {city}, so think of the time zone when you schedule things.", (city,)


def no_weekends(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    day = one(chance, ["Thursdays", "Mondays", "Fridays"])
    return "user", f"We do not release on {day}.", (day,)


def german_wish(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    animal = one(chance, ANIMALS)
    return (
        "user",
        f"Das Passwort liegt im Tresor unter dem Namen {animal}, frag mich nicht danach.",
        (animal, "Tresor"),
    )


def spanish_person(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    who = person(chance)
    return "user", f"La persona que lleva {one(chance, THINGS)} es {who}.", (who,)


def workaround(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    flag = f"--no-{one(chance, ANIMALS)}-check"
    return "assistant", f"It only builds with {flag}, so I left that in.", (flag,)


def ratio(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    a = f"{chance.randint(11, 49)} of {chance.randint(50, 99)}"
    return "assistant", f"Of the samples {a} were mislabelled.", (a,)


def given_up(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    animal = one(chance, ANIMALS)
    return "assistant", f"I gave up on the {animal} approach: it deadlocks under load.", (animal, "deadlocks")


def label(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    name, thing = f"{one(chance, ANIMALS)}.example/tier", one(chance, THINGS)
    return "call", f"{name}: {thing}-gold", (name, f"{thing}-gold")


def comment(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    n = number(chance, 101, 999)
    return "call", f"# must stay below {n} because of the old firmware", (n, "firmware")


def crontab(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    when = f"{chance.randint(1, 59)} {chance.randint(1, 23)} * * *"
    return "call", f"{when} /usr/local/bin/rotate-{one(chance, ANIMALS)}", (when,)


def uptime(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    n = number(chance, 101, 999)
    return "result", f"up {n} days, load average: 0.41, 0.33, 0.29", (n,)


def nxdomain(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    name = f"{one(chance, ANIMALS)}.{one(chance, THINGS)}.internal"
    return "result", f"** server can't find {name}: NXDOMAIN", (name,)


def id_in_json(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    n = f"acct_{hexes(chance, 10)}"
    return "result", f'  "customer_account": "{n}",', (n,)


def checksum(chance: random.Random) -> tuple[str, str, tuple[str, ...]]:
    n = hexes(chance, 32)
    return "result", f"{n}  release-{one(chance, ANIMALS)}.tar.gz", (n,)


UNSEEN: Final[Sequence[Kind]] = (
    *(badge, office, no_weekends, german_wish, spanish_person, workaround, ratio, given_up, label, comment),
    *(crontab, uptime, nxdomain, id_in_json, checksum),
)
