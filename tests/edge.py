"""
The whole application between scripted peers, for tests of what stands at its
edge: all providers are one, which answers on the paths of all wires.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from attrs import frozen

from asgi_server import HOST, JSON, Answer, ask, running
from opened import Opening, application
from scenes import WIRES, configured
from trooper.services import Services
from trooper.testing import Request, Script, ScriptedProvider, Status
from trooper.web.asgi import Application

#: Who asks: a client's own key, as OpenAI's and as Anthropic's take it.
BEARER = (b"authorization", b"Bearer sk-mine")
X_API_KEY = (b"x-api-key", b"sk-ant-mine")
#: What the provider says where it is asked for no answer.
ELSEWHERE = Script((Status(200, b'{"object":"thing"}'),))


@frozen
class Edge:
    """A running Trooper, and the provider of all wires behind it."""

    app: Application[Services]
    cloud: ScriptedProvider

    async def ask(
        self, method: str, target: str, *headers: tuple[bytes, bytes], body: bytes = b"", **scope: Any
    ) -> Answer:
        """One request, as a server tells of it."""
        raw = target.encode()
        more = {"raw_path": raw, **scope}
        return await ask(self.app, method, target, (HOST, *headers), (body,) if body else (), **more)

    async def post(self, target: str, *headers: tuple[bytes, bytes], body: bytes = b"{}") -> Answer:
        """A POST of JSON."""
        return await self.ask("POST", target, JSON, *headers, body=body)

    @property
    def asked(self) -> Request:
        """The last request that the provider got."""
        return self.cloud.requests[-1]


@asynccontextmanager
async def edge(
    cloud: ScriptedProvider | None = None, *, warm: bool = False, **server: Any
) -> AsyncIterator[Edge]:
    """Trooper with the default chains; with `warm` its local model is ready."""
    cloud = cloud or ScriptedProvider(elsewhere=ELSEWHERE)
    config = configured({"TROOPER_ANTHROPIC_BASE_URL": "http://api.openai.com/v1"}, **server)
    opening = Opening(cloud)
    app = application(opening, config)
    async with running(app):
        if warm:
            assert opening.services is not None
            await opening.services.standbys["ollama"].ready(None)
        yield Edge(app, cloud)


def asks(wire: str, **fields: Any) -> bytes:
    """A plain request for a streamed answer."""
    return json.dumps({"model": "gpt-4o", **WIRES[wire].asks, "stream": True, **fields}).encode()


def code_of(answer: Answer) -> str:
    """The code of an error, in either shape."""
    error = json.loads(answer.body)["error"]
    return str(error["code"] if "code" in error else error["details"]["error_code"])
