"""
The chain of a request: who may be asked, in order, and for which model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen

from trooper.config import Target
from trooper.targets.standby import Standby


@frozen
class Link:
    """One link of a request's chain: a target, and the model that it is asked for; `None`: a local one by rule."""

    target: Target
    model: str | None


def links(targets: Sequence[Target], standbys: Mapping[str, Standby], model: str) -> tuple[Link, ...]:
    """
    Where a request for `model` may go, in order.

    A local model that is asked for by its own name is asked directly: it
    is on our list of models, so it must work.

    Args:
        targets: the configured chain for the model.
        standbys: who looks after each local target, by its name.
    """
    for target in targets:
        standby = standbys.get(target.name)
        if standby is not None and model not in target.models and standby.find(model):
            return (Link(target, model),)
    return tuple(Link(t, t.model_for(model)) for t in targets)
