"""
The configuration: what it is without a word, what can be said, and what
each key means. What is refused is in `test_config_refusals.py`.
"""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from config_files import OLLAMA, OPENAI, SECRET, from_environment, from_toml
from trooper.config import Chain, Config, Key, Server, Target, load
from trooper.config.environment import variables
from trooper.wires import ANTHROPIC_MESSAGES, OLLAMA_CHAT, OPENAI_CHAT, OPENAI_RESPONSES, WIRES

# --- without a word -----------------------------------------------------------------


def test_zero_configuration_is_openai_with_the_clients_key_and_ollama() -> None:
    config = from_environment()

    assert config.source == "environment"
    assert config.server == Server()
    assert config.targets == (
        Target("openai", OPENAI_CHAT.wire, "https://api.openai.com/v1", key=Key("client")),
        Target("openai-responses", OPENAI_RESPONSES.wire, "https://api.openai.com/v1", key=Key("client")),
        Target("anthropic", ANTHROPIC_MESSAGES.wire, "https://api.anthropic.com/v1", key=Key("client")),
        Target("ollama", OLLAMA_CHAT.wire, "http://127.0.0.1:11434"),
    )
    for wire, cloud in (
        (OPENAI_CHAT.wire, "openai"),
        (OPENAI_RESPONSES.wire, "openai-responses"),
        (ANTHROPIC_MESSAGES.wire, "anthropic"),
    ):
        # A client's key goes to the provider whose wire the client speaks, and to nobody else.
        assert [target.name for target in config.chain_for("gpt-4o", wire)] == [cloud, "ollama"]


def test_defaults_that_depend_on_the_wire() -> None:
    cloud, *_, local = from_environment().targets

    assert (cloud.first_content_s, cloud.stall_timeout_s, cloud.is_local) == (60.0, 20.0, False)
    assert (local.first_content_s, local.stall_timeout_s, local.is_local) == (120.0, 30.0, True)
    # A number of one's own counts as it is.
    given = attrs.evolve(local, ttft_timeout_s=120.0)
    assert (cloud.reads_long, local.reads_long, given.reads_long) == (False, True, False)


def test_an_empty_variable_is_not_set() -> None:
    assert from_environment(**dict.fromkeys(variables(WIRES.known), " ")) == from_environment()


