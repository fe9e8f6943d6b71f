"""
A bare HTTP client for tests of the fakes: it says what it got, and how it ended.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpcore
import trio
from attrs import Factory, define, frozen

from trooper.testing import MemoryNetwork


@frozen
class Got:
    """One answer; `error` is the client's exception when it did not end well."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    error: str = ""
    headers_at: float = 0.0
    at: float = 0.0

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def lines(self) -> list[Any]:
        """The body as NDJSON."""
        return [json.loads(line) for line in self.body.splitlines()]


@define
class Client:
    """Asks over a network in memory, or over real sockets when there is none."""

    network: MemoryNetwork | None = None
    base: str = "http://fake"
    read_timeout_s: float = 60.0
    pool: httpcore.AsyncConnectionPool = Factory(
        lambda self: httpcore.AsyncConnectionPool(network_backend=self.network), takes_self=True
    )

    async def get(self, path: str, **headers: str) -> Got:
        """A GET."""
        return await self.ask("GET", path, None, headers)

    async def post(self, path: str, value: object, **headers: str) -> Got:
        """A POST of JSON; of the bytes themselves if they are bytes."""
        return await self.ask("POST", path, value, headers)

    async def ask(self, method: str, path: str, value: object, headers: Mapping[str, str]) -> Got:
        """Any request, read to its end, good or bad."""
        status, got, seen, headers_at, error = 0, bytearray(), dict[str, str](), 0.0, ""
        try:
            async with self.stream(method, path, value, headers) as response:
                status, headers_at = response.status, trio.current_time()
                seen = {k.decode().lower(): v.decode() for k, v in response.headers}
                async for piece in response.aiter_stream():
                    got += piece
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as failure:
            error = type(failure).__name__
        return Got(status, seen, bytes(got), error, headers_at, trio.current_time())

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, value: object, headers: Mapping[str, str]
    ) -> AsyncIterator[httpcore.Response]:
        """A request whose body is not read yet."""
        content = value if isinstance(value, bytes) else b"" if value is None else json.dumps(value).encode()
        fields = {name.replace("_", "-"): text for name, text in headers.items()}
        timeout = {"read": self.read_timeout_s, "connect": 10.0}
        async with self.pool.stream(
            method,
            self.base + path,
            headers=list(fields.items()),
            content=content,
            extensions={"timeout": timeout},
        ) as response:
            yield response
