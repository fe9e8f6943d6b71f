"""
An imitation of Ollama with what `tests/ollama_checks.py` asks for, as a process: one
file under two names. It prints where it is.
"""

from __future__ import annotations

import json

import trio

from ollama_checks import ALIAS, MODEL
from trooper.testing import FakeOllama, serve_tcp
from trooper.testing import Model as Pulled

WINDOW = 1024


def says(_: str) -> str:
    """What the cloud of the checks says, and more of it."""
    return "The keeper of the lighthouse wrote in his book that the night had been calm and that nobody had come."


async def main() -> None:
    """Serve until it is stopped."""
    file = "/models/blobs/sha256-of-both"
    models = tuple(Pulled(name=name, file=file, context_length=8192) for name in (MODEL, ALIAS))
    async with trio.open_nursery() as nursery:
        fake = FakeOllama(answer=says, models=models, load_s=0.2, default_num_ctx=WINDOW)
        port = await serve_tcp(fake, nursery)
        print(json.dumps({"url": f"http://127.0.0.1:{port}"}), flush=True)


if __name__ == "__main__":
    trio.run(main)
