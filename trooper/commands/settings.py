"""
The configuration of a process: the same for each way to serve, and for `check`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import evolve

from trooper.config import Config, load
from trooper.errors import ConfigError
from trooper.targets.embedded.model import TARGET, VARIABLE, with_embedded, with_model_files
from trooper.targets.report_hook import with_hook
from trooper.wires import WIRES


def settings(
    environ: Mapping[str, str], cwd: Path, *, file: Path | None = None, embedded: bool = False
) -> Config:
    """
    The configuration, its model files and its hook looked at.

    Args:
        environ: the environment.
        cwd: where `trooper.toml` is looked for.
        file: the option `--config`, which wins over `TROOPER_CONFIG`.
        embedded: the option `--embedded`, which wins over `TROOPER_EMBEDDED`.

    Raises:
        ConfigError: it cannot be used. What an option has said is blamed on the option.
    """
    said, options = dict(environ), {}
    if file is not None:
        said["TROOPER_CONFIG"], options["TROOPER_CONFIG"] = str(file), "--config"
    if embedded:
        said[VARIABLE], options[VARIABLE] = "on", "--embedded"
    try:
        config = with_hook(with_model_files(with_embedded(load(said, cwd, WIRES.known), said)))
    except ConfigError as error:
        raise ConfigError(options.get(error.key, error.key), error.problem, error.fix) from None
    asker = options.get(VARIABLE, VARIABLE)
    is_ours = f"targets.{TARGET}.name" not in config.origins
    ours = {f"targets.{t.name}.gguf": asker for t in config.targets if t.name == TARGET and is_ours}
    return evolve(config, origins={**config.origins, **ours})