def test_every_variable_of_trooper_is_documented_and_read() -> None:
    values = {
        "TROOPER_OPENAI_BASE_URL": "https://cloud.example",
        "TROOPER_OPENAI_API_KEY": SECRET,
        "TROOPER_ANTHROPIC_BASE_URL": "https://other.example/v1/",
        "TROOPER_ANTHROPIC_API_KEY": "sk-ant",
        "TROOPER_OLLAMA_URL": "http://box:1234/",
        "TROOPER_LOCAL_MODEL": "llama3.2:3b",
        "TROOPER_CONNECT_TIMEOUT": "1.5",
        "TROOPER_TTFT_TIMEOUT": "2",
        "TROOPER_STALL_TIMEOUT": "3",
        "TROOPER_ALIVE_TIMEOUT": "4",
        "TROOPER_WHOLE_TIMEOUT": "5",
        "TROOPER_BREAKER": "off",
        # What these do is in test_config_container.py and test_config_store.py.
        "TROOPER_HOST": "0.0.0.0",
        "TROOPER_PORT": "80",
        "TROOPER_ALLOWED_HOSTS": "trooper",
        "TROOPER_CLIENT_KEYS": "sk-door",
        "TROOPER_FOREIGN_TOOLS": "unfit",
        "TROOPER_NUM_CTX": "32768",
        "TROOPER_DATA_DIR": ":memory:",
        "TROOPER_STORE_KEY": SECRET,
    }
    config = from_environment(**values)

    assert set(variables(WIRES.known)) == {
        *values,
        "TROOPER_CONFIG",
        "OLLAMA_HOST",
        "TROOPER_CACHE",
        "TROOPER_EMBEDDED",
    }
    cloud, responses, anthropic, local = config.targets
    assert (responses.base_url, responses.key) == ("https://cloud.example/v1", Key("value", SECRET))
    assert (anthropic.base_url, anthropic.key) == ("https://other.example/v1", Key("value", "sk-ant"))
    assert cloud == Target(
        "openai",
        OPENAI_CHAT.wire,
        "https://cloud.example/v1",
        key=Key("value", SECRET),
        connect_timeout_s=1.5,
        ttft_timeout_s=2.0,
        stall_timeout_s=3.0,
        alive_timeout_s=4.0,
        whole_timeout_s=5.0,
    )
    assert local == Target("ollama", OLLAMA_CHAT.wire, "http://box:1234", model="llama3.2:3b", num_ctx=32768)
    assert (config.server.memory, config.server.port) == (False, 80)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://a.example", "https://a.example/v1"),
        ("https://a.example/", "https://a.example/v1"),
        ("https://a.example/v1", "https://a.example/v1"),
        ("https://a.example/v1/", "https://a.example/v1"),
        ("https://a.example/openai", "https://a.example/openai/v1"),
        ("https://a.example/openai/v1", "https://a.example/openai/v1"),
        ("https://a.example/v1beta/openai", "https://a.example/v1beta/openai"),
        ("https://a.example/api/paas/v4", "https://a.example/api/paas/v4"),
        ("http://[::1]:9000", "http://[::1]:9000/v1"),
    ],
)
def test_cloud_url_with_or_without_version(written: str, meant: str) -> None:
    assert from_environment(TROOPER_OPENAI_BASE_URL=written).target("openai").base_url == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("http://0.0.0.0:11434", "http://127.0.0.1:11434"),
        ("127.0.0.1", "http://127.0.0.1:11434"),
        ("box", "http://box:11434"),
        ("box:1234", "http://box:1234"),
        (":1234", "http://127.0.0.1:1234"),
        ("http://box", "http://box:80"),
        ("https://box", "https://box:443"),
        ("HTTPS://box", "https://box:443"),
        ("https://box/ollama/", "https://box:443/ollama"),
        ("http://box:11434/v1", "http://box:11434"),
        ("::1", "http://[::1]:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:1234", "http://[::1]:1234"),
        ("::", "http://[::1]:11434"),
        ("[::]:1234", "http://[::1]:1234"),
        (' "box" ', "http://box:11434"),
    ],
)
def test_ollama_host_as_ollama_reads_it(written: str, meant: str) -> None:
    assert from_environment(OLLAMA_HOST=written).target("ollama").base_url == meant


def test_troopers_own_variable_wins_over_ollamas() -> None:
    config = from_environment(OLLAMA_HOST="not a host", TROOPER_OLLAMA_URL="http://box:1")

    assert config.target("ollama").base_url == "http://box:1"


@pytest.mark.parametrize("word", ["on", "TRUE", "yes", "1"])
def test_breaker_can_be_said_to_be_on(tmp_path: Path, word: str) -> None:
    assert from_toml(tmp_path, "server.memory = false", TROOPER_BREAKER=word).server.memory is True


