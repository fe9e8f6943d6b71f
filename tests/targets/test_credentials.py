"""Whose credentials go to which target: its own, or the client's, and never both."""

from __future__ import annotations

import pytest
from attrs import evolve

from scenes import configured
from trooper.config import Key
from trooper.core.headers import Headers
from trooper.targets.credentials import BEARER, Credential, headers_for, query_for

NAMED = Credential(b"x-acme-key", b"Key ")
CLIENTS: Headers = ((b"authorization", b"Bearer client"), (b"x-acme-key", b"Key client"))
HERS = dict(CLIENTS)
KEYS = {"client": Key("client"), "none": Key("none"), "ours": Key("value", "sk-ours")}


def sent(key: Key, credential: Credential) -> dict[bytes, bytes]:
    """The credentials that a target with `key` gets."""
    target = evolve(configured().target("openai"), key=key)
    headers = headers_for(
        target,
        ((b"x-custom", b"1"), *CLIENTS),
        credential,
        (BEARER.header, NAMED.header),
        via_name="trooper-0123456789ab",
    )
    assert len(dict(headers)) == len(headers)
    found = dict(headers)
    # All else travels as ever.
    assert (found.pop(b"x-custom"), found.pop(b"via")) == (b"1", b"1.1 trooper-0123456789ab")
    assert found.pop(b"accept-encoding") == b"identity"
    return found


@pytest.mark.parametrize(
    ("key", "credential", "expected"),
    [
        ("client", BEARER, HERS),
        ("client", NAMED, HERS),
        ("none", BEARER, {}),
        ("ours", BEARER, {b"authorization": b"Bearer sk-ours"}),
        ("ours", NAMED, {b"x-acme-key": b"Key sk-ours"}),
    ],
)
def test_whose_key_it_is(key: str, credential: Credential, expected: dict[bytes, bytes]) -> None:
    assert sent(KEYS[key], credential) == expected


@pytest.mark.parametrize(
    ("key", "expected"), [("client", b"beta=true&key=s"), ("none", b"beta=true"), ("ours", b"beta=true")]
)
def test_whose_secrets_in_a_query(key: str, expected: bytes) -> None:
    target = evolve(configured().target("openai"), key=KEYS[key])
    assert query_for(target, b"beta=true&key=s") == expected


def test_what_tells_a_request_from_its_repetition_stays_with_it() -> None:
    target = evolve(configured().target("openai"), key=KEYS["client"])
    idempotent = ((b"idempotency-key", b"k1"),)
    for is_own in (True, False):
        got = headers_for(target, idempotent, BEARER, (), via_name="trooper-1", is_own=is_own)
        assert (idempotent[0] in got) is is_own


def test_a_key_of_ours_is_sent_byte_for_byte() -> None:
    """Header values are latin-1."""
    key = Key("value", "sk-\xfc")
    assert sent(key, BEARER) == {b"authorization": b"Bearer sk-\xfc"}
    assert "sk-" not in repr(key)
