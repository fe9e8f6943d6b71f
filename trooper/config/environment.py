"""
The environment variables, and the targets that exist without a file.

The rule: a `TROOPER_…` variable wins over the file. The ones with a target in
their name speak to the target of that name, if there is one; the timeouts
speak to every cloud. `OLLAMA_HOST` is Ollama's own variable, so it is only
the default for a local target without a `base_url`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from trooper.config import addresses, limits
from trooper.config.target import DEFAULT_ANTHROPIC_URL, DEFAULT_OLLAMA_URL, DEFAULT_OPENAI_URL
from trooper.config.values import Key, Server, Target, Wire
from trooper.errors import ConfigError

CLOUD = "openai"
RESPONSES = "openai-responses"
ANTHROPIC = "anthropic"
LOCAL = "ollama"

#: Target → the beginning of its variables' names.
_CLOUDS = {CLOUD: "TROOPER_OPENAI", RESPONSES: "TROOPER_OPENAI", ANTHROPIC: "TROOPER_ANTHROPIC"}

#: Name → meaning, in the order of the documentation.
VARIABLES: Mapping[str, str] = {
    "TROOPER_CONFIG": "The TOML file to read. Without it `./trooper.toml` is read, if it is there.",
    "TROOPER_OPENAI_BASE_URL": f"The URL of the targets `{CLOUD}` and `{RESPONSES}`, with or without `/v1`.",
    "TROOPER_OPENAI_API_KEY": f"The key of the targets `{CLOUD}` and `{RESPONSES}`."
    " Without it the client's own key is used.",
    "TROOPER_ANTHROPIC_BASE_URL": f"The URL of the target `{ANTHROPIC}`, with or without `/v1`.",
    "TROOPER_ANTHROPIC_API_KEY": f"The key of the target `{ANTHROPIC}`. Without it the client's own key is used.",
    "TROOPER_OLLAMA_URL": f"The URL of the target `{LOCAL}`.",
    "OLLAMA_HOST": "Where a local target without `base_url` is, read as Ollama reads it;"
    " `0.0.0.0` becomes `127.0.0.1`.",
    "TROOPER_LOCAL_MODEL": f"The model of the target `{LOCAL}`. Without it one is chosen by rule.",
    "TROOPER_CONNECT_TIMEOUT": "`connect_timeout_s` of every cloud, in seconds.",
    "TROOPER_TTFT_TIMEOUT": "`ttft_timeout_s` of every cloud, in seconds.",
    "TROOPER_STALL_TIMEOUT": "`stall_timeout_s` of every cloud, in seconds.",
    "TROOPER_CACHE": "The folder that `trooper fetch-model` fills. Without it the user's own cache folder.",
    "TROOPER_BREAKER": "`off` stops remembering failures: every request asks every target anew.",
}

_TIMEOUTS = {
    "TROOPER_CONNECT_TIMEOUT": "connect_timeout_s",
    "TROOPER_TTFT_TIMEOUT": "ttft_timeout_s",
    "TROOPER_STALL_TIMEOUT": "stall_timeout_s",
}


def variable(environ: Mapping[str, str], name: str) -> str | None:
    """A variable's value without blanks around it; an empty one is not set."""
    return environ.get(name, "").strip() or None


def ollama_default(environ: Mapping[str, str]) -> str:
    """Where Ollama is when no file and no `TROOPER_OLLAMA_URL` says so."""
    value = variable(environ, "OLLAMA_HOST")
    return DEFAULT_OLLAMA_URL if value is None else addresses.ollama_url("OLLAMA_HOST", value)


def zero_config_targets(environ: Mapping[str, str]) -> tuple[Target, ...]:
    """The targets without a file: the three wires of two providers with the client's key, and Ollama."""
    overruled = variable(environ, "TROOPER_OLLAMA_URL") is not None
    return (
        Target(CLOUD, Wire.OPENAI_CHAT, DEFAULT_OPENAI_URL, key=Key("client")),
        Target(RESPONSES, Wire.OPENAI_RESPONSES, DEFAULT_OPENAI_URL, key=Key("client")),
        Target(ANTHROPIC, Wire.ANTHROPIC_MESSAGES, DEFAULT_ANTHROPIC_URL, key=Key("client")),
        Target(
            LOCAL,
            Wire.OLLAMA_CHAT,
            DEFAULT_OLLAMA_URL if overruled else ollama_default(environ),
        ),
    )


def overridden(
    server: Server, targets: tuple[Target, ...], environ: Mapping[str, str]
) -> tuple[Server, tuple[Target, ...]]:
    """
    What file or defaults say, with the environment's word over it.

    Raises:
        ConfigError: a variable's value cannot be used; the key is its name.
    """
    memory = _switch(environ, "TROOPER_BREAKER")
    if memory is not None:
        server = attrs.evolve(server, memory=memory)
    return server, tuple(_overridden_target(target, environ) for target in targets)


def _overridden_target(target: Target, environ: Mapping[str, str]) -> Target:
    changes: dict[str, tuple[str, Any]] = {}
    if not target.is_local:
        for name, attribute in _TIMEOUTS.items():
            seconds = _number(environ, name)
            if seconds is not None:
                changes[name] = (attribute, seconds)
    if target.name in _CLOUDS and not target.is_local:
        url_name, key_name = f"{_CLOUDS[target.name]}_BASE_URL", f"{_CLOUDS[target.name]}_API_KEY"
        if url := variable(environ, url_name):
            changes[url_name] = ("base_url", addresses.normalised(target.wire, url))
        if key := variable(environ, key_name):
            changes[key_name] = ("key", _key(key_name, key))
    if target.name == LOCAL and target.is_local:
        if url := variable(environ, "TROOPER_OLLAMA_URL"):
            changes["TROOPER_OLLAMA_URL"] = ("base_url", addresses.ollama_url("TROOPER_OLLAMA_URL", url))
        if model := variable(environ, "TROOPER_LOCAL_MODEL"):
            changes["TROOPER_LOCAL_MODEL"] = ("model", model)
    for name, (attribute, value) in changes.items():
        with _blamed_on(name):
            target = attrs.evolve(target, **{attribute: value})
    return target


@contextlib.contextmanager
def _blamed_on(name: str) -> Iterator[None]:
    """An attribute's complaint becomes one about the variable that set it."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(name, error.problem, error.fix) from None


def _key(name: str, value: str) -> Key:
    if not limits.is_key(value):
        problem = "it has blanks or characters beyond ASCII in it (not shown)"
        raise ConfigError(name, problem, "Set the key alone")
    return Key("value", value)


def _number(environ: Mapping[str, str], name: str) -> float | None:
    value = variable(environ, name)
    if value is None:
        return None
    try:
        return float(value)
    except ValueError:
        raise ConfigError(
            name, f"{limits.shown(value)} is not a number", "Write seconds without a unit, for example 10"
        ) from None


def _switch(environ: Mapping[str, str], name: str) -> bool | None:
    value = variable(environ, name)
    match value and value.lower():
        case None:
            return None
        case "off" | "false" | "no" | "0":
            return False
        case "on" | "true" | "yes" | "1":
            return True
        case _:
            problem = f"{limits.shown(value)} is neither on nor off"
            raise ConfigError(name, problem, f"Write {name}=off, or unset it")
