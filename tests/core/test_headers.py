"""Which headers travel, in either direction."""

from __future__ import annotations

import pytest

from trooper.core.headers import Headers, find, to_client, to_target

VIA_NAME = "trooper-0123"
ADDED = ((b"accept-encoding", b"identity"), (b"via", b"1.1 trooper-0123"))


def sent(
    *headers: tuple[bytes, bytes], key: tuple[bytes, bytes] | None = None, client_secrets: bool = False
) -> Headers:
    """What reaches the target, but for what we always add."""
    reached = to_target(headers, key=key, client_secrets=client_secrets, via_name=VIA_NAME)
    assert reached[-2] == ADDED[0]
    assert reached[-1][0] == b"via"
    return reached[:-2]


def test_what_the_client_sent_travels_in_its_order() -> None:
    headers = (
        (b"user-agent", b"OpenAI/Python"),
        (b"x-stainless-lang", b"python"),
        (b"content-type", b"application/json"),
        (b"x-custom", b"1"),
        (b"x-custom", b"2"),
    )
    assert sent(*headers) == headers


@pytest.mark.parametrize(
    "name",
    [
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection"),
        *(b"te", b"trailer", b"transfer-encoding", b"upgrade"),
        *(b"host", b"content-length", b"accept-encoding", b"expect"),
        *(b"cookie", b"origin", b"referer"),
        *(b"x-trooper-failover", b"x-trooper-"),
    ],
)
def test_what_never_reaches_a_target(name: bytes) -> None:
    for client_secrets in (False, True):
        assert sent((name, b"x"), (b"x-a", b"1"), client_secrets=client_secrets) == ((b"x-a", b"1"),)


@pytest.mark.parametrize("value", [b"X-Secret", b"close, x-secret", b" x-secret ,close", b"close,X-SECRET"])
def test_what_connection_names_belongs_to_one_hop(value: bytes) -> None:
    assert sent((b"x-secret", b"1"), (b"connection", value), (b"x-other", b"2")) == ((b"x-other", b"2"),)


def test_every_connection_header_counts() -> None:
    assert sent((b"connection", b"a"), (b"a", b"1"), (b"b", b"2"), (b"connection", b"b")) == ()


@pytest.mark.parametrize(
    "name",
    [
        *(b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key", b"cookie"),
        *(b"openai-organization", b"openai-project"),
    ],
)
def test_credentials_go_to_their_own_target_only(name: bytes) -> None:
    header = (name, b"secret")
    assert sent(header, (b"x-a", b"1")) == ((b"x-a", b"1"),)
    # A cookie is for our host, not for any provider.
    assert sent(header, client_secrets=True) == (() if name == b"cookie" else (header,))


def test_the_operators_key_replaces_the_clients() -> None:
    own = (b"authorization", b"Bearer operator")
    client = ((b"authorization", b"Bearer client"), (b"openai-project", b"p"))
    assert sent(*client, key=own) == (own,)
    assert sent(*client, key=own, client_secrets=True) == (own,)
    assert sent(key=own) == (own,)
    named = (b"x-api-key", b"operator")
    assert sent(*client, (b"x-api-key", b"client"), key=named, client_secrets=True) == (named,)


def test_no_key_is_no_header() -> None:
    assert sent((b"authorization", b"Bearer client"), key=None) == ()


def test_we_are_named_behind_whom_the_request_has_passed() -> None:
    headers = ((b"via", b"1.1 edge"), (b"x", b"1"), (b"via", b"2 other"))
    reached = to_target(headers, key=None, client_secrets=False, via_name=VIA_NAME)
    assert reached == ((b"x", b"1"), ADDED[0], (b"via", b"1.1 edge, 2 other, 1.1 trooper-0123"))
    assert to_target((), key=None, client_secrets=False, via_name=VIA_NAME) == ADDED


@pytest.mark.parametrize(
    "name",
    [
        *(b"x-request-id", b"request-id", b"x-should-retry", b"retry-after", b"retry-after-ms"),
        *(b"x-ratelimit-remaining-tokens", b"anthropic-ratelimit-requests-limit", b"openai-processing-ms"),
        b"x-codex-primary-used-percent",
    ],
)
def test_what_comes_back(name: bytes) -> None:
    assert to_client(((name, b"1"), (b"server", b"x"))) == ((name, b"1"),)


@pytest.mark.parametrize(
    "name",
    [
        *(b"set-cookie", b"x-accel-redirect", b"x-accel-buffering", b"x-sendfile", b"server", b"date"),
        *(b"content-length", b"content-encoding", b"connection", b"alt-svc", b"location", b"x-ratelimit"),
        *(b"x-request-identity", b"request-id-x", b"my-openai-x", b"access-control-allow-origin"),
    ],
)
def test_what_does_not_come_back(name: bytes) -> None:
    assert to_client(((name, b"1"),)) == ()


@pytest.mark.parametrize("byte", range(256))
def test_a_value_that_is_more_than_printable_ascii_does_not_come_back(byte: int) -> None:
    """It ends up in terminals and logs. It is not mended: a changed id would be a wrong one."""
    odd = bytes((byte,))
    allowed = 0x20 <= byte < 0x7F
    in_names = odd in b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    for value in (odd, b"req_" + odd, odd + b"1", b"a" + odd + b"b"):
        for name in (b"x-request-id", b"retry-after", b"openai-organization", b"x-ratelimit-reset"):
            after = (b"request-id", b"2")
            came = ((name, value), after)
            assert to_client(came) == (came if allowed else (after,)), (name, value)
        assert to_client(((b"content-type", value),), more=(b"content-type",)) == (
            ((b"content-type", value),) if allowed else ()
        )
    named = (b"openai-" + odd, b"1")
    assert to_client((named,)) == ((named,) if in_names else ())


def test_what_comes_back_is_bounded() -> None:
    """Each of them, its name, and how many there are."""
    longest = (b"x-request-id", b"a" * 4_096)
    assert to_client((longest,)) == (longest,)
    assert to_client(((b"x-request-id", b"a" * 4_097), (b"openai-" + b"a" * 128, b"1"))) == ()
    many = tuple((b"openai-%d" % n, b"1") for n in range(300))
    assert to_client(many) == many[:64]


def test_the_first_value_is_found() -> None:
    headers = ((b"a", b"1"), (b"b", b"2"), (b"b", b"3"))
    assert find(headers, b"b") == b"2"
    assert find(headers, b"c") == b""
