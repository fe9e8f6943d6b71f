"""Whose credentials go to which target: its own, or the client's, and never both."""

from __future__ import annotations

import pytest
from attrs import evolve

from scenes import configured
from trooper.config import Key
from trooper.core.headers import Headers
from trooper.targets.credentials import BEARER, Credential, headers_for

NAMED = Credential(b"x-acme-key", b"Key ")
CLIENTS: Headers = ((b"authorization", b"Bearer client"), (b"x-acme-key", b"Key client"))
HERS = dict(CLIENTS)
KEYS = {"client": Key("client"), "none": Key("none"), "ours": Key("value", "sk-ours")}


def sent(key: Key, credential: Credential, *, client_key_used: bool = False) -> dict[bytes, bytes]:
    """The credentials that a target with `key` gets."""
    target = evolve(configured().target("openai"), key=key)
    headers = headers_for(
        target,
        ((b"x-custom", b"1"), *CLIENTS),
        credential,
        (BEARER.header, NAMED.header),
        via_name="trooper-0123456789ab",
        client_key_used=client_key_used,
    )
    assert len(dict(headers)) == len(headers)
    found = dict(headers)
    # All else travels as ever.
    assert (found.pop(b"x-custom"), found.pop(b"via")) == (b"1", b"1.1 trooper-0123456789ab")
    assert found.pop(b"accept-encoding") == b"identity"
    return found


@pytest.mark.parametrize(
    ("key", "credential", "client_key_used", "expected"),
    [
        ("client", BEARER, False, HERS),
        ("client", NAMED, False, HERS),
        # It is a key to our own front door, and nobody else's business.
        ("client", BEARER, True, {}),
        ("none", BEARER, False, {}),
        ("ours", BEARER, False, {b"authorization": b"Bearer sk-ours"}),
        ("ours", BEARER, True, {b"authorization": b"Bearer sk-ours"}),
        ("ours", NAMED, False, {b"x-acme-key": b"Key sk-ours"}),
    ],
)
def test_whose_key_it_is(
    key: str, credential: Credential, client_key_used: bool, expected: dict[bytes, bytes]
) -> None:
    assert sent(KEYS[key], credential, client_key_used=client_key_used) == expected


def test_a_key_of_ours_is_sent_byte_for_byte() -> None:
    """Header values are latin-1."""
    key = Key("value", "sk-\xfc")
    assert sent(key, BEARER) == {b"authorization": b"Bearer sk-\xfc"}
    assert "sk-" not in repr(key)
