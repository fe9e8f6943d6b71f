"""What stands around planted facts: it has numbers, paths and names of its own."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from planted_words import ADJECTIVES, THINGS, VERBS, one

ROOT: Final = Path(__file__).parent.parent


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
    lines: list[str] = []
    while len("".join(lines)) < chars:
        lines.append(
            f"2026-03-{chance.randint(1, 28):02}T12:{len(lines) % 60:02}:{chance.randint(0, 59):02}Z "
            f"{one(chance, ['INFO', 'INFO', 'DEBUG'])} {one(chance, THINGS)}-{chance.randint(1, 9)} handled "
            f"{one(chance, ['GET', 'POST'])} /{one(chance, THINGS)}/{chance.randint(1, 9999)} in {chance.randint(1, 900)}ms"
        )
    return lines


def listing_noise(chance: random.Random, chars: int) -> list[str]:
    lines: list[str] = []
    while len("".join(lines)) < chars:
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
    lines: list[str] = []
    while len("".join(lines)) < chars:
        lines.append(
            f"src/{one(chance, THINGS)}/{one(chance, THINGS)}.py:{chance.randint(1, 400)}:    "
            f"{one(chance, THINGS)} = {one(chance, VERBS)}_{one(chance, THINGS)}({chance.randint(0, 99)})"
        )
    return lines


def test_noise(chance: random.Random, chars: int) -> list[str]:
    lines = ["============ test session starts ============", "platform linux -- Python 3.12.1, pytest-8.3.2"]
    while len("".join(lines)) < chars:
        lines.append(
            f"tests/test_{one(chance, THINGS)}.py::test_{one(chance, VERBS)}_{one(chance, ADJECTIVES)} PASSED [ {len(lines):>2}%]"
        )
    return lines


def toml_noise(chance: random.Random, chars: int) -> list[str]:
    lines: list[str] = []
    while len("".join(lines)) < chars:
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
