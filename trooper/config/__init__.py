"""
Everything Trooper can be told, read once at the start and then frozen.

`values` are the keys with their defaults and reasons, `limits` says what one
value may be, `toml_file` and `environment` read, `checks` judges the whole.
`load` is the way in; nothing reads the environment at import time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from trooper.config.checks import checked
from trooper.config.environment import default_places, overridden, overridden_store, zero_config_targets
from trooper.config.toml_file import FileContent, find_file, read_file
from trooper.config.values import Chain, Config, Key, Server, Store, Target, Wire
from trooper.config.wires import DefaultTarget

__all__ = [
    "Chain",
    "Config",
    "DefaultTarget",
    "Key",
    "Server",
    "Store",
    "Target",
    "Wire",
    "checked",
    "load",
]


def load(environ: Mapping[str, str], cwd: Path, wires: tuple[Wire, ...]) -> Config:
    """
    The configuration of this process, checked.

    Args:
        environ: the environment; an empty variable counts as unset.
        cwd: where `trooper.toml` is looked for, and what a relative
            `TROOPER_CONFIG` is relative to.
        wires: the wires that targets can speak.

    Raises:
        ConfigError: something in the file or the environment cannot be used.
    """
    path = find_file(environ, cwd)
    content = FileContent() if path is None else read_file(path, environ, wires)
    targets = content.targets or zero_config_targets(environ, wires)
    found = dict.fromkeys(content.said, "file") | default_places(targets, content.said, environ)
    server, targets, variables = overridden(content.server, targets, environ, wires)
    store, of_store = overridden_store(content.store, environ, cwd)
    return checked(
        Config(
            server=server,
            targets=targets,
            chains=_with_default_chain(content.chains, targets),
            wires=wires,
            store=store,
            source="environment" if path is None else str(path),
            origins={**found, **variables, **of_store},
        )
    )


def _with_default_chain(chains: tuple[Chain, ...], targets: tuple[Target, ...]) -> tuple[Chain, ...]:
    if any(chain.pattern == "*" for chain in chains):
        return chains
    clouds_first = sorted(targets, key=lambda target: target.is_local)
    return (*chains, Chain("*", tuple(target.name for target in clouds_first), is_default=True))
