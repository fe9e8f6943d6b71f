"""
A provider that keeps what it is sent. It answers the first request of a turn
with two tool calls at once, and one with results with a text.

The first part of the path says what a request is kept as:
`http://127.0.0.1:PORT/NAME/v1/…` → `NAME-1.json`, `NAME-2.json`, …, or
`NAME.json` alone, the last one, where only the end of a turn is of interest.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from attrs import evolve

from trooper.testing import Call, ChatAnswer, tokens
from trooper.testing.provider import WIRES

#: Where the fixtures are; the readers' test reads them from there.
FOLDER = Path(__file__).parent.parent / "shapes"
TEXT = ChatAnswer(tokens=tuple(tokens("It is 7 °C in Zürich and 9 °C in Genève.")))
DOCUMENT = ChatAnswer(tokens=tuple(tokens('{"city": "Zürich", "celsius": 7}')))
#: Prompts of agents are long; what they say does not matter here.
_LONGEST = 400


def answer_to(asked: dict[str, Any]) -> ChatAnswer:
    """Calls where tools are offered and nothing was called yet; a document, or a text, else."""
    said = json.dumps(asked.get("messages") or asked.get("input"))
    has_results = any(word in said for word in ('"tool"', "tool_result", "function_call_output"))
    offered = [tool.get("function", tool) for tool in asked.get("tools") or ()]
    names = [tool["name"] for tool in offered if "name" in tool]
    structured = any(asked.get(key) for key in ("response_format", "output_config", "output_format"))
    structured = structured or bool((asked.get("text") or {}).get("format", {}).get("schema"))
    if "get_weather" in names and not has_results:
        cities = ("Zürich", "Genève")
        calls = (
            Call("get_weather", json.dumps({"city": city}, ensure_ascii=False), id=f"call_{n:024d}")
            for n, city in enumerate(cities, 1)
        )
        return ChatAnswer(calls=tuple(calls), finish="tool_calls")
    if structured:
        return DOCUMENT
    if names and "get_weather" not in names and not has_results:
        # Some frameworks ask for a structured answer by way of a tool.
        arguments = json.dumps({"city": "Zürich", "celsius": 7}, ensure_ascii=False)
        return ChatAnswer(calls=(Call(names[0], arguments),), finish="tool_calls")
    return TEXT


def shortened(value: Any) -> Any:
    """The same shape with no text longer than is worth keeping."""
    match value:
        case dict():
            return {key: shortened(item) for key, item in value.items()}
        case list():
            return [shortened(item) for item in value]
        case str() if len(value) > _LONGEST and not value.startswith("data:"):
            return value[: _LONGEST - 1] + "…"
        case _:
            return value


class Recorder(ThreadingHTTPServer):
    """Listens on a free port; `url(name)` is where requests called `name` go."""

    def __init__(self, *, last_only: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.last_only = last_only
        self.counts: Counter[str] = Counter()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, name: str) -> str:
        """The base URL, without the version."""
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def keep(self, name: str, path: str, asked: dict[str, Any]) -> None:
        """Write one request down."""
        self.counts[name] += 1
        FOLDER.mkdir(exist_ok=True)
        text = json.dumps({"path": path, "body": shortened(asked)}, indent=1, ensure_ascii=False)
        number = "" if self.last_only else f"-{self.counts[name]}"
        (FOLDER / f"{name}{number}.json").write_text(text + "\n", encoding="utf-8")


class _Handler(BaseHTTPRequestHandler):
    server: Recorder
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:  # the library's name
        """Keep it and answer it."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        _, name, rest = self.path.partition("?")[0].split("/", 2)
        path = f"/{rest}" if rest.startswith("v1/") else f"/v1/{rest}"
        self.server.keep(name, path, asked)
        wire = WIRES[path]
        answer = evolve(answer_to(asked), id=f"{wire.id_prefix}recorded", model=asked.get("model", "m"))
        answer = evolve(answer, usage=bool((asked.get("stream_options") or {}).get("include_usage")))
        body = b"".join(wire.events(answer)) if asked.get("stream") else wire.body(answer)
        kind = "text/event-stream" if asked.get("stream") else "application/json"
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


if __name__ == "__main__":
    # For frameworks of other languages: says where it is, and stays until its input closes.
    recorder = Recorder(last_only="last" in sys.argv[1:])
    print(f"http://127.0.0.1:{recorder.server_port}", flush=True)
    sys.stdin.read()
