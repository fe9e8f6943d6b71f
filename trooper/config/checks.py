"""
What more than one value is needed to judge.

Also for configurations that were built or changed in Python: `trooper serve
--host` changes one and asks again.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from trooper.config import addresses
from trooper.config.limits import shown
from trooper.config.values import Chain, Config, Server, Target, Wire
from trooper.errors import ConfigError


def checked(config: Config) -> Config:
    """
    `config` itself.

    Raises:
        ConfigError: its parts do not go together.
    """
    _names_are_one_each(config.targets)
    for target in config.targets:
        _key_and_place(target, config.wires)
        if target.base_url:
            _is_not_trooper(target, config.server)
        if target.wire.remote_domain and not target.allow_remote:
            _stays_local(target)
    _client_key_goes_to_one(config.targets)
    _front_door_is_kept(config)
    for chain in config.chains:
        _chain_names_targets(chain, config.targets)
    _chains_are_reachable(config.chains)
    return config


def _names_are_one_each(targets: tuple[Target, ...]) -> None:
    names = [target.name for target in targets]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"targets.{name}.name", "two targets have this name", "Rename one of them")


def _key_and_place(target: Target, wires: tuple[Wire, ...]) -> None:
    takes_key = target.wire.takes_key and target.gguf is None and target.key.kind == "value"
    if target.is_local and target.key.kind != "none" and not takes_key:
        problem = "a local target takes no such key"
        others = (
            f'; {w.a_server} that wants one takes {{ env = "NAME" }}'
            for w in wires
            if w.takes_key and w.is_local
        )
        raise ConfigError(f"targets.{target.name}.key", problem, f"Leave it out{next(others, '')}")
    if target.is_local and target.proxy is not None:
        raise ConfigError(f"targets.{target.name}.proxy", "a local target takes no proxy", "Leave it out")
    if target.ca_file is not None and urlsplit(target.base_url).scheme != "https":
        raise ConfigError(
            f"targets.{target.name}.ca_file",
            "the base_url is not https, so no certificate would be checked",
            "Leave it out, or write the URL with https",
        )


def _is_not_trooper(target: Target, server: Server) -> None:
    if addresses.is_same_place(target.base_url, server.host, server.port):
        raise ConfigError(
            f"targets.{target.name}.base_url",
            f"{shown(target.base_url)} is where this Trooper itself listens",
            "Write the provider's URL, or give the server another port",
        )


def _stays_local(target: Target) -> None:
    host = (urlsplit(target.base_url).hostname or "").lower()
    away = target.wire.remote_domain
    if host == away or host.endswith(f".{away}"):
        raise ConfigError(
            f"targets.{target.name}.base_url",
            f"{host} is not a local server",
            "Write a local URL, or set allow_remote = true",
        )
    for model in (target.model, *target.models.values()):
        tag = (model or "").rpartition(":")[2]
        if tag == "cloud" or tag.endswith("-cloud"):
            raise ConfigError(
                f"targets.{target.name}.model",
                f"{shown(model)} runs elsewhere",
                "Choose a model that is on the machine, or set allow_remote = true",
            )


def _client_key_goes_to_one(targets: tuple[Target, ...]) -> None:
    taking: dict[Wire, str] = {}
    for target in targets:
        if target.key.kind != "client":
            continue
        first = taking.setdefault(target.wire, target.name)
        if first != target.name:
            raise ConfigError(
                f"targets.{target.name}.key",
                f'"client" is also the key of {shown(first)}, and a client\'s key goes to one provider only',
                'Give it a key of its own: { env = "NAME" }',
            )


def _front_door_is_kept(config: Config) -> None:
    server = config.server
    keyed = next((target for target in config.targets if target.key.kind == "value"), None)
    if server.client_keys or keyed is None:
        return
    could = f"could spend the key of {shown(keyed.name)}"
    if not addresses.leads_here(server.host):
        raise ConfigError(
            "server.host",
            f"{shown(server.host)} can be reached from other machines, and whoever reaches it {could}",
            'Set client_keys_env = "NAME" in [server], or listen on 127.0.0.1',
        )
    for name in server.allowed_hosts:
        if not addresses.is_this_machines(name):
            raise ConfigError(
                "server.allowed_hosts",
                f"{shown(name)} leads here from other machines, through a server in front,"
                f" and whoever asks by it {could}",
                'Set client_keys_env = "NAME" in [server], or take the name out',
            )


def _chain_names_targets(chain: Chain, targets: tuple[Target, ...]) -> None:
    key = f'chains."{chain.pattern}"'
    names = [target.name for target in targets]
    if not chain.targets:
        raise ConfigError(key, "the chain is empty", f"Name at least one target: {', '.join(names)}")
    for name in chain.targets:
        if name not in names:
            raise ConfigError(key, f"there is no target {shown(name)}", f"Targets are: {', '.join(names)}")
        if chain.targets.count(name) > 1:
            raise ConfigError(key, f"{shown(name)} is in it twice", "Name each target once")


def _chains_are_reachable(chains: tuple[Chain, ...]) -> None:
    patterns = [chain.pattern for chain in chains]
    if "*" in patterns[:-1]:
        after = patterns[patterns.index("*") + 1]
        raise ConfigError(
            f'chains."{after}"',
            'it can never be chosen: "*" stands before it and the first match wins',
            'Move "*" to the end',
        )
