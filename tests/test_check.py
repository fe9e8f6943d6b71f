"""
`trooper check` says what is not usable and how to mend it, and never a key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio
from attrs import evolve

from trooper.commands.check import _print_table, ask_all, check, judge_cloud
from trooper.commands.reaching import TO_REACH
from trooper.commands.verdict import Finding
from trooper.config import Config, Key, Target, load
from trooper.core.continuing import CloudWay
from trooper.core.outcome import Answer, Failed, FailureKind, Unreached
from trooper.store import Standing
from trooper.testing import FakeOllama, Model, OllamaFault, ScriptedProvider, serve_tcp
from trooper.wire.target_side import KnownWay
from trooper.wires import OPENAI_CHAT, WIRES

SECRET = "sk-do-not-show"
NOBODY = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    yield
    structlog.reset_defaults()


async def findings(
    cloud: ScriptedProvider | None = None, ollama: FakeOllama | None = None, **environ: str
) -> dict[str, Finding]:
    async with trio.open_nursery() as nursery:
        cloud_port = await serve_tcp(cloud, nursery) if cloud else 9
        local_port = await serve_tcp(ollama, nursery) if ollama else 9
        addresses = {
            "TROOPER_OPENAI_BASE_URL": f"http://127.0.0.1:{cloud_port}",
            "TROOPER_ANTHROPIC_BASE_URL": f"http://127.0.0.1:{cloud_port}",
            "TROOPER_OLLAMA_URL": f"http://127.0.0.1:{local_port}",
        }
        found = await ask_all(load(addresses | environ, Path("/nonexistent"), WIRES.known))
        nursery.cancel_scope.cancel()
    return {finding.name: finding for finding in found}


async def test_all_is_well() -> None:
    found = await findings(ScriptedProvider(api_key=SECRET), FakeOllama(), TROOPER_OPENAI_API_KEY=SECRET)

    assert all(finding.usable and not finding.mend for finding in found.values())
    by = "goes on from a half answer by an instruction (nothing better is known of it)"
    assert found["openai"].words == ("lists 2 models", by)
    assert found["openai"].facts["continues"] == "instruction"
    assert found["ollama"].words == (
        "Ollama 0.33.0, model qwen2.5:3b (the only one)",
        "window: 4096 tokens; it was trained for 32768",
        "takes tools",
        "goes on from a half answer",
        "repeats what it is given first; that is cut",
    )
    assert found["ollama"].facts["continues"] == "prefill"


@pytest.mark.parametrize(
    ("models", "chosen", "because"),
    [
        ([Model("a"), Model("b")], "a", "first by name"),
        ([Model("a"), Model("b", context_length=65536)], "b", "largest window"),
        ([Model("a", capabilities=("completion",), context_length=65536), Model("b")], "b", "can use tools"),
        ([Model("a", capabilities=("embedding",)), Model("b")], "b", "the only one"),
        ([Model("a", remote_host="https://ollama.com"), Model("b")], "b", "the only one"),
    ],
)
async def test_it_says_why_a_model_was_chosen(models: list[Model], chosen: str, because: str) -> None:
    facts = (await findings(ollama=FakeOllama(models=tuple(models))))["ollama"].facts

    assert (facts["model"], facts["because"]) == (f"{chosen}:latest", because)


async def test_a_model_that_is_loaded_comes_first() -> None:
    ollama = FakeOllama(models=(Model("a"), Model("b")))
    await findings(ollama=ollama, TROOPER_LOCAL_MODEL="b")

    facts = (await findings(ollama=ollama))["ollama"].facts

    assert (facts["model"], facts["because"]) == ("b:latest", "loaded already")


@pytest.mark.parametrize(
    ("ollama", "environ", "words", "mend"),
    [
        (None, {}, "no Ollama answers here", "Start Ollama"),
        (FakeOllama(models=()), {}, "has no model that can chat", "ollama pull"),
        (
            FakeOllama(),
            {"TROOPER_LOCAL_MODEL": "other:7b"},
            "does not have the model other:7b",
            "ollama pull other:7b",
        ),
        (FakeOllama(load_fault=OllamaFault("status")), {}, "does not load (server_error)", "own log"),
        (
            FakeOllama(models=(Model(turn="closes", renders=False),)),
            {},
            "cannot go on from a half answer",
            "another model",
        ),
    ],
)
async def test_a_local_target_that_is_not_usable(
    ollama: FakeOllama | None, environ: dict[str, Any], words: str, mend: str
) -> None:
    finding = (await findings(ollama=ollama, **environ))["ollama"]

    assert not finding.usable
    assert words in " ".join(finding.words)
    assert mend in finding.mend


async def test_a_model_that_continues_by_a_raw_prompt_is_usable() -> None:
    finding = (await findings(ollama=FakeOllama(models=(Model(turn="closes"),))))["ollama"]

    assert finding.usable
    assert finding.facts["continues"] == "raw"


async def test_a_model_of_the_map_that_is_missing(tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        port = await serve_tcp(FakeOllama(), nursery)
        (tmp_path / "trooper.toml").write_text(
            f'[[targets]]\nname = "mine"\nwire = "ollama-chat"\nbase_url = "http://127.0.0.1:{port}"\n'
            'models = { "gpt-4o" = "qwen2.5:3b", "gpt-4o-mini" = "tiny:1b" }\n'
        )
        (finding,) = await ask_all(load({}, tmp_path, WIRES.known))
        nursery.cancel_scope.cancel()

    assert not finding.usable
    assert finding.words[-1] == "missing: tiny:1b"
    assert "ollama pull tiny:1b" in finding.mend


def cloud(kind: str) -> Target:
    value = SECRET if kind == "value" else ""
    return Target("cloud", OPENAI_CHAT.wire, "https://api.example/v1", key=Key(kind, value))  # type: ignore[arg-type]


def failed(kind: FailureKind, status: int | None = None) -> Failed:
    body = b'{"error":{"message":"upstream text"}}'
    return Failed(kind, answer=None if status is None else Answer(status, (), body))


@pytest.mark.parametrize(
    ("key", "answer", "usable", "words"),
    [
        ("value", Answer(200, (), b'{"data":[{},{},{}]}'), True, "lists 3 models"),
        ("value", Answer(200, (), b"<html>log in</html>"), False, "not as a provider"),
        ("value", Answer(200, (), b"[]"), False, "not as a provider"),
        ("value", None, False, "does not answer"),
        ("client", failed(FailureKind.AUTH, 401), True, "only a client's request can tell"),
        ("value", failed(FailureKind.AUTH, 401), False, "refuses the configured key"),
        ("none", failed(FailureKind.AUTH, 401), False, "wants a key"),
        ("value", failed(FailureKind.NOT_FOUND, 404), True, "is its base_url right?"),
        ("value", failed(FailureKind.OVERLOADED, 503), False, "status 503 (overloaded)"),
        ("client", failed(FailureKind.CONNECT), False, "cannot be reached (connect)"),
        ("client", failed(FailureKind.TIMEOUT_CONNECT), False, "cannot be reached (timeout_connect)"),
    ],
)
def test_what_a_clouds_answer_means(key: str, answer: Any, usable: bool, words: str) -> None:
    finding = judge_cloud(cloud(key), answer, KnownWay(CloudWay.PREFIX, "as configured"))

    assert finding.usable is usable
    assert words in finding.words[0]
    assert bool(finding.mend) is not usable
    assert SECRET not in str(finding)
    assert "upstream text" not in str(finding)


@pytest.mark.parametrize("why", Unreached)
def test_why_a_cloud_cannot_be_reached_and_what_to_do(why: Unreached) -> None:
    gone = Failed(FailureKind.CONNECT, unreached=why)
    finding = judge_cloud(cloud("none"), gone, KnownWay(CloudWay.PREFIX, "as configured"))
    assert finding.words == (f"cannot be reached: {why.meaning} ({why.value})",)
    assert finding.mend == TO_REACH[why]
    assert finding.facts["unreached"] == why.value


async def test_what_is_loaded_is_compared_with_what_was_asked(tmp_path: Path) -> None:
    ollama = FakeOllama(keep_alive_s=3600)
    first = (await findings(ollama=ollama))["ollama"]
    assert (first.facts["window_tokens"], first.facts["asked_tokens"], first.mend) == (4096, None, "")

    (tmp_path / "trooper.toml").write_text(
        '[[targets]]\nname = "ollama"\nwire = "ollama-chat"\nnum_ctx = 8192\n'
    )
    async with trio.open_nursery() as nursery:
        port = await serve_tcp(ollama, nursery)
        environ = {"TROOPER_OLLAMA_URL": f"http://127.0.0.1:{port}"}
        config = load(environ, tmp_path, WIRES.known)
        config = evolve(config, targets=(evolve(config.targets[0], base_url=environ["TROOPER_OLLAMA_URL"]),))
        (found,) = await ask_all(config)
        nursery.cancel_scope.cancel()
    assert found.usable
    assert "num_ctx asks for 8,192 tokens, and it is loaded with 4,096" in found.words
    assert "Unload it" in found.mend
    assert (found.facts["window_tokens"], found.facts["asked_tokens"]) == (4096, 8192)


async def test_only_a_configured_key_is_sent() -> None:
    for key, sent in ("", None), (SECRET, f"Bearer {SECRET}"):
        provider = ScriptedProvider()
        await findings(provider, TROOPER_OPENAI_API_KEY=key)

        assert [r.path for r in provider.requests] == ["/v1/models"] * 3
        told = sorted(str(r.header("authorization")) for r in provider.requests)
        assert told == sorted([str(sent), str(sent), "None"])


@pytest.fixture(name="nobody")
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A configuration whose targets are not there, with a key."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TROOPER_OPENAI_BASE_URL", NOBODY)
    monkeypatch.setenv("TROOPER_ANTHROPIC_BASE_URL", NOBODY)
    monkeypatch.setenv("TROOPER_OLLAMA_URL", NOBODY)
    monkeypatch.setenv("TROOPER_OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("TROOPER_CACHE", str(tmp_path / "no-cache"))


@pytest.mark.usefixtures("nobody")
def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert check() == 1

    out, err = capsys.readouterr()
    assert err == ""
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert re.search(r"openai +cloud +no", out)
    assert "chain * (openai-chat): openai → ollama\n" in out
    assert "chain * (anthropic-messages): anthropic → ollama\n" in out
    assert "A broken answer ends in an error: nobody could go on.\n" in out
    assert out.endswith("Not usable: openai, openai-responses, anthropic, ollama.\n")
    assert SECRET not in out


@pytest.mark.usefixtures("nobody")
def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(as_json=True) == 1

    told = json.loads(capsys.readouterr().out)
    assert told["usable"] is False
    everybody = ["openai", "openai-responses", "anthropic", "ollama"]
    assert [(t["name"], t["usable"]) for t in told["targets"]] == [(name, False) for name in everybody]
    assert told["targets"][0]["facts"] == {
        "key": "value",
        "status": None,
        "failure": "connect",
        "unreached": "refused",
        "continues": "instruction",
        "because": "nothing better is known of it",
    }
    assert told["chains"] == {
        "* (openai-chat)": ["openai", "ollama"],
        "* (openai-responses)": ["openai-responses", "ollama"],
        "* (anthropic-messages)": ["anthropic", "ollama"],
    }
    assert [(f["wire"], f["if_fails"], f["goes_on"]) for f in told["forecasts"]] == [
        ("openai-chat", "openai", []),
        ("openai-responses", "openai-responses", []),
        ("anthropic-messages", "anthropic", []),
    ]
    assert told["no_provider"] == told["only_local_targets"] == {}
    assert told["small_model"] == {"is_fetched": False, "is_asked_for": False}
    assert SECRET not in json.dumps(told)


def test_a_configuration_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[server]\nport = 99999\n")

    assert check(config=file) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert "port" in err


@pytest.mark.parametrize("name", ["nope.toml", "a/" * 40 + "nope.toml", "mine.toml/nope.toml"])
@pytest.mark.usefixtures("nobody")
def test_the_file_that_was_asked_for_is_named(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The variable was blamed, which nobody had set, and of a long path the end was missing."""
    Path("mine.toml").touch()

    assert check(config=Path(name)) == 2

    err = capsys.readouterr().err
    assert err.startswith(f"trooper: configuration error: --config: '{name}' cannot be read (")
    assert "TROOPER_CONFIG" not in err
    assert err.count("\n") == 1


