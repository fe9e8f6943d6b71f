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

from attrs import field, frozen

from trooper.config.server import Server
from trooper.config.store import Store
from trooper.config.target import Key, Target
from trooper.config.wires import Wire

__all__ = ["Chain", "Config", "Key", "Server", "Store", "Target", "Wire"]


@frozen
class Chain:
    """
    The ordered targets for the models that match `pattern`.

    `is_default`: nobody wrote it, so each client's own wire comes first.
    """

    pattern: str
    targets: tuple[str, ...]
    is_default: bool = False

    @property
    def only_model(self) -> str:
        """The one model that it is for; empty where others could match."""
        return "" if set(self.pattern) & set("*?[") else self.pattern


@frozen
class Config:
    """
    Everything.

    Attributes:
        wires: the wires that targets can speak, in the order of the table.
        source: the file it came from, or `environment`.
        origins: who said a value, by its key as errors name it (`server.port`,
            `targets.ollama.num_ctx`, `chains."gpt-*"`): `file`, or the variable or option.
            What is not in it is a default.
    """

    server: Server
    targets: tuple[Target, ...]
    chains: tuple[Chain, ...]
    wires: tuple[Wire, ...]
    store: Store = field(factory=Store)
    source: str = "environment"
    origins: Mapping[str, str] = field(factory=dict, eq=False, repr=False)

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
        chain = self.first_chain(model)
        return () if chain is None else self.ordered(chain, wire)

    def first_chain(self, model: str) -> Chain | None:
        """The first chain whose pattern `model` matches."""
        return next((chain for chain in self.chains if fnmatchcase(model, chain.pattern)), None)

    def ordered(self, chain: Chain, wire: Wire) -> tuple[Target, ...]:
        """The targets of `chain` in the order in which a client of `wire` gets to them."""
        targets = [t for t in map(self.target, chain.targets) if t.key.kind != "client" or t.wire == wire]
        if chain.is_default:
            targets.sort(key=lambda target: (target.is_local, target.wire != wire))
        return tuple(targets)

    def askable(self, chain: Chain, wire: Wire) -> tuple[Target, ...]:
        """Those of them that can be asked for at least one of the chain's models."""
        return tuple(
            target
            for target in self.ordered(chain, wire)
            if target.knows_model_for("", wire)
            or any(self.first_chain(model) is chain for model in target.models)
        )

    def lacks_cloud(self, model: str, wire: Wire) -> bool:
        """
        Whether no cloud can be asked for `model` on behalf of a client of `wire`,
        although its chain is not one of local targets alone.
        """
        chain = self.first_chain(model)
        return (
            chain is not None
            and not self.is_local(chain)
            and all(t.is_local or not t.knows_model_for(model, wire) for t in self.ordered(chain, wire))
        )

    def is_local(self, chain: Chain) -> bool:
        """Whether somebody has wished for local targets alone."""
        return all(self.target(name).is_local for name in chain.targets)

    @property
    def client_wires(self) -> tuple[Wire, ...]:
        """The wires that clients speak."""
        return tuple(wire for wire in self.wires if not wire.is_local)

    def listed_chains(self) -> Mapping[str, tuple[Target, ...]]:
        """
        Every chain as people are shown it: with the targets that can be asked,
        and once for each wire of clients where they differ.
        """
        listed: dict[str, tuple[Target, ...]] = {}
        for chain in self.chains:
            rows = {wire: self.askable(chain, wire) for wire in self.client_wires}
            known = {targets for targets in rows.values() if targets or chain.is_default}
            if len(known) == 1:
                listed[chain.pattern] = known.pop()
            else:
                listed |= {f"{chain.pattern} ({wire.name})": targets for wire, targets in rows.items()}
        return listed

    def provider_of(self, wire: Wire) -> Target | None:
        """The first target that speaks `wire`: who gets what is not an answer (files, batches, lists)."""
        return next((target for target in self.targets if target.wire == wire), None)
