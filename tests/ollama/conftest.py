"""
A real Ollama: a program that is started here with a folder of its own, or one that
runs. Its model is the small one of `trooper fetch-model`, imported from its file.
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio

from deployed import running
from ollama_checks import ALIAS, MODEL, OllamaServer, posted
from trooper.targets.embedded.fetch import NotFetched, fetch

#: Small, so that a prompt beyond it is evaluated in a test's time; a server that runs has its own.
OWN_WINDOW = 1024
#: A word of the long prompt is about a token.
WORDS_A_TOKEN = 1.3


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--ollama-bin", default="", help="the program to start")
    parser.addoption("--ollama-host", default="", help="where one runs, as OLLAMA_HOST says it")


@contextmanager
def started(program: str, folder: Path) -> Iterator[str]:
    """`ollama serve` on a free port, with its models and its home in `folder`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    env = {
        "OLLAMA_HOST": place,
        "OLLAMA_MODELS": str(folder / "models"),
        "OLLAMA_CONTEXT_LENGTH": str(OWN_WINDOW),
        "HOME": str(folder),
    }
    with running(program, "serve", cwd=folder, **env) as process:
        process.wait_for("Listening on")
        yield f"http://{place}"


def url_of(host: str) -> str:
    """`OLLAMA_HOST` is often an address alone."""
    at = urlsplit(host if "//" in host else f"http://{host}")
    return f"http://{at.hostname}:{at.port or 11434}"


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OllamaServer]:
    program = pytestconfig.getoption("--ollama-bin")
    host = pytestconfig.getoption("--ollama-host")
    assert program or host, "give OLLAMA_BIN or OLLAMA_HOST; `nox -s ollama` says how"
    if program:
        with started(program, tmp_path_factory.mktemp("ollama")) as url:
            yield with_model(url)
    else:
        yield with_model(url_of(host))


def with_model(url: str) -> OllamaServer:
    """The small model under two names; what the server gives it unasked is its window."""
    found = trio.run(fetch, {k: v for k, v in os.environ.items() if k != "TROOPER_CACHE"})
    assert not isinstance(found, NotFetched), found
    data = found.read_bytes()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    posted_blob(url, digest, data)
    server = OllamaServer(url, 0, 0)
    server.post("/api/create", model=MODEL, files={found.name: digest})
    posted(url, "/api/copy", {"source": MODEL, "destination": ALIAS})
    server.unload()
    server.post("/api/generate", model=MODEL)
    window = server.loaded()[MODEL]
    return OllamaServer(url, window, int(window * WORDS_A_TOKEN))


def posted_blob(url: str, digest: str, data: bytes) -> None:
    """The file itself, named by what it is."""
    posted(url, f"/api/blobs/{digest}", data)
