"""
Which ways of going on a server has refused, although its probes went well.

A probe has no tools and a short history, so a template that takes no half
answer beside tools is found out by the first request that has both. What is
found out holds for a model and for a kind of request: with tools or images,
where a raw prompt cannot be, or without.

A refusal is a status that says that a request of this form is not taken. A
runner that has just died answers 500 as well; so where no other way is left,
one 500 is not believed. Nothing is believed for ever: what a server refuses may
change under the same name.
"""

from __future__ import annotations

import itertools
from collections.abc import Container
from typing import Final

from attrs import define, evolve, field

from trooper.core.conversation import Conversation
from trooper.core.local_model import LocalModel, Way, has_no_raw_form, unfit_to_go_on
from trooper.core.names import Latest
from trooper.core.outcome import Failed, FailureKind

#: A request of this form is not taken, now or later. Others say that somebody is busy, or gone.
REFUSALS: Final = frozenset({400, 422, 500, 501})
#: A dead runner's status, too.
_DOUBTFUL: Final = 500
#: For so long a refusal is believed; then one request finds out again.
BELIEVED_S: Final = 600.0

#: A model as it was when it refused, whether the request was of the kind that has no raw form, and the way.
_Refused = tuple[str, str, bool, Way]


def is_refusal(failed: Failed) -> bool:
    """Whether the target says that it does not take a request of this form."""
    status = failed.answer.status if failed.answer is not None else 0
    return status in REFUSALS and failed.kind is not FailureKind.CONTEXT_LENGTH


@define
class RefusedWays:
    """What one server has refused."""

    _until: Latest[_Refused, float] = field(factory=Latest, init=False)
    # What was refused once, in a way that may have been an accident.
    _doubted_until: Latest[_Refused, float] = field(factory=Latest, init=False)

    def note(
        self, model: LocalModel, conversation: Conversation, way: Way, failed: Failed, now: float
    ) -> bool:
        """
        `model` was asked to go on by `way`, and `failed` refuses that.

        Returns whether there is another way, which is its way from here on.
        """
        formless = has_no_raw_form(conversation)
        other = left(model, {*self._refused(model, now), (formless, way)})
        there_is_one = unfit_to_go_on(other, conversation) is None
        key = (model.name, model.digest, formless, way)
        is_doubtful = failed.answer is None or failed.answer.status == _DOUBTFUL
        if there_is_one or not is_doubtful or self._doubted_until.get(key, 0.0) > now:
            self._until[key] = now + BELIEVED_S
        else:
            self._doubted_until[key] = now + BELIEVED_S
        return there_is_one

    @property
    def is_empty(self) -> bool:
        """Whether nothing was refused yet, as at nearly every server."""
        return len(self._until) == 0

    def known(self, model: LocalModel, now: float) -> LocalModel:
        """`model` with the ways that are left."""
        return left(model, self._refused(model, now))

    def _refused(self, model: LocalModel, now: float) -> set[tuple[bool, Way]]:
        kinds = itertools.product((False, True), (Way.PREFILL, Way.RAW))
        return {kind for kind in kinds if self._until.get((model.name, model.digest, *kind), 0.0) > now}


def left(model: LocalModel, refused: Container[tuple[bool, Way]]) -> LocalModel:
    """`model` without what it has `refused`: with tools or images (true) or without, and which way."""
    with_tools = model.way_with_tools or model.way
    others = [Way.RAW] if model.way is Way.PREFILL else [with_tools] if with_tools is Way.PREFILL else []
    plain = next((way for way in (model.way, *others) if (False, way) not in refused), Way.NONE)
    if (True, with_tools) in refused:
        with_tools = Way.RAW if with_tools is Way.PREFILL else Way.NONE
    if (plain, with_tools) == (model.way, model.way_with_tools or model.way):
        return model
    return evolve(model, way=plain, way_with_tools=with_tools)
