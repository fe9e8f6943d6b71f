"""
Which clients no cloud answers, and what is said of it.

A local model that answers under a cloud's name, because nobody speaks the
client's wire, looks like a success. It is nearly always an oversight, so it is
told at the start and by `trooper check`.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from trooper.config.values import Chain, Config
from trooper.config.wires import Wire


@frozen
class Cloudless:
    """
    The clients of one wire, as far as no cloud answers them.

    Attributes:
        answers: the pattern of each such chain → who answers all the same.
        words: the same in sentences for people.
        mend: how a cloud would answer them.
        is_plain: it is what they hear whatever they ask for, or nearly so.
    """

    wire: Wire
    answers: Mapping[str, tuple[str, ...]]
    words: tuple[str, ...]
    mend: str
    is_plain: bool


def cloudless(config: Config) -> tuple[Cloudless, ...]:
    """The clients whom no cloud answers, although there are clouds in their chain; one for each wire."""
    found = (_clients_of(config, wire) for wire in config.client_wires)
    return tuple(clients for clients in found if clients is not None)


def local_by_wish(config: Config) -> Mapping[str, tuple[str, ...]]:
    """The patterns of the chains that consist of local targets, and those."""
    return {chain.pattern: chain.targets for chain in config.chains if config.is_local(chain)}


def local_words(pattern: str, targets: tuple[str, ...]) -> str:
    """What is said of a chain of local targets: it was wished for, so it is no warning."""
    who = "All requests" if pattern == "*" else f"Requests for {pattern}"
    return f"{who} are answered by {' and '.join(targets)} alone, as configured."


def _clients_of(config: Config, wire: Wire) -> Cloudless | None:
    chains = [chain for chain in config.chains if not config.is_local(chain)]
    without = [chain for chain in chains if _answers_by_itself(config, chain, wire)]
    if not without:
        return None
    is_all = without == chains
    grouped: dict[str, list[str]] = {}
    for chain in without:
        grouped.setdefault(_by_whom(config, chain, wire), []).append(chain.pattern)
    is_one = is_all and len(grouped) == 1
    words = tuple(
        f"{wire.clients or wire.name} clients{'' if is_one else _that_ask_for(patterns)} are answered by {who}."
        for who, patterns in grouped.items()
    )
    return Cloudless(
        wire,
        {c.pattern: tuple(t.name for t in config.ordered(c, wire) if t.is_local) for c in without},
        words,
        _mend(config, without[-1], wire),
        is_plain=is_all or any(chain.pattern == "*" for chain in without),
    )


def _answers_by_itself(config: Config, chain: Chain, wire: Wire) -> bool:
    """Whether, but for the models that a cloud names, nobody beyond this machine answers."""
    asked = chain.only_model
    return all(t.is_local or not t.knows_model_for(asked, wire) for t in config.ordered(chain, wire))


def _that_ask_for(patterns: list[str]) -> str:
    return " that ask for " + " or ".join("anything else" if p == "*" else p for p in patterns)


def _by_whom(config: Config, chain: Chain, wire: Wire) -> str:
    targets = config.ordered(chain, wire)
    who = " and ".join(target.name for target in targets if target.is_local)
    named = dict.fromkeys(
        model for target in targets for model in target.models if config.first_chain(model) is chain
    )
    clouds = [model for model in named if any(model in t.models for t in targets if not t.is_local)]
    but_for = f", but for {', '.join(clouds)}" if clouds else ""
    return f"{f'{who} alone' if who else 'nobody'}{but_for}"


def _mend(config: Config, chain: Chain, wire: Wire) -> str:
    natives = [target.name for target in config.targets if target.wire == wire]
    if natives:
        return f'Put {natives[0]} into the chain "{chain.pattern}".'
    add = f'Add a target with wire = "{wire.name}"' + ("" if chain.is_default else " to the chain")
    nameless = [target.name for target in config.ordered(chain, wire) if not target.knows_model_for("", wire)]
    return f"{add}, or say with `model` what to ask {nameless[0]} for." if nameless else f"{add}."
