"""
`trooper check` ends with what would become of each kind of client if its cloud failed now.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from trooper.commands.forecast import forecast_lines, forecasts
from trooper.commands.verdict import Finding
from trooper.config import Chain, Config, Key, Target, load
from trooper.wires import LLAMA_SERVER, OPENAI_CHAT, WIRES

ANTHROPIC = "Claude Code's turn (about 18,000 tokens with its tools)"
CLOUDS = ("openai", "openai-responses", "anthropic")


def clouds(*names: str) -> list[Finding]:
    return [
        Finding(name, "cloud", "somewhere", True, ("words",), facts={"continues": "instruction"})
        for name in names
    ]


def local(name: str = "ollama", *, yes: bool = True, mend: str = "", **facts: Any) -> Finding:
    known = {"model": "qwen2.5:7b", "continues": "prefill", "tools": True, "window_tokens": 4_096}
    return Finding(name, "local", "here", yes, ("words",), mend, {**known, **facts} if yes else {})


def config(num_ctx: int | None = None) -> Config:
    loaded = load({}, Path("/nonexistent"), WIRES.known)
    return evolve(
        loaded,
        targets=tuple(evolve(t, num_ctx=num_ctx) if t.is_local else t for t in loaded.targets),
    )


def said(found: list[Finding], of: Config | None = None, fails: str = "anthropic") -> str:
    """What stands there of one of the clouds."""
    lines = forecast_lines(forecasts(of or config(), found))
    return next(line for line in lines if fails in line.partition(" fails now: ")[0])


@pytest.mark.parametrize(
    ("num_ctx", "facts", "words"),
    [
        (None, {"window_tokens": 32_768}, "fits: yes, 32,768."),
        (None, {"window_tokens": 18_000}, "fits: yes, 18,000."),
        (None, {"most_tokens": 65_536}, "fits: yes, the window grows from 4,096 to 65,536."),
        (
            None,
            {"trained_tokens": 8_192},
            "fits: no, 4,096. Choose another model: qwen2.5:7b was trained for 8,192.",
        ),
        (
            None,
            {"trained_tokens": 32_768, "most_tokens": 9_000},
            "fits: no, 4,096. Choose a smaller model, or add memory: there is enough for about 9,000.",
        ),
        (
            None,
            {"trained_tokens": 32_768, "most_tokens": 4_096},
            "fits: no, 4,096. Set num_ctx = 32768 for ollama, if there is memory enough.",
        ),
        (
            8_192,
            {"window_tokens": 8_192, "trained_tokens": 131_072, "most_tokens": 65_536},
            "fits: no, 8,192. Set num_ctx = 32768 for ollama.",
        ),
        # As much as the model was trained for, where that is less than the next power of two.
        (8_192, {"window_tokens": 8_192, "trained_tokens": 20_000}, "Set num_ctx = 20000 for ollama"),
        (None, {"window_tokens": None}, "fits: not known, the server names no window. Set num_ctx = 32768"),
    ],
)
def test_whether_an_agents_turn_fits(num_ctx: int | None, facts: dict[str, Any], words: str) -> None:
    told = said([*clouds(*CLOUDS), local(**facts)], config(num_ctx))
    assert told.startswith(f"If anthropic fails now: qwen2.5:7b goes on. {ANTHROPIC} ")
    assert words in told


def test_a_model_without_tools_is_no_agents() -> None:
    told = said([*clouds(*CLOUDS), local(tools=False, window_tokens=65_536)])
    assert f"{ANTHROPIC}: no, qwen2.5:7b takes no tools. Choose a model that does" in told


def test_each_kind_of_client_has_its_agent() -> None:
    lines = forecast_lines(forecasts(config(), [*clouds(*CLOUDS), local(window_tokens=65_536)]))
    assert [line.partition(" fails now")[0] for line in lines] == [
        "If openai",
        "If openai-responses",
        "If anthropic",
    ]
    assert ["opencode" in lines[0], "Codex" in lines[1], "Claude Code" in lines[2]] == [True] * 3


def test_where_nobody_goes_on_it_is_said_once_with_what_to_do() -> None:
    found = [*clouds(*CLOUDS), local(yes=False, mend="Start Ollama.")]
    assert forecast_lines(forecasts(config(), found)) == [
        "If openai, openai-responses or anthropic fails now: nobody goes on, and its answer ends in an error. Start Ollama."
    ]


def test_a_chain_without_a_local_target() -> None:
    chains = (Chain("*", ("anthropic",)),)
    told = said(clouds("anthropic"), evolve(config(), chains=chains))
    assert told.endswith("ends in an error. Put a local target behind it.")


def with_second(**changes: Any) -> Config:
    second = Target("second", OPENAI_CHAT.wire, "https://second.example/v1", key=Key("none"), **changes)
    base = config()
    return evolve(
        base,
        targets=(*base.targets, second),
        chains=(Chain("*", ("anthropic", "openai", "second", "ollama")),),
    )


def test_only_who_can_be_asked_is_a_hop() -> None:
    """Nothing says which of its models another wire's cloud is to be asked for: nobody asks it."""
    found = [*clouds("anthropic", "openai", "second"), local(window_tokens=32_768)]
    assert "now: qwen2.5:7b goes on. " in said(found, with_second())
    assert "now: second goes on, and then qwen2.5:7b. " in said(found, with_second(model="m"))
    assert "now: second goes on, and then qwen2.5:7b. opencode" in said(found, with_second(), "openai")


def test_by_another_chain_it_may_be_another() -> None:
    chains = (Chain("claude-*", ("anthropic",)), Chain("*", ("anthropic", "ollama")))
    lines = forecast_lines(
        forecasts(evolve(config(), chains=chains), [*clouds("anthropic"), local(window_tokens=32_768)])
    )
    assert lines[0].startswith("If anthropic (chain claude-*) fails now: nobody goes on")
    assert lines[1].startswith("If anthropic (chain *) fails now: qwen2.5:7b goes on. ")


def test_somebody_elses_llama_server_is_started_otherwise() -> None:
    own = Target("llama", LLAMA_SERVER.wire, "http://127.0.0.1:8080")
    base = config()
    of = evolve(base, targets=(*base.targets, own), chains=(Chain("*", ("anthropic", "llama")),))
    told = said([*clouds("anthropic"), local("llama")], of)
    assert told.endswith("fits: no, 4,096. Start the server with a larger window (-c 32768).")


def test_clients_without_a_cloud_have_no_forecast() -> None:
    of = evolve(config(), chains=(Chain("*", ("ollama",)),))
    assert forecasts(of, [*clouds(*CLOUDS), local()]) == []


def test_the_same_for_programs() -> None:
    (told,) = (
        forecast.facts
        for forecast in forecasts(config(), [*clouds(*CLOUDS), local(trained_tokens=8_192)])
        if forecast.fails == "anthropic"
    )
    assert told == {
        "wire": "anthropic-messages",
        "chains": ["*"],
        "if_fails": "anthropic",
        "goes_on": ["qwen2.5:7b"],
        "mend": "",
        "agents": [
            {
                "name": "Claude Code",
                "turn_tokens": 18_000,
                "fits": False,
                "window_tokens": 4_096,
                "most_tokens": None,
                "mend": "Choose another model: qwen2.5:7b was trained for 8,192.",
            }
        ],
    }
