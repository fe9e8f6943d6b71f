"""How each program is started behind Trooper, and where its user has its provider."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from trooper.clients.launch import ANTHROPIC, OPENAI, Start, Surroundings, started
from trooper.clients.launch_codex import CHATGPT
from trooper.clients.programs import program_of

URL = "http://127.0.0.1:4711"


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
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


def places(around: Surroundings, word: str) -> dict[str, tuple[str, str]]:
    found = program_of(word).places(around)
    return {provider: (place.said_by, place.url) for provider, place in found.items()}


def written(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


class TestWhichProgram:
    @pytest.mark.parametrize(
        "word", ["claude", "/usr/bin/claude", "C:\\bin\\Claude.CMD", "claude.exe", "./claude"]
    )
    def test_is_known_by_the_name_of_its_file(self, word: str) -> None:
        assert program_of(word) is program_of("claude")

    def test_others_are_told_by_the_variables_of_sdks(self, around: Surroundings) -> None:
        assert program_of("claude-monitor") is program_of("python3") is not program_of("claude")
        assert changed(around, "python3", "-c", "…") == {
            "OPENAI_BASE_URL": f"{URL}/v1",
            "OPENAI_API_BASE": f"{URL}/v1",
            "ANTHROPIC_BASE_URL": URL,
        }


class TestVariables:
    def test_claude_code_is_told_by_one(self, around: Surroundings) -> None:
        assert changed(around, "claude", "-p", "hi") == {"ANTHROPIC_BASE_URL": URL}
        assert start(around, "claude", "-p", "hi").words == ("claude", "-p", "hi")

    def test_aider_is_told_by_the_ones_that_its_file_wins_over(self, around: Surroundings) -> None:
        there = with_variables(around, OPENAI_BASE_URL="https://gateway", ANTHROPIC_API_BASE="https://other")

        assert changed(there, "aider") == {
            "OPENAI_API_BASE": f"{URL}/v1",
            "ANTHROPIC_BASE_URL": URL,
            "OPENAI_BASE_URL": None,
            "ANTHROPIC_API_BASE": None,
        }

    def test_what_they_said_is_where_the_provider_is(self, around: Surroundings) -> None:
        there = with_variables(around, ANTHROPIC_BASE_URL=" https://gateway ", OPENAI_BASE_URL="")

        for word in ("claude", "aider", "python3"):
            assert places(there, word) == {ANTHROPIC: ("ANTHROPIC_BASE_URL", "https://gateway")}

    def test_of_several_the_one_that_the_program_obeys(self, around: Surroundings) -> None:
        there = with_variables(
            around,
            OPENAI_API_BASE="https://c",
            OPENAI_BASE_URL="https://b",
            AIDER_OPENAI_API_BASE="https://a",
        )

        assert places(there, "aider") == {OPENAI: ("AIDER_OPENAI_API_BASE", "https://a")}
        assert places(there, "python3") == {OPENAI: ("OPENAI_BASE_URL", "https://b")}
        assert places(there, "claude") == {}


class TestClaudeCode:
    SAID = '{"env": {"ANTHROPIC_BASE_URL": "https://%s"}}'

    def test_what_its_files_say_is_where_the_provider_is(self, around: Surroundings) -> None:
        """They win over variables, so it is told by what wins over them."""
        there = with_variables(around, ANTHROPIC_BASE_URL="https://variable", CLAUDE_CONFIG_DIR="own")
        for place in ("own/settings.json", ".claude/settings.json", ".claude/settings.local.json"):
            written(around.cwd / place, self.SAID % place)

            path = str(around.cwd / place)
            assert places(there, "claude") == {ANTHROPIC: (path, f"https://{place}")}
        found = start(there, "claude", "-p", "hi")
        assert found.words[0::3] == ("claude", "-p")
        assert json.loads(found.words[2]) == {"env": {"ANTHROPIC_BASE_URL": URL}}

    def test_settings_of_the_users_own_are_not_replaced(self, around: Surroundings) -> None:
        written(around.home / ".claude/settings.json", self.SAID % "x")

        words = ("claude", "--settings=mine.json", "-p", "hi")
        assert start(around, *words).words == words

    @pytest.mark.parametrize("text", ["{", "[]", '{"env": 7}', '{"env": {"ANTHROPIC_BASE_URL": " "}}'])
    def test_files_that_do_not_say_it_change_nothing(self, around: Surroundings, text: str) -> None:
        written(around.home / ".claude/settings.json", text)

        assert start(around, "claude", "-p", "hi").words == ("claude", "-p", "hi")
        assert places(around, "claude") == {}


class TestAider:
    @pytest.mark.parametrize(
        "place", ["home/.aider.conf.yml", "work/.aider.conf.yml", "work/inner/.aider.conf.yml"]
    )
    def test_what_its_files_say_is_where_the_provider_is(self, around: Surroundings, place: str) -> None:
        """They win over the usual variables, so it is told by its own."""
        file = around.home.parent / place
        written(file, 'model: x\nopenai-api-base: "https://gateway/v1"  # mine\n')
        there = with_variables(around, OPENAI_API_BASE="https://variable")

        assert places(there, "aider") == {OPENAI: (str(file), "https://gateway/v1")}
        assert changed(there, "aider")["AIDER_OPENAI_API_BASE"] == f"{URL}/v1"

    def test_its_own_variable_wins_over_them(self, around: Surroundings) -> None:
        written(around.cwd / ".aider.conf.yml", "openai-api-base: https://gateway/v1\n")
        there = with_variables(around, AIDER_OPENAI_API_BASE="https://own")

        assert places(there, "aider") == {OPENAI: ("AIDER_OPENAI_API_BASE", "https://own")}


class TestProxies:
    def test_loopback_is_asked_without_one(self, around: Surroundings) -> None:
        there = with_variables(around, HTTPS_PROXY="http://proxy:3128")

        now = changed(there, "claude")
        assert now["NO_PROXY"] == now["no_proxy"] == "127.0.0.1,localhost"

    @pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
    def test_what_is_on_the_list_stays(self, around: Surroundings, name: str) -> None:
        there = with_variables(around, all_proxy="http://proxy:3128", **{name: "intranet,"})

        now = changed(there, "claude")
        assert now[name] == "intranet,127.0.0.1,localhost"
        assert len(now) == 2

    def test_without_a_proxy_there_is_no_list(self, around: Surroundings) -> None:
        assert set(changed(around, "claude")) == {"ANTHROPIC_BASE_URL"}


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
            f'model_providers.trooper={{name="trooper", base_url="{URL}/v1",'
            + ' env_key="OPENAI_API_KEY", wire_api="responses"}',
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
        written(around.home / ".codex" / "config.toml", text)

        assert self.words(around) == ()

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


class TestOpencode:
    def content(self, around: Surroundings) -> dict[str, Any]:
        found = start(around, "opencode", "run", "hi")
        assert found.words == ("opencode", "run", "hi")
        value = json.loads(found.environ["OPENCODE_CONFIG_CONTENT"])
        assert isinstance(value, dict)
        return value

    def test_both_of_its_providers_are_elsewhere(self, around: Surroundings) -> None:
        options = {"options": {"baseURL": f"{URL}/v1"}}
        assert self.content(around) == {"provider": {"anthropic": options, "openai": options}}

    def test_what_the_variable_says_stays(self, around: Surroundings) -> None:
        said = {"share": "disabled", "provider": {"openai": {"models": {"m": {}}, "options": {"timeout": 7}}}}
        content = self.content(with_variables(around, OPENCODE_CONFIG_CONTENT=json.dumps(said)))

        assert content["share"] == "disabled"
        assert content["provider"]["openai"] == {
            "models": {"m": {}},
            "options": {"timeout": 7, "baseURL": f"{URL}/v1"},
        }

    def test_what_the_variable_says_is_where_the_provider_is(self, around: Surroundings) -> None:
        said = '{"provider": {"openai": {"options": {"baseURL": "https://gateway/v1"}}}}'
        there = with_variables(around, OPENCODE_CONFIG_CONTENT=said, ANTHROPIC_BASE_URL="https://other/v1")

        assert places(there, "opencode") == {
            OPENAI: ("OPENCODE_CONFIG_CONTENT", "https://gateway/v1"),
            ANTHROPIC: ("ANTHROPIC_BASE_URL", "https://other/v1"),
        }

    @pytest.mark.parametrize(
        "place",
        [
            "home/.config/opencode/opencode.json",
            "home/.config/opencode/opencode.jsonc",
            "home/.config/opencode/config.json",
            "work/opencode.json",
            "work/inner/opencode.jsonc",
            "work/.opencode/opencode.json",
            "named.json",
        ],
    )
    def test_a_place_in_its_own_files_is_where_the_provider_is(
        self, around: Surroundings, place: str
    ) -> None:
        text = """{
          // the company's, "quoted" /* and */ so on
          "provider": {"anthropic": {"options": {"baseURL": "https://gateway/v1", /* a key */ },},},
        }"""
        written(around.home.parent / place, text)
        there = with_variables(around, OPENCODE_CONFIG=str(around.home.parent / "named.json"))

        assert set(self.content(there)["provider"]) == {"openai", "anthropic"}
        assert places(there, "opencode") == {
            ANTHROPIC: (str(around.home.parent / place), "https://gateway/v1")
        }

    def test_of_several_files_the_one_that_opencode_obeys(self, around: Surroundings) -> None:
        order = [
            "../home/.config/opencode/opencode.json",
            "../named.json",
            "opencode.json",
            "inner/opencode.json",
        ]
        order += [".opencode/opencode.jsonc", "inner/.opencode/opencode.json"]
        there = with_variables(around, OPENCODE_CONFIG=str(around.home.parent / "named.json"))
        for place in order:
            path = around.home.parent / "work" / place
            written(
                path, f'{{"provider": {{"openai": {{"options": {{"baseURL": "https://{len(place)}"}}}}}}}}'
            )
            assert places(there, "opencode")[OPENAI][1] == f"https://{len(place)}"

    def test_a_place_that_stands_for_another_is_left_alone(self, around: Surroundings) -> None:
        """A key that was made for that place must not go to another."""
        text = '{"provider": {"anthropic": {"options": {"baseURL": "{env:GATEWAY}"}}}}'
        written(around.cwd / "opencode.json", text)

        assert self.content(around) == {"provider": {"openai": {"options": {"baseURL": f"{URL}/v1"}}}}
        assert places(around, "opencode") == {}

    def test_a_file_that_cannot_be_read_may_say_anything(self, around: Surroundings) -> None:
        written(around.cwd / "opencode.json", '{"provider": ')

        assert self.content(around) == {}

    @pytest.mark.parametrize("said", ["{", "[]", "7", "{" * 100_000])
    def test_a_variable_that_cannot_be_read_is_opencodes_business(
        self, around: Surroundings, said: str
    ) -> None:
        there = with_variables(around, OPENCODE_CONFIG_CONTENT=said)

        assert changed(there, "opencode") == {}
        assert places(there, "opencode") == {}
