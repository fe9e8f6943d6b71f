"""
Makes what a local model is shown: one function, for whoever shows it something.

A leg asks with what `shown` returns, asks again with it when the server has
counted, and a model that is primed is primed with it. The same arguments make
the same prompt, to the last byte: a server that has read it once need not read
it again. Nothing here waits, and nothing knows which server will be asked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from attrs import evolve, frozen

from trooper.core import fitting, history, local_model
from trooper.core.conversation import Conversation, ToolCall
from trooper.core.local_model import LocalModel, Way
from trooper.core.outcome import Failed, FailureKind
from trooper.core.seam import NOTHING, Prefill, prefill
from trooper.core.unfit import Unfit

#: The index of a tool call in the answer, and the part of it that the client has.
HalfCall = tuple[int, ToolCall]


@frozen
class Prompt:
    """
    What a model is shown.

    Attributes:
        way: `PREFILL` where the server makes the prompt of `conversation` by
            itself, also from the beginning; `RAW` where it is rendered first
            and what the client has is put behind it.
        conversation: the history, short enough for the model's window.
        prefill: what the client has of the answer, as the model is shown it
            and what is withheld; `NOTHING` for a half call.
        echoes: whether the model repeats `prefill` first; `None` if unprobed.
        half_call: the tool call of which only the rest is wanted.
        room_tokens: what the window leaves for the answer; `None` if not known.
    """

    way: Way
    conversation: Conversation
    prefill: Prefill
    echoes: bool | None
    half_call: HalfCall | None = None
    room_tokens: int | None = None

    @property
    def choices(self) -> int:
        """How many answers are wanted."""
        return 1 if self.half_call else self.conversation.choices

    @property
    def half(self) -> str:
        """What the model goes on from."""
        return self.half_call[1].arguments if self.half_call else self.prefill.text

    @property
    def tokens(self) -> int:
        """About how many tokens it is, by estimate; reads the whole history for that."""
        return fitting.count(self.conversation, self.half)


def shown(
    model: LocalModel,
    conversation: Conversation,
    given: str = "",
    *,
    calls: Sequence[ToolCall] = (),
    half_call: HalfCall | None = None,
    other_way: bool = False,
    ratio: float = 1.0,
    note: str = "",
) -> Prompt | Failed:
    """
    Return what `model` is shown to answer `conversation`, or why it cannot be.

    That is `UNFIT` with its reason, or `CONTEXT_LENGTH` where what must not be
    left out does not fit into the window.

    Args:
        model: as its server was last seen.
        conversation: the client's request.
        given: the text that the client has of the answer; empty to begin it.
        calls: the tool calls that the client has whole; only told with `half_call`.
        half_call: the one that it has a part of: only the rest of that is wanted.
        other_way: go on from `given` by another way than the model's first.
        ratio: real tokens per estimated token.
        note: what the model is told about turns that had to be left out.
    """
    way = local_model.way_on(model, conversation)
    if given and other_way:
        way = _other_way(model, conversation, way)
    reason = _unfit(model, conversation, given, half_call, way)
    if reason:
        return Failed(FailureKind.UNFIT, unfit_reason=reason)
    plain, own_prefill = history.own_beginning(conversation, given)
    said = own_prefill + given
    if half_call is None:
        # A template sees, and strips, only a prefill that its server puts behind it.
        rendered = way is not Way.RAW
        split = prefill(said, trims=model.trims and rendered, added=model.adds if rendered else "")
        asked = Way.RAW if given and way is Way.RAW else Way.PREFILL
        prompt = Prompt(asked, plain, split, model.echoes if rendered else False)
    else:
        told = history.with_call(plain.messages, said, calls, half_call[1])
        prompt = Prompt(Way.RAW, evolve(plain, messages=told), NOTHING, None, half_call)
    fitted = fitting.fit(prompt.conversation, prompt.half, model.window_tokens, ratio=ratio, note=note)
    if fitted is None:
        counted = math.ceil(fitting.count(prompt.conversation, prompt.half) * ratio)
        return Failed(FailureKind.CONTEXT_LENGTH, prompt_tokens=counted, window_tokens=model.window_tokens)
    room = fitting.room(fitted, prompt.half, model.window_tokens, ratio=ratio)
    return evolve(prompt, conversation=fitted, room_tokens=room)


def _other_way(model: LocalModel, conversation: Conversation, way: Way) -> Way:
    other = Way.RAW if way is Way.PREFILL else Way.NONE
    tried = evolve(model, way=other, way_with_tools=None)
    return Way.NONE if local_model.unfit_to_go_on(tried, conversation) else other


def _unfit(
    model: LocalModel, conversation: Conversation, given: str, half_call: HalfCall | None, way: Way
) -> Unfit | None:
    if half_call is not None:
        return local_model.unfit_to_finish_call(model, conversation)
    if not given:
        return local_model.unfit(model, conversation)
    return local_model.unfit_to_go_on(model, conversation) or (
        Unfit.NO_OTHER_WAY if way is Way.NONE else None
    )