# --- the file -----------------------------------------------------------------------


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    config = from_toml(
        tmp_path,
        """
        [server]
        host = "0.0.0.0"
        port = 9000
        allowed_hosts = ["chat.example", "chat.example:9000"]
        allowed_origins = ["https://chat.example"]
        client_keys_env = "FRONT_KEYS"
        max_request_bytes = 1000
        gate = false
        grace_s = 5

        [[targets]]
        name = "groq"
        wire = "openai-chat"
        base_url = "https://api.groq.example/openai"
        key = { env = "GROQ_KEY" }
        models = { "gpt-4o" = "llama-70b" }
        proxy = "http://me:word@proxy.example:3128"
        total_timeout_s = 600

        [[targets]]
        name = "openai"
        wire = "openai-chat"
        key_env = "OPENAI"
        model = "gpt-4o-mini"

        [[targets]]
        name = "box"
        wire = "ollama-chat"
        base_url = "http://box:11434/"
        model = "llama3.2"
        slots = 2
        num_ctx = 8192
        keep_alive = -1
        load_timeout_s = 100

        [chains]
        "gpt-*" = ["groq", "box"]
        "*" = ["openai", "box"]
        """,
        FRONT_KEYS="one, two,",
        GROQ_KEY="g",
        OPENAI="o",
    )

    assert config.source == str(tmp_path / "trooper.toml")
    assert config.server == Server(
        host="0.0.0.0",
        port=9000,
        allowed_hosts=("chat.example", "chat.example:9000"),
        allowed_origins=("https://chat.example",),
        client_keys=("one", "two"),
        max_request_bytes=1000,
        gate=False,
        grace_s=5.0,
    )
    assert config.targets == (
        Target(
            "groq",
            OPENAI_CHAT.wire,
            "https://api.groq.example/openai/v1",
            models={"gpt-4o": "llama-70b"},
            key=Key("value", "g"),
            total_timeout_s=600.0,
            proxy="http://me:word@proxy.example:3128",
        ),
        Target("openai", OPENAI_CHAT.wire, "https://api.openai.com/v1", "gpt-4o-mini", key=Key("value", "o")),
        Target(
            "box",
            OLLAMA_CHAT.wire,
            "http://box:11434",
            "llama3.2",
            load_timeout_s=100.0,
            slots=2,
            num_ctx=8192,
            keep_alive="-1s",
        ),
    )
    assert config.chains == (Chain("gpt-*", ("groq", "box")), Chain("*", ("openai", "box")))
    assert [target.name for target in config.chain_for("gpt-4o", OPENAI_CHAT.wire)] == ["groq", "box"]
    assert [target.name for target in config.chain_for("o3", OPENAI_CHAT.wire)] == ["openai", "box"]


def test_trooper_config_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "trooper.toml").write_text("nonsense that is not read")
    (tmp_path / "other.toml").write_text("[server]\nport = 1")

    assert load({"TROOPER_CONFIG": "other.toml"}, tmp_path, WIRES.known).server.port == 1
    assert (
        load({"TROOPER_CONFIG": str(tmp_path / "other.toml")}, Path("/nowhere"), WIRES.known).server.port == 1
    )


def test_a_file_without_targets_keeps_the_two_of_zero_configuration(tmp_path: Path) -> None:
    config = from_toml(tmp_path, "[server]\nport = 9000", TROOPER_LOCAL_MODEL="m", OLLAMA_HOST="box")

    assert config.server.port == 9000
    assert config.target("ollama").model == "m"
    assert config.target("ollama").base_url == "http://box:11434"
    assert config.target("openai").key == Key("client")


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    config = from_toml(
        tmp_path,
        OPENAI
        + 'base_url = "https://file.example"\nttft_timeout_s = 1\n'
        + OLLAMA
        + 'base_url = "http://file:1"\nmodel = "file"\nttft_timeout_s = 1\n'
        + '[[targets]]\nname = "spare"\nwire = "openai-chat"\nkey = "none"\nbase_url = "https://spare.example"\n',
        TROOPER_OPENAI_BASE_URL="https://said.example",
        TROOPER_OPENAI_API_KEY="said",
        TROOPER_OLLAMA_URL="said:2",
        TROOPER_LOCAL_MODEL="said",
        TROOPER_TTFT_TIMEOUT="7",
        OLLAMA_HOST="unheard",
    )

    cloud, local, spare = config.targets
    assert (cloud.base_url, cloud.key.value, cloud.ttft_timeout_s) == ("https://said.example/v1", "said", 7.0)
    assert (local.base_url, local.model, local.ttft_timeout_s) == ("http://said:2", "said", 1.0)
    assert (spare.base_url, spare.key, spare.ttft_timeout_s) == ("https://spare.example/v1", Key("none"), 7.0)


