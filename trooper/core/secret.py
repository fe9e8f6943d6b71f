"""
Which headers and query parameters may hold a secret of the client's.

By their names, since nobody can list what gateways call theirs, and by values
that give themselves away. The rule is wide on purpose: what it catches still
reaches the one provider that it belongs to, and what it misses could reach
another.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from typing import Final
from urllib.parse import unquote_to_bytes

Pairs = Iterable[tuple[bytes, bytes]]

#: What only looks like one: a gateway's name, counts of tokens, and what tells one request from its repetition.
_HARMLESS: Final = re.compile(
    rb"portkey|author(?!i[sz])|keywords?|tokeniz"
    rb"|(?:max|min|limit|remaining|reset|budget|count|num|total|used|input|output|prompt|completion|thinking)"
    rb"[-_.]?tokens"
    rb"|(?<![a-z])tokens[-_.](?:limit|remaining|reset|budget|count|used)"
    rb"|idempoten(?:cy|t)[-_.]?key"
)
#: A place in a list, as a query says it.
_PLACE: Final = re.compile(rb"(?:page|next|continuation)[-_.]?token")
_PART: Final = re.compile(
    rb"key|token|secret|auth|credential|passw|passphrase|passcode|pwd|session|cookie|signature|jwt|bearer"
    rb"|assertion|csrf|xsrf|private|principal|licen[cs]e"
    rb"|(?<![a-z])(?:pass|pw|sig|sas|sid|pin|pat|otp|dpop|hmac|cert|certificate|ticket|sso|saml|oidc|vk|ak|sk)(?![a-z])"
)
#: Whose account it is that a key pays from; beside somebody else's key it is wrong.
_ACCOUNTS: Final = frozenset({b"openai-organization", b"openai-project", b"chatgpt-account-id"})
#: Said in a query, where somebody signs in.
_CODE: Final = b"code"
#: An authentication scheme, a key or a token of a form that providers and clouds have, a field that is named
#: like a secret. A public key is none: traces of Sentry's say theirs with every request.
_GIVEN_AWAY: Final = re.compile(
    rb"^\s*(?:bearer|basic|digest|negotiate|token|apikey)\s"
    rb"|\b(?:c?sk|xai|pplx|nvapi)-[a-z0-9_-]{8}|\b(?:gsk|hf|r8|fw|gh[a-z]|github_pat)_[a-z0-9_]{8}"
    rb"|\b(?:eyj|akia|aiza)[a-z0-9_-]{8}"
    rb"|(?<!public[_-])(?:key|token|secret|password|authorization|credentials?)[\"']?\s*[=:]"
)
#: What tells one request from the next. It may look like a secret, and nobody proves himself with it: whoever
#: is traced would be somebody else each time, and have no connection kept.
_OF_ONE_REQUEST: Final = re.compile(rb"trace|baggage|newrelic|correlation|turn-state")
#: Say by their names which conversation a request belongs to. They never reach another provider, since some gateway
#: may mean more by one; but the same client is the same in all of its conversations.
OF_CONVERSATIONS: Final = frozenset(
    {b"x-session-id", b"session-id", b"session_id", b"x-claude-code-session-id"}
)
_SEPARATORS: Final = re.compile(rb"[&;?]")
#: Nobody's query has as many parameters; beyond it, it is one secret as a whole.
_MOST_PARTS: Final = 500


def is_secret(name: bytes, value: bytes = b"") -> bool:
    """Whether a header may hold a secret; `name` is in lower case."""
    return _is_named(name) or _GIVEN_AWAY.search(value.lower()) is not None


def of(headers: Pairs, query: bytes, more: Container[bytes] = ()) -> list[bytes]:
    """
    All that a client proves itself with, in an order that is always the same.

    Args:
        headers: names in lower case.
        more: names of further headers that hold secrets.
    """
    named = [(name, value) for name, value in headers if name in more or _proves(name, value)]
    asked = [part for part in parts(query) if _is_asked(part)]
    return [*(name + b": " + value for name, value in sorted(named)), *sorted(asked)]


def _proves(name: bytes, value: bytes) -> bool:
    if name in OF_CONVERSATIONS:
        return _GIVEN_AWAY.search(value.lower()) is not None
    return is_secret(name, b"" if _OF_ONE_REQUEST.search(name) else value)


def without(query: bytes) -> bytes:
    """A query without the parameters that may hold a secret; all others to the byte."""
    told = parts(query)
    kept = [part for part in told if not _is_asked(part)]
    return query if len(kept) == len(told) else b"&".join(kept)


def parts(query: bytes) -> list[bytes]:
    """Its parameters; the whole of it, where there are too many to look at each of them."""
    return [query] if len(_SEPARATORS.findall(decoded(query))) > _MOST_PARTS else query.split(b"&")


def decoded(part: bytes) -> bytes:
    """A piece of a query as whoever reads it most leniently understands it."""
    return unquote_to_bytes(unquote_to_bytes(part.replace(b"+", b" ")))


def _is_named(name: bytes) -> bool:
    return name in _ACCOUNTS or _PART.search(_HARMLESS.sub(b" ", name)) is not None


def _is_asked(part: bytes) -> bool:
    """Whether a parameter may hold a secret; some servers split at a semicolon, and a value may be a URL."""
    pieces = _SEPARATORS.split(decoded(part).lower())
    if len(pieces) > _MOST_PARTS:
        return True
    for piece in pieces:
        name, _, value = piece.partition(b"=")
        if name.strip() == _CODE or is_secret(_PLACE.sub(b" ", name), value):
            return True
    return False
