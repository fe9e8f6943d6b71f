"""
The configuration as values: every key, its default and why it has it.

`docs/configuration.md` is generated from the `doc` and `reason` of each
attribute, so a key cannot exist without its sentence. What needs more than
one value to judge is in `checks`. Nothing here reads a file or the
environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from attrs import frozen

from trooper.config.server import Server
from trooper.config.target import Key, Target
from trooper.config.wires import Wire

__all__ = ["Chain", "Config", "Key", "Server", "Target", "Wire"]


@frozen
class Chain:
    """
    The ordered targets for the models that match `pattern`.

    `is_default`: nobody wrote it, so each client's own wire comes first.
    """

    pattern: str
    targets: tuple[str, ...]
    is_default: bool = False


@frozen
class Config:
    """
    Everything.

    Attributes:
        wires: the wires that targets can speak, in the order of the table.
        source: the file it came from, or `environment`.
    """

    server: Server
    targets: tuple[Target, ...]
    chains: tuple[Chain, ...]
    wires: tuple[Wire, ...]
    source: str = "environment"

    def target(self, name: str) -> Target:
        """The target called `name`; `KeyError` if there is none."""
        for target in self.targets:
            if target.name == name:
                return target
        raise KeyError(name)

    def chain_for(self, model: str, wire: Wire) -> tuple[Target, ...]:
        """
        The targets to ask for `model` on behalf of a client that speaks
        `wire`, in order: the first chain in file order that matches. `load`
        always ends the chains with `*`.

        A client's own key belongs to the provider whose wire it speaks, so
        other targets that would get it are left out.
        """
        chain = next((c for c in self.chains if fnmatchcase(model, c.pattern)), None)
        if chain is None:
            return ()
        targets = [t for t in map(self.target, chain.targets) if t.key.kind != "client" or t.wire == wire]
        if chain.is_default:
            targets.sort(key=lambda target: (target.is_local, target.wire != wire))
        return tuple(targets)

    def listed_chains(self) -> Mapping[str, tuple[Target, ...]]:
        """Every chain as people are shown it; the one that nobody wrote is another one for each wire."""
        listed: dict[str, tuple[Target, ...]] = {}
        for chain in self.chains:
            if not chain.is_default:
                listed[chain.pattern] = tuple(map(self.target, chain.targets))
                continue
            for wire in self.wires:
                if not wire.is_local:
                    listed[f"{chain.pattern} ({wire.name})"] = self.chain_for(chain.pattern, wire)
        return listed

    def provider_of(self, wire: Wire) -> Target | None:
        """The first target that speaks `wire`: who gets what is not an answer (files, batches, lists)."""
        return next((target for target in self.targets if target.wire == wire), None)
