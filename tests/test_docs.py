"""
The README and the pages say what is so: their outputs are real ones, their
links lead somewhere, and what they name exists.

Their code runs in `nox -s docs`, against a Trooper of its own.
"""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from attrs import fields

from scenes import stage
from trooper import demo
from trooper.commands import cli
from trooper.commands.check import check
from trooper.commands.fetch_model import fetch_model
from trooper.config import Server, Store, Target, load
from trooper.config.environment import variables
from trooper.core.conversation import Message, Role, TextPart, ToolCall
from trooper.core.outcome import FailureKind
from trooper.core.reported import Reported
from trooper.core.situation.dropped import Dropped
from trooper.core.unfit import Unfit
from trooper.demo.lines import PLAIN
from trooper.targets.embedded.model import EXTRA
from trooper.targets.report_hook import Hook, NoReport, ReportedCall, ReportedTurn, Unwritten
from trooper.testing import FAULTS, FakeOllama, FaultAt, OllamaFault, ScriptedProvider
from trooper.wires import WIRES

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    return [text for name, text in BLOCK.findall(page) if name == language]


def prose(page: Path) -> str:
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


# -- the README --------------------------------------------------------------------


def test_the_first_two_commands_are_one_line_each() -> None:
    first, second = (block.splitlines() for block in blocks(README, "sh")[:2])

    assert [len(first), len(second)] == [1, 1]
    assert first[0].endswith(".venv/bin/trooper demo")
    assert second[0].startswith("python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]'")
    assert ".venv/bin/pytest" in second[0]


def test_the_commands_of_using_it_are_on_the_path() -> None:
    """Right after the first command, `trooper check` was no command that there is."""
    quickstart = (DOCS / "quickstart.md").read_text("utf-8")
    for page, section, commands in (
        (README, "## Use it", {"trooper run -- claude"}),
        (quickstart, "## Put an agent behind it", {"trooper run -- claude"}),
        (quickstart, "## Run it for all clients", {"trooper check", "trooper serve"}),
    ):
        first = blocks(page.partition(section)[2], "sh")[0].splitlines()
        assert first[0] == ". .venv/bin/activate"
        assert commands <= set(first)


def test_the_state_is_that_of_the_table() -> None:
    state = README.partition("**State.**")[2]
    numbers = {3: "three", 4: "four", 5: "five", 6: "six"}
    assert f"{numbers[len(WIRES.paths)]} wires in, any of {numbers[len(WIRES.known)]} behind" in state


def test_the_package_is_installed_from_where_it_is() -> None:
    """It is on no index, so its name in a command leads nowhere."""
    sources = [*PAGES, *(ROOT / "trooper").rglob("*.py")]
    for source in sources:
        assert not re.search(r"install[^\n`]*trooper-proxy", source.read_text(encoding="utf-8")), source
    assert EXTRA.startswith(".venv/bin/pip install -e '.[embedded]'")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "embedded" in extras["optional-dependencies"]