@pytest.mark.usefixtures("nobody")
def test_a_file_that_the_variable_names_is_the_variables_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TROOPER_CONFIG", "nope.toml")

    assert check() == 2
    assert "TROOPER_CONFIG: 'nope.toml' cannot be read" in capsys.readouterr().err


@pytest.mark.usefixtures("nobody")
def test_whose_clients_no_cloud_answers(capsys: pytest.CaptureFixture[str]) -> None:
    Path("trooper.toml").write_text(
        '[[targets]]\nname = "groq"\nwire = "openai-chat"\nbase_url = "http://127.0.0.1:9"\nkey = "none"\n'
        '[[targets]]\nname = "ollama"\nwire = "ollama-chat"\n[chains]\n"*" = ["groq", "ollama"]\n'
    )
    assert check() == 1
    out = capsys.readouterr().out
    said = " ".join(out.split())
    assert "\nClaude clients are answered by ollama alone.\n" in out
    assert 'Add a target with wire = "anthropic-messages"' in said

    assert check(as_json=True) == 1
    told = json.loads(capsys.readouterr().out)
    alone = {"*": ["ollama"]}
    assert told["no_provider"] == {"openai-responses": alone, "anthropic-messages": alone}


@pytest.mark.usefixtures("nobody")
def test_local_targets_on_purpose_are_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    Path("trooper.toml").write_text('[[targets]]\nname = "ollama"\nwire = "ollama-chat"\n')

    check()

    out = capsys.readouterr().out
    assert out.count("answered by") == 1
    assert "All requests are answered by ollama alone, as configured.\n" in out


