"""
What would become of each kind of client if its cloud failed now: who goes on,
and whether an agent's turn fits there; else what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

from trooper.commands.verdict import Finding
from trooper.config import Config, Target, Wire
from trooper.core.agents import Agent, window_for


@frozen
class Fit:
    """
    Whether one agent's first turn fits into one local model's window.

    Attributes:
        window_tokens: as it is loaded; 0 if it is not known.
        most_tokens: what it can grow to by itself, or what it is.
        mend: what to do where it does not fit.
    """

    agent: Agent
    fits: bool
    window_tokens: int
    most_tokens: int
    words: str
    mend: str = ""


@frozen
class Forecast:
    """
    One kind of client, and one of its clouds.

    Attributes:
        chains: the patterns of the chains in which it is so.
        fails: the name of the cloud that answers them while all is well.
        goes_on: who does then, in order: a local target by its model's name.
        fits: one for each agent that speaks the wire.
        mend: what to do where nobody goes on.
    """

    wire: Wire
    chains: tuple[str, ...]
    fails: str
    goes_on: tuple[str, ...]
    fits: tuple[Fit, ...] = ()
    mend: str = ""

    @property
    def words(self) -> str:
        """What happens then, in sentences for people."""
        if not self.goes_on:
            return f"nobody goes on, and its answer ends in an error. {self.mend}".strip()
        first, *others = self.goes_on
        then = f", and then {' or '.join(others)}" if others else ""
        return " ".join((f"{first} goes on{then}.", *(fit.words for fit in self.fits)))

    @property
    def facts(self) -> Mapping[str, Any]:
        """The same for programs."""
        return {
            "wire": self.wire.name,
            "chains": list(self.chains),
            "if_fails": self.fails,
            "goes_on": list(self.goes_on),
            "mend": self.mend,
            "agents": [
                {
                    "name": fit.agent.name,
                    "turn_tokens": fit.agent.turn_tokens,
                    "fits": fit.fits,
                    "window_tokens": fit.window_tokens or None,
                    "most_tokens": fit.most_tokens or None,
                    "mend": fit.mend,
                }
                for fit in self.fits
            ],
        }


@frozen
class _Hops:
    """Who is asked for a client of one wire, by one chain."""

    fails: Target
    goes_on: tuple[Finding, ...]
    targets: tuple[Target, ...] = field(eq=False)


def forecasts(config: Config, findings: Sequence[Finding]) -> list[Forecast]:
    """One for each kind of client that has a cloud, and for each of its clouds; in the order of the wires."""
    found = {finding.name: finding for finding in findings}
    told: list[Forecast] = []
    for wire in config.client_wires:
        rows: dict[tuple[str, tuple[str, ...]], tuple[_Hops, list[str]]] = {}
        for chain in config.chains:
            hops = _hops(config.askable(chain, wire), found)
            if hops is not None:
                key = (hops.fails.name, tuple(finding.name for finding in hops.goes_on))
                rows.setdefault(key, (hops, []))[1].append(chain.pattern)
        told += [_forecast(wire, hops, tuple(chains), found) for hops, chains in rows.values()]
    return told


def forecast_lines(told: Sequence[Forecast]) -> list[str]:
    """The sentences for people; whose cloud fares differently by its chain is told apart by that."""
    names = [forecast.fails for forecast in told]
    alike: dict[str, list[str]] = {}
    for forecast in told:
        of = f" (chain {', '.join(forecast.chains)})" if names.count(forecast.fails) > 1 else ""
        alike.setdefault(forecast.words, []).append(f"{forecast.fails}{of}")
    return [f"If {_either(clouds)} fails now: {words}" for words, clouds in alike.items()]


def _either(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def _hops(targets: tuple[Target, ...], found: Mapping[str, Finding]) -> _Hops | None:
    cloud = next((target for target in targets if target.name in found), None)
    if cloud is None or cloud.is_local:
        return None
    behind = targets[targets.index(cloud) + 1 :]
    able = (found[target.name] for target in behind if target.name in found)
    return _Hops(cloud, tuple(finding for finding in able if finding.could_finish), behind)


def _forecast(wire: Wire, hops: _Hops, chains: tuple[str, ...], found: Mapping[str, Finding]) -> Forecast:
    names = tuple(str(finding.facts.get("model") or finding.name) for finding in hops.goes_on)
    if not names:
        local = next((found[t.name] for t in hops.targets if t.is_local and t.name in found), None)
        mend = "Put a local target behind it." if local is None else local.mend
        return Forecast(wire, chains, hops.fails.name, (), mend=mend)
    targets = {target.name: target for target in hops.targets}
    local = next((finding for finding in hops.goes_on if targets[finding.name].is_local), None)
    fits: tuple[Fit, ...] = ()
    if local is not None and "model" in local.facts:
        fits = () if wire.agent is None else (_fit(wire.agent, local, targets[local.name]),)
    return Forecast(wire, chains, hops.fails.name, names, fits)


def _fit(agent: Agent, local: Finding, target: Target) -> Fit:
    facts, turn = local.facts, f"{agent.name}'s turn (about {agent.turn_tokens:,} tokens with its tools)"
    window, most = int(facts.get("window_tokens") or 0), int(facts.get("most_tokens") or 0)
    if not facts.get("tools", True):
        words = f"{turn}: no, {facts['model']} takes no tools."
        return Fit(agent, False, window, most, f"{words} {_TAKES_TOOLS}", _TAKES_TOOLS)
    if window >= agent.turn_tokens:
        return Fit(agent, True, window, most, f"{turn} fits: yes, {window:,}.")
    if most >= agent.turn_tokens and target.num_ctx is None:
        return Fit(
            agent, True, window, most, f"{turn} fits: yes, the window grows from {window:,} to {most:,}."
        )
    if not window:
        mend = f"Set num_ctx = {window_for(agent)} for {target.name}."
        return Fit(agent, False, 0, most, f"{turn} fits: not known, the server names no window. {mend}", mend)
    mend = _to_fit(agent, local, target, most if most > window else 0)
    return Fit(agent, False, window, most, f"{turn} fits: no, {window:,}. {mend}", mend)


_TAKES_TOOLS = "Choose a model that does, with `model` or TROOPER_LOCAL_MODEL."


def _to_fit(agent: Agent, local: Finding, target: Target, most: int) -> str:
    """What to do so that the agent's turn fits; `most`: so many tokens could fit, 0 if that is not known."""
    trained, wanted = int(local.facts.get("trained_tokens") or 0), window_for(agent)
    if 0 < trained < agent.turn_tokens:
        return f"Choose another model: {local.facts['model']} was trained for {trained:,}."
    if 0 < most < agent.turn_tokens:
        return f"Choose a smaller model, or add memory: there is enough for about {most:,}."
    wanted = min(wanted, trained or wanted)
    if "gguf" in target.wire.settings and target.gguf is None:
        return f"Start the server with a larger window (-c {wanted})."
    enough = "" if most else ", if there is memory enough"
    return f"Set num_ctx = {wanted} for {target.name}{enough}."
