"""
Past answers that a client may come back to by their id: what a request that
goes on from one is asked with, and what questions about one get.

Only some wires have such ids; the row of a wire says how it writes them. What
a provider made whole it remembers itself; what another target had a part in is
remembered here, and written out in full for whoever is asked next.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Final

import msgspec
from attrs import define, field

from trooper.core.outcome import Answer
from trooper.relay.turns import others_turn
from trooper.services import Services
from trooper.store import Kept
from trooper.wire.client_side import ClientSide, PastAnswers, PastQuestion
from trooper.wire.weight import is_light

#: Ids of one request that are looked for; no conversation names more.
_MOST_NAMED: Final = 4_096
_JSON: Final = ((b"content-type", b"application/json"),)
_NOT_DELETED: Final = (
    "not_deleted",
    "One of Trooper's workers has not said that it has deleted this answer. Try again.",
)


async def bodies(services: Services, past: PastAnswers, body: bytes, owner: str) -> tuple[bytes, bytes]:
    """
    A request's body for the provider of its wire, and for everybody else.

    In the second one the answer that it goes on from is written out, where it is remembered, and not so
    large that others would have to wait for it.
    """
    native = written_out = body
    if answer_id := past.goes_on_from(body):
        kept = await services.remembered.find(answer_id, owner)
        if kept is not None and all(map(is_light, (body, kept.request, kept.response))):
            written_out = past.written_out(body, kept.request, kept.response)
            # The provider's cache, and its reasoning, are better than our copy of them.
            native = body if kept.provider_knows else written_out
    await others_turn(written_out)
    if named := past.named_parts(written_out):
        # The latest named first.
        latest = list(dict.fromkeys(reversed(named)))[:_MOST_NAMED]
        parts = await services.remembered.find_by_parts(latest, owner)
        await others_turn(native)
        native = past.with_references(native, lambda i: _part(past, parts, i, ours=True))
        await others_turn(written_out)
        written_out = past.with_references(written_out, lambda i: _part(past, parts, i, ours=False))
    return native, written_out


def _part(
    past: PastAnswers, parts: Mapping[str, Kept], part_id: str, *, ours: bool
) -> Mapping[str, object] | None:
    """A part by its id; with `ours` only if its provider would not know it."""
    kept = parts.get(part_id)
    if kept is None or (ours and kept.provider_knows):
        return None
    return past.part(kept.response, part_id)


@define
class _Asked(Container[str]):
    """No ids, and which of them were asked for: so a request is read once where, as nearly always, none is a bad one."""

    ids: dict[str, None] = field(factory=dict)

    def __contains__(self, part_id: object) -> bool:
        if isinstance(part_id, str) and len(self.ids) < _MOST_NAMED:
            self.ids[part_id] = None
        return False


async def cleaned(services: Services, client: ClientSide, body: bytes) -> bytes:
    """`body` without what its provider will not know; the store is asked only where it names something."""
    asked = _Asked()
    once = client.cleaned(body, asked)
    if not asked.ids:
        return once
    unknown = await services.store.find_unknown(asked.ids)
    if not unknown:
        return once
    await others_turn(once)
    return client.cleaned(once, unknown)


def note_parts(services: Services, past: PastAnswers, answer: Mapping[str, object], owner: str) -> None:
    """Note that the provider will not know the parts of `answer`: another target had a part in it."""
    services.remembered.note_unknown(past.part_ids(answer), owner)


def keep(
    services: Services,
    past: PastAnswers,
    answer: Mapping[str, object],
    request: bytes,
    owner: str,
    session_id: str = "",
    *,
    provider_knows: bool,
) -> None:
    """
    Remember an answer that the client has been given whole; nobody comes back to one whose id is no name.

    Args:
        request: what it answers, with everything that it goes on from written out.
        session_id: of which session it is, where that is known by now.
        provider_knows: a provider made the whole of it.
    """
    kept = Kept(owner, request, msgspec.json.encode(answer), provider_knows, past.part_ids(answer))
    services.remembered.keep(str(answer.get("id") or ""), kept, session_id)


async def reply(services: Services, method: str, path: str, owner: str) -> Answer | None:
    """
    What a question about a past answer gets; `None` where its provider has to say.

    What a client deletes at its provider is deleted here as well.
    """
    for row in services.wires.rows:
        client = row.client
        past = client.past if client is not None else None
        if client is None or past is None or not path.startswith(past.under):
            continue
        answer_id, _, below = path.removeprefix(past.under).partition("/")
        kept = await services.remembered.find(answer_id, owner)
        if kept is None:
            return None
        body = past.reply(PastQuestion(method, answer_id, below, kept.request, kept.response))
        if body is None:
            return None
        if method == "DELETE" and not await services.remembered.forget(answer_id, owner):
            return Answer(503, _JSON, msgspec.json.encode(client.refusal_body(503, *_NOT_DELETED)))
        return None if kept.provider_knows else Answer(200, _JSON, body)
    return None
