"""
The other proxy: where it is, and whether it can be measured at all.

That is found out before anything is measured: whoever mistyped a URL hears of
it in one line, and not after minutes.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, urlsplit

import h11
import trio
from attrs import field, frozen

from trooper.bench.result import Compare
from trooper.bench.rig import NotStarted
from trooper.testing.client import Heard, ask, fetch

_REACH_S: Final = 5.0
#: For a whole healthy answer: the slowest fake takes less.
_ANSWER_S: Final = 30.0
_CHAT: Final = "/chat/completions"


@frozen
class Place:
    """A proxy, as the client reaches it."""

    host: str
    port: int
    path: str = f"/v1{_CHAT}"
    model: str = "gpt-4o"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def place_of(compare: Compare) -> Place:
    """Where its chat answers are; `malformed` has found nothing."""
    url = urlsplit(compare.url)
    headers = (("authorization", f"Bearer {compare.key}"),) if compare.key else ()
    return Place(url.hostname or "", url.port or 80, url.path.rstrip("/") + _CHAT, compare.model, headers)


def malformed(url: str) -> str:
    """Why `url` can be no base URL here; empty if it can."""
    parts, port = _parts(url)
    if parts is None or parts.scheme != "http" or not parts.hostname:
        # Not the whole of it: what stands before the host may be a password.
        shown = url.rpartition("@")[2]
        return f"{shown} is no plain http:// URL"
    place = f"http://{parts.netloc.rpartition('@')[2]}{parts.path}"
    if port == 0:
        return f"{place} has no port that can be asked"
    if "@" in parts.netloc:
        return f"{place}: a user and a password in a URL are not sent"
    if parts.query or parts.fragment:
        return f"{place}: a base URL ends with its path, nothing follows behind it"
    if not url.isascii() or any(char.isspace() for char in url):
        return f"{place} has characters that no URL has"
    return ""


def _parts(url: str) -> tuple[SplitResult | None, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None, None
    return parts, port


async def unreachable(url: str, path: str) -> str:
    """Why nobody can be asked at `url`; empty if somebody answers, whatever it is."""
    if why := malformed(url):
        return why
    parts = urlsplit(url)
    with trio.move_on_after(_REACH_S):
        try:
            await fetch(parts.port or 80, "GET", path, host=parts.hostname or "")
        except h11.RemoteProtocolError:
            return f"what answers at {url} does not speak HTTP"
        except (OSError, trio.BrokenResourceError):
            return f"nobody answers at {url}"
        return ""
    return f"{url} does not answer"


async def reached(compare: Compare | None) -> None:
    """
    Before anything is started: somebody is there.

    Raises:
        NotStarted: nobody is.
    """
    if compare is not None and (why := await unreachable(compare.url, "/")):
        raise NotStarted(f"--compare: {why}")


async def tried(place: Place) -> None:
    """
    Before anything is measured, and once provider and local model are there: one healthy stream.

    Raises:
        NotStarted: what it answers is no stream of chat.
    """
    stream: list[Heard] = []
    turns = [{"role": "user", "content": "What does a lighthouse teach?"}]
    question: dict[str, object] = {"model": place.model, "stream": True, "messages": turns}
    status = 0
    with trio.move_on_after(_ANSWER_S):
        try:
            status = await ask(
                place.port, question, stream.append, host=place.host, path=place.path, headers=place.headers
            )
        except OSError:
            status = 0
    where = f"--compare: POST http://{place.host}:{place.port}{place.path}"
    if status == 0:
        raise NotStarted(f"{where} got no answer")
    if status != 200:
        raise NotStarted(f"{where} answers with status {status}{_hint(status)}")
    if not any(event.text for event in stream):
        raise NotStarted(f"{where} answers with no stream of chat: not one word came")


def _hint(status: int) -> str:
    match status:
        case 401 | 403:
            return "; --compare-key-env names the variable with its key"
        case 404 | 405:
            return "; does the URL end as its clients know it, in /v1 mostly?"
        case _ if status >= 500:
            return "; was it told where the provider is?"
        case _:
            return ""
