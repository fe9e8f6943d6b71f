"""
How a cloud is made to go on from a half answer.

A local model's way is proven by probes (`core.local_model`). A cloud cannot be
probed for free, so its way is configured, or known from its address and model;
`core.seam` notices at run time when that was wrong.
"""

from __future__ import annotations

import enum

from attrs import frozen

from trooper.core.conversation import Conversation
from trooper.core.unfit import Unfit


class CloudWay(enum.Enum):
    """What is put behind the conversation so that a cloud goes on."""

    #: The half answer as a trailing assistant turn (older Claude models; servers that leave the turn open).
    PREFILL = "prefill"
    #: The same, marked with `prefix: true` (Mistral, DeepSeek).
    PREFIX = "prefix"
    #: The same, with vLLM's `continue_final_message` and without `add_generation_prompt`.
    CONTINUE_FINAL = "continue_final_message"
    #: The half answer as an assistant turn, and behind it a user turn that asks to go on.
    INSTRUCTION = "instruction"
    #: Not at all.
    NONE = "none"


@frozen
class Half:
    """
    The half answer, as a cloud gets it.

    `text` has no blanks at its end (`core.seam.prefill`), nor newlines where
    the wire refuses them. `instruction` is what a target is told that goes on
    by `CloudWay.INSTRUCTION`.
    """

    text: str
    way: CloudWay
    instruction: str = ""


def other_cloud_way(way: CloudWay, instruction: str) -> CloudWay:
    """What is tried when `way` did not make the target go on."""
    return CloudWay.INSTRUCTION if way is not CloudWay.INSTRUCTION and instruction else CloudWay.NONE


def unfit_to_go_on(conversation: Conversation, way: CloudWay) -> Unfit | None:
    """Why a cloud cannot continue a half answer to `conversation` by `way`; `None` if it can."""
    if way is CloudWay.NONE:
        return Unfit.NO_CONTINUATION
    if conversation.unsaid:
        return conversation.unsaid[0]
    if conversation.choices > 1:
        return Unfit.CHOICES
    if conversation.is_structured and way is CloudWay.INSTRUCTION:
        # Asked to go on, models begin the document anew, or wrap the rest of it.
        return Unfit.JSON
    return None
