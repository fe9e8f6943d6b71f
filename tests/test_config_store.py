"""
`[store]`: who says where things are kept, and what cannot be asked for.
"""

from __future__ import annotations

import sys
from pathlib import Path

import platformdirs
import pytest
from attrs import fields

from config_files import from_environment
from trooper.commands.settings import settings
from trooper.config import Config, Store
from trooper.errors import ConfigError
from trooper.store import Caps

SECRET = "open sesame"


def said(folder: Path, text: str = "", data_dir: str | None = None, **environ: str) -> Config:
    (folder / "trooper.toml").write_text(text, encoding="utf-8")
    return settings(environ, folder, data_dir=data_dir)


def refused(folder: Path, text: str = "", **environ: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        said(folder, text, **environ)
    return caught.value


def test_a_configuration_made_in_python_keeps_nothing_on_disk() -> None:
    assert Store().data_dir == ":memory:"
    assert from_environment().store == Store()


def test_by_itself_it_is_where_a_users_data_is(tmp_path: Path) -> None:
    config = said(tmp_path)

    assert config.store.data_dir == platformdirs.user_data_dir("trooper", appauthor=False)
    assert config.store.content == "memory"
    assert "store.data_dir" not in config.origins


@pytest.mark.parametrize(
    ("text", "environ", "option", "place", "who"),
    [
        ('data_dir = "kept"', {}, None, "kept", "file"),
        ('data_dir = "/srv/kept"', {}, None, "/srv/kept", "file"),
        ('data_dir = ":memory:"', {}, None, ":memory:", "file"),
        ('data_dir = "kept"', {"TROOPER_DATA_DIR": "mine"}, None, "mine", "TROOPER_DATA_DIR"),
        ("", {"TROOPER_DATA_DIR": ":memory:"}, "here", "here", "--data-dir"),
        ("", {}, ":memory:", ":memory:", "--data-dir"),
    ],
)
def test_file_variable_and_option(
    tmp_path: Path, text: str, environ: dict[str, str], option: str | None, place: str, who: str
) -> None:
    config = said(tmp_path, f"[store]\n{text}\n", option, **environ)

    expected = place if place == ":memory:" else str(tmp_path / place)
    assert (config.store.data_dir, config.origins["store.data_dir"]) == (expected, who)


def test_a_home_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert said(tmp_path, '[store]\ndata_dir = "~/kept"').store.data_dir == "/home/ann/kept"
    error = refused(tmp_path, TROOPER_DATA_DIR="~nobody-of-that-name/x")
    assert (error.key, "home folder" in error.problem) == ("TROOPER_DATA_DIR", True)


def test_all_keys_are_read(tmp_path: Path) -> None:
    text = """
    [store]
    data_dir = "kept"
    content = "disk"
    seal_key_env = "SEAL"
    keep_s = 3600
    sessions_max = 5
    metadata_bytes = 1000
    content_bytes = 2000
    """
    config = said(tmp_path, text, SEAL=SECRET)

    assert config.store == Store(str(tmp_path / "kept"), "disk", SECRET, 3600.0, 5, 1000, 2000)
    assert {key for key in config.origins if key.startswith("store.")} == {
        f"store.{'seal_key_env' if a.name == 'seal_key' else a.name}" for a in fields(Store)
    }
    assert SECRET not in repr(config)
    assert said(tmp_path, text, SEAL="other", TROOPER_STORE_KEY=SECRET).store.seal_key == SECRET


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ('[store]\ndata_dir = ""', "store.data_dir", "leave the key out"),
        ('[store]\ndata_dir = "a\\u0000b"', "store.data_dir", "no folder"),
        ("[store]\ndata_dir = 1", "store.data_dir", "not text"),
        ('[store]\ncontent = "tape"', "store.content", '"memory", "disk"'),
        ('[store]\ncontent = "disk"\ndata_dir = ":memory:"', "store.content", "Name a folder"),
        ('[store]\nseal_key = "open sesame"', "store.seal_key", "`seal_key_env`"),
        ('[store]\nseal_key_env = "open sesame"', "store.seal_key_env", "not the name of an environment"),
        ('[store]\nseal_key_env = "UNSET"', "store.seal_key_env", "Set UNSET"),
        ("[store]\nkeep_s = 0", "store.keep_s", "number of seconds"),
        ("[store]\nkeep_s = nan", "store.keep_s", "number of seconds"),
        ("[store]\nkeep_s = 2592001", "store.keep_s", "at most 2592000"),
        ("[store]\nsessions_max = 0", "store.sessions_max", "from 1 to"),
        ("[store]\ncontent_bytes = 0", "store.content_bytes", "from 1 to"),
        ("[store]\ndatadir = 1", "store.datadir", "`data_dir`"),
        ("store = 1", "store", "Write [store]"),
    ],
)
def test_refusals(tmp_path: Path, text: str, key: str, words: str) -> None:
    error = refused(tmp_path, text)

    assert error.key == key
    assert words in str(error)
    assert SECRET not in str(error)


def test_what_is_to_be_encrypted_is_not_written_where_nothing_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As where the extra is not installed.
    monkeypatch.setitem(sys.modules, "cryptography", None)
    error = refused(tmp_path, TROOPER_STORE_KEY=SECRET)

    assert (error.key, ".[sealed]" in error.fix) == ("TROOPER_STORE_KEY", True)


def test_the_caps_of_who_says_nothing_are_the_stores_own() -> None:
    said = Store()

    assert Caps(said.keep_s, said.sessions_max, said.metadata_bytes, said.content_bytes) == Caps()