def test_ollama_host_is_only_a_default(tmp_path: Path) -> None:
    config = from_toml(
        tmp_path,
        OLLAMA + 'base_url = "http://file:1"\n' + OLLAMA.replace('"ollama"', '"other"'),
        OLLAMA_HOST="box",
    )

    assert config.target("ollama").base_url == "http://file:1"
    assert config.target("other").base_url == "http://box:11434"


def test_the_default_chain_has_clouds_first_in_file_order(tmp_path: Path) -> None:
    spare = (
        OPENAI.replace('"openai"', '"spare"').replace('"client"', '"none"')
        + 'base_url = "https://s.example"\n'
    )
    config = from_toml(tmp_path, OLLAMA + OPENAI + spare + '[chains]\n"gpt-*" = ["openai"]\n')

    assert config.chains == (
        Chain("gpt-*", ("openai",)),
        Chain("*", ("openai", "spare", "ollama"), is_default=True),
    )


def test_a_byte_order_mark_is_not_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "trooper.toml").write_bytes(b"\xef\xbb\xbf[server]\nport = 1\n")

    assert load({}, tmp_path, WIRES.known).server.port == 1


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("300", "300s"),
        ("-1", "-1s"),
        ("0", "0s"),
        ("1.5", "1.5s"),
        ("1e3", "1000s"),
        ('"30m"', "30m"),
        ('"1h30m"', "1h30m"),
        ('"-1s"', "-1s"),
        ('"0"', "0"),
        ('"1.5h"', "1.5h"),
    ],
)
def test_keep_alive(tmp_path: Path, written: str, meant: str) -> None:
    assert from_toml(tmp_path, OLLAMA + f"keep_alive = {written}").target("ollama").keep_alive == meant


# --- the values ---------------------------------------------------------------------


def test_nothing_secret_is_shown() -> None:
    config = Config(
        Server(client_keys=(SECRET,)),
        (
            Target(
                "openai",
                OPENAI_CHAT.wire,
                "https://api.openai.com/v1",
                key=Key("value", SECRET),
                proxy=f"http://me:{SECRET}@proxy.example:1",
            ),
        ),
        (),
        WIRES.known,
    )

    assert SECRET not in repr(config) + str(config)
    assert "openai" in repr(config)


def test_equal_configurations_hash_alike_and_cannot_be_changed() -> None:
    models = {"a": "b"}
    one = Target("a", OPENAI_CHAT.wire, "https://a.example/v1", models=models)
    models["a"] = "c"
    config = Config(Server(), (one,), (), WIRES.known)

    assert one.models == {"a": "b"}
    assert hash(config) == hash(attrs.evolve(config))
    assert config == attrs.evolve(config)
    assert len({config, attrs.evolve(config)}) == 1
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        config.source = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        one.models["a"] = "c"  # type: ignore[index]


def test_which_model_a_target_is_asked_for() -> None:
    cloud = Target("a", OPENAI_CHAT.wire, "https://a.example/v1", models={"gpt-4o": "big"})
    local = Target("b", OLLAMA_CHAT.wire, "http://b:1", models={"gpt-4o": "big"})

    assert cloud.model_for("gpt-4o") == "big"
    assert cloud.model_for("o3") == "o3"
    assert attrs.evolve(cloud, model="default").model_for("o3") == "default"
    assert local.model_for("gpt-4o") == "big"
    assert local.model_for("o3") is None
    assert attrs.evolve(local, model="default").model_for("o3") == "default"


def test_targets_and_chains_are_found() -> None:
    config = from_environment()

    assert config.target("ollama").is_local
    with pytest.raises(KeyError):
        config.target("nobody")
    assert Config(Server(), config.targets, (), WIRES.known).chain_for("gpt-4o", OPENAI_CHAT.wire) == ()
    other = Config(Server(), config.targets, (Chain("GPT-*", ("openai",)),), WIRES.known)
    assert other.chain_for("gpt-4o", OPENAI_CHAT.wire) == ()
