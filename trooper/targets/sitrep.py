"""
The report that a hand-over would carry now, and what a client needs that has lost everything; for whoever asks.

Both look at the whole of a conversation, which may be large: what is here is
pure, and found by its name, so that it can be done aside (`trooper.aside`).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from attrs import frozen

from trooper.core.conversation import Conversation
from trooper.core.local_model import LocalModel
from trooper.core.recovery import Appended, Recovery, Said, all_of_it, beside, recovered
from trooper.core.situation.writing import written
from trooper.targets.prompt import Prompt, shown
from trooper.wire.client_side import Unreadable

#: For a report on a conversation that needs none.
_ROOM_TOKENS: Final = 2_048


@frozen
class Sitrep:
    """
    A report, and what it is about.

    Attributes:
        report: empty where nothing is worth saying.
        is_carried: a hand-over would carry it now; else the model would be shown the whole conversation, or
            nobody knows a model, and it is the report on all turns behind the first one.
        shortened: what that model would not be shown, by kind.
    """

    report: str
    is_carried: bool
    shortened: Mapping[str, int]


def recovered_from(body: bytes | bytearray, module: str, function: str, said: Any) -> Recovery | None:
    """
    Where a session stands; `None` if its request cannot be read.

    Args:
        body: the request.
        module: where its wire's reader is.
        function: the reader's name there.
        said: the answer, as a `Said` or as JSON has it.
    """
    conversation = _read(body, module, function)
    return None if conversation is None else recovered(conversation, msgspec.convert(said, Said))


def sitrep(
    body: bytes | bytearray, module: str, function: str, said: Any, appended: Any, model: Any
) -> Sitrep | None:
    """
    The report that a hand-over to `model` would carry; `None` if the request cannot be read.

    Args:
        body, module, function, said: as above.
        appended: what was put beside the session.
        model: a `LocalModel`, or nothing where none is known.
    """
    conversation = _read(body, module, function)
    if conversation is None:
        return None
    answer: Said = msgspec.convert(said, Said)
    write = beside(written, msgspec.convert(appended, tuple[Appended, ...]))
    prompt = None
    if model is not None:
        given = "" if answer.is_whole else answer.text
        prompt = shown(msgspec.convert(model, LocalModel), conversation, given, write=write)
    if isinstance(prompt, Prompt) and (reports := _reports_of(prompt, write)):
        return Sitrep("\n\n".join(reports), is_carried=True, shortened=prompt.shortened.told())
    return Sitrep(write(all_of_it(conversation, answer), _ROOM_TOKENS), is_carried=False, shortened={})


def _reports_of(prompt: Prompt, write: Any) -> Sequence[str]:
    told = [write(one.dropped, one.room_tokens) for one in prompt.reports if one.is_wanted]
    return [text for text in told if text]


def _read(body: bytes | bytearray, module: str, function: str) -> Conversation | None:
    read = getattr(importlib.import_module(module), function)(body)
    return None if isinstance(read, Unreadable) else read
