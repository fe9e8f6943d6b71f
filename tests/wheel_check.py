"""
The wheel, alone: start what it installs, let the provider die in the middle
of an answer, and read the whole answer.

Run by `nox -s wheel` with the environment that has nothing but the wheel, and
from a folder that is not the checkout.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import trooper
from trooper.testing import DEFAULT_ANSWER
from trooper.testing.dialects import DIALECTS

BIN = Path(sys.executable).parent
START_S = 60


@contextmanager
def process(*command: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    ours = {"TROOPER_DATA_DIR": ":memory:"}
    started = subprocess.Popen(
        command, env={**os.environ, **ours, **environ}, stdout=subprocess.PIPE, text=True
    )
    try:
        yield started
    finally:
        started.terminate()
        started.wait(START_S)


def first_line(started: subprocess.Popen[str], pattern: str) -> str:
    assert started.stdout is not None
    for line in started.stdout:
        if found := re.search(pattern, line):
            return found[1]
    raise SystemExit(f"the process ended without a line like {pattern!r}")


def main() -> None:
    home = Path(trooper.__file__).parent
    assert "site-packages" in home.parts, f"this is the checkout, not the wheel: {home}"
    assert len(DIALECTS) >= 24, "the bodies of the dialects are not in it"
    with ExitStack() as stack:
        fakes = {}
        for kind in ("provider", "ollama"):
            fake = stack.enter_context(process(sys.executable, "-m", "trooper.testing", kind))
            fakes[kind] = first_line(fake, r'"url": "([^"]+)"')
        served = stack.enter_context(
            process(
                str(BIN / "trooper"),
                "serve",
                "--port",
                "0",
                TROOPER_OPENAI_BASE_URL=fakes["provider"],
                TROOPER_OLLAMA_URL=fakes["ollama"],
            )
        )
        port = int(first_line(served, r"listening on http://127\.0\.0\.1:(\d+)"))
        body = stream(port, "fault/reset/middle")
    said = "".join(
        choice["delta"].get("content") or ""
        for line in body.split("\n")
        if line.startswith("data: {")
        for choice in json.loads(line.removeprefix("data: "))["choices"]
    )
    assert said == DEFAULT_ANSWER, said
    assert body.count("data: [DONE]") == 1
    assert body.count(": trooper seam from=openai to=ollama reason=conn_reset") == 1
    print(f"1 passed, 0 failed: the wheel {trooper.__version__} finished a stream that broke in the middle")


def stream(port: int, model: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_S)
    asked = {"model": model, "stream": True, "messages": [{"role": "user", "content": "Lighthouses?"}]}
    connection.request(
        "POST", "/v1/chat/completions", json.dumps(asked), {"content-type": "application/json"}
    )
    answer = connection.getresponse()
    assert answer.status == 200, answer.status
    return answer.read().decode()


if __name__ == "__main__":
    main()
