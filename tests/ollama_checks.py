"""
What must hold between Trooper and an Ollama, asked over real sockets: of a real
server by `nox -s ollama`, of its imitation by `tests/e2e/test_ollama_stand_in.py`,
so that the checks themselves are checked where there is no server.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen

from deployed import WAYS, Process, fake, running

#: What every check knows the model by, and a second name of the same file.
MODEL, ALIAS = "trooper-check", "trooper-check-alias"
#: A machine that evaluates a prompt on one core takes its time.
LONG_S = 300
HALF = "TROOPERPROBE x"
_CLOUD_SAYS = "The keeper of the lighthouse wrote in his book that the night had been calm and that"
_REQUEST = '"event": "request"'


@frozen
class OllamaServer:
    """
    An Ollama that can be asked.

    Attributes:
        window_tokens: what it loads when nobody says how much.
        long_words: how many words are more than that, and less than the model was trained for.
    """

    url: str
    window_tokens: int
    long_words: int

    def post(self, path: str, **body: Any) -> Any:
        """A request that works; its answer in one piece."""
        return json.loads(posted(self.url, path, {**body, "stream": False}))

    def loaded(self) -> Mapping[str, int]:
        """The models in memory, and their windows."""
        models = json.loads(got(self.url, "/api/ps"))["models"]
        return {model["name"].removesuffix(":latest"): model["context_length"] for model in models}

    def unload(self) -> None:
        """Nobody has used it: what was loaded before is no part of a check."""
        for name in (MODEL, ALIAS):
            self.post("/api/generate", model=name, keep_alive=0)


@frozen
class Guard:
    """A Trooper with nothing configured but where things are, in front of a cloud that dies."""

    url: str
    process: Process

    def ready(self) -> Mapping[str, Any]:
        """What `/readyz` says of the local model."""
        targets = json.loads(got(self.url, "/readyz"))["targets"]
        return next(target for target in targets if target["name"] == "ollama")

    def report(self, number: int = 1) -> Mapping[str, Any]:
        """The log line of the request of that number."""
        self.process.wait_for(_REQUEST, times=number)
        lines = [line for line in self.process.lines if _REQUEST in line]
        found: Mapping[str, Any] = json.loads(lines[number - 1])
        return found

    def asks(self, question: str = "Go on.") -> list[Mapping[str, Any]]:
        """A streamed chat request; its events, up to `[DONE]`."""
        body = posted(self.url, "/v1/chat/completions", chat(question)).decode()
        lines = [line.removeprefix("data: ") for line in body.splitlines() if line.startswith("data: ")]
        assert lines[-1] == "[DONE]", body[-500:]
        return [json.loads(line) for line in lines[:-1]]


def chat(question: str) -> dict[str, Any]:
    said = [{"role": "user", "content": question}]
    return {"model": "gpt-4o", "stream": True, "max_tokens": 24, "messages": said}


def said_in(events: list[Mapping[str, Any]]) -> str:
    """The text of a whole answer; it must have ended."""
    choices = [choice for event in events for choice in event["choices"]]
    assert [c["finish_reason"] for c in choices if c["finish_reason"]] in (["stop"], ["length"])
    return "".join(choice["delta"].get("content") or "" for choice in choices)


@contextmanager
def guarded(
    server: OllamaServer, folder: Path, *, fault: str = "reset@8", model: str = MODEL
) -> Iterator[Guard]:
    """`trooper serve` between a cloud that fails so and the server; its local model is ready."""
    with fake("provider", "--answer", _CLOUD_SAYS, "--fault", fault) as cloud:
        env = {
            "TROOPER_OPENAI_BASE_URL": cloud.url,
            "OLLAMA_HOST": urlsplit(server.url).netloc,
            # There may be others on it, and this one is small.
            "TROOPER_LOCAL_MODEL": model,
        }
        with running(*WAYS["trooper serve"], cwd=folder, **env) as process:
            url = process.wait_for(r"on (http://127\.0\.0\.1:\d+)")[1]
            process.wait_for('"standby_ready"')
            yield Guard(url, process)


def is_listed(server: OllamaServer, folder: Path) -> None:
    """Its models are among those that Trooper lists, and one can be asked by its name."""
    with guarded(server, folder) as guard:
        listed = [model["id"] for model in json.loads(got(guard.url, "/v1/models"))["data"]]
        assert any(name.removesuffix(":latest") == MODEL for name in listed), listed


def is_loaded(server: OllamaServer, folder: Path) -> None:
    """The standby loads it before anybody needs it, with the server's own window, and tells that one."""
    server.unload()
    with guarded(server, folder) as guard:
        told = guard.ready()
        assert told["standby"] == "ready"
        assert told["model"].removesuffix(":latest") == MODEL
        assert server.loaded()[MODEL] == told["window_tokens"] == server.window_tokens