@pytest.mark.parametrize("page", ["README.md", "docs/quickstart.md"])
def test_what_a_supervisor_hears_of_a_mistake_is_said_beside_the_command(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    at = text.index("```sh\nhypercorn trooper.app\n")
    near = " ".join(text[at - 600 : at + 700].split())
    assert "exit status 0" in near
    assert "supervisor" in near
    assert "`trooper serve`" in near


def test_the_picture_is_one_of_the_demo() -> None:
    """It is recorded, so its times differ; what is always there is there."""
    assert "](docs/demo.svg)" in README
    picture = ET.parse(DOCS / "demo.svg")  # noqa: S314  # our own
    rows: defaultdict[str | None, str] = defaultdict(str)
    for element in picture.iter("{http://www.w3.org/2000/svg}text"):
        rows[element.get("y")] += (element.text or "").replace("\xa0", " ")
    seen = "\n".join(rows.values())
    claims = [claim.name for claim in demo.prove([], b"", None)]

    assert re.findall(r"✓ (.+?):", seen) == claims
    assert f"you │ {PLAIN.question}" in seen
    assert "conn_reset: the cloud is gone, the local model goes on" in seen
    assert "The proof holds." in seen
    assert "url(" not in (DOCS / "demo.svg").read_text(encoding="utf-8").replace("url(#", "")


# -- the pages ---------------------------------------------------------------------


async def test_the_streams_at_the_seam_are_real(autojump_clock: Any) -> None:
    answer = "The keeper writes down every ship."
    cloud = ScriptedProvider(answer=answer, script=FaultAt(FAULTS["reset"], 3))
    async with stage(cloud, FakeOllama(answer=answer)) as s:
        switched = await s.ask(stream_options={"include_usage": True})
        s.ollama.fault = OllamaFault("status", status=500)
        lost = await s.ask()
    whole, keep_alive, error = blocks((DOCS / "seam.md").read_text(encoding="utf-8"), "text")

    assert bytes(switched.body).decode().rstrip("\n") == whole.rstrip("\n")
    assert bytes(lost.body).decode().endswith(f"\n\n{error.rstrip()}\n\n")
    assert keep_alive == ": trooper keep-alive\n"


async def test_the_function_that_writes_reports_is_a_real_one() -> None:
    page = (DOCS / "reports.md").read_text(encoding="utf-8")
    (code,), (turns,), (report,) = (blocks(page, language) for language in ("python", "json", "text"))
    own: dict[str, Any] = {}
    exec(code, own)  # noqa: S102  # our own
    told = tuple(
        Message(
            Role(turn["role"]),
            (TextPart(turn["text"]),),
            tuple(ToolCall(**call) for call in turn["tool_calls"]),
            turn["tool_call_id"],
        )
        for turn in json.loads(turns)
    )

    written = await Hook(own["report"]).write(Reported(Dropped(told), 1000), 60)
    assert written == report.rstrip("\n")
    assert await Hook(own["report"]).write(Reported(Dropped(told[:2]), 1000), 60) == Unwritten(NoReport.EMPTY)
    for cls in (ReportedTurn, ReportedCall):
        assert all(f"`{key}`" in page for key in cls.__annotations__)


@pytest.mark.parametrize("script", sorted(DOCS.glob("generate_*.py")), ids=lambda script: script.stem)
def test_generated_pages_are_up_to_date(script: Path) -> None:
    outcome = subprocess.run(
        [sys.executable, str(script), "--check"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT)},
    )

    assert outcome.stdout + outcome.stderr == ""
    assert outcome.returncode == 0


def test_every_kind_and_fault_is_in_the_table() -> None:
    page = (DOCS / "failures.md").read_text(encoding="utf-8")

    assert [kind.value for kind in FailureKind if f"| `{kind.value}` |" not in page] == []
    assert [name for name in FAULTS if f"| `{name}` |" not in page] == []


