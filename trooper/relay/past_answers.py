"""
Past answers that a client may come back to by their id: what a request that
goes on from one is asked with, and what questions about one get.

Only some wires have such ids; the row of a wire says how it writes them. What
a provider made whole it remembers itself; what another target had a part in is
remembered here, and written out in full for whoever is asked next.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from trooper.relay.turns import others_turn
from trooper.services import Services
from trooper.store import Kept
from trooper.wire.client_side import PastAnswers, PastQuestion
from trooper.wire.weight import is_light


async def bodies(services: Services, past: PastAnswers, body: bytes, owner: str) -> tuple[bytes, bytes]:
    """
    A request's body for the provider of its wire, and for everybody else.

    In the second one the answer that it goes on from is written out, where it is remembered, and not so
    large that others would have to wait for it.
    """
    native = written_out = body
    if answer_id := past.goes_on_from(body):
        kept = services.answers.find(answer_id, owner)
        if kept is not None and all(map(is_light, (body, kept.request, kept.response))):
            written_out = past.written_out(body, kept.request, kept.response)
            # The provider's cache, and its reasoning, are better than our copy of them.
            native = body if kept.provider_knows else written_out
    if len(services.answers):
        await others_turn(native)
        native = past.with_references(native, lambda i: _part(services, past, i, owner, ours=True))
        await others_turn(written_out)
        written_out = past.with_references(written_out, lambda i: _part(services, past, i, owner, ours=False))
    return native, written_out


def _part(
    services: Services, past: PastAnswers, part_id: str, owner: str, *, ours: bool
) -> Mapping[str, object] | None:
    """A part by its id; with `ours` only if its provider would not know it."""
    kept = services.answers.find_by_part(part_id, owner)
    if kept is None or (ours and kept.provider_knows):
        return None
    return past.part(kept.response, part_id)


def note_parts(services: Services, past: PastAnswers, answer: Mapping[str, object]) -> None:
    """Note that the provider will not know the parts of `answer`: another target had a part in it."""
    for part_id in past.part_ids(answer):
        services.unknown_ids.add(part_id)


def keep(
    services: Services,
    past: PastAnswers,
    answer: Mapping[str, object],
    request: bytes,
    owner: str,
    *,
    provider_knows: bool,
) -> None:
    """
    Remember an answer that the client has been given whole; nobody comes back to one whose id is no name.

    Args:
        request: what it answers, with everything that it goes on from written out.
        provider_knows: a provider made the whole of it.
    """
    kept = Kept(owner, request, msgspec.json.encode(answer), provider_knows, past.part_ids(answer))
    services.answers.keep(str(answer.get("id") or ""), kept)


def reply(services: Services, method: str, path: str, owner: str) -> bytes | None:
    """What a question about a past answer gets; `None` where its provider has to say."""
    for row in services.wires.rows:
        past = row.client.past if row.client is not None else None
        if past is None or not path.startswith(past.under):
            continue
        answer_id, _, below = path.removeprefix(past.under).partition("/")
        kept = services.answers.find(answer_id, owner)
        if kept is None or kept.provider_knows:
            return None
        body = past.reply(PastQuestion(method, answer_id, below, kept.request, kept.response))
        if body is not None and method == "DELETE":
            services.answers.forget(answer_id, owner)
        return body
    return None
