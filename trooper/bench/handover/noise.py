"""
What tools answer: long, and mostly of no interest later.

Each function makes one call and about as many characters of a result as it is told.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Final

from attrs import frozen

from trooper.bench.handover.words import Words


@frozen
class Use:
    """A call of a tool, and what it answered."""

    tool: str
    arguments: dict[str, object]
    result: str


Make = Callable[[Words, random.Random, int], Use]


def _until(chars: int, lines: Iterator[str]) -> str:
    """As many lines as it takes."""
    taken: list[str] = []
    size = 0
    for line in lines:
        taken.append(line)
        size += len(line) + 1
        if size >= chars:
            break
    return "\n".join(taken)


def _forever(make: Callable[[], str]) -> Iterator[str]:
    while True:
        yield make()


def listing(words: Words, rng: random.Random, chars: int) -> Use:
    """The files of a folder."""

    def line() -> str:
        ending = rng.choice(("py", "py", "py", "toml", "sql", "md", "json", "yaml"))
        return f"-rw-r--r--  1 dev dev  {rng.randrange(200, 90_000):>6}  {words.file(ending)}"

    folder = rng.choice(words.packages)
    return Use("list_files", {"path": folder, "depth": rng.randrange(1, 4)}, _until(chars, _forever(line)))


def python_source(words: Words, rng: random.Random, chars: int) -> Use:
    """A module."""

    def block() -> str:
        name, value, other = words.function(), words.noun(), words.noun()
        return rng.choice(
            (
                (
                    f"def {name}({value}: str, {other}: int = {rng.randrange(2, 90)}) -> list[str]:\n"
                    f'    """{words.phrase().capitalize()}."""\n'
                    f"    found = []\n"
                    f"    for {words.noun()}_id in {words.function()}({value}):\n"
                    f"        if not {words.function()}({other}):\n"
                    f"            continue\n"
                    f"        found.append({value}.{words.verb()}({words.noun()}_id))\n"
                    f"    return sorted(found)\n"
                ),
                (
                    f"class {words.kind()}:\n"
                    f'    """{words.phrase().capitalize()}."""\n\n'
                    f"    def __init__(self, {value}: {words.kind()}) -> None:\n"
                    f"        self._{value} = {value}\n"
                    f"        self._{other} = {{}}\n\n"
                    f"    async def {words.verb()}(self, {words.noun()}: bytes) -> None:\n"
                    f"        async with self._{value}.{words.verb()}() as {other}:\n"
                    f"            await {other}.{words.function()}(self._{other})\n"
                ),
                (
                    f"# {words.phrase().capitalize()}, else the {words.noun()} grows.\n"
                    f"{words.noun().upper()}_{words.noun().upper()} = {rng.randrange(2, 600)}\n"
                ),
            )
        )

    path = words.file()
    head = (
        f"from __future__ import annotations\n\nfrom {rng.choice(words.packages)} import {words.kind()}\n\n"
    )
    return Use("read_file", {"path": path}, head + "\n" + _until(chars - len(head), _forever(block)))


def script_source(words: Words, rng: random.Random, chars: int) -> Use:
    """A module of the front end."""

    def block() -> str:
        name, kind = words.noun(), words.kind()
        return (
            f"export interface {kind} {{\n  {name}: string;\n  {words.noun()}Count: number;\n}}\n\n"
            f"export async function {words.verb()}{kind}(input: {kind}): Promise<void> {{\n"
            f"  const {name} = await api.get(`/{words.noun()}/${{input.{name}}}`);\n"
            f"  if (!{name}.ok) {{\n    throw new Error('could not {words.verb()} the {words.noun()}');\n  }}\n"
            f"  store.{words.verb()}({name}.data, {{ {words.adjective()}: true }});\n}}\n"
        )

    return Use("read_file", {"path": words.file("ts")}, _until(chars, _forever(block)))


def log(words: Words, rng: random.Random, chars: int) -> Use:
    """What a service has written."""

    def line() -> str:
        level = rng.choices(("INFO ", "DEBUG", "WARN ", "ERROR"), (40, 20, 4, 1))[0]
        return (
            f"2026-03-{rng.randrange(1, 29):02} {words.moment()} {level} [{words.noun()}-{rng.randrange(1, 9)}]"
            f" {words.function()} {words.noun()}={words.hexadecimal(8)} took {rng.randrange(1, 900)} ms"
        )

    lines = rng.randrange(80, 400)
    command = f"tail -n {lines} log/{words.noun()}_{words.noun()}.log"
    return Use("run_command", {"command": command}, _until(chars, _forever(line)))


def tests(words: Words, rng: random.Random, chars: int) -> Use:
    """A run of the tests that passed, more or less."""

    def line() -> str:
        return (
            f"tests/{words.file()}::test_{words.function()} {rng.choices(('PASSED', 'SKIPPED'), (20, 1))[0]}"
        )

    body = _until(chars - 80, _forever(line))
    count = body.count("PASSED")
    end = f"\n===== {count} passed in {rng.randrange(2, 90)}.{rng.randrange(100):02}s ====="
    return Use(
        "run_tests", {"path": f"tests/{rng.choice(words.packages)}", "filter": words.noun()}, body + end
    )


def rows(words: Words, rng: random.Random, chars: int) -> Use:
    """Rows of a table, as JSON."""
    columns = [words.noun() for _ in range(5)]

    def line() -> str:
        row = {
            "id": words.hexadecimal(12),
            columns[0]: words.adjective(),
            columns[1]: rng.randrange(1, 9_999) / 100,
            columns[2]: f"2026-02-{rng.randrange(1, 29):02}",
            columns[3]: rng.choice((True, False, None)),
            columns[4]: f"{words.noun()} {words.noun()}",
        }
        return json.dumps(row)

    table = f"{words.noun()}_{words.noun()}"
    limit = rng.randrange(20, 90)
    sql = f"select * from {table} where {columns[2]} > now() - interval '30 days' limit {limit}"  # noqa: S608  # nobody runs it
    return Use("query_database", {"sql": sql}, _until(chars, _forever(line)))


def diff(words: Words, rng: random.Random, chars: int) -> Use:
    """What has changed."""

    def hunk() -> str:
        old, new, at = words.function(), words.function(), rng.randrange(5, 400)
        return (
            f"@@ -{at},6 +{at},6 @@ class {words.kind()}:\n"
            f"     {words.noun()} = self.{words.function()}()\n"
            f"-    {words.noun()} = {old}({words.noun()})\n"
            f"+    {words.noun()} = {new}({words.noun()}, {words.noun()}={rng.randrange(2, 60)})\n"
            f"     return {words.noun()}\n"
        )

    path = words.file()
    head = f"diff --git a/{path} b/{path}\nindex {words.hexadecimal(7)}..{words.hexadecimal(7)} 100644\n"
    return Use("git_diff", {"ref": "HEAD~1", "path": path}, head + _until(chars - len(head), _forever(hunk)))


def matches(words: Words, rng: random.Random, chars: int) -> Use:
    """What a search has found."""
    pattern = words.function()

    def line() -> str:
        return f"{words.file()}:{rng.randrange(3, 900)}:    {words.noun()} = {pattern}({words.noun()}, {words.noun()})"

    return Use("search", {"pattern": pattern, "path": "."}, _until(chars, _forever(line)))


def page(words: Words, rng: random.Random, chars: int) -> Use:
    """A page of documentation."""

    def paragraph() -> str:
        sentences = [
            f"The {words.adjective()} {words.noun()} is used to {words.phrase()}.",
            f"Where a {words.noun()} has no {words.noun()}, `{words.function()}` is called in its place.",
            f"Do not {words.verb()} a {words.noun()} by hand unless the {words.noun()} is {words.adjective()}.",
            f"Since release {rng.randrange(1, 3)}.{rng.randrange(1, 9)} the {words.noun()} is {words.adjective()}.",
        ]
        heading = f"## {words.verb().title()} a {words.noun()}\n\n" if rng.random() < 0.3 else ""
        return heading + " ".join(rng.sample(sentences, 3)) + "\n"

    url = f"https://docs.{words.noun()}-{words.noun()}.example/{words.noun()}/{words.verb()}.html"
    return Use("fetch_url", {"url": url}, _until(chars, _forever(paragraph)))


def build(words: Words, rng: random.Random, chars: int) -> Use:
    """What a build says."""

    def line() -> str:
        done = rng.randrange(100)
        return f"[{done:>3}%] Building {words.noun()}-{words.noun()} {rng.randrange(3)}.{rng.randrange(9)} ({words.file()})"

    return Use(
        "run_command", {"command": f"make {words.noun()}-{words.verb()}"}, _until(chars, _forever(line))
    )


NOISE: Final[tuple[Make, ...]] = (
    *(listing, python_source, script_source, log, tests, rows, diff, matches, page, build),
    # Files are what is read most.
    *(python_source, log, matches),
)
#: What a program says of itself while it runs.
SPOKEN: Final[tuple[Make, ...]] = (log, build)
