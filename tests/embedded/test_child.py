"""
The process that runs the model: what it says, whom it lets in, and how it ends.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from trooper.targets.embedded import child

LONG_S = 60
KEY = "not-a-secret"


@contextmanager
def started(gguf: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    """A child, and the line it said."""
    wish = {
        "gguf": str(gguf),
        "api_key": KEY,
        "alias": "tiny",
        "window_tokens": 1024,
        "threads": 1,
        "slots": 1,
    }
    process = subprocess.Popen(
        [sys.executable, "-P", child.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(wish).encode() + b"\n")
        process.stdin.flush()
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def ask(port: int, path: str, body: dict[str, Any] | None = None, **headers: str) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", json.dumps(body).encode() if body else None, headers
    )
    return urllib.request.urlopen(request, timeout=LONG_S)  # noqa: S310  # a loopback address


def test_it_serves_whoever_has_the_key(gguf: Path) -> None:
    with started(gguf) as (_, said):
        with ask(said["port"], "/health", Origin="http://evil.example") as answer:
            assert answer.headers["access-control-allow-origin"] == ""
        with ask(said["port"], "/v1/models", Authorization=f"Bearer {KEY}") as answer:
            assert json.loads(answer.read())["data"][0]["id"] == "tiny"
        refused_ones: tuple[dict[str, str], ...] = ({}, {"Authorization": "Bearer wrong"})
        for headers in refused_ones:
            with pytest.raises(urllib.error.HTTPError) as refused:
                ask(said["port"], "/v1/models", None, **headers)
            refused.value.close()
            assert refused.value.code == 401


def test_it_ends_with_its_parent_also_in_the_middle_of_an_answer(gguf: Path) -> None:
    asked = {
        "messages": [{"role": "user", "content": "Count to a thousand."}],
        "stream": True,
        "max_tokens": 900,
    }
    with (
        started(gguf) as (process, said),
        ask(said["port"], "/v1/chat/completions", asked, Authorization=f"Bearer {KEY}") as answer,
    ):
        assert answer.readline().startswith(b"data: ")
        assert process.stdin is not None
        process.stdin.close()

        assert process.wait(LONG_S) == 0


def test_ctrl_c_is_for_its_parent_to_judge(gguf: Path) -> None:
    with started(gguf) as (process, said):
        process.send_signal(signal.SIGINT)
        with ask(said["port"], "/health") as answer:
            assert answer.status == 200
        process.terminate()

        assert process.wait(LONG_S) == -signal.SIGTERM


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "the model file cannot be read (No such file or directory)"),
        (b"<html>", "the model file is no GGUF file"),
        (b"GGUF" + bytes(200), "llama.cpp cannot load the model file"),
    ],
)
def test_what_is_no_model_is_said(content: bytes | None, why: str, tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    if content is not None:
        file.write_bytes(content)
    with started(file) as (process, said):
        assert said == {"error": why}
        assert process.wait(LONG_S) == 1
