"""What the tests of `trooper/clients/launch*.py` ask: how a program is started, and where its provider is."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve

from trooper.clients.launch import Start, Surroundings, started
from trooper.clients.programs import program_of

URL = "http://127.0.0.1:4711"


def around_in(tmp_path: Path) -> Surroundings:
    """A home and a folder that somebody works in, both empty, and a key."""
    home, cwd = tmp_path / "home", tmp_path / "work" / "inner"
    home.mkdir()
    cwd.mkdir(parents=True)
    return Surroundings({"PATH": "/bin", "OPENAI_API_KEY": "sk-test"}, cwd, home)


def with_variables(around: Surroundings, **more: str) -> Surroundings:
    return evolve(around, environ={**around.environ, **more})


def start(around: Surroundings, *words: str) -> Start:
    return started(program_of(words[0]), words, around, URL)


def changed(around: Surroundings, *words: str) -> dict[str, str | None]:
    """What of the environment is another: variable → value, `None` where it is gone."""
    now = start(around, *words).environ
    names = {*now, *around.environ}
    return {name: now.get(name) for name in names if now.get(name) != around.environ.get(name)}


def places(around: Surroundings, *words: str) -> dict[str, tuple[str, str]]:
    found = program_of(words[0]).places(words, around)
    return {provider: (place.said_by, place.url) for provider, place in found.items()}


def written(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
