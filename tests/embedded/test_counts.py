"""
A real llama.cpp counts what it would be sent: never more than its window, and not much less.

Each conversation's requests go through a relay of ours. What only renders and counts reaches the real server; an
answer is asked for there too, but only in some cases, since reading a prompt takes this small model seconds. In all
the others the server says how many tokens the very request is.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, field

from generated_conversations import Asked, generated
from legs import heard, opened, outcome
from trooper.config import Target
from trooper.core.conversation import ToolCall
from trooper.core.fitting import reserve
from trooper.core.outcome import Failed, FailureKind
from trooper.core.tokens import tokens_at_most
from trooper.targets.local import LocalLeg, run_local
from trooper.targets.standby.llama_server import LlamaServerStandby
from trooper.testing.http import Request, Response, Server
from trooper.wires import LLAMA_SERVER

CONVERSATIONS = 200
#: So many with each server, so that no test seems to hang.
PARTS = 5
WINDOW_TOKENS = 2048
#: With each server one prompt that fills the window is read by the model.
MOST_READ = 1
LONG_S = 300
NOTE = "{count} messages were left out."
#: SmolLM2's own template shows no tools.
TEMPLATE = """{% if tools %}<|im_start|>system
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}<|im_end|>
{% endif %}{% for m in messages %}<|im_start|>{{ m['role'] }}
{{ m['content'] }}{% if m['tool_calls'] %}{% for c in m['tool_calls'] %}
<tool_call>
{"name": "{{ c['function']['name'] }}", "arguments": {{ c['function']['arguments'] | tojson }}}
</tool_call>{% endfor %}{% endif %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
CANNED = b'data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
CANNED_RAW = (
    b'data: {"index":0,"content":"x","stop":false}\n\ndata: {"content":"","stop":true,"stop_type":"eos"}\n\n'
)


@contextmanager
def served(gguf: Path, folder: Path) -> Iterator[str]:
    """The real server, with a template that shows tools."""
    (folder / "template.jinja").write_text(TEMPLATE, encoding="utf-8")
    script = Path(__file__).with_name("template_server.py")
    process = subprocess.Popen(
        [sys.executable, str(script), str(gguf), str(folder / "template.jinja"), str(WINDOW_TOKENS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    with process:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"


@define
class Relay:
    """Stands before the real server, and asks it how long each request is."""

    url: str
    counts: list[int] = field(factory=list)
    statuses: list[int] = field(factory=list)
    server: Server = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.server = Server(self._answer)

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """One request to the real server."""
        request = urllib.request.Request(self.url + path, body or None, method=method)  # noqa: S310  # loopback
        try:
            with urllib.request.urlopen(request, timeout=LONG_S) as answer:  # noqa: S310  # a loopback address
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read()

    async def _answer(self, request: Request, response: Response) -> None:
        # The look's probe wants what the model really says.
        is_probe = b"TROOPERPROBE" in request.body
        if request.path in ("/v1/chat/completions", "/completion") and not is_probe:
            status, body = await trio.to_thread.run_sync(self._counted, request)
        else:
            status, body = await trio.to_thread.run_sync(self.ask, request.method, request.path, request.body)
        await response.whole(status, [("content-type", "application/json")], body)

    def _counted(self, request: Request) -> tuple[int, bytes]:
        asked: dict[str, Any] = json.loads(request.body)
        if request.path == "/completion":
            count = {"content": asked["prompt"], "add_special": True}
            _, answer = self.ask("POST", "/tokenize", json.dumps(count).encode())
            counted = len(json.loads(answer)["tokens"])
        else:
            _, answer = self.ask("POST", "/v1/chat/completions/input_tokens", request.body)
            counted = json.loads(answer)["input_tokens"]
        self.counts.append(counted)
        if counted > WINDOW_TOKENS * 0.6 and len(self.statuses) < MOST_READ:
            few = json.dumps({**asked, "max_tokens": 1, "n_predict": 1, "stream": False}).encode()
            self.statuses.append(self.ask("POST", request.path, few)[0])
        return 200, CANNED if request.path != "/completion" else CANNED_RAW


def leg(standby: LlamaServerStandby, asked: Asked) -> LocalLeg:
    half = (0, ToolCall("c1", asked.conversation.tools[0].name, asked.half_call)) if asked.half_call else None
    return LocalLeg(
        standby,
        None,
        asked.conversation,
        "r1",
        asked.given,
        None,
        10_000_000,
        NOTE,
        half_call=half,
    )


@pytest.mark.parametrize("part", range(PARTS))
async def test_no_request_is_longer_than_the_window(part: int, gguf: Path, tmp_path: Path) -> None:
    target = Target("own", LLAMA_SERVER.wire, "http://127.0.0.1:8080")
    fills: list[float] = []
    unsaid = 0
    with served(gguf, tmp_path) as url:
        relay = Relay(url)
        async with opened(target, relay.server.serve) as (upstream, network):
            standby = LlamaServerStandby(target, upstream)
            network.nursery.start_soon(standby.run)
            await standby.ready(None)
            for number in range(part, CONVERSATIONS, PARTS):
                asked = generated(number, images=False, most_chars=12_000)
                relay.counts.clear()
                relay.server.forget()
                one = leg(standby, asked)
                ended = outcome(await heard(lambda inbox, one=one: run_local(one, inbox)))  # type: ignore[misc]
                if isinstance(ended, Failed) and ended.kind is FailureKind.CONTEXT_LENGTH:
                    unsaid += 1
                    assert ended.prompt_tokens
                    assert ended.window_tokens == WINDOW_TOKENS
                    assert not relay.counts
                    continue
                assert len(relay.counts) == 1, (number, ended)
                assert relay.counts[0] < WINDOW_TOKENS, number
                sent = next(
                    r.json()
                    for r in relay.server.requests
                    if r.path in ("/v1/chat/completions", "/completion")
                )
                limit = sent.get("max_tokens") or sent["n_predict"]
                assert relay.counts[0] + limit <= WINDOW_TOKENS, number
                if "messages were left out" in json.dumps(sent):
                    given_tokens = tokens_at_most(asked.given + asked.half_call)
                    kept = reserve(asked.conversation, WINDOW_TOKENS, given_tokens)
                    fills.append(relay.counts[0] / (WINDOW_TOKENS - kept))
    assert relay.statuses == [200] * MOST_READ
    assert sum(fills) / len(fills) > 0.7
    print(
        f"\n{CONVERSATIONS // PARTS} conversations: {unsaid} have more than the window that must stay, of {len(fills)} "
        f"something was left out; those fill {sum(fills) / len(fills):.0%} of what an answer leaves of the window"
    )
