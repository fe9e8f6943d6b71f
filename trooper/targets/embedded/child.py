"""
The process that runs a model; `trooper/targets/standby/embedded.py` starts it.

It reads one JSON line from standard input (`gguf`, `api_key`, `alias`,
`window_tokens`, `threads`, `slots`), starts llama.cpp's server on a free
loopback port, and prints one JSON line: `{"port": …}` or `{"error": …}`. Then
it lives until standard input closes. Where llama.cpp itself aborts, standard
output closes without a line.

The key comes through the pipe and not as an argument, which every user of the
machine can read. Nothing of Trooper and no Trio is imported: this is a child
of one job.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

_GGUF = b"GGUF"


def main() -> None:
    """Serve until standard input closes."""
    # Ctrl-C reaches the whole process group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wish = json.loads(sys.stdin.buffer.readline() or b"{}")
    # The load holds the interpreter's lock; a parent that dies meanwhile is noticed behind it.
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    server, said = _start(wish)
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
    # Nobody reads on: whatever llama.cpp might print would fill the pipe and stop it.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if server is None:
        os._exit(1)
    threading.Event().wait()


def _leave_with_parent() -> None:
    # Not through `sys.stdin`: its lock would be held when the interpreter ends.
    while os.read(0, 1024):
        pass
    # A plain exit waits for a request in flight, for ever (tried).
    os._exit(0)


def _start(wish: dict[str, Any]) -> tuple[object, dict[str, object]]:
    """The running server and its port, or nothing and what is wrong."""
    path = Path(wish["gguf"])
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        return None, {"error": f"the model file cannot be read ({error.strerror})"}
    if magic != _GGUF:
        return None, {"error": "the model file is no GGUF file"}
    try:
        llama: Any = importlib.import_module("xllamacpp")
    except ImportError:
        return None, {"error": "xllamacpp is not installed; the extra `embedded` brings it"}
    try:
        server = llama.Server(_parameters(llama.CommonParams(), wish))
    except RuntimeError:
        return None, {"error": "llama.cpp cannot load the model file"}
    return server, {"port": int(str(server.listening_address).rpartition(":")[2])}


def _parameters(parameters: Any, wish: dict[str, Any]) -> Any:
    parameters.model.path = wish["gguf"]
    parameters.model_alias = [wish["alias"]]
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [wish["api_key"]]
    # A page in a browser has no business here.
    parameters.cors_origins = ""
    parameters.ui = False
    parameters.endpoint_slots = False
    parameters.n_ctx = wish["window_tokens"] * wish["slots"]
    parameters.n_parallel = wish["slots"]
    parameters.cpuparams.n_threads = wish["threads"]
    parameters.cpuparams_batch.n_threads = wish["threads"]
    # Its default may grow by gigabytes; this process is a guest.
    parameters.cache_ram_mib = 64
    return parameters


if __name__ == "__main__":
    main()
