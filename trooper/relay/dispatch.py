"""
Who answers a request that has passed the front door: the relay, for an answer
that somebody else could go on with, or the provider alone.
"""

from __future__ import annotations

from collections.abc import Callable

from trooper.config import Config
from trooper.core.headers import Headers
from trooper.relay.client import Receive, Send
from trooper.relay.conductor import relay
from trooper.relay.pass_through import pass_through, provider_for
from trooper.relay.past_answers import answer_of, tell
from trooper.relay.request import ClientRequest
from trooper.services import Services
from trooper.wires import SURFACES


def is_ours(config: Config, method: str, path: str, headers: Headers) -> bool:
    """Whether `answer` answers it; all else is for the routes of the web layer."""
    is_relayed = method == "POST" and path in SURFACES
    return is_relayed or (path not in SURFACES and provider_for(config, method, path, headers) is not None)


async def answer(
    services: Services,
    request: ClientRequest,
    receive: Receive,
    send: Send,
    hang_up: Callable[[], object],
) -> None:
    """Answer one request. Owns the whole ASGI response."""
    if request.path in SURFACES:
        await relay(services, request, receive, send, hang_up)
        return
    told = answer_of(services, request)
    if told is not None:
        await tell(services, send, told)
        return
    target = provider_for(services.config, request.method, request.path, request.headers)
    if target is not None:  # The web layer has asked `is_ours`, so there is one.
        await pass_through(services, target, request, receive, send, hang_up)
