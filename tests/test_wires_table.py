"""
A wire is one folder and one row: a made-up sixth one needs nothing else, and
nobody outside the table and its folder knows a wire by name.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from asgi_server import HOST, JSON, ask
from opened import serving
from scenes import dies, stage
from trooper.config import Chain, Config, DefaultTarget, Key, Target, Wire, load
from trooper.config.environment import variables
from trooper.core.headers import Headers
from trooper.errors import ConfigError
from trooper.targets.credentials import Credential
from trooper.testing import ScriptedProvider
from trooper.wire.client_side import Trouble
from trooper.wires import ANTHROPIC_MESSAGES, OLLAMA_CHAT, WIRES, Wires

PACKAGE = Path(__file__).parent.parent / "trooper"

MADE_UP = Wire(
    "made-up",
    default_url="http://second.example/v1",
    default_target=DefaultTarget("acme", "TROOPER_ACME_URL", "TROOPER_ACME_KEY"),
)


def error_body(trouble: Trouble) -> Mapping[str, object]:
    return {"oh": trouble.kind.value}


def refusal_body(status: int, code: str, message: str) -> Mapping[str, object]:
    return {"oh": code, "said": message, "number": status}


def row_of_sixth() -> Wires:
    client, target = ANTHROPIC_MESSAGES.client, ANTHROPIC_MESSAGES.target
    assert client is not None
    assert target is not None
    sixth = evolve(
        ANTHROPIC_MESSAGES,
        wire=MADE_UP,
        client=evolve(
            client,
            path="/v1/made-up",
            error_body=error_body,
            refusal_body=refusal_body,
            named_by=b"x-made-up",
        ),
        target=evolve(target, headers=((b"x-made-up", b"1"),)),
        credential=Credential(b"x-made-up-key", b"Key "),
    )
    return Wires((*WIRES.rows, sixth))


SIX = row_of_sixth()


def six(environ: Mapping[str, str] | None = None) -> Config:
    """Zero configuration with six wires, the clouds in reach of the memory network."""
    known = {
        "TROOPER_OPENAI_BASE_URL": "http://api.openai.com/v1",
        "TROOPER_ANTHROPIC_BASE_URL": "http://api.anthropic.com/v1",
    }
    return load(known | dict(environ or {}), Path("/nonexistent"), SIX.known)


class TestTheConfiguration:
    def test_a_target_is_there_without_a_file_and_obeys_its_variables(self) -> None:
        acme = six({"TROOPER_ACME_URL": "http://other.example", "TROOPER_ACME_KEY": "sk-acme"}).target("acme")

        assert acme == Target("acme", MADE_UP, "http://other.example/v1", key=Key("value", "sk-acme"))
        assert six().target("acme").key == Key("client")
        assert "TROOPER_ACME_KEY" in variables(SIX.known)
        assert "* (made-up)" in six().listed_chains()

    def test_a_file_may_name_it(self, tmp_path: Path) -> None:
        text = '[[targets]]\nname = "mine"\nwire = "made-up"\nbase_url = "http://m.example"\nkey = "none"\n'
        (tmp_path / "trooper.toml").write_text(text)

        assert load({}, tmp_path, SIX.known).targets == (
            Target("mine", MADE_UP, "http://m.example/v1", key=Key("none")),
        )
        with pytest.raises(ConfigError, match="'made-up' is not a wire"):
            load({}, tmp_path, WIRES.known)

    def test_a_mistake_names_it_among_the_known_ones(self, tmp_path: Path) -> None:
        (tmp_path / "trooper.toml").write_text('[[targets]]\nname = "a"\nwire = "b"\nkey = "none"\n')

        with pytest.raises(ConfigError, match='or "made-up"'):
            load({}, tmp_path, SIX.known)


class TestTheRelay:
    async def test_a_client_on_its_path_is_served(self, autojump_clock: Any) -> None:
        second = ScriptedProvider()
        async with stage(second=second, config=six(), wires=SIX) as s:
            mine = ((b"x-made-up-key", b"Key mine"),)
            x = await s.ask(wire="messages", path="/v1/made-up", headers=mine)

            assert (x.status, x.told().finish_reason) == (200, "stop")
            assert second.requests[-1].header("x-made-up-key") == "Key mine"

    async def test_its_clients_key_goes_to_nobody_else(self, autojump_clock: Any) -> None:
        async with stage(config=six({"TROOPER_OPENAI_API_KEY": "sk-ours"}), wires=SIX) as s:
            await s.ask(headers=((b"x-made-up-key", b"Key mine"),))

            assert s.cloud.requests[-1].header("x-made-up-key") is None
            assert s.cloud.requests[-1].header("authorization") == "Bearer sk-ours"

    @pytest.mark.parametrize("wire", ["chat", "responses", "messages"])
    async def test_it_takes_over_from_another_wire(self, wire: str, autojump_clock: Any) -> None:
        config = six({"TROOPER_ACME_KEY": "sk-acme"})
        acme = evolve(config.target("acme"), model="acme-1")
        targets = tuple(acme if t.name == "acme" else t for t in config.targets)
        chain = ("openai", "openai-responses", "anthropic", "acme")
        config = evolve(config, targets=targets, chains=(Chain("*", chain),))
        second = ScriptedProvider()
        async with stage(dies("reset"), config=config, second=second, wires=SIX) as s:
            x = await s.ask(wire=wire)

            assert x.told().finish_reason == "stop"
            assert x.report["legs"][-1]["target"] == "acme"
            request = second.requests[-1]
            assert (request.header("x-made-up-key"), request.header("x-made-up")) == ("Key sk-acme", "1")
            assert request.header("authorization") is None
            assert request.json()["model"] == "acme-1"

    async def test_its_client_is_gone_on_for_by_another_wire(self, autojump_clock: Any) -> None:
        async with stage(second=dies("reset"), config=six(), wires=SIX) as s:
            x = await s.ask(wire="messages", path="/v1/made-up")

            assert x.told().finish_reason == "stop"
            assert x.report["legs"][-1]["target"] == "ollama"

    async def test_failures_have_its_shape(self, autojump_clock: Any) -> None:
        alone = evolve(six({"TROOPER_ACME_URL": "http://127.0.0.1:9"}), chains=(Chain("*", ("acme",)),))
        async with stage(config=alone, wires=SIX) as s:
            x = await s.ask(wire="messages", path="/v1/made-up")

            assert (x.status, json.loads(bytes(x.body))) == (502, {"oh": "connect"})

    async def test_its_other_paths_go_to_its_provider(self, autojump_clock: Any) -> None:
        second = ScriptedProvider()
        async with stage(second=second, config=six(), wires=SIX) as s:
            await s.ask(method="GET", path="/v1/made-up/things", body=b"")
            await s.ask(method="GET", path="/v1/files", body=b"", headers=((b"x-made-up", b"1"),))

            assert [request.path for request in second.requests] == ["/v1/made-up/things", "/v1/files"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("POST", "/v1/made-up", ((b"host", b"attacker.example"), JSON), 403, "host_not_allowed"),
        ("POST", "/v1/made-up", (HOST,), 415, "content_type_not_json"),
        ("GET", "/v1/made-up", (HOST,), 405, "method_not_allowed"),
        ("GET", "/x", (HOST, (b"x-made-up", b"1")), 404, "unknown_url"),
    ],
)
async def test_refusals_have_its_shape(
    method: str, path: str, headers: Headers, status: int, code: str, autojump_clock: Any
) -> None:
    async with serving(six(), SIX) as app:
        got = await ask(app, method, path, headers, (b"{}",))

    assert got.status == status
    assert json.loads(got.body) | {"said": ""} == {"oh": code, "said": "", "number": status}


def test_no_two_rows_share_a_name_or_a_path() -> None:
    assert len({wire.name for wire in WIRES.known}) == len(WIRES.rows)
    paths = [row.client.path for row in WIRES.rows if row.client is not None]
    assert len(set(paths)) == len(paths)


def test_a_side_that_a_wire_has_not() -> None:
    with pytest.raises(LookupError, match="ollama-chat"):
        WIRES.client_side(OLLAMA_CHAT.wire)
    with pytest.raises(LookupError, match="ollama-chat"):
        WIRES.target_side(OLLAMA_CHAT.wire)
    with pytest.raises(KeyError, match="made-up"):
        WIRES.of(MADE_UP)


#: The folders of wires, as modules.
FOLDERS = sorted(folder.name for folder in (PACKAGE / "wire").iterdir() if (folder / "__init__.py").exists())
#: Local wires have a module here that looks after their servers.
STANDBYS = PACKAGE / "targets" / "standby"
#: Fakes and what is made of them speak wires by themselves; other programs call providers by names of their own.
NOT_ASKED = ("testing", "demo", "bench", "clients")


def files() -> Iterator[Path]:
    for file in sorted(PACKAGE.rglob("*.py")):
        place = file.relative_to(PACKAGE)
        is_row = place == Path("wires.py") or (place.parts[0] == "wire" and place.parts[1] in FOLDERS)
        if not is_row and file.parent != STANDBYS and place.parts[0] not in NOT_ASKED:
            yield file


def names_of_wires() -> re.Pattern[str]:
    """Modules, constants and names in text; the program `llama-server` is called like its wire."""
    modules = [*FOLDERS, *(folder.upper() for folder in FOLDERS)]
    words = [wire.name for wire in WIRES.known if wire.name != wire.software]
    return re.compile("|".join(rf"\b{re.escape(word)}\b" for word in (*modules, *words)))


def words_of_wires() -> set[str]:
    """What no text may be in code: names of wires and of their targets without a file, and their paths."""
    defaults = [wire.default_target for wire in WIRES.known]
    return {
        *(wire.name for wire in WIRES.known),
        *(own.name for own in defaults if own is not None),
        *(
            variable
            for own in defaults
            if own
            for variable in (own.url_variable, own.key_variable)
            if variable
        ),
        *WIRES.paths,
    }


def test_each_wire_has_its_folder() -> None:
    assert sorted(wire.name.replace("-", "_") for wire in WIRES.known) == FOLDERS


@pytest.mark.parametrize("file", tuple(files()), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_nobody_else_names_a_wire(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    texts = {
        node.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }

    assert names_of_wires().findall(text) == []
    assert texts & words_of_wires() == set()


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_wire_knows_another(folder: str) -> None:
    others = re.compile("|".join(rf"\b{other}\b" for other in FOLDERS if other != folder))
    for file in sorted((PACKAGE / "wire" / folder).glob("*.py")):
        imports = re.findall(r"^(?:from|import) .*$", file.read_text(encoding="utf-8"), re.MULTILINE)
        assert [line for line in imports if others.search(line)] == []