def test_the_reasons_in_the_pages_are_those_of_the_code() -> None:
    """Both ways: each has its row, and no page names one that cannot be."""
    page = (DOCS / "failures.md").read_text(encoding="utf-8")
    table = page.partition("\n## Reasons\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    wires = (DOCS / "wires.md").read_text(encoding="utf-8")
    named = [
        word for words in re.findall(r"unfit \(([^)]+)\)", wires) for word in re.findall(r"`(\w+)`", words)
    ]

    assert rows == [reason.value for reason in Unfit]
    assert named
    assert set(named) <= set(rows)


def test_every_page_is_in_the_index() -> None:
    listed = re.findall(r"^(\w+)$", (DOCS / "index.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert {*listed, "index"} == {page.stem for page in DOCS.glob("*.md")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_toml_is_a_configuration(page: Path, tmp_path: Path) -> None:
    for text in blocks(page.read_text(encoding="utf-8"), "toml"):
        (tmp_path / "trooper.toml").write_text(text, encoding="utf-8")
        named = re.findall(r'env = "([A-Z_]+)"', text)
        assert load(dict.fromkeys(named, "sk-test"), tmp_path, WIRES.known).source != "environment"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_named_exists(page: Path) -> None:
    """Files, keys of the configuration, variables and options, as far as their form tells them."""
    keys = {attribute.name for cls in (Server, Store, Target) for attribute in fields(cls)} | {
        "client_keys_env",
        "key_env",
        "seal_key_env",
    }
    words = {
        word for quoted in re.findall(r"`([^`\n]+)`", prose(page)) for word in re.split(r"[ =,]+", quoted)
    }

    for word in words:
        if re.fullmatch(r"[a-z_/*]+\.(py|md|toml)", word):
            places = (ROOT, ROOT / "trooper", DOCS, ROOT / "tests")
            assert word == "trooper.toml" or any(any(place.glob(word)) for place in places), word
        elif re.fullmatch(r"TROOPER_[A-Z_]+", word):
            assert word in variables(WIRES.known), word
        elif re.fullmatch(r"[a-z]+(_[a-z]+)*_(s|bytes|chars)", word):
            assert word in keys, word


@pytest.mark.parametrize("name", ["design", "glossary"])
def test_classes_that_are_named_exist(name: str) -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "trooper").rglob("*.py"))
    classes = set(re.findall(r"^class (\w+)", source, re.MULTILINE))
    headers = {"Authorization", "Via"}
    named = re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)*)`", prose(DOCS / f"{name}.md"))

    assert named
    assert set(named) <= classes | headers


def test_the_glossary_is_in_alphabetical_order() -> None:
    page = (DOCS / "glossary.md").read_text(encoding="utf-8")
    words = re.findall(r"^([a-z][a-z -]*)\n: ", page, re.MULTILINE)

    assert len(words) > 50
    assert words == sorted(words)


COMMANDS: dict[str, Callable[..., Any]] = {
    "serve": cli.serve,
    "check": check,
    "demo": demo.demo,
    "fetch-model": fetch_model,
}


def test_options_in_the_pages_exist() -> None:
    for page in PAGES:
        for command, rest in re.findall(
            r"\btrooper (serve|check|demo|fetch-model)\b([^`\n]*)", page.read_text(encoding="utf-8")
        ):
            taken = inspect.signature(COMMANDS[command]).parameters
            options = {f"--{name.removeprefix('as_').replace('_', '-')}" for name in taken} | {"--help"}
            assert set(re.findall(r"(?<= )--[a-z-]+", rest)) <= options, (page.name, command, rest)


def test_every_module_has_its_place_in_the_design() -> None:
    page = (DOCS / "design.md").read_text(encoding="utf-8")
    house = page.partition("\n## The house\n")[2].partition("\n## ")[0]
    parts = {path.name for path in (ROOT / "trooper").iterdir() if not path.name.startswith((".", "_"))}

    missing = {name for name in parts - {"py.typed"} if not re.search(rf"`{name}/?`", house)}
    assert missing == set()
    assert "](house.svg)" in house


def test_the_picture_of_the_house_shows_all_of_it() -> None:
    """It is drawn for a browser: nothing is fetched, nothing is run, nothing is outside of it."""
    picture = ET.parse(DOCS / "house.svg")  # noqa: S314  # our own
    root, svg = picture.getroot(), "{http://www.w3.org/2000/svg}"
    kinds = {element.tag.removeprefix(svg) for element in root.iter()}
    texts = list(root.iter(f"{svg}text"))
    rooms = {text.text for text in texts if text.get("class") == "name"}
    files = " ".join(text.text or "" for text in texts if text.get("class") == "file").split()
    wings = [path for wing in ("relay", "targets") for path in (ROOT / "trooper" / wing).rglob("*.py")]

    assert kinds == {"svg", "title", "style", "rect", "path", "circle", "text"}
    assert rooms == {
        path.stem for path in (ROOT / "trooper").iterdir() if not path.name.startswith((".", "_", "py."))
    }
    assert {path.stem for path in wings} - {"__init__"} <= {name.removesuffix("/") for name in files}
    for box in root.iter(f"{svg}rect"):
        left, top = float(box.get("x", 0)), float(box.get("y", 0))
        assert left + float(box.get("width", 0)) <= float(root.get("width", 0))
        assert top + float(box.get("height", 0)) <= float(root.get("height", 0))


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    table = (
        (DOCS / "design.md").read_text(encoding="utf-8").partition("## Dependencies")[2].partition("\n## ")[0]
    )
    named = {
        name for row in re.findall(r"^\| ([a-z0-9-., ]+) \|", table, re.MULTILINE) for name in row.split(", ")
    }

    assert named - {"package"} == {re.split(r"[>=\[]", text)[0] for text in project["dependencies"]}