def goes_on_as_probed(server: OllamaServer, folder: Path) -> None:
    """The way that Trooper believes in is the one that the server's own prompt shows."""
    with guarded(server, folder) as guard:
        turns = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": HALF}]
        shown = server.post("/api/chat", model=MODEL, messages=turns, _debug_render_only=True)
        prompt = shown["_debug_info"]["rendered_template"]
        is_open = prompt.endswith(HALF)
        assert guard.ready()["continues"] == ("prefill" if is_open else "raw"), prompt[-200:]


def continues_a_cut(server: OllamaServer, folder: Path) -> None:
    """A stream that breaks in the middle is gone on with by the model: one answer, and its beginning is the cloud's."""
    with guarded(server, folder) as guard:
        text = said_in(guard.asks())
        report = guard.report()
        assert [leg["target"] for leg in report["legs"]] == ["openai", "ollama"]
        assert report["outcome"] == "completed"
        # The last word before the cut may be held back and said anew.
        assert text.startswith(" ".join(_CLOUD_SAYS.split()[:6]))
        assert HALF not in text


def grows_by_a_reload(server: OllamaServer, folder: Path) -> None:
    """A conversation longer than the window is saved whole: the model is loaded anew, once, with room for it."""
    server.unload()
    with guarded(server, folder, fault="status-429@start") as guard:
        assert server.loaded()[MODEL] == server.window_tokens
        said_in(guard.asks("lamp " * server.long_words))
        assert guard.report()["outcome"] == "completed"
        grown = server.loaded()[MODEL]
        assert grown > server.window_tokens
        said_in(guard.asks("What now?"))
        # A short one does not make it smaller.
        assert server.loaded()[MODEL] == grown == guard.ready()["window_tokens"]


def has_a_window_under_another_name(server: OllamaServer, folder: Path) -> None:
    """A file that somebody has loaded under one name has its window under the other, too."""
    server.unload()
    server.post(
        "/api/chat", model=MODEL, messages=[{"role": "user", "content": "Hi."}], options={"num_predict": 1}
    )
    with guarded(server, folder, model=ALIAS) as guard:
        assert guard.ready()["window_tokens"] >= server.window_tokens
        said_in(guard.asks())
        assert guard.report()["outcome"] == "completed"


def outlives_a_client(server: OllamaServer, folder: Path) -> None:
    """The model is unloaded behind Trooper's back, and the client whose request loads it leaves: the next one is served."""
    with guarded(server, folder, fault="status-429@start") as guard:
        server.unload()
        port = urlsplit(guard.url).port
        assert port is not None
        body = json.dumps(chat("Go on.")).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\ncontent-length: {len(body)}\r\n"
        with socket.create_connection(("127.0.0.1", port)) as leaving:
            leaving.sendall(f"{head}content-type: application/json\r\n\r\n".encode() + body)
        said_in(guard.asks())
        assert MODEL in server.loaded()


Check = Callable[[OllamaServer, Path], None]
CHECKS: tuple[Check, ...] = (
    is_listed,
    is_loaded,
    goes_on_as_probed,
    continues_a_cut,
    grows_by_a_reload,
    has_a_window_under_another_name,
    outlives_a_client,
)


def got(url: str, path: str) -> bytes:
    return _asked("GET", url, path, None)


def posted(url: str, path: str, body: Mapping[str, Any] | bytes) -> bytes:
    return _asked("POST", url, path, body if isinstance(body, bytes) else json.dumps(body).encode())


def _asked(method: str, url: str, path: str, body: bytes | None) -> bytes:
    at = urlsplit(url)
    connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=LONG_S)
    try:
        connection.request(method, path, body, {"content-type": "application/json"})
        response = connection.getresponse()
        said = response.read()
        assert response.status in (200, 201), (path, response.status, said[:500])
        return said
    finally:
        connection.close()
