"""Which headers and parameters may hold a secret of the client's."""

from __future__ import annotations

import pytest

from trooper.core.secret import OF_CONVERSATIONS, is_secret, of, without

SECRET = (
    *("authorization", "proxy-authorization", "x-api-key", "api-key", "apikey", "x-goog-api-key", "cookie"),
    *("openai-organization", "openai-project", "chatgpt-account-id"),
    *("helicone-auth", "ocp-apim-subscription-key", "x-portkey-api-key", "x-portkey-virtual-key"),
    *("cf-aig-authorization", "cf-access-client-secret", "cf-access-jwt-assertion", "x-auth-token"),
    *("x-amz-security-token", "x-goog-iam-authorization-token", "x-ms-authorization-auxiliary"),
    *(
        "x-bf-vk",
        "x-vault-token",
        "private-token",
        "x-access-token",
        "x-litellm-api-key",
        "x-session-id",
        "session_id",
    ),
    *(
        "x-password",
        "x-passwd",
        "x-pwd",
        "passphrase",
        "x-user-credentials",
        "x-signature",
        "signature-input",
    ),
    *("x-hub-signature-256", "x-jwt", "bearer", "x-csrf-token", "x-client-cert", "dpop", "x-sig", "x-otp"),
    *("x-pat", "x-license", "x-private", "x-ms-client-principal", "x-amzn-oidc-data", "x-ticket"),
    *("x-authenticated-user", "x-authorisation", "xapikeyid", "x-mytokenx", "oauth2", "x-tokens"),
    *("idempotency-secret-key", "x-max-tokens-key", "x-author-token", "x-keyword-key"),
)
HARMLESS = (
    *("content-type", "accept", "user-agent", "anthropic-version", "anthropic-beta", "openai-beta", "x-app"),
    *("x-stainless-lang", "x-stainless-retry-count", "x-stainless-helper-method", "x-stainless-read-timeout"),
    *(
        "idempotency-key",
        "x-idempotency-key",
        "x-ratelimit-limit-tokens",
        "max-tokens",
        "x-max-output-tokens",
    ),
    *("anthropic-ratelimit-tokens-remaining", "x-portkey-provider", "x-portkey-trace-id", "traceparent"),
    *(
        "http-referer",
        "x-title",
        "x-request-id",
        "helicone-cache-enabled",
        "x-custom",
        "x-author",
        "x-keywords",
    ),
    *(
        "x-country-code",
        "originator",
        "x-passthrough",
        "x-compass",
        "x-certainty",
        "x-design",
        "x-path",
        "x-ping",
    ),
)


@pytest.mark.parametrize("name", SECRET)
def test_names_that_tell(name: str) -> None:
    assert is_secret(name.encode(), b"x")


@pytest.mark.parametrize("name", HARMLESS)
def test_names_that_tell_nothing(name: str) -> None:
    assert not is_secret(name.encode(), b"x")


@pytest.mark.parametrize(
    "value",
    [
        b"Bearer abc",
        b" basic YTpi",
        b"Token abc",
        b"sk-ant-api03-abcdefgh",
        b"for sk-proj-abcdefgh only",
        b"eyJhbGciOiJIUzI1NiJ9.e30.x",
        b"for eyJhbGciOiJI",
        b"AIzaSyA-abcdefgh",
        b"AKIAIOSFODNN7EXAMPLE",
        b"gsk_abcdefgh1",
        b"xai-abcdefgh1",
        b'{"provider": "openai", "api_key": "k"}',
        b"a=1, authtoken=xyz",
        b"/v1/files?key=k",
    ],
)
def test_values_that_give_themselves_away(value: bytes) -> None:
    assert is_secret(b"x-custom", value)


@pytest.mark.parametrize(
    "value",
    [
        b"token-efficient-tools-2025-02-19,token-counting-2024-11-01",
        b"application/json; charset=utf-8",
        b"OpenAI/Python 2.1.0",
        b"risk-assessments task-1234567890",
        b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        b"basic",
        b'{"lang": "python", "uname": "Linux"}',
        b"sentry-trace_id=771a43a4192642f0b136d5159a501700,sentry-public_key=49d0f7386ad645858ae85020e393bef3",
    ],
)
def test_values_that_do_not(value: bytes) -> None:
    assert not is_secret(b"x-custom", value)


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        (b"", b""),
        (b"beta=true&&limit=3&", b"beta=true&&limit=3&"),
        (b"key=s", b""),
        (b"beta=true&api_key=s&limit=3", b"beta=true&limit=3"),
        (b"access_token=s&a=%2F", b"a=%2F"),
        (b"code=s&state=1", b"state=1"),
        (b"sig=s&sv=1&X-Amz-Signature=s&X-Amz-Credential=s", b"sv=1"),
        (b"%6Bey=s&KEY=s&k%2565y=s&to+ken=1&auth[token]=s", b"to+ken=1"),
        (b"a=1;key=s&b=2", b"b=2"),
        (b"to=%2Fx%3Fkey%3Ds&b=2", b"b=2"),
        (b"u=Bearer+s&v=sk-abcdefgh&w=eyJhbGciOiJI.x", b""),
        (b"page_token=p&nextPageToken=q&max_tokens=3", b"page_token=p&nextPageToken=q&max_tokens=3"),
        (b"country_code=de&decode=1", b"country_code=de&decode=1"),
    ],
)
def test_a_query_without_its_secrets(query: bytes, kept: bytes) -> None:
    assert without(query) == kept


@pytest.mark.parametrize("query", [b"a&" * 501, b"a;" * 501, b"a=%26" * 501, b"a=1&b=" + b"?" * 501])
def test_more_parameters_than_anybody_has_are_one_secret(query: bytes) -> None:
    assert without(query) == b""
    assert of((), query) == [query]
    assert without(query[:400]) == query[:400]


def test_all_that_somebody_proves_himself_with() -> None:
    headers = ((b"x-b", b"1"), (b"helicone-auth", b"h"), (b"authorization", b"a"), (b"x-made-up", b"m"))
    told = [b"authorization: a", b"helicone-auth: h", b"x-made-up: m", b"key=k"]
    assert of(headers, b"a=1&key=k", (b"x-made-up",)) == told
    assert of(headers[::-1], b"key=k&b=2", (b"x-made-up",)) == told
    assert of(headers[:1], b"a=1") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"baggage", b"id=1,user_token=t"),
        (b"tracestate", b"rojo=1,token=t"),
        (b"newrelic", b"eyJ2IjpbMCwxXSwiZCI6e30"),
        (b"x-datadog-trace-id", b"sk-1234567890"),
    ],
)
def test_a_trace_makes_nobody_somebody_else(name: bytes, value: bytes) -> None:
    key = (b"authorization", b"a")
    assert of((key, (name, value)), b"") == of((key,), b"") == [b"authorization: a"]
    # Other providers are not told of it all the same.
    assert is_secret(name, value)
    config = (b"x-portkey-config", b'{"api_key": "k"}')
    assert len(of((key, config), b"")) == 2


@pytest.mark.parametrize("name", sorted(OF_CONVERSATIONS))
def test_which_conversation_it_is_is_not_who_he_is(name: bytes) -> None:
    """The same client is the same in all of its conversations; still nobody but its provider is told of them."""
    key = (b"authorization", b"Bearer sk-mine")
    assert of((key, (name, b"9706b2de-2776-4d52-8ae9-daae730a595b")), b"") == of((key,), b"")
    assert of((key, (name, b"Bearer sk-other")), b"") != of((key,), b"")
    assert is_secret(name)
