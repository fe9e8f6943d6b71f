"""
The configuration of a run, and what a run does where its server falls. The rest of
it needs processes: `tests/e2e/test_run.py`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve

from trooper.clients.launch import Surroundings
from trooper.clients.programs import program_of
from trooper.commands.run import Asked, Session, settings_of, surroundings
from trooper.config import Config
from trooper.errors import ConfigError
from trooper.telemetry.outlet import aside


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return Surroundings({}, tmp_path, tmp_path)


def of(around: Surroundings, word: str = "claude", text: str = "", **environ: str) -> Config:
    file = around.cwd / "mine.toml" if text else None
    if file:
        file.write_text(text, encoding="utf-8")
    return settings_of(Asked((word,), file), program_of(word), evolve(around, environ=environ))


def place(config: Config, name: str) -> str:
    return config.target(name).base_url


class TestWhereTheProviderIs:
    def test_the_programs_own_variable_says_it(self, around: Surroundings) -> None:
        config = of(around, ANTHROPIC_BASE_URL="https://gateway.example")

        assert place(config, "anthropic") == "https://gateway.example/v1"
        assert place(config, "openai") == "https://api.openai.com/v1"

    def test_troopers_own_variable_wins(self, around: Surroundings) -> None:
        said = {"ANTHROPIC_BASE_URL": "https://gateway", "TROOPER_ANTHROPIC_BASE_URL": "https://ours"}

        assert place(of(around, **said), "anthropic") == "https://ours/v1"

    def test_the_file_wins(self, around: Surroundings) -> None:
        text = (
            '[[targets]]\nname = "anthropic"\nwire = "anthropic-messages"\nkey = "client"\n'
            'base_url = "https://file"\n'
        )
        assert (
            place(of(around, text=text, ANTHROPIC_BASE_URL="https://gateway"), "anthropic")
            == "https://file/v1"
        )

    def test_a_file_that_does_not_say_leaves_it_open(self, around: Surroundings) -> None:
        text = '[[targets]]\nname = "anthropic"\nwire = "anthropic-messages"\nkey = "client"\n'

        assert (
            place(of(around, text=text, ANTHROPIC_BASE_URL="https://gateway"), "anthropic")
            == "https://gateway/v1"
        )

    def test_each_target_is_told_by_itself(self, around: Surroundings) -> None:
        """One of a provider's two has a place, or a key, of its own; the other one asks where the user says."""
        for own, kept in (
            ('key = "client"\nbase_url = "https://file/v1"', "https://file/v1"),
            ('key_env = "MINE"', "https://api.openai.com/v1"),
        ):
            text = f'[[targets]]\nname = "openai"\nwire = "openai-chat"\n{own}\n'
            text += '[[targets]]\nname = "openai-responses"\nwire = "openai-responses"\nkey = "client"\n'
            config = of(around, "python3", text, OPENAI_BASE_URL="https://gateway", MINE="sk-mine")

            assert place(config, "openai") == kept
            assert place(config, "openai-responses") == "https://gateway/v1"

    def test_a_key_of_troopers_is_not_sent_there(self, around: Surroundings) -> None:
        """It was made for another place; nor does what the user has put behind a gateway go past that."""
        said = {"ANTHROPIC_BASE_URL": "https://gateway", "TROOPER_ANTHROPIC_API_KEY": "sk-ours"}

        with pytest.raises(ConfigError) as caught:
            of(around, **said)
        assert str(caught.value) == (
            "ANTHROPIC_BASE_URL: it says where a provider is, and no target of Trooper's asks there:"
            " anthropic does not get the program's own key."
            " Say with TROOPER_ANTHROPIC_BASE_URL where Trooper's key is good, or leave that key out"
        )
        told = of(around, **said, TROOPER_ANTHROPIC_BASE_URL="https://ours")
        assert place(told, "anthropic") == "https://ours/v1"

    def test_a_place_that_no_target_takes_stops_the_start(self, around: Surroundings) -> None:
        text = '[[targets]]\nname = "groq"\nwire = "openai-chat"\nkey = "client"\nbase_url = "https://groq"\n'

        with pytest.raises(ConfigError) as caught:
            of(around, text=text, ANTHROPIC_BASE_URL="https://gateway")
        said = str(caught.value)
        assert "ANTHROPIC_BASE_URL: it says where a provider is" in said
        assert "mine.toml has none for it. Add a [[targets]] table:" in said
        assert said.endswith("; or take that out, if those are to answer that are configured")
        # Both ways lead on.
        assert place(of(around, text=text), "groq") == "https://groq/v1"
        table = said.partition("table: ")[2].partition(";")[0].replace(", ", "\n")
        config = of(around, text=f"{text}[[targets]]\n{table}\n", ANTHROPIC_BASE_URL="https://gateway")
        assert place(config, "anthropic") == "https://gateway/v1"

    def test_where_nothing_leaves_the_machine_no_place_matters(self, around: Surroundings) -> None:
        text = '[[targets]]\nname = "ollama"\nwire = "ollama-chat"\n'

        assert len(of(around, text=text, ANTHROPIC_BASE_URL="https://gateway").targets) == 1

    def test_a_login_asks_nobody_where_a_key_of_troopers_is(self, around: Surroundings) -> None:
        """Nobody has said a place: it is only where the login would be good."""
        (around.home / ".codex").mkdir()
        (around.home / ".codex" / "auth.json").write_text('{"tokens": {"access_token": "t"}}')
        config = of(around, "codex", TROOPER_OPENAI_API_KEY="sk-ours")

        assert place(config, "openai-responses") == "https://api.openai.com/v1"

    def test_another_trooper_may_be_there(self, around: Surroundings) -> None:
        """One that is where `trooper serve` would listen is no provider's place; any other may be."""
        file = around.cwd / "mine.toml"
        file.write_text("[server]\nport = 9000\n")
        asked = Asked(("claude",), file)
        for url, where in (
            ("http://127.0.0.1:9000", "https://api.anthropic.com/v1"),
            ("http://localhost:9000/", "https://api.anthropic.com/v1"),
            ("http://127.0.0.1:9001", "http://127.0.0.1:9001/v1"),
        ):
            environ = {"ANTHROPIC_BASE_URL": url}
            there = surroundings(asked, environ, around.cwd, around.home)
            config = settings_of(asked, program_of("claude"), there)
            assert place(config, "anthropic") == where

    def test_a_chatgpt_plan_has_no_version_in_its_place(self, around: Surroundings) -> None:
        home = around.home / ".codex"
        home.mkdir()
        (home / "auth.json").write_text('{"tokens": {"access_token": "t"}}')

        assert place(of(around, "codex"), "openai-responses") == "https://chatgpt.com/backend-api/codex"

    def test_what_cannot_be_used_is_blamed_on_who_said_it(self, around: Surroundings) -> None:
        with pytest.raises(ConfigError) as caught:
            of(around, ANTHROPIC_BASE_URL="ftp://gateway")
        assert caught.value.key == "ANTHROPIC_BASE_URL"

        with pytest.raises(ConfigError) as caught:
            of(around, ANTHROPIC_BASE_URL="https://gateway", TROOPER_STALL_TIMEOUT="long")
        assert caught.value.key == "TROOPER_STALL_TIMEOUT"


