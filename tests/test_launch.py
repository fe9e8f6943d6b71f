"""How each program is started behind Trooper, and where its user has its provider."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from launched import URL, around_in, changed, places, start, with_variables, written
from trooper.clients.launch import ANTHROPIC, OPENAI, Surroundings
from trooper.clients.programs import program_of


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return around_in(tmp_path)


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

    @pytest.mark.parametrize(
        "said", [("--setting-sources", "user,local"), ("--setting-sources=local, user",)]
    )
    def test_files_that_its_words_leave_out_say_nothing(
        self, around: Surroundings, said: tuple[str, ...]
    ) -> None:
        written(around.cwd / ".claude/settings.json", self.SAID % "not-read")
        there = with_variables(around, ANTHROPIC_BASE_URL="https://variable")
        words = ("claude", *said, "-p", "hi")

        assert places(there, *words) == {ANTHROPIC: ("ANTHROPIC_BASE_URL", "https://variable")}
        assert start(there, *words).words == words
        written(around.home / ".claude/settings.json", self.SAID % "read")
        assert places(there, *words)[ANTHROPIC][1] == "https://read"
        assert places(there, "claude", "--setting-sources", "")[ANTHROPIC][1] == "https://variable"

    def test_settings_of_the_users_own_are_not_replaced(self, around: Surroundings) -> None:
        written(around.home / ".claude/settings.json", self.SAID % "x")

        words = ("claude", "--settings=mine.json", "-p", "hi")
        assert start(around, *words).words == words

    @pytest.mark.parametrize("words", [("agents",), ("--bg", "hi"), ("-p", "hi", "--background")])
    def test_sessions_that_outlive_it_are_not_told(
        self, around: Surroundings, words: tuple[str, ...]
    ) -> None:
        """They would keep the option, and ask a Trooper that is gone."""
        written(around.home / ".claude/settings.json", self.SAID % "x")

        assert start(around, "claude", *words).words == ("claude", *words)
        assert start(around, "claude", "-p", "agents").words != ("claude", "-p", "agents")

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
        (around.cwd.parent / ".git").mkdir()
        file = around.home.parent / place
        written(file, 'model: x\nopenai-api-base: "https://gateway/v1"  # mine\n')
        there = with_variables(around, OPENAI_API_BASE="https://variable")

        assert places(there, "aider") == {OPENAI: (str(file), "https://gateway/v1")}
        assert changed(there, "aider")["AIDER_OPENAI_API_BASE"] == f"{URL}/v1"

    def test_files_between_and_above_say_nothing(self, around: Surroundings) -> None:
        """Of the folders above it reads the repository's top, and without a repository none."""
        written(around.cwd.parent / ".aider.conf.yml", "openai-api-base: https://not-read\n")
        assert places(around, "aider") == {}
        assert "AIDER_OPENAI_API_BASE" not in changed(around, "aider")

        (around.cwd / ".git").mkdir()
        assert places(around, "aider") == {}
        (around.cwd / ".git").rename(around.cwd.parents[1] / ".git")
        assert places(around, "aider") == {}

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
        # Of the folders `.opencode` the outer one wins, and the one at home over all of the project's.
        order += [
            "inner/.opencode/opencode.json",
            ".opencode/opencode.jsonc",
            "../home/.opencode/opencode.json",
        ]
        order += ["inner/further/opencode.json"]
        named = str(around.home.parent / "named.json")
        there = with_variables(around, OPENCODE_CONFIG=named, OPENCODE_CONFIG_DIR="further")
        for place in order:
            path = around.home.parent / "work" / place
            written(path, f'{{"provider": {{"openai": {{"options": {{"baseURL": "https://x/{place}"}}}}}}}}')
            assert places(there, "opencode")[OPENAI][1] == f"https://x/{place}"

    def test_a_relative_folder_is_looked_for_here(self, around: Surroundings) -> None:
        text = '{"provider": {"openai": {"options": {"baseURL": "https://here"}}}}'
        written(around.cwd / "xdg/opencode/opencode.json", text)

        assert places(with_variables(around, XDG_CONFIG_HOME="xdg"), "opencode")[OPENAI][1] == "https://here"

    def test_a_file_of_somebody_elses_name_says_nothing(self, around: Surroundings) -> None:
        """Only at home opencode reads `config.json`, too; in a project it may be anything."""
        for place in ("config.json", ".opencode/config.json"):
            written(around.cwd / place, "no JSON")

        assert set(self.content(around)["provider"]) == {"openai", "anthropic"}

    def test_files_that_are_no_part_of_the_project_say_nothing(self, around: Surroundings) -> None:
        text = '{"provider": {"openai": {"options": {"baseURL": "https://%s"}}}}'
        written(around.cwd.parent / "opencode.json", text % "above")
        written(around.cwd.parent / ".opencode/opencode.json", text % "above")
        # Without a repository all the folders above are the project's.
        assert places(around, "opencode")[OPENAI][1] == "https://above"
        off = with_variables(around, OPENCODE_DISABLE_PROJECT_CONFIG="1")
        assert places(off, "opencode") == {}

        (around.cwd / ".git").mkdir()
        assert places(around, "opencode") == {}
        written(around.cwd / "opencode.json", text % "here")
        assert places(around, "opencode")[OPENAI][1] == "https://here"
        assert places(off, "opencode") == {}
        written(around.home / ".config/opencode/opencode.json", text % "home")
        assert places(off, "opencode")[OPENAI][1] == "https://home"

    def test_a_place_that_stands_for_another_is_left_alone(self, around: Surroundings) -> None:
        """A key that was made for that place must not go to another."""
        text = '{"provider": {"anthropic": {"options": {"baseURL": "{env:GATEWAY}"}}}}'
        written(around.cwd / "opencode.json", text)

        assert self.content(around) == {"provider": {"openai": {"options": {"baseURL": f"{URL}/v1"}}}}
        assert places(around, "opencode") == {}
        (around.cwd / "opencode.json").unlink()
        there = with_variables(around, OPENCODE_CONFIG_CONTENT=text)
        assert "{env:GATEWAY}" in start(there, "opencode").environ["OPENCODE_CONFIG_CONTENT"]

    def test_a_file_that_cannot_be_read_may_say_anything(self, around: Surroundings) -> None:
        for text in (b'{"provider": ', b'{"theme": "\xe9"}'):
            (around.cwd / "opencode.json").write_bytes(text)

            assert changed(around, "opencode") == {}

    @pytest.mark.parametrize("said", ["{", "[]", "7", "{" * 100_000])
    def test_a_variable_that_cannot_be_read_is_opencodes_business(
        self, around: Surroundings, said: str
    ) -> None:
        there = with_variables(around, OPENCODE_CONFIG_CONTENT=said)

        assert changed(there, "opencode") == {}
        assert places(there, "opencode") == {}
