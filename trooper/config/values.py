"""
The configuration as values: every key, its default and why it has it.

`docs/configuration.md` is generated from the `doc` and `reason` of each
attribute, so a key cannot exist without its sentence. What needs more than
one value to judge is in `checks`. Nothing here reads a file or the
environment.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from attrs import frozen

from trooper.config.server import Server
from trooper.config.target import Key, Target
from trooper.config.told import Wire

__all__ = ["Chain", "Config", "Key", "Server", "Target", "Wire"]


@frozen
class Chain:
    """The ordered targets for the models that match `pattern`."""

    pattern: str
    targets: tuple[str, ...]


@frozen
class Config:
    """Everything; `source` is the file it came from, or `environment`."""

    server: Server
    targets: tuple[Target, ...]
    chains: tuple[Chain, ...]
    source: str = "environment"

    def target(self, name: str) -> Target:
        """The target called `name`; `KeyError` if there is none."""
        for target in self.targets:
            if target.name == name:
                return target
        raise KeyError(name)

    def chain_for(self, model: str) -> tuple[Target, ...]:
        """
        The targets to ask for `model`, in order: the first chain in file order
        that matches. `load` always ends the chains with `*`.
        """
        for chain in self.chains:
            if fnmatchcase(model, chain.pattern):
                return tuple(map(self.target, chain.targets))
        return ()
