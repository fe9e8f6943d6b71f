"""
Requests that ask for no answer we could continue: they go to the provider of
their surface and come back as they are. No other target is asked.

Embeddings, files, batches, old completions: a client that does more than chat
keeps working. The provider's own status and body are the client's; where
there is none, the client gets an error of ours in its surface's shape. One
question can be answered without it: how many tokens a conversation has.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec
import trio
from attrs import define

from trooper.config import Config, Target, Wire
from trooper.core import headers as http
from trooper.core.conversation import Conversation
from trooper.core.fitting import count
from trooper.core.outcome import PASSING, Answer, Failed, FailureKind
from trooper.relay import failure_answers
from trooper.relay.client import Client, Receive, Send
from trooper.relay.request import ClientRequest
from trooper.services import Services
from trooper.targets.credentials import headers_for
from trooper.targets.upstream import Call, Headers
from trooper.telemetry.log import log_passed
from trooper.telemetry.report import Ending, PassedReport
from trooper.wires import CHAT_SURFACE, MESSAGES_SURFACE, Surface

_COUNT: Final = "/v1/messages/count_tokens"
#: The first word of a provider's path, as far as it is a word: all else is the client's business.
_KIND: Final = re.compile(r"/v1/([a-z_]{1,32})(?:/|$)")
#: Said beside the headers that any answer of a target may say.
_SAID_HERE: Final = frozenset({b"content-type", b"content-disposition"})


def surface_of(path: str, headers: http.Headers) -> Surface:
    """Whose client this is: both providers have paths like `/v1/models` and `/v1/files`."""
    is_anthropic = path == "/" or path.startswith("/v1/messages/") or http.find(headers, b"anthropic-version")
    return MESSAGES_SURFACE if is_anthropic else CHAT_SURFACE


def provider_for(config: Config, method: str, path: str, headers: http.Headers) -> Target | None:
    """
    Who gets a request that is not for an answer; `None`: nobody, it is no such request.

    A list of models is one only for Anthropic's clients: for the others the
    list is made here, with the local models in it. `HEAD /` is how some agents
    see whether their provider is there.
    """
    asks_presence = method == "HEAD" and path == "/"
    below = path.removeprefix("/v1/")
    # A path that climbs would leave the provider's API with the provider's key.
    climbs = any(part in ("", ".", "..") for part in below.split("/")[:-1]) or below in (".", "..")
    if not asks_presence and (below == path or not below or climbs):
        return None
    surface = surface_of(path, headers)
    if path == "/v1/models" and surface is CHAT_SURFACE:
        return None
    wire = Wire.OPENAI_RESPONSES if path.startswith("/v1/responses/") else surface.wire
    return config.provider_of(wire) or config.provider_of(surface.wire)


async def pass_through(
    services: Services,
    target: Target,
    request: ClientRequest,
    receive: Receive,
    send: Send,
    hang_up: Callable[[], object],
) -> None:
    """Ask `target` what the client asks, and give the client what it says."""
    client = Client(send, hang_up, services.config.server.drain_timeout_s)
    began = trio.current_time()
    outcome: Ending | FailureKind = Ending.CLIENT_CANCELLED
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.watch_presence, receive, nursery.cancel_scope)
            nursery.start_soon(client.watch_draining, nursery.cancel_scope)
            failed = await services.upstreams[target.name].exchange(_call(target, request), _ToClient(client))
            outcome = Ending.PASSED_ON if failed is None else failed.kind
            if failed is None:
                await client.finish()
            elif client.started:
                # Torn in the middle: an end of ours would make it look whole.
                hang_up()
            else:
                await _answer(client, _without_it(failed, target, request))
            nursery.cancel_scope.cancel(reason="the request is over")
    finally:
        kind = _KIND.match(request.path)
        log_passed(
            PassedReport(
                kind[1] if kind else "root",
                target.name,
                outcome,
                client.status,
                round(trio.current_time() - began, 6),
                client.sent_bytes,
            )
        )


def _call(target: Target, request: ClientRequest) -> Call:
    headers = headers_for(target, request.headers, hop=request.hop, client_key_used=request.client_key_used)
    path = request.raw_path.removeprefix("/v1")
    return Call(request.method, path, headers, request.body, request.query, at_root=path == "/")


@define
class _ToClient:
    """A sink that hands everything on at once."""

    client: Client

    async def head(self, status: int, headers: Headers) -> Failed | None:
        said = tuple((name, value) for name, value in headers if name in _SAID_HERE)
        await self.client.start(status, (*said, *http.to_client(headers), (b"x-accel-buffering", b"no")))
        return None

    async def chunk(self, data: bytes) -> bool:
        await self.client.write(data)
        return True


def _without_it(failed: Failed, target: Target, request: ClientRequest) -> Answer:
    """What the client gets where its provider gave no answer, or refused."""
    spoken = surface_of(request.path, request.headers).spoken
    if request.path == _COUNT and failed.kind not in PASSING:
        asked = MESSAGES_SURFACE.spoken.read_conversation(request.body)
        if isinstance(asked, Conversation):
            # The key is ours: a guess must not pass for a count.
            counted = msgspec.json.encode({"input_tokens": count(asked), "trooper_estimated": True})
            return Answer(200, ((b"content-type", b"application/json"),), counted)
    told = failure_answers.trouble(failed, target.name, midway=False)
    return failure_answers.http_answer(failed, msgspec.json.encode(spoken.error_body(told)), own=True)


async def _answer(client: Client, answer: Answer) -> None:
    length = (b"content-length", str(len(answer.body)).encode())
    await client.start(answer.status, (*answer.headers, length))
    await client.finish(answer.body)