class TestAFileThatLiesThere:
    """A repository that somebody else has written says nothing about where a key goes."""

    TEXT = '[[targets]]\nname = "anthropic"\nwire = "anthropic-messages"\nkey = "client"\nbase_url = "https://thief"\n'

    @pytest.fixture
    def there(self, around: Surroundings) -> Surroundings:
        (around.cwd / "trooper.toml").write_text(self.TEXT, encoding="utf-8")
        return around

    def test_stops_the_start(self, there: Surroundings) -> None:
        for environ in ({}, {"TROOPER_CONFIG": ""}):
            with pytest.raises(ConfigError) as caught:
                surroundings(Asked(("claude", "-p")), environ, there.cwd, there.home)
            said = str(caught.value)
            assert said.startswith("./trooper.toml: there is one here, which `trooper run` does not read")
            assert "If it is yours: trooper run --config trooper.toml -- claude …" in said
            with pytest.raises(ConfigError):
                of(there, **environ)

    def test_is_read_where_it_is_named(self, there: Surroundings) -> None:
        assert place(of(there, TROOPER_CONFIG="trooper.toml"), "anthropic") == "https://thief/v1"
        config = settings_of(Asked(("claude",), Path("trooper.toml")), program_of("claude"), there)
        assert place(config, "anthropic") == "https://thief/v1"

    def test_is_left_aside_where_another_is_named(self, there: Surroundings) -> None:
        config = settings_of(Asked(("claude",), Path(os.devnull)), program_of("claude"), there)
        assert place(config, "anthropic") == "https://api.anthropic.com/v1"


def test_the_front_door_is_open_to_this_machine_alone(around: Surroundings) -> None:
    """The command knows no key for it, and needs none."""
    text = '[server]\nhost = "0.0.0.0"\nport = 80\nclient_keys_env = "DOOR"\nallowed_hosts = ["x"]\n'
    server = of(around, text=text, DOOR="sk-door").server

    assert (server.host, server.port) == ("127.0.0.1", 0)
    assert (server.client_keys, server.allowed_hosts, server.allowed_origins) == ((), (), ())
    assert of(around, TROOPER_OPENAI_API_KEY="sk-ours").server.client_keys == ()


def test_client_keys_that_guard_a_key_are_not_dropped(around: Surroundings) -> None:
    """Whoever is on this machine could spend that key by the open door."""
    text = '[server]\nclient_keys_env = "DOOR"\n'
    for who, environ in (
        ("server.client_keys_env", {"DOOR": "sk-door"}),
        ("TROOPER_CLIENT_KEYS", {"DOOR": "sk-door", "TROOPER_CLIENT_KEYS": "sk-other"}),
    ):
        with pytest.raises(ConfigError) as caught:
            of(around, text=text, TROOPER_OPENAI_API_KEY="sk-ours", **environ)
        said = str(caught.value)
        assert said.startswith(f"{who}: `trooper run` asks for no client key, and whoever finds its port")
        assert "could spend the key of openai. Run the agent behind `trooper serve`" in said
        assert "sk-" not in said


def session(around: Surroundings) -> Session:
    config = of(around)
    return Session(Asked(("true",)), "true", program_of("true"), around, config, aside(None))


class Fallen:
    """A server that falls, before it listens or behind that."""

    def __init__(self, *, listens: bool) -> None:
        self.listens = listens

    async def serve(self, _listeners: Any, *, task_status: trio.TaskStatus[bool]) -> None:
        if self.listens:
            task_status.started(True)
        raise ValueError("a bug")


@pytest.mark.parametrize("listens", [True, False])
async def test_a_server_that_falls_does_not_end_the_command(
    around: Surroundings, listens: bool, caplog: pytest.LogCaptureFixture
) -> None:
    run = session(around)
    server: Any = Fallen(listens=listens)

    await run._serve(server, [])

    assert (run._up.is_set(), run._down.is_set(), run._is_up) == (True, True, listens)
    assert "the server has ended" in caplog.text
