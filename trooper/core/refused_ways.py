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

from typing import Final

from attrs import define, evolve, field

from trooper.core.conversation import Conversation
from trooper.core.local_model import LocalModel, Way, has_no_raw_form
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
        other = _way_of(without(model, way, formless=formless), formless=formless)
        there_is_one = other is Way.PREFILL or (other is Way.RAW and not formless)
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
        for way in (Way.PREFILL, Way.RAW):
            for formless in (False, True):
                if self._until.get((model.name, model.digest, formless, way), 0.0) > now:
                    model = without(model, way, formless=formless)
        return model


def without(model: LocalModel, way: Way, *, formless: bool) -> LocalModel:
    """`model`, which does not go on by `way` where a request has a raw form, or where it has none."""
    with_tools = model.way_with_tools or model.way
    if formless:
        return (
            evolve(model, way_with_tools=Way.RAW if way is Way.PREFILL else Way.NONE)
            if with_tools is way
            else model
        )
    if model.way is not way:
        return model
    other = Way.RAW if way is Way.PREFILL else Way.PREFILL if with_tools is Way.PREFILL else Way.NONE
    return evolve(model, way=other, way_with_tools=with_tools)


def _way_of(model: LocalModel, *, formless: bool) -> Way:
    return (model.way_with_tools or model.way) if formless else model.way
