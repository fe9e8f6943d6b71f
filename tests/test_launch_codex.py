"""How Codex is started behind Trooper, and where its user has its provider: by file, login, or key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from attrs import evolve

from launched import URL, around_in, places, start, with_variables, written
from trooper.clients import toml
from trooper.clients.codex import CODEX
from trooper.clients.editing import connected
from trooper.clients.launch import OPENAI, Surroundings
from trooper.clients.launch_codex import CHATGPT


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return around_in(tmp_path)


class TestCodex:
    def words(self, around: Surroundings) -> tuple[str, ...]:
        found = start(around, "codex", "exec", "-c", "model=x", "hi")
        assert found.environ == around.environ
        assert (found.words[0], found.words[-4:]) == ("codex", ("exec", "-c", "model=x", "hi"))
        return found.words[1:-4]

    def test_a_login_is_kept(self, around: Surroundings) -> None:
        """The built-in provider is told of another place, and nothing else."""
        written(around.home / ".codex" / "auth.json", '{"OPENAI_API_KEY": "sk-login"}')

        assert self.words(around) == ("-c", f'openai_base_url="{URL}/v1"')
        assert places(around, "codex") == {}

    def test_a_chatgpt_plan_is_asked_at_its_own_place(self, around: Surroundings) -> None:
        login = {"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": {"access_token": "hidden"}}
        written(around.home / ".codex" / "auth.json", json.dumps(login))

        assert self.words(around) == ("-c", f'openai_base_url="{URL}/v1"')
        assert places(around, "codex") == {OPENAI: ("Codex's ChatGPT login", CHATGPT)}

    def test_without_a_login_the_key_of_the_environment_is_used(self, around: Surroundings) -> None:
        assert self.words(around) == (
            *("-c", 'model_provider="trooper"', "-c"),
            f'model_providers.trooper={{name="Trooper", base_url="{URL}/v1",'
            + ' wire_api="responses", env_key="OPENAI_API_KEY"}',
        )

    @pytest.mark.parametrize("name", ["CODEX_API_KEY", "CODEX_ACCESS_TOKEN"])
    def test_its_own_variables_of_keys_are_the_built_in_providers(
        self, around: Surroundings, name: str
    ) -> None:
        assert self.words(with_variables(around, **{name: "sk"})) == ("-c", f'openai_base_url="{URL}/v1"')

    def test_without_any_key_it_says_so_itself(self, around: Surroundings) -> None:
        assert self.words(with_variables(around, OPENAI_API_KEY="")) == (
            "-c",
            f'openai_base_url="{URL}/v1"',
        )

    def test_its_own_file_says_where_the_provider_is(self, around: Surroundings) -> None:
        there = with_variables(around, CODEX_HOME="../codex", OPENAI_BASE_URL="https://not-read")
        written(around.cwd / "../codex/config.toml", 'openai_base_url = "https://gateway/v1"\n')
        written(around.cwd / "../codex/auth.json", '{"OPENAI_API_KEY": "sk-login"}')

        assert places(there, "codex") == {OPENAI: ("openai_base_url of Codex", "https://gateway/v1")}
        assert self.words(there) == ("-c", f'openai_base_url="{URL}/v1"')

    def test_a_provider_of_the_users_own_is_told_of_another_place(self, around: Surroundings) -> None:
        text = 'model_provider = "mine"\n[model_providers.mine]\nbase_url = "https://gateway/v1"\n'
        written(around.home / ".codex" / "config.toml", text)
        written(around.home / ".codex" / "auth.json", '{"tokens": {"access_token": "t"}}')

        assert self.words(around) == ("-c", f'model_providers.mine.base_url="{URL}/v1"')
        assert places(around, "codex") == {
            OPENAI: ("model_providers.mine.base_url of Codex", "https://gateway/v1")
        }

    @pytest.mark.parametrize(
        "text",
        [
            'model_provider = "azure"\n',
            'model_provider = "a.b"\n[model_providers."a.b"]\nbase_url = "https://x/v1"\n',
            'model_provider = "a"\n[model_providers.a]\nbase_url = "https://x/own/path"\n',
        ],
    )
    def test_one_that_cannot_be_told_is_left_alone(self, around: Surroundings, text: str) -> None:
        """But it starts no server in the background, which would outlive it."""
        written(around.home / ".codex" / "config.toml", text)

        assert self.words(around) == ("-c", "features.daemon_auto_start=false")

    @pytest.mark.parametrize("login", [True, False])
    def test_one_that_leads_to_a_trooper_has_its_login_for_the_plans_place(
        self, around: Surroundings, login: bool
    ) -> None:
        text = (
            'model_provider = "trooper"\n[model_providers.trooper]\nbase_url = "http://127.0.0.1:8642/v1"\n'
        )
        written(
            around.home / ".codex" / "config.toml", text + f"requires_openai_auth = {str(login).lower()}\n"
        )
        written(around.home / ".codex" / "auth.json", '{"tokens": {"access_token": "t"}}')
        there = evolve(around, is_trooper=lambda url: ":8642" in url)

        assert self.words(there) == ("-c", f'model_providers.trooper.base_url="{URL}/v1"')
        plan = {OPENAI: ("Codex's ChatGPT login", CHATGPT)}
        assert places(there, "codex") == (plan if login else {})

    @pytest.mark.parametrize("text", ["model_provider = ", "\x00", "openai_base_url = 7"])
    def test_a_file_that_cannot_be_read_is_codexs_business(self, around: Surroundings, text: str) -> None:
        written(around.home / ".codex" / "config.toml", text)
        written(around.home / ".codex" / "auth.json", text)

        assert places(around, "codex") == {}
        assert len(self.words(around)) == 4

    def test_where_the_key_of_the_environment_is_good(self, around: Surroundings) -> None:
        """Codex reads neither variable; but the key that it is told to send was made for that place."""
        there = with_variables(around, OPENAI_API_BASE="https://older")
        assert places(there, "codex") == {OPENAI: ("OPENAI_API_BASE", "https://older")}
        there = with_variables(there, OPENAI_BASE_URL="https://gateway")
        assert places(there, "codex") == {OPENAI: ("OPENAI_BASE_URL", "https://gateway")}
        assert places(with_variables(there, CODEX_API_KEY="sk"), "codex", "exec") == {}
        written(around.home / ".codex" / "auth.json", '{"OPENAI_API_KEY": "sk-login"}')
        assert places(there, "codex") == {}

    def test_so_it_is_with_the_provider_that_connect_has_written(self, around: Surroundings) -> None:
        text = connected(toml, "", CODEX.wanted("http://127.0.0.1:8642")).text
        written(around.home / ".codex" / "config.toml", text)
        written(around.home / ".codex" / "auth.json", '{"tokens": {"access_token": "t"}}')
        there = with_variables(around, OPENAI_BASE_URL="https://gateway")
        there = evolve(there, is_trooper=lambda url: "8642" in url)

        assert places(there, "codex") == {OPENAI: ("OPENAI_BASE_URL", "https://gateway")}
        text = connected(toml, "", CODEX.wanted("http://127.0.0.1:8642", login=True)).text
        written(around.home / ".codex" / "config.toml", text)
        assert places(there, "codex") == {OPENAI: ("Codex's ChatGPT login", CHATGPT)}

    def test_a_key_that_wins_over_a_chatgpt_login_is_not_sent_to_it(self, around: Surroundings) -> None:
        written(around.home / ".codex" / "auth.json", '{"tokens": {"access_token": "t"}}')
        there = with_variables(around, CODEX_API_KEY="sk")

        assert places(there, "codex", "exec", "hi") == {}
        # With a screen Codex does not look at it.
        assert places(there, "codex", "hi") == {OPENAI: ("Codex's ChatGPT login", CHATGPT)}
        for key in ('env_key = "MINE"', 'experimental_bearer_token = "sk"'):
            text = f'model_provider = "m"\n[model_providers.m]\nrequires_openai_auth = true\n{key}\n'
            written(around.home / ".codex" / "config.toml", text)
            assert places(around, "codex") == {}
