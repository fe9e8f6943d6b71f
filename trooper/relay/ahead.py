"""
Looks ahead: while a cloud answers, whether the local model's window would hold the conversation.

Whoever finds that out at the failure has to load the model anew while the
client waits, or to look through an hour's work for what a report on it has to
say. So both is done beside the answer; and so it is with a report that is not
written by the rules.

Off the way of a healthy request: whether it could be too long is told by the
length of its body alone. Nearly all are short, or fit a window that has grown.
For the others a task reads and counts, once the answer has had its beginning,
and lets others have their turn.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Final

import trio

from trooper.core import local_model, window
from trooper.core.plan import Restart
from trooper.core.transcript import Transcript
from trooper.relay.asking import Asking
from trooper.relay.request import Incoming
from trooper.relay.route import Route
from trooper.targets.chain import Link
from trooper.targets.counting import Sized, counted, look_through
from trooper.targets.idle_writer import Wished
from trooper.targets.local import LocalLeg
from trooper.targets.standby import Standby

#: Answers that are whole by then have cost nothing.
_BEGUN_S: Final = 0.25
#: By then a larger window has been loaded, or cannot be had soon.
_GROWN_S: Final = 10.0


def may_be_too_long(route: Route, incoming: Incoming) -> bool:
    """Whether it is worth a look: somebody local could take over, and may have too small a window."""
    size_bytes, standbys = len(incoming.written_out), route.services.standbys
    return any(
        _may_be_too_small(standbys[link.target.name], link.model, size_bytes)
        for link in route.links[1:]
        if link.target.name in standbys
    )


def _may_be_too_small(standby: Standby, name: str | None, size_bytes: int) -> bool:
    model = standby.known(name)
    return model is not None and 0 < standby.window(model) * window.LEAST_TOKEN_BYTES < size_bytes


async def look_ahead(asking: Asking, has_left: Callable[[], bool]) -> None:
    """
    Have the first local model that could take over given the window that it would need; ends with the request.

    Where it cannot have that, the conversation is looked through, and a report on it written.

    Args:
        has_left: whether the client has gone before it had its answer: then nobody works for it any more.
    """
    route, incoming = asking.route, asking.incoming
    await trio.sleep(_BEGUN_S)
    await incoming.read_conversation(route.services)
    conversation = incoming.readable
    if conversation is None:
        return
    for link in route.links[1:]:
        standby = route.services.standbys.get(link.target.name)
        model = standby.known(link.model) if standby is not None else None
        if standby is None or model is None or local_model.unfit(model, conversation):
            continue
        tokens = math.ceil(await counted(conversation) * standby.ratio(model))
        wanted = window.holding(model.window_tokens, tokens, conversation.sampling.max_tokens)
        may_grow = standby.may_outgrow(link.model, len(incoming.written_out))
        with standby.wished(model, wanted) if may_grow else nullcontext():
            if max(standby.window(model), standby.most_tokens(model)) < wanted:
                await look_through(conversation)
                await _write_ahead(asking, link, has_left, may_grow=may_grow)
            await trio.sleep_forever()


async def _write_ahead(asking: Asking, link: Link, has_left: Callable[[], bool], *, may_grow: bool) -> None:
    """Have the reports written that the local model's prompt would have, if not by the rules."""
    reports = asking.services.reports
    if not reports.is_ahead:
        return
    if may_grow:
        # Another window makes another prompt.
        await trio.sleep(_GROWN_S)
    leg = asking.leg(Restart(link), Transcript(0))
    if not isinstance(leg, LocalLeg) or not leg.standby.is_probed(link.model):
        return
    model = leg.standby.known(link.model)
    sized = None if model is None else await leg.sized(model)
    if not isinstance(sized, Sized):
        return
    await reports.ahead(sized.prompt.reports)
    writer = reports.writers.get(link.target.name)
    if writer is None or not any(map(writer.is_missing, sized.prompt.reports)):
        return
    wished = Wished(leg, sized.prompt.reports)
    writer.wish(wished)
    try:
        await trio.sleep_forever()
    finally:
        if has_left():
            writer.withdraw(wished)
