"""Trooper's own refusals, while the client is still sending."""

from __future__ import annotations

import trio

from asgi_server import Exchange, body_messages, chat_scope, running
from opened import application
from scenes import configured


async def test_an_announced_length_is_refused_before_it_comes(autojump_clock: object) -> None:
    app = application(config=configured(max_request_bytes=1000))
    exchange = Exchange([])
    async with running(app):
        before = trio.current_time()
        await app(chat_scope((b"content-length", b"1001")), exchange.receive, exchange.send)
        took_s = trio.current_time() - before

    assert exchange.answer.status == 413
    assert exchange.answer.header(b"connection") == b"close"
    # The client never sent a byte nor left: it is waited for, but not for ever.
    assert took_s == 5.0


async def test_a_refusal_swallows_what_still_comes() -> None:
    app = application(config=configured(max_request_bytes=1000))
    async with running(app):
        exchange = Exchange(body_messages(*(b"x" * 600,) * 50))
        await app(chat_scope(), exchange.receive, exchange.send)

    assert exchange.says == []
    # The answer was whole before the rest of the body came; only its end waited.
    assert [message.get("more_body") for message in exchange.heard] == [None, True, False]
