"""
nginx as the mark to compare with: the cheapest way to pass a stream on.
"""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import trio

from trooper.bench.rig import NotStarted, Rig, Running
from trooper.testing.client import fetch

_START_S = 10.0


def find() -> str | None:
    """Where nginx is, if it is."""
    path = os.environ.get("PATH", os.defpath)
    return shutil.which("nginx", path=f"{path}{os.pathsep}/usr/sbin{os.pathsep}/usr/local/sbin")


def configuration(folder: Path, port: int, upstream_port: int) -> str:
    """One worker that passes everything on at once, with kept connections, and logs nothing."""
    # Started by root, its worker would be somebody who may not use the folder.
    user = "user root;\n" if os.geteuid() == 0 else ""
    rooms = "\n".join(
        f"  {kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""{user}worker_processes 1;
daemon off;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
  access_log off;
{rooms}
  upstream provider {{ server 127.0.0.1:{upstream_port}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""


async def start(rig: Rig, program: str, upstream_port: int) -> Running:
    """
    Nginx in front of a provider.

    Raises:
        NotStarted: it does not answer.
    """
    folder = rig.new_folder()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    file = folder / "nginx.conf"
    await trio.Path(file).write_text(configuration(folder, port, upstream_port), encoding="utf-8")
    command = [program, "-p", str(folder), "-e", "stderr", "-c", str(file)]
    running = await rig.start("nginx", command, url=f"http://127.0.0.1:{port}")
    with trio.move_on_after(_START_S):
        while not running.ended:
            try:
                await fetch(port, "GET", "/v1/models")
            except OSError:
                await trio.sleep(0.02)
            else:
                return running
    raise NotStarted("nginx does not answer; its last words:\n" + "\n".join(running.said))
