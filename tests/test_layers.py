"""
The shape of the package: imports point downwards only, each dangerous
dependency has one place, and files and functions stay readable.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "trooper"
FILES = sorted(PACKAGE.rglob("*.py"))
#: Also what is not installed: a long file is as hard to read there.
EVERY_FILE = [
    *FILES,
    *(file for folder in ("tests", "bench", "docs") for file in sorted((ROOT / folder).rglob("*.py"))),
    ROOT / "noxfile.py",
]


def part_of(file: Path) -> str:
    """`trooper/core/gate.py` → `core`; `trooper/wires.py` → `wires`."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


#: Values that every layer above `wire` may know; they know nothing of it.
LEAVES = {"config", "errors", "store", "telemetry"}
TOP = {"app", "clients", "commands", "demo", "bench", "__main__"}
#: From the bottom to the top. A module may import what stands below it, and its
#: own row; that a row has no circle is a test of its own.
LAYERS = (
    {"core"},
    {"wire"},
    {"aside"},
    {"targets"},
    {"wires"},
    {"services"},
    {"relay"},
    {"web"},
    TOP,
)
#: Imported by tests and bench, and in the package by the demo alone.
MAY_IMPORT_TESTING = {"testing", "demo", "bench"}

SANS_IO = {"core", "wire"}
BANNED_IN_SANS_IO = {
    *("asyncio", "hypercorn", "httpx", "logging", "os", "quart", "quart_trio"),
    *("random", "socket", "structlog", "time", "trio"),
}
#: Library → where it may be imported: module paths, or folders with a slash.
HOMES = {
    "httpx": ("trooper/targets/upstream.py",),
    # In services.py it is the type of the network that tests pass in.
    "psutil": ("trooper/targets/memory.py",),
    "httpcore": (
        "trooper/targets/upstream.py",
        "trooper/targets/network.py",
        "trooper/targets/one_answer.py",
        "trooper/services.py",
        "trooper/testing/network.py",
    ),
    "h11": ("trooper/web/http1.py", "trooper/web/patches.py", "trooper/testing/", "trooper/bench/"),
    "quart": ("trooper/web/",),
    "quart_trio": ("trooper/web/",),
    "werkzeug": ("trooper/web/",),
    "hypercorn": ("trooper/web/",),
    # In patches.py it is what the server's connections on that loop end by; in waiting.py its loops are known apart.
    "asyncio": ("trooper/web/guest.py", "trooper/web/patches.py", "trooper/web/waiting.py"),
    "cattrs": ("trooper/config/typed.py",),
    "apsw": ("trooper/store/",),
    # Of an extra: imported late, and where it is needed alone.
    "cryptography": ("trooper/store/sealing.py",),
}

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


