"""
Connections on which each answer belongs to one request.

The HTTP client keeps a connection when its answer has ended, also where more
has come behind the end. That would be read as the answer to the next request,
which is another client's and has another key. So a connection on which
anything is left over is closed, one on which somebody speaks before he is
asked is not asked, and none is used for two clients or with two keys: what
comes a moment too late cannot be told from an answer. The client has no public way to that:
`OneAnswer` stands in the place of its class, and a test compares what it needs
of it.
"""

from __future__ import annotations

from contextvars import ContextVar
from types import ModuleType
from typing import Any, Final

import httpcore
import trio
from httpcore import _async as places

from trooper.targets.network import UntimedStream

#: So many say that an answer will come, and then it has to. One or two are usual; who says every few
#: seconds that he still works at it has an hour.
_MOST_INTERIM: Final = 1_024
#: What a provider says about its answer, and all that edges add, is a few dozen.
_MOST_HEADERS: Final = 512

#: For whom and with which credentials a request is sent: what comes too late on a connection, and is the
#: answer to nothing, can only come to somebody with the same.
asks_with: ContextVar[tuple[bytes, ...]] = ContextVar("asks_with", default=())


class OneAnswer(httpcore.AsyncHTTP11Connection):
    """
    A connection on which every request has one answer, and every answer was asked for.

    What comes in front of an answer is bounded, too: it is all read in one go.
    """

    READ_NUM_BYTES = 16_384
    MAX_INCOMPLETE_EVENT_SIZE = 32_768
    _interim = 0
    _asked_with: tuple[bytes, ...] = ()

    def is_available(self) -> bool:
        """Whether a request of whoever asks now may be sent: the pool looks for a connection in his own task."""
        return super().is_available() and self._asked_with == asks_with.get()

    async def _send_request_headers(self, request: httpcore.Request) -> None:
        self._asked_with = asks_with.get()
        if await self._has_spoken():
            raise httpcore.RemoteProtocolError("An answer has begun that nobody has asked for.")
        await super()._send_request_headers(request)

    async def _receive_response_headers(self, request: httpcore.Request) -> Any:
        # Only here: the pieces of a body come by the same method, and each token would pay.
        self._interim, self._receive_event = 0, self._receive_head  # type: ignore[method-assign]
        try:
            answer = await super()._receive_response_headers(request)
        finally:
            del self._receive_event
        if len(answer[3]) > _MOST_HEADERS:
            raise httpcore.RemoteProtocolError(f"An answer has more than {_MOST_HEADERS} headers.")
        return answer

    async def _receive_head(self, timeout: float | None = None) -> Any:
        event = await super()._receive_event(timeout)
        self._interim += 1
        if self._interim > _MOST_INTERIM:
            raise httpcore.RemoteProtocolError("An answer is announced, again and again, and does not come.")
        if self._interim > 1:
            # Many may have come at once.
            await trio.lowlevel.checkpoint()
        return event

    async def _response_closed(self) -> None:
        if self._has_more:
            await self.aclose()
        else:
            await super()._response_closed()

    async def _has_spoken(self) -> bool:
        stream = self._network_stream
        if self._request_count == 1 and isinstance(stream, UntimedStream):
            return await stream.has_spoken()
        return self._has_more

    @property
    def _has_more(self) -> bool:
        """Whether anything has come that belongs to no answer, the end of the connection included."""
        left, _ended = self._h11_state.trailing_data
        return bool(left) or bool(self._network_stream.get_extra_info("is_readable"))


def _stand_in() -> None:
    """Have every kind of connection, direct or behind a proxy, made with `OneAnswer`."""
    own = httpcore.AsyncHTTP11Connection
    for place in vars(places).values():
        if isinstance(place, ModuleType) and vars(place).get(own.__name__) is own:
            setattr(place, own.__name__, OneAnswer)


_stand_in()
