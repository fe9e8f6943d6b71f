"""
Answers that a client may come back to by their id: a `previous_response_id`,
or a `GET` of what it was told.

Only the Responses wire has such ids. What a provider made whole it remembers
itself; what another target had a part in is remembered here, and written out
in full for whoever is asked next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from trooper.relay.client import Client, Send
from trooper.relay.request import ClientRequest, Incoming
from trooper.services import Services
from trooper.store import Kept
from trooper.wire.client_side import Voice
from trooper.wire.openai_responses import earlier
from trooper.wire.openai_responses.voice import ResponsesVoice
from trooper.wire.openai_responses.whole_voice import WholeResponsesVoice
from trooper.wires import RESPONSES_SURFACE, SURFACES

_UNDER: Final = "/v1/responses/"


def incoming(services: Services, request: ClientRequest) -> Incoming:
    """The request, with the answer that it goes on from where that is remembered."""
    surface = SURFACES[request.path]
    native = written_out = request.body
    if surface is RESPONSES_SURFACE and (answer_id := earlier.goes_on_from(request.body)):
        kept = services.answers.find(answer_id, request.owner)
        if kept is not None:
            written_out = earlier.written_out(request.body, kept.request, kept.response)
            # The provider's cache, and its reasoning, are better than our copy of them.
            native = request.body if kept.provider_knows else written_out
    if surface is RESPONSES_SURFACE and b'"input"' in written_out and len(services.answers):
        native = earlier.with_references(native, lambda i: _item(services, i, request.owner, ours=True))
        written_out = earlier.with_references(
            written_out, lambda i: _item(services, i, request.owner, ours=False)
        )
    drops = services.config.server.foreign_tools == "drop"
    return Incoming(request, surface, native, written_out, drops)


def _item(services: Services, item_id: str, owner: int, *, ours: bool) -> Mapping[str, object] | None:
    """An item by its id; with `ours` only if its provider would not know it."""
    kept = services.answers.find_by_part(item_id, owner)
    if kept is None or (ours and kept.provider_knows):
        return None
    return earlier.output_item(kept.response, item_id)


def keep(services: Services, incoming: Incoming, voice: Voice, *, provider_knows: bool) -> None:
    """Remember an answer that the client has been given whole."""
    if not isinstance(voice, ResponsesVoice | WholeResponsesVoice) or voice.answer is None:
        return
    part_ids = tuple(str(item.get("id")) for item in _items(voice.answer.get("output")))
    if not provider_knows:
        for part_id in part_ids:
            services.unknown_ids.add(part_id)
    if not earlier.is_to_be_kept(incoming.native):
        return
    body = msgspec.json.encode(voice.answer)
    kept = Kept(incoming.request.owner, incoming.written_out, body, provider_knows, part_ids)
    services.answers.keep(str(voice.answer.get("id") or ""), kept)


def _items(value: object) -> list[dict[str, object]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def answer_of(services: Services, request: ClientRequest) -> bytes | None:
    """What a question about an earlier answer is answered with; `None` where its provider has to say."""
    if not request.path.startswith(_UNDER):
        return None
    answer_id, _, below = request.path.removeprefix(_UNDER).partition("/")
    kept = services.answers.find(answer_id, request.owner)
    if kept is None or kept.provider_knows:
        return None
    match request.method, below:
        case "GET", "":
            return kept.response
        case "GET", "input_items":
            return msgspec.json.encode(earlier.listed_items(kept.request))
        case "DELETE", "":
            services.answers.forget(answer_id, request.owner)
            return msgspec.json.encode({"id": answer_id, "object": "response", "deleted": True})
        case _:
            return None


async def tell(services: Services, send: Send, body: bytes) -> None:
    """Answer with a JSON body."""
    client = Client(send, lambda: None, services.config.server.drain_timeout_s)
    length = (b"content-length", str(len(body)).encode())
    await client.start(200, ((b"content-type", b"application/json"), length))
    await client.finish(body)
