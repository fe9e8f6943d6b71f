"""
The configuration of a process: the same for each way to serve, and for `check`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import evolve

from trooper.config import Config, load
from trooper.config.environment import DATA_DIR
from trooper.config.store import MEMORY
from trooper.errors import ConfigError
from trooper.store.folder import users_own
from trooper.store.sealing import EXTRA, can_seal
from trooper.targets.embedded.model import TARGET, VARIABLE, with_embedded, with_model_files
from trooper.targets.report_hook import with_hook
from trooper.wires import WIRES


def settings(
    environ: Mapping[str, str],
    cwd: Path,
    *,
    file: Path | None = None,
    embedded: bool = False,
    data_dir: str | None = None,
) -> Config:
    """
    The configuration, its model files and its hook looked at, and with the user's own folder to keep things in.

    Args:
        environ: the environment.
        cwd: where `trooper.toml` is looked for.
        file: the option `--config`, which wins over `TROOPER_CONFIG`.
        embedded: the option `--embedded`, which wins over `TROOPER_EMBEDDED`.
        data_dir: the option `--data-dir`, which wins over `TROOPER_DATA_DIR`.

    Raises:
        ConfigError: it cannot be used. What an option has said is blamed on the option.
    """
    said, options = dict(environ), {}
    if file is not None:
        said["TROOPER_CONFIG"], options["TROOPER_CONFIG"] = str(file), "--config"
    if embedded:
        said[VARIABLE], options[VARIABLE] = "on", "--embedded"
    if data_dir is not None:
        said[DATA_DIR], options[DATA_DIR] = data_dir, "--data-dir"
    try:
        config = with_hook(with_model_files(with_embedded(load(said, cwd, WIRES.known), said)))
        config = _with_store(config)
    except ConfigError as error:
        raise ConfigError(options.get(error.key, error.key), error.problem, error.fix) from None
    asker = options.get(VARIABLE, VARIABLE)
    is_ours = f"targets.{TARGET}.name" not in config.origins
    ours = {f"targets.{t.name}.gguf": asker for t in config.targets if t.name == TARGET and is_ours}
    ours |= {
        key: options[name] for key, name in config.origins.items() if name == DATA_DIR and name in options
    }
    return evolve(config, origins={**config.origins, **ours})


def _with_store(config: Config) -> Config:
    store = config.store
    if "store.data_dir" not in config.origins:
        # Here and not where files are read: a configuration that was built in Python keeps nothing on disk by itself.
        store = evolve(store, data_dir=users_own())
    if store.content == "disk" and store.data_dir == MEMORY:
        problem = f'there is no disk with data_dir = "{MEMORY}"'
        raise ConfigError("store.content", problem, 'Name a folder, or write "memory"')
    if store.seal_key and not can_seal():
        raise ConfigError(
            config.origins.get("store.seal_key", "store.seal_key_env"),
            "the package `cryptography` is not installed, and nothing is to be written that is not encrypted",
            f"Run: {EXTRA}",
        )
    return evolve(config, store=store)