def test_no_target_says_alone_what_becomes_of_a_broken_answer() -> None:
    finding = judge_cloud(cloud("none"), failed(FailureKind.CONNECT), KnownWay(CloudWay.NONE, "x"))
    assert finding.words == ("cannot be reached (connect)",)


def test_a_chain_without_a_local_target_is_pointed_out(capsys: pytest.CaptureFixture[str]) -> None:
    config: Config = load({}, Path("/nonexistent"), WIRES.known)

    _print_table(
        Config(config.server, config.targets, (type(config.chains[0])("gpt-*", ("openai",)),), WIRES.known),
        [Finding("openai", "cloud", "https://api.example/v1", True, ("lists 3 models",))],
        Standing(":memory:"),
    )

    out = capsys.readouterr().out
    assert "chain gpt-*: openai  (no local target)" in out
    assert out.endswith("Everything is usable.\n")


async def test_the_way_with_tools_is_told_where_it_is_another() -> None:
    finding = (await findings(ollama=FakeOllama(models=(Model(adds="\n"),))))["ollama"]

    assert (finding.facts["continues"], finding.facts["continues_with_tools"]) == ("raw", "prefill")
    assert "with tools or images by a trailing assistant turn" in " ".join(finding.words)


async def test_a_probed_model_is_not_probed_again_and_that_is_said(tmp_path: Path) -> None:
    ollama, folder = FakeOllama(), str(tmp_path / "data")

    def probes() -> int:
        return sum(b"TROOPERPROBE" in request.body for request in ollama.requests)

    first = (await findings(ollama=ollama, TROOPER_DATA_DIR=folder))["ollama"]
    asked = probes()
    second = (await findings(ollama=ollama, TROOPER_DATA_DIR=folder))["ollama"]

    assert asked == probes() > 0
    said = second.facts["probed_at"]
    assert (first.facts["probed_at"], first.usable, second.usable) == (None, True, True)
    assert second.words == (*first.words, f"remembered: it was probed on {said[:10]}, under this version")
    assert second.facts == {**first.facts, "probed_at": said, "because": "the only one"}

    ollama.version = "0.34.0"
    third = (await findings(ollama=ollama, TROOPER_DATA_DIR=folder))["ollama"]

    assert (third.facts["probed_at"], probes()) == (None, 2 * asked)
