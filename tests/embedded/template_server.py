"""
llama.cpp's own server with a chat template of our choice, as `--chat-template-file` gives it one.

    python template_server.py GGUF TEMPLATE [WINDOW_TOKENS]

Prints its port, and serves until standard input closes.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    xllamacpp: Any = importlib.import_module("xllamacpp")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = sys.argv[1]
    parameters.chat_template = Path(sys.argv[2]).read_text(encoding="utf-8")
    parameters.use_jinja = True
    parameters.model_alias = ["templated"]
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.ui = False
    parameters.n_ctx = int(sys.argv[3]) if len(sys.argv) > 3 else 2048
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = 1
    parameters.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(parameters)
    sys.stdout.write(str(server.listening_address).rpartition(":")[2] + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    # A plain exit would wait for requests in flight.
    os._exit(0)


if __name__ == "__main__":
    main()
