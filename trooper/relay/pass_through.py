"""
Requests that ask for no answer we could continue: they go to the provider of
their client's wire and come back as they are. No other target is asked.

Embeddings, files, batches, old completions: a client that does more than chat
keeps working. Nobody else could answer, and their limits are not those of
answers, so a rate limit is the client's business: it is passed on, and neither
remembered nor looked for. The provider's own status and body are the client's; where
there is none, the client gets an error of ours in its wire's shape, or what
the wire can answer without it: how many tokens a conversation has.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

import msgspec
import trio
from attrs import define

from trooper.config import Config, Target
from trooper.core import headers as http
from trooper.core.outcome import PASSING, Answer, Failed, FailureKind
from trooper.relay import failure_answers
from trooper.relay.client import Client, Receive, Send
from trooper.relay.request import ClientRequest
from trooper.services import Services
from trooper.targets.credentials import query_for
from trooper.targets.models import MODELS
from trooper.targets.upstream import Call, Headers
from trooper.telemetry.log import log_passed
from trooper.telemetry.report import Ending, PassedReport
from trooper.wire.client_side import ClientSide
from trooper.wire.decoding import strict
from trooper.wire.read_aside import is_large
from trooper.wire.weight import MOST_MENDED_BYTES
from trooper.wires import Wires

#: The first word of a provider's path, as far as it is a word: all else is the client's business.
_KIND: Final = re.compile(r"/v1/([a-z_]{1,32})(?:/|$)")
#: Where some servers stop reading a part of a path: at a parameter, a query or a fragment that was encoded, a
#: blank, a control byte.
_END_OF_PART: Final = re.compile(r"[;?#\x00-\x20\x7f].*", re.DOTALL)
#: What a server answers itself or not at all: a tunnel, and an echo of what it was sent, keys included.
_NEVER: Final = frozenset({"CONNECT", "TRACE"})
#: Said beside the headers that any answer of a target may say.
_SAID_HERE: Final = frozenset({b"content-type", b"content-disposition"})


def provider_for(
    wires: Wires, config: Config, method: str, path: str, headers: http.Headers, query: bytes = b""
) -> Target | None:
    """
    Who gets a request that is not for an answer; `None`: nobody, it is no such request.

    A list of models is passed on only for clients of other providers than the first one: for
    the others the list is made here, with the local models in it.

    Raises:
        RequestRejected: it could be meant for more than one provider.
    """
    if method in _NEVER:
        return None
    below = path.removeprefix("/v1/")
    if below == path or not below or _climbs(below) or wires.at(_without_ends(path)) is not None:
        return None
    provider = wires.provider(config, path, headers, query)
    if path == MODELS and wires.owner(path, headers).rows[0].family == wires.default.family:
        return None
    return provider


def _climbs(below: str) -> bool:
    """
    Whether a decoded path would leave the provider's API, with the provider's key.

    Servers disagree on what they decode once more, on backslashes, and on what
    stands behind a semicolon or a zero byte: it climbs if one of them might think so.
    """
    readings = (below, unquote(below))
    parts = (part for reading in readings for part in re.split(r"[/\\]", reading))
    return any(_END_OF_PART.sub("", part) in ("", ".", "..") for part in parts)


def _without_ends(path: str) -> str:
    """A decoded path as the server reads it that sees least of it: it could mean an answer, which is not passed."""
    return "/".join(_END_OF_PART.sub("", part) for part in path.split("/"))


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
            failed = await services.upstreams[target.name].exchange(
                _call(services, target, request), _ToClient(client)
            )
            outcome = Ending.PASSED_ON if failed is None else failed.kind
            if failed is None:
                await client.finish()
            elif client.started:
                # Torn in the middle: an end of ours would make it look whole.
                hang_up()
            else:
                await client.answer(_without_it(services, failed, target, request))
            nursery.cancel_scope.cancel(reason="the request is over")
    finally:
        kind = _KIND.match(request.path)
        log_passed(
            PassedReport(
                kind[1] if kind else "other",
                target.name,
                outcome,
                client.status,
                round(trio.current_time() - began, 6),
                client.sent_bytes,
            )
        )


def _call(services: Services, target: Target, request: ClientRequest) -> Call:
    given, body = request.as_it_came
    headers = services.headers_for(target, given, via_name=request.via_name)
    path, query = request.raw_path.removeprefix("/v1"), query_for(target, request.query)
    return Call(request.method, path, headers, body, query, request.owner)


@define
class _ToClient:
    """A sink that hands everything on at once."""

    client: Client

    async def head(self, status: int, headers: Headers) -> Failed | None:
        said = http.to_client(headers, more=_SAID_HERE)
        await self.client.start(status, (*said, (b"x-accel-buffering", b"no")))
        return None

    async def chunk(self, data: bytes) -> bool:
        await self.client.write(data)
        return True


def _without_it(services: Services, failed: Failed, target: Target, request: ClientRequest) -> Answer:
    """What the client gets where its provider gave no answer, or refused."""
    side = services.wires.asking_side(request.path, request.headers)
    body = None if failed.kind in PASSING else _answered_for(side, request)
    if body is not None:
        return Answer(200, ((b"content-type", b"application/json"),), body)
    told = failure_answers.trouble(failed, target.name, midway=False)
    return failure_answers.http_answer(failed, msgspec.json.encode(side.error_body(told)), own=True)


def _answered_for(side: ClientSide, request: ClientRequest) -> bytes | None:
    """What can be answered in the provider's place, unless finding it out would hold up others."""
    body = request.body
    if is_large(body):
        return None
    return side.answered_for(request.path, strict(body) if len(body) <= MOST_MENDED_BYTES else body)
