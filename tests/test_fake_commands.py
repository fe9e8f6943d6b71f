"""
`trooper fake`: what is wrong with the words is one line, and never a traceback.
"""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from asking_provider import ASK, chat, provider_on
from trooper.testing import FAULTS, FaultAt, OllamaFault, ScriptedProvider
from trooper.testing.__main__ import main
from trooper.testing.command import fake

ROOT = Path(__file__).parent.parent


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line that is said of `words`."""
    with pytest.raises(SystemExit) as caught:
        main(words)
    out, err = capsys.readouterr()
    assert (caught.value.code, out, err.count("\n")) == (2, "", 1)
    return err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("provider --fault nope", "there is no fault 'nope'; docs/failures.md lists them"),
        ("provider --fault rest", "there is no fault 'rest'; did you mean 'reset'?"),
        ("provider --fault reset@nowhere", "'nowhere' is no position; use start, middle, end,"),
        ("provider --fault reset@-1", "'-1' is no position"),
        ("provider --fault reset@b", "'b' is no position"),
        ("provider --fault reset@٣", "'٣' is no position"),
        ("provider --fault @3", "there is no fault ''"),
        ("provider --port 70000", "'70000' is not a whole number from 0 to 65535"),
        ("provider --port -1", "'-1' is not a whole number from 0 to 65535"),
        ("provider --port 1e3", "'1e3' is not a whole number"),
        ("provider --token-s nan", "'nan' is not a number of seconds"),
        ("provider --token-s -1", "'-1' is not a number of seconds"),
        ("provider --token-s soon", "'soon' is not a number of seconds"),
        ("provider --token-chars 0", "'0' is not a whole number from 1"),
        ("provider --say nothing", "choose from 'empty'"),
        ("provider --answer @nope.txt", "'nope.txt' cannot be read (No such file or directory)"),
        ("provider --answer @.", "cannot be read (Is a directory)"),
        ("provider --dialect groc", "there is no dialect 'groc'; did you mean 'groq'?"),
        ("provider --dialect xyzzy", "there is no dialect 'xyzzy'; there are anthropic, azure-openai,"),
        ("provider --dialect groq/nope", "groq has no kind 'nope'; it has text, tool,"),
        ("provider --dialect groq --say json", "--dialect has words of its own: leave out --answer,"),
        (
            "provider --dialect groq --fault error-string",
            "'error-string' is no fault of a dialect; use one of",
        ),
        ("provider --frob", "unrecognized arguments: --frob"),
        ("ollama --fault nope", "there is no fault 'nope'; there are status, error_line"),
        ("ollama --fault reset@x", "'x' is no number of lines"),
        ("ollama --fault status@200", "200 is no status of a failure; use 400 to 599"),
        ("ollama --port 65536", "'65536' is not a whole number from 0 to 65535"),
        ("ollama --context-length -4", "'-4' is not a whole number from 1"),
        ("ollama --call x", "it is no JSON; write it as"),
        ("ollama --call '[1]'", "it is no call; write it as"),
        ("""ollama --call '{"name": "f", "arguments": "{}"}'""", "it is no call; write it as"),
        ("""ollama --call '{"name": "f", "more": 1}'""", "it is no call; write it as"),
        ("tap", "required: --to"),
        ("tap --to https://x", "'https://x' is no URL of a plain HTTP server"),
        ("tap --to http://x:99999", "argument --to: "),
        ("", "required: kind"),
        ("nobody", "choose from 'provider', 'ollama', 'tap'"),
    ],
)
def test_a_word_that_cannot_be_met(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    err = refused(capsys, *shlex.split(words))

    assert err.startswith("trooper fake")
    assert said in err
    assert "--help)" in err


def test_an_answer_that_is_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "answer").write_bytes(b"\xff\xfe")
    assert "is not UTF-8" in refused(capsys, "provider", "--answer", f"@{tmp_path / 'answer'}")


@pytest.mark.parametrize("kind", ["provider", "ollama"])
def test_a_port_in_use(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert fake(kind, "--port", str(port)) == 1

    out, err = capsys.readouterr()
    assert out == ""
    why = "Address already in use; choose another place"
    assert err == f"trooper fake {kind}: cannot listen on 127.0.0.1 port {port}: {why}\n"


@pytest.mark.parametrize("host", ["192.0.2.1", "a" * 300])
def test_a_host_that_is_not_ours(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert fake("provider", "--host", host) == 1
    assert capsys.readouterr().err.startswith(f"trooper fake provider: cannot listen on {host} port 0: ")


@pytest.mark.parametrize("command", [["trooper", "fake"], ["trooper.testing"]])
def test_it_is_a_command(command: list[str]) -> None:
    """Its options are its own, `--help` too; `python -m trooper.testing` is the same."""
    help_ = subprocess.run(
        [sys.executable, "-m", *command, "provider", "--help"], capture_output=True, text=True, check=True
    )
    ran = subprocess.run(
        [sys.executable, "-m", *command, "provider", "--watch-stdin", "--fault", "reset@3"],
        input="",
        capture_output=True,
        text=True,
        check=True,
    )

    assert help_.stdout.startswith("usage: trooper fake provider")
    assert json.loads(ran.stdout)["ready"] == "provider"
    assert help_.stderr + ran.stderr == ""


async def test_a_request_for_a_fault_that_is_none_is_answered(nursery: trio.Nursery) -> None:
    """It ended the whole fake, and with it whatever was tried against it."""
    client = provider_on(nursery, ScriptedProvider())

    answer = await chat(client, ASK, x_fault="nope@3")
    assert (answer.status, b"there is no fault 'nope'" in answer.body) == (400, True)
    assert (await chat(client, ASK)).status == 200


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_can_be_asked_for(name: str) -> None:
    for position, meant in (("", "middle"), ("@end", "end"), ("@7", 7), ("@b12", "b12")):
        assert FaultAt.parse(name + position) == FaultAt(FAULTS[name], meant)


def test_a_stand_ins_faults() -> None:
    assert OllamaFault.parse("fin@3") == OllamaFault("fin", 3)
    assert OllamaFault.parse("status@503") == OllamaFault("status", status=503)


def test_the_pages_name_the_command_and_its_options_exist() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    told = re.findall(r"^trooper fake (.+)$", text, re.MULTILINE)

    assert "-m trooper.testing" not in text
    assert len(told) >= 2
    for words in told:
        with pytest.raises(SystemExit) as caught:
            main([*shlex.split(words), "--help"])
        assert caught.value.code == 0
