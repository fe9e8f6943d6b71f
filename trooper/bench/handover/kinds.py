"""
Eight kinds of facts that a piece of work hangs on.

Written without a look at what decides what is kept. The other four are in
`kinds_apart`, by somebody who has not seen this file either.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from trooper.bench.handover.planted import Place, Planted

#: By whom, and in which words.
_Ways: TypeAlias = tuple[tuple[Place, str], ...]
_USER, _ASSISTANT, _CALL, _RESULT = Place.USER, Place.ASSISTANT, Place.CALL, Place.RESULT

_FIRST = ("Marta", "Ilkka", "Saoirse", "Tomasz", "Annelie", "Devraj", "Yusra", "Henning", "Noemi", "Oskar")
_LAST = (
    "Kowalczyk",
    "Rantanen",
    "Delacourt",
    "Brzezicki",
    "Thorvald",
    "Venkataraman",
    "Castellano",
    "Okonjo",
)
_TEAMS = ("metering", "dispatch", "settlement", "onboarding", "fulfilment", "tariffs", "claims", "loyalty")
_HOUSES = ("Nordlicht Energie", "Halvorsen Freight", "Brightwater Mutual", "Quillon Rail", "Ostara Clinics")
_THINGS = ("statement mailer", "seat planner", "meter poller", "refund desk", "parcel tracer", "roster sync")
_CHOICES = (
    ("NATS JetStream", "Kafka", "the events"),
    ("DuckDB", "Pandas", "the monthly figures"),
    ("Litestream", "nightly dumps", "the backups"),
    ("Zstandard", "gzip", "what is archived"),
    ("ULIDs", "serial numbers", "the keys of new tables"),
    ("MessagePack", "plain JSON", "what the workers send each other"),
    ("Argon2id", "bcrypt", "the passwords"),
    ("Caddy", "nginx", "the front"),
)
_FOLDERS = ("adapters", "pipelines", "gateways", "workers", "backfill", "migrations", "reconcile")
_STEMS = (
    "lapsed_holdings",
    "carrier_handoff",
    "tariff_bands",
    "orphan_vouchers",
    "shadow_writes",
    "late_meters",
)
_SERVERS = ("quayside", "lanternfish", "brambleton", "cobalt-hen", "marzipan", "sidewinder", "hollyhock")
_AREAS = ("LDG", "VCH", "MTR", "RFD", "QTE", "BKG")
_SYMPTOMS = ("checksum differs", "lease has run out", "band out of order", "already sealed", "unit not known")
_TABLES = ("audit_trail", "customer_consents", "ledger_closing", "payout_mandates", "signed_contracts")
_CUSTOMERS = ("Finbourne", "Tallgrass", "Vermeulen", "Ashgrove", "Kestrelworks", "Poldermann")

_WHO: Final[_Ways] = (
    (_USER, "Hi, I am {name} and I look after the {team} service at {house}."),
    (_USER, "Hello! {name} here, {team} team, {house}."),
    (_USER, "My name is {name}. I work on {team} for {house}, since last month, so bear with me."),
    (_USER, "hey, its {name} from {house} ({team})"),
)
_GOAL: Final[_Ways] = (
    (
        _USER,
        "What we want to get done: move the {thing} from cron to the job runner, to ship it with {version}.",
    ),
    (
        _USER,
        "The {thing} has to survive a restart without losing work; that is the goal for release {version}.",
    ),
    (
        _USER,
        "i need your help to get the {thing} ready for {version}, it must not send anything twice anymore",
    ),
    (_USER, "This session is about one thing only: {thing} twice as fast as now, in time for {version}."),
)
_DECISION: Final[_Ways] = (
    (_USER, "OK, decided: we go with {chosen} and not with {other} for {what}. No need to discuss it again."),
    (_USER, "I talked to the others, {what}: {chosen}. {other} is out."),
    (_USER, "then lets take {chosen} instead of {other} for {what}, i'm fine with that"),
    (
        _ASSISTANT,
        "Agreed, then {chosen} it is for {what}; {other} would have meant one more thing to operate.",
    ),
    (_ASSISTANT, "I have settled on {chosen} rather than {other} for {what}, as you asked me to choose."),
)
_PATH: Final[_Ways] = (
    (_CALL, "git mv scratch/draft.py {path} && git commit -q -m 'Give the draft its place'"),
    (_CALL, "cp -n scratch/draft.py {path} && python -m compileall -q {folder}"),
    (_ASSISTANT, "The draft has become {path} now, and nothing else uses it so far."),
    (_ASSISTANT, "I have moved the draft to `{path}`. The old place is empty."),
    (_RESULT, "renamed: scratch/draft.py -> {path}"),
)
_PORT: Final[_Ways] = (
    (_RESULT, "{server} is up: listening on 127.0.0.1:{port} (plain HTTP, no login)"),
    (_RESULT, '{{"name": "{server}", "state": "running", "port": {port}, "health": "ok"}}'),
    (_ASSISTANT, "{server} runs on port {port} now, the old one was taken."),
    (_USER, "btw you can reach {server} under localhost:{port}, it has the test data"),
    (_CALL, "ssh -N -L {port}:localhost:80 {server}"),
)
_ERROR: Final[_Ways] = (
    (_RESULT, "ERROR {code}: {symptom}\nThe import was stopped with exit status 1."),
    (_RESULT, "Traceback (most recent call last):\n  ...\nImportStopped: [{code}] {symptom}"),
    (_ASSISTANT, "The import stops with {code} ({symptom}), before it has written anything."),
    (_USER, "when I start the import here I only get {code}, {symptom}, whatever that means"),
)
_CONSTRAINT: Final[_Ways] = (
    (_USER, "One thing that is important: never write to the table {table}, the auditors read it."),
    (_USER, "Do what you like with the data, but {table} must stay read only."),
    (_USER, "and please dont touch {table}, only look at it, writing there is not allowed for us"),
    (
        _ASSISTANT,
        "I will only read {table} and never write to it: its trigger sends a letter for every change.",
    ),
)
_OPEN: Final[_Ways] = (
    (_ASSISTANT, "That part works now. What is left to do: the webhook of {customer} is not idempotent yet."),
    (_ASSISTANT, "Two of three are done. Still open: nobody has written the rollback for {customer}."),
    (_USER, "ok. later we still have to do the time zone of {customer}, remind me of it"),
    (_CALL, "echo '- [ ] backfill of {customer} ignores the rate limit' >> TODO.md"),
    (_RESULT, "TODO.md:  - [x] names\n  - [ ] retries for {customer} (not begun)\n  - [x] types"),
)


def _chosen(rng: random.Random, kind: str, ways: _Ways, **fields: str) -> tuple[str, Place, str]:
    place, words = rng.choice(ways)
    return kind, place, words.format(**fields)


def _who(rng: random.Random) -> Planted:
    last = rng.choice(_LAST)
    name = f"{rng.choice(_FIRST)} {last}"
    said = _chosen(rng, "who I am", _WHO, name=name, team=rng.choice(_TEAMS), house=rng.choice(_HOUSES))
    return Planted(*said, (name,), "What is my name?", (last,))


def _goal(rng: random.Random) -> Planted:
    thing, version = rng.choice(_THINGS), f"{rng.randrange(3, 9)}.{rng.randrange(13, 40)}.0"
    said = _chosen(rng, "goal", _GOAL, thing=thing, version=version)
    return Planted(*said, (thing, version), f"For which version do we work on the {thing}?", (version[:-2],))


def _decision(rng: random.Random) -> Planted:
    chosen, other, what = rng.choice(_CHOICES)
    said = _chosen(rng, "decision", _DECISION, chosen=chosen, other=other, what=what)
    return Planted(*said, (chosen,), f"What did we choose for {what}, in place of {other}?", (chosen,))


def _path(rng: random.Random) -> Planted:
    stem, folder = (
        f"{rng.choice(_STEMS)}_{rng.choice('bdfhkmprtv')}{rng.randrange(2, 10)}",
        rng.choice(_FOLDERS),
    )
    path = f"services/{folder}/{stem}.py"
    said = _chosen(rng, "path", _PATH, path=path, folder=folder)
    return Planted(*said, (path,), "To which file was scratch/draft.py moved?", (stem,))


def _port(rng: random.Random) -> Planted:
    server, port = rng.choice(_SERVERS), str(rng.randrange(20_011, 60_999))
    said = _chosen(rng, "port", _PORT, server=server, port=port)
    return Planted(*said, (server, port), f"On which port can {server} be reached?", (port,))


def _error_code(rng: random.Random) -> Planted:
    code = f"{rng.choice(_AREAS)}-{rng.randrange(4_100, 9_900)}"
    said = _chosen(rng, "error code", _ERROR, code=code, symptom=rng.choice(_SYMPTOMS))
    return Planted(*said, (code,), "With which error code did the import stop?", (code,))


def _constraint(rng: random.Random) -> Planted:
    table = f"{rng.choice(_TABLES)}_{rng.randrange(2011, 2024)}"
    said = _chosen(rng, "constraint", _CONSTRAINT, table=table)
    return Planted(*said, (table,), "Which table must never be written to?", (table,))


def _open_task(rng: random.Random) -> Planted:
    customer = f"{rng.choice(_CUSTOMERS)}-{rng.choice('ABCDEFGH')}{rng.randrange(12, 98)}"
    said = _chosen(rng, "open task", _OPEN, customer=customer)
    return Planted(*said, (customer,), "For which customer is a task still open?", (customer,))


#: What is said in the first turn of the user.
FIRST: Final = ("who I am", "goal")
KINDS: Final[Mapping[str, Callable[[random.Random], Planted]]] = {
    "who I am": _who,
    "goal": _goal,
    "decision": _decision,
    "path": _path,
    "port": _port,
    "error code": _error_code,
    "constraint": _constraint,
    "open task": _open_task,
}
