"""Headers: what travels, and what never does."""

from __future__ import annotations

import pytest

from trooper.core.headers import CREDENTIALS, find, to_client, to_target

HOP = "trooper-0123456789ab"


def sent(
    *headers: tuple[bytes, bytes], key: str | None = None, client_credentials: bool = True
) -> list[tuple[bytes, bytes]]:
    return list(to_target(headers, key=key, client_credentials=client_credentials, hop=HOP))


def names(headers: list[tuple[bytes, bytes]]) -> set[bytes]:
    return {name for name, _ in headers}


def test_ordinary_headers_travel_unchanged_and_in_order() -> None:
    headers = ((b"content-type", b"application/json"), (b"x-a", b"1"), (b"x-a", b"2"), (b"user-agent", b"u"))
    assert sent(*headers)[:4] == list(headers)


ALL_CREDENTIALS = [
    b"authorization",
    b"x-api-key",
    b"api-key",
    b"x-goog-api-key",
    b"cookie",
    b"openai-organization",
    b"openai-project",
]


def test_this_list_is_the_codes_list() -> None:
    assert set(ALL_CREDENTIALS) == CREDENTIALS


@pytest.mark.parametrize("name", ALL_CREDENTIALS)
def test_credentials_go_to_one_target_only(name: bytes) -> None:
    assert name not in names(sent((name, b"secret"), client_credentials=False))
    kept = names(sent((name, b"secret"), client_credentials=True))
    assert (name in kept) is (name != b"cookie")


def test_an_operators_key_takes_the_place_of_the_clients() -> None:
    got = sent((b"authorization", b"Bearer client"), key="sk-op", client_credentials=True)
    assert [v for n, v in got if n == b"authorization"] == [b"Bearer sk-op"]
    assert (b"authorization", b"Bearer sk-op") in sent(key="sk-op", client_credentials=False)


@pytest.mark.parametrize(
    "name",
    [
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"host",
        b"content-length",
        b"expect",
        b"origin",
        b"referer",
        b"x-trooper-failover",
        b"x-trooper-anything",
    ],
)
def test_what_belongs_to_one_hop_or_to_us_stays(name: bytes) -> None:
    assert name not in names(sent((name, b"x")))


def test_headers_named_in_connection_stay() -> None:
    assert names(sent((b"connection", b"close, X-Hop ,x-two"), (b"x-hop", b"1"), (b"x-two", b"2"))) == {
        b"accept-encoding",
        b"via",
    }


def test_no_compression_is_asked_for() -> None:
    assert [v for n, v in sent((b"accept-encoding", b"gzip")) if n == b"accept-encoding"] == [b"identity"]


def test_our_name_is_added_to_via() -> None:
    assert find(sent(), b"via") == b"1.1 trooper-0123456789ab"
    assert find(sent((b"via", b"1.1 other")), b"via") == b"1.1 other, 1.1 trooper-0123456789ab"


@pytest.mark.parametrize(
    "name",
    [
        b"x-request-id",
        b"request-id",
        b"x-should-retry",
        b"x-ratelimit-remaining-tokens",
        b"anthropic-ratelimit-requests-reset",
        b"openai-processing-ms",
        b"retry-after",
        b"retry-after-ms",
    ],
)
def test_what_comes_back(name: bytes) -> None:
    assert to_client([(name, b"1")]) == ((name, b"1"),)


@pytest.mark.parametrize(
    "name",
    [b"set-cookie", b"x-accel-redirect", b"x-sendfile", b"server", b"content-encoding", b"content-length",
     b"transfer-encoding", b"location", b"access-control-allow-origin", b"x-request-id-2"],
)  # fmt: skip
def test_what_does_not_come_back(name: bytes) -> None:
    assert to_client([(name, b"1")]) == ()


def test_finding_a_header() -> None:
    assert find([(b"a", b"1"), (b"a", b"2")], b"a") == b"1"
    assert find([], b"a") == b""
