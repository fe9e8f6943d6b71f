"""
A real llama.cpp with the chat templates that broke seams: no half answer comes twice, no
word and no line is broken, whatever the template makes of a turn that was begun.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from deployed import WAYS, ask, running
from trooper.testing import FAULTS, ChatAnswer, FaultAt, ScriptedProvider, serve_tcp, tokens
from trooper.testing.client import Heard
from trooper.testing.client import ask as ask_for_stream
from wire_validator import validate_chat

TURNS = """{% for m in messages %}<|im_start|>{{ m['role'] }}
{{ m['content'] }}<|im_end|>
{% endfor %}"""
BEGIN = "{% if add_generation_prompt %}<|im_start|>assistant\n"
#: The template, and the way that the probes must find.
TEMPLATES = {
    "chatml": (TURNS + BEGIN + "{% endif %}", "prefill"),
    "LFM2": (TURNS + BEGIN + "<think></think>{% endif %}", "prefill"),
    "a newline behind": (TURNS + BEGIN + "{% endif %}\n\n", None),
    "trims": (TURNS.replace("m['content']", "m['content'] | trim") + BEGIN + "{% endif %}", "prefill"),
    "closes": (TURNS + "<|im_start|>assistant\n", None),
    "begins to think": (TURNS + BEGIN + "<think>\n{% endif %}", "raw"),
}
ANSWER = (
    "The sky looks blue because the air scatters the short waves of light.\n\n"
    "When the sun is low, its light has a longer way. Then the sky turns red, and every evening it fades."
)
CUTS = (3, 8, 14, 16, 20, 30)
ASKED: dict[str, Any] = {
    "model": "gpt-4o",
    "stream": True,
    "max_tokens": 48,
    "temperature": 0,
    "messages": [{"role": "user", "content": "Explain in a few sentences why the sky is blue."}],
}
TOML = """
[[targets]]
name = "cloud"
wire = "openai-chat"
base_url = "{cloud}"
key = "none"

[[targets]]
name = "own"
wire = "llama-server"
base_url = "{own}"
"""


@contextmanager
def templated(gguf: Path, template: str, folder: Path) -> Iterator[str]:
    file = folder / "template.jinja"
    file.write_text(template, encoding="utf-8")
    script = Path(__file__).with_name("template_server.py")
    process = subprocess.Popen(
        [sys.executable, str(script), str(gguf), str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    # Its input is closed on the way out, and then it ends.
    with process:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"


@pytest.mark.parametrize("name", [*TEMPLATES])
async def test_the_answer_goes_on_whatever_the_template(name: str, gguf: Path, tmp_path: Path) -> None:
    template, way = TEMPLATES[name]
    provider = ScriptedProvider()
    answer = ChatAnswer(tokens=tuple(tokens(ANSWER)))
    texts: list[tuple[str, str]] = []
    async with trio.open_nursery() as nursery:
        port = await serve_tcp(provider, nursery)
        with templated(gguf, template, tmp_path) as own:
            toml = TOML.format(cloud=f"http://127.0.0.1:{port}/v1", own=own)
            (tmp_path / "trooper.toml").write_text(toml, encoding="utf-8")
            with running(*WAYS["trooper serve"], cwd=tmp_path) as process:
                url = process.wait_for(r"on (http://127\.0\.0\.1:\d+)")[1]
                await trio.to_thread.run_sync(process.wait_for, '"standby_ready"')
                (found,) = [
                    t for t in json.loads(ask("GET", url, "/readyz"))["targets"] if t["name"] == "own"
                ]
                for cut in CUTS:
                    provider.play_next(FaultAt(FAULTS["reset"], cut, answer))
                    heard: list[Heard] = []
                    await ask_for_stream(int(url.rpartition(":")[2]), ASKED, heard.append)
                    said = validate_chat(b"".join(event.raw for event in heard))
                    assert said.error is None
                    # The last word may have been held, and said otherwise.
                    given = "".join(answer.tokens[: cut - 1]).rstrip(" ")
                    texts.append((given, said.text))
        nursery.cancel_scope.cancel()

    assert way in (None, found["continues"])
    for given, text in texts:
        assert text.startswith(given)
        rest = text[len(given) :]
        assert len(rest) > 5
        assert given not in rest
        assert "think>" not in rest
        if given.endswith("\n"):
            assert not rest[0].isspace()
        else:
            assert not rest[0].isalnum()
