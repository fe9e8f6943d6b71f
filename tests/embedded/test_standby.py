"""
Trooper with a model of its own, served as users serve it: an answer goes on, and the
model's process is kept running, and never longer than Trooper.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from deployed import LONG_S, ROOT, WAYS, Process, ask, fake, running
from trooper.testing import FAULTS, FaultAt, ScriptedProvider, chat_events, serve_tcp, tokens
from trooper.testing.client import Heard
from trooper.testing.client import ask as ask_for_stream
from wire_validator import validate_chat

ANSWER = "The light of the sun looks white, but it is made of many colors. Blue light is scattered the most."
QUESTION = "Explain in a few sentences why the sky is blue."


@contextmanager
def serving(
    way: str, folder: Path, cloud: str, gguf: Path, ollama: str = ""
) -> Iterator[tuple[str, Process]]:
    tables = [
        f'[[targets]]\nname = "cloud"\nwire = "openai-chat"\nbase_url = "{cloud}"\nkey = "none"\n',
        f'[[targets]]\nname = "ollama"\nwire = "ollama-chat"\nbase_url = "{ollama}"\n' if ollama else "",
        f'[[targets]]\nname = "own"\nwire = "llama-server"\ngguf = "{gguf}"\n',
    ]
    (folder / "trooper.toml").write_text("\n".join(tables), encoding="utf-8")
    with running(*WAYS[way], cwd=folder) as process:
        yield process.wait_for(r"on (http://127\.0\.0\.1:\d+)")[1], process


def standby(url: str, name: str = "own") -> dict[str, Any]:
    targets = json.loads(ask("GET", url, "/readyz"))["targets"]
    found: dict[str, Any] = next(target for target in targets if target["name"] == name)
    return found


def children_of(pid: int) -> list[int]:
    """Processes of ours that run the model, and whose parent is `pid`."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            command = stat.with_name("cmdline").read_bytes()
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid and b"child.py" in command:
            found.append(int(stat.parent.name))
    return found


@pytest.mark.parametrize("way", ["hypercorn", "hypercorn -k trio", "trooper serve"])
async def test_the_answer_goes_on(way: str, gguf: Path, tmp_path: Path) -> None:
    events = chat_events(ANSWER)
    at = len(tokens(ANSWER)) // 2
    provider = ScriptedProvider(answer=ANSWER, script=FaultAt(FAULTS["reset"], at))
    heard: list[Heard] = []
    question = {
        "model": "gpt-4o",
        "stream": True,
        "messages": [{"role": "user", "content": QUESTION}],
        "max_tokens": 60,
        "temperature": 0,
    }
    async with trio.open_nursery() as nursery:
        port = await serve_tcp(provider, nursery)
        with serving(way, tmp_path, f"http://127.0.0.1:{port}/v1", gguf) as (url, process):
            await trio.to_thread.run_sync(process.wait_for, '"standby_ready"')
            assert standby(url) == {
                "name": "own",
                "wire": "llama-server",
                "standby": "ready",
                "model": "smollm2-135m-instruct",
                "window_tokens": 4096,
                "agents_that_fit": [],
                "continues": "prefill",
                "restarts": 0,
                "why": None,
            }
            status = await ask_for_stream(int(url.rpartition(":")[2]), question, heard.append)
        nursery.cancel_scope.cancel()

    body = b"".join(event.raw for event in heard)
    said = validate_chat(body)
    given = "".join(tokens(ANSWER)[: at - 1])
    assert status == 200
    assert said.text.startswith(given)
    assert len(said.text) > len(given) + 5
    assert body.startswith(b"".join(events[: at - 1]).split(b'"created"')[0][:20])


def test_a_server_that_dies_is_started_again(gguf: Path, tmp_path: Path) -> None:
    with serving("trooper serve", tmp_path, "http://127.0.0.1:9/v1", gguf) as (_, process):
        process.wait_for('"standby_ready"')
        (child,) = children_of(process.process.pid)
        os.kill(child, signal.SIGKILL)
        process.wait_for('"embedded_ended"')
        process.wait_for('"standby_ready"', times=2)

        assert children_of(process.process.pid) != [child]
        assert "status -9" in process.said


async def test_it_dies_in_the_middle_of_an_answer_while_another_request_waits(
    gguf: Path, tmp_path: Path
) -> None:
    """Both are asked once more of the server that is started again, none gets half an answer for a whole one."""
    question = {
        "model": "smollm2-135m-instruct",
        "stream": True,
        "messages": [{"role": "user", "content": "Count to a thousand, in words."}],
        "max_tokens": 300,
    }
    bodies: list[bytearray] = [bytearray(), bytearray()]
    first_word = trio.Event()

    with serving("trooper serve", tmp_path, "http://127.0.0.1:9/v1", gguf) as (url, process):
        await trio.to_thread.run_sync(process.wait_for, '"standby_ready"')
        port = int(url.rpartition(":")[2])

        async def client(body: bytearray) -> None:
            def hear(heard: Heard) -> None:
                body.extend(heard.raw)
                if b'"content":"' in heard.raw:
                    first_word.set()

            await ask_for_stream(port, question, hear)

        with trio.fail_after(LONG_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client, bodies[0])
                nursery.start_soon(client, bodies[1])
                await first_word.wait()
                (child,) = children_of(process.process.pid)
                os.kill(child, signal.SIGKILL)
                await trio.to_thread.run_sync(process.wait_for, '"embedded_ended"')
            await trio.to_thread.run_sync(process.wait_for, '"standby_ready"', 2)
            assert await ask_once(port) == 200

    assert "Traceback" not in process.said
    for body in bodies:
        # Whoever could not go on hears of it.
        assert (b'"error"' in body) is not (b"[DONE]" in body)
    assert any(b"[DONE]" in body for body in bodies)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_the_server_never_outlives_trooper(end: signal.Signals, gguf: Path, tmp_path: Path) -> None:
    with serving("trooper serve", tmp_path, "http://127.0.0.1:9/v1", gguf) as (_, process):
        process.wait_for('"standby_ready"')
        (child,) = children_of(process.process.pid)
        watch = os.pidfd_open(child)
        process.process.send_signal(end)
        process.process.wait()

        async def gone() -> None:
            with trio.fail_after(30):
                await trio.lowlevel.wait_readable(watch)

        trio.run(gone)
        os.close(watch)


def test_it_rests_while_an_ollama_is_ready_and_starts_when_that_goes(gguf: Path, tmp_path: Path) -> None:
    with (
        fake("ollama") as ollama,
        serving("trooper serve", tmp_path, "http://127.0.0.1:9/v1", gguf, ollama.url) as (url, process),
    ):
        process.wait_for('"standby_ready"')
        assert standby(url)["standby"] == "resting"
        assert children_of(process.process.pid) == []

        ollama.process.process.kill()

        assert trio.run(ask_once, int(url.rpartition(":")[2])) == 200
        assert standby(url)["standby"] == "ready"


async def ask_once(port: int) -> int:
    question = {
        "model": "x",
        "stream": True,
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 4,
    }
    return await ask_for_stream(port, question, lambda _: None)


def test_a_file_that_is_no_model_is_said(tmp_path: Path) -> None:
    """Its first bytes are right, so only llama.cpp itself can tell."""
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUF and no model")
    with serving("trooper serve", tmp_path, "http://127.0.0.1:9/v1", bad) as (url, process):
        process.wait_for('"embedded_ended"')

        told = standby(url)
        assert told["standby"] in ("absent", "loading")
        assert told["why"] in (None, "llama.cpp cannot load the model file")
        assert str(ROOT) not in process.said
