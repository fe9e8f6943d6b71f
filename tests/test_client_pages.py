"""
The pages of `docs/clients/`: each block is what `trooper connect` shows, each
output is a real one, each link leads somewhere. What the blocks do is tried in
`tests/e2e/test_client_blocks.py`, and with the real programs in `tests/headless`.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from client_texts import URL
from trooper.clients.table import CLIENTS
from trooper.commands.connect import connect
from trooper.config import load
from trooper.wires import WIRES

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted((DOCS / "clients").glob("*.md"))
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
NAMES = [client.name for client in CLIENTS]


def page_of(name: str) -> str:
    return (DOCS / "clients" / f"{name}.md").read_text(encoding="utf-8")


def blocks(name: str, *languages: str) -> list[str]:
    return [
        re.sub(f"^{indent}", "", text, flags=re.MULTILINE)
        for indent, language, text in BLOCK.findall(page_of(name))
        if language in languages
    ]


def block_of(name: str) -> str:
    """The first block of a client's page."""
    return blocks(name, "json", "toml", "yaml", "text")[0]


def anchors(page: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


# -- the pages ---------------------------------------------------------------------


def test_each_client_has_a_page_and_each_page_is_listed() -> None:
    index = page_of("index")
    listed = index.partition(":hidden:")[2].partition("```")[0].split()
    assert {*NAMES, "sdks"} == {*listed} == {page.stem for page in PAGES} - {"index"}
    assert all(f"]({name}.md)" in index for name in listed)


@pytest.mark.parametrize("name", NAMES)
def test_the_block_of_the_page_is_the_one_that_is_shown(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert connect(name) == 0
    assert block_of(name) == capsys.readouterr().out


def test_the_block_for_a_login_is_the_one_that_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert connect("codex", login=True) == 0
    assert blocks("codex", "toml")[1] == capsys.readouterr().out


def test_the_outputs_are_real(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable in ("CODEX_HOME",):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    shown = []
    for block in blocks("index", "console"):
        for command, output in re.findall(
            r"^\$ trooper connect (.*)\n((?:[^$].*\n|\n)*)", block, re.MULTILINE
        ):
            name, *options = command.split()
            assert connect(name, write="--write" in options, undo="--undo" in options) == 0
            out, err = capsys.readouterr()
            assert (out + err).replace(str(tmp_path), "/home/me") == output
            shown.append(command)
    assert shown == ["codex", "codex --write", "codex --undo"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", text)):
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("name", [*NAMES, "sdks"])
def test_each_page_says_how_long_its_client_waits_and_who_says_so(name: str) -> None:
    page = page_of(name)
    waits = re.split(r"^## How long (?:it waits|they wait)$", page, flags=re.MULTILINE)[1]
    assert re.search(r"^Sources?: ", waits, re.MULTILINE)
    assert re.search(r"\d+ s|none", waits)
    # Whose key goes where is said on each, too.
    assert re.search(r"nowhere else|nobody else", " ".join(page.split()))


def test_the_trooper_toml_for_a_plan_is_a_configuration(tmp_path: Path) -> None:
    (text,) = (text for text in blocks("codex", "toml") if "[[targets]]" in text)
    (tmp_path / "trooper.toml").write_text(text)
    config = load({}, tmp_path, WIRES.known)
    assert {target.name: target.base_url for target in config.targets if not target.is_local} == {
        "openai": "https://api.openai.com/v1",
        "openai-responses": "https://chatgpt.com/backend-api/codex",
        "anthropic": "https://api.anthropic.com/v1",
    }
    (command,) = blocks("codex", "sh")
    variable, url = re.match(r"(\w+)=(\S+) trooper serve\n", command).groups()  # type: ignore[union-attr]
    (tmp_path / "trooper.toml").unlink()
    config = load({variable: url}, tmp_path, WIRES.known)
    assert {target.name: target.base_url for target in config.targets}["openai-responses"] == url


def test_the_code_of_the_sdks_names_the_address() -> None:
    """It is run by `nox -s docs` and `nox -s node`."""
    code = blocks("sdks", "python")
    assert len(code) == 3
    for text in code:
        calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        named = [k.value for call in calls for k in call.keywords if k.arg == "base_url"]
        assert [ast.literal_eval(value).removesuffix("/v1") for value in named] == [URL]
    (script,) = blocks("sdks", "js")
    assert f'baseURL: "{URL}/v1"' in script


def test_a_container_is_told_the_same() -> None:
    (command,) = blocks("open-webui", "sh")
    for line in block_of("open-webui").split():
        assert f"-e {line}" in command