def path_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imports_of(file: Path) -> Iterator[str]:
    """Every dotted name that `file` imports, late and type-checking imports included."""
    for node in ast.walk(tree_of(file)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield module
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.ImportFrom():
                raise AssertionError(f"{path_of(file)}: relative import; write it out")


def own_parts(file: Path) -> set[str]:
    """The parts of Trooper that `file` imports, its own left out."""
    parts = {name.split(".")[1] for name in imports_of(file) if re.match(r"trooper\.\w", name)}
    known = {part_of(other) for other in FILES}
    return (parts & known) - {part_of(file), "__init__"}


def allowed(part: str) -> set[str]:
    if part == "testing":
        # The fakes speak a wire by themselves: they would otherwise agree with our mistakes.
        return set()
    if part in LEAVES:
        return {"core", "errors"}
    level = next(level for level, row in enumerate(LAYERS) if part in row)
    below: set[str] = set().union(*LAYERS[: level + 1])
    leaves = {"errors"} if part in SANS_IO else LEAVES
    testing = {"testing"} if part in MAY_IMPORT_TESTING else set()
    return below | leaves | testing


@pytest.mark.parametrize("file", FILES, ids=path_of)
def test_imports_point_downwards(file: Path) -> None:
    if file == PACKAGE / "__init__.py":
        assert own_parts(file) == set()
        return

    assert own_parts(file) <= allowed(part_of(file))


@pytest.mark.parametrize("row", LAYERS, ids=min)
def test_no_circle_within_a_layer(row: set[str]) -> None:
    edges = {part: set[str]() for part in row}
    for file in FILES:
        if part_of(file) in row:
            edges[part_of(file)] |= own_parts(file) & row

    while free := [part for part, needs in edges.items() if not needs & edges.keys()]:
        for part in free:
            del edges[part]

    assert edges == {}


@pytest.mark.parametrize("file", FILES, ids=path_of)
def test_each_library_has_its_home(file: Path) -> None:
    imported = {name.split(".")[0] for name in imports_of(file)}
    banned = BANNED_IN_SANS_IO if part_of(file) in SANS_IO else set()
    homeless = {
        library
        for library, homes in HOMES.items()
        if library in imported and not path_of(file).startswith(homes)
    }

    assert imported & banned == set()
    assert homeless == set()


def test_ruff_bans_the_same_in_core_and_wire() -> None:
    for part in SANS_IO:
        rules = tomllib.loads((PACKAGE / part / "ruff.toml").read_text(encoding="utf-8"))
        banned = set(rules["lint"]["flake8-tidy-imports"]["banned-api"])

        assert banned == BANNED_IN_SANS_IO - {"quart_trio"}


def test_every_import_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [Requirement(text) for text in project["dependencies"]]
    declared = {r.name.lower() for r in requirements if r.marker is None or r.marker.evaluate()}
    imported = {name.split(".")[0] for file in FILES for name in imports_of(file)}
    distributions = packages_distributions()
    foreign = imported - set(sys.stdlib_module_names) - {"trooper"}
    # What a newer Python has itself is nobody's, or is not there.
    needed = {distribution.lower() for name in foreign for distribution in distributions.get(name, ())}
    extra = {Requirement(text).name for text in project["optional-dependencies"]["sealed"]}

    assert needed == declared | extra


@pytest.mark.parametrize("file", EVERY_FILE, ids=path_of)
def test_files_and_functions_are_short(file: Path) -> None:
    """
    A function that is a test may be longer: one that reads a whole document and
    says all of what it means has no parts that would be clearer alone.
    """
    lines = len(file.read_text(encoding="utf-8").splitlines())
    long_functions = {
        node.name: length
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("test_")
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > MAX_FUNCTION_LINES
    }

    assert lines <= MAX_FILE_LINES
    assert long_functions == {}


@pytest.mark.parametrize("file", FILES, ids=path_of)
def test_no_member_of_a_closed_set_is_passed_over(file: Path) -> None:
    """
    `case _: pass` hides a new event, step or wire for ever; mypy finds a missing one behind `assert_never`.

    What came from outside (text, JSON) may have a rest that nobody looks at.
    """
    passed_over = [
        case.pattern.lineno
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.Match) and any(is_of_a_closed_set(case.pattern) for case in node.cases)
        for case in node.cases
        if is_wildcard(case.pattern)
        if all(isinstance(line, ast.Pass | ast.Continue) for line in case.body)
    ]

    assert passed_over == []


def is_wildcard(pattern: ast.pattern) -> bool:
    return isinstance(pattern, ast.MatchAs) and pattern.pattern is None


def is_of_a_closed_set(pattern: ast.pattern) -> bool:
    """Whether it names a class that is no builtin, or a member of an enumeration."""
    for node in ast.walk(pattern):
        match node:
            case ast.MatchClass(cls=ast.Name(id=name)) if name not in dir(builtins):
                return True
            case ast.MatchValue(value=ast.Attribute()):
                return True
    return False


def test_there_is_something_to_check() -> None:
    assert len(FILES) > 20
    assert {path_of(file).split("/")[0] for file in EVERY_FILE} == {
        *("trooper", "tests", "bench", "docs", "noxfile.py"),
    }
