"""
Who answers a request that has passed the front door: the relay, for an answer
that somebody else could go on with, or the provider alone.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from attrs import evolve

from trooper.config import Config
from trooper.core.headers import Headers
from trooper.core.outcome import Answer
from trooper.errors import RequestRejected
from trooper.relay import past_answers, sessions
from trooper.relay.client import Client, Receive, Send
from trooper.relay.conductor import relay
from trooper.relay.pass_through import pass_through, provider_for
from trooper.relay.request import ClientRequest
from trooper.services import Services
from trooper.wires import Wires


def is_ours(
    wires: Wires, config: Config, method: str, path: str, headers: Headers, query: bytes = b""
) -> bool:
    """
    Whether `answer` answers it; all else is for the routes of the web layer.

    Raises:
        RequestRejected: it could be meant for more than one provider.
    """
    if wires.at(path) is not None:
        return method == "POST"
    if sessions.asked(method, path) is not None:
        return True
    return provider_for(wires, config, method, path, headers, query) is not None


async def answer(
    services: Services,
    request: ClientRequest,
    receive: Receive,
    send: Send,
    hang_up: Callable[[], object],
) -> None:
    """Answer one request. Owns the whole ASGI response."""
    if services.wires.at(request.path) is not None:
        await relay(services, request, receive, send, hang_up)
        return
    if (about := sessions.asked(request.method, request.path)) is not None:
        client = Client(send, hang_up, services.config.server.drain_timeout_s)
        told = await _about_sessions(services, request, about)
        # There is no HEAD here, and its refusal has no body.
        await client.answer(evolve(told, body=b"") if request.method == "HEAD" else told)
        return
    known = await past_answers.reply(services, request.method, request.path, request.owner)
    if known is not None:
        client = Client(send, hang_up, services.config.server.drain_timeout_s)
        await client.answer(known)
        return
    target = provider_for(
        services.wires, services.config, request.method, request.path, request.headers, request.query
    )
    if target is not None:  # The web layer has asked `is_ours`, so there is one.
        await pass_through(services, target, request, receive, send, hang_up)


async def _about_sessions(services: Services, request: ClientRequest, wanted: sessions.Asked) -> Answer:
    """What is known of the client's sessions; a refusal in the shape that the client reads elsewhere, too."""
    try:
        return await sessions.reply(services, request, wanted)
    except RequestRejected as refused:
        side = services.wires.asking_side(request.path, request.headers)
        body = msgspec.json.encode(side.refusal_body(refused.status, refused.code, refused.message))
        return Answer(refused.status, ((b"content-type", b"application/json"), *refused.headers), body)
