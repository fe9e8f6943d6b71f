"""What a request line asks for: one clean path for all the spellings that clients' base URLs make of it."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.errors import RequestRejected
from trooper.web.paths import LONGEST, Asked, asked, check, query

PLAIN = "/v1/chat/completions"


@pytest.mark.parametrize(
    "target",
    [
        PLAIN,
        "//v1/chat/completions",
        "///v1/chat/completions",
        "/v1//chat/completions",
        "/v1/chat//completions",
        "/v1/v1/chat/completions",
        "/v1/v1/v1/chat/completions",
        "/v1//v1/chat/completions",
        "//v1/v1//chat/completions//",
        "/v1/chat/completions/",
        "/v1/chat/completions//",
        "/v1/%63hat/completions",
        "/%761/chat/%63ompletion%73",
        "/%76%31/v1/chat/completions/",
    ],
)
@pytest.mark.parametrize("host", ["", "http://127.0.0.1:8642", "HTTPS://localhost", "http://"])
def test_one_path(target: str, host: str) -> None:
    assert asked((host + target).encode()).raw == PLAIN
    assert asked((host + target).encode()).path == PLAIN


@pytest.mark.parametrize(
    ("target", "clean"),
    [
        ("/", "/"),
        ("//", "/"),
        ("", "/"),
        ("*", "/*"),
        ("localhost:443", "/localhost:443"),
        ("/v1", "/v1"),
        ("/v1/", "/v1"),
        ("/v1/v1", "/v1/v1"),
        ("/v1/v1x/a", "/v1/v1x/a"),
        ("/x/v1/v1/a", "/x/v1/v1/a"),
        # What is not a letter stays as it came, in one spelling; so does what climbs.
        ("/v1/files/a%2fb%3a", "/v1/files/a%2Fb%3A"),
        ("/v1/files/%zz%", "/v1/files/%zz%"),
        # Behind a percent sign that encodes nothing, a letter would make it encode something.
        ("/v1/files/%2%66%%32f%a%41%62", "/v1/files/%2%66%%32f%a%41b"),
        ("/v1/../admin", "/v1/../admin"),
        ("/v1/%2e%2E/admin", "/v1/../admin"),
        ("/v1/a#b[c]|\\", "/v1/a%23b%5Bc%5D%7C%5C"),
        ("/v1/\xff", "/v1/%C3%BF"),
    ],
)
def test_other_paths(target: str, clean: str) -> None:
    assert asked(target.encode()) == Asked(clean)


@pytest.mark.parametrize(
    ("target", "authority", "clean"),
    [
        ("http://localhost:8642/v1/models", "localhost:8642", "/v1/models"),
        ("http://localhost", "localhost", "/"),
        ("https://a@b/x", "a@b", "/x"),
        ("http:///x", "", "/x"),
        ("http://[::1]:8642/v1/models", "[::1]:8642", "/v1/models"),
        ("/http://localhost/x", None, "/http:/localhost/x"),
    ],
)
def test_an_absolute_form_names_a_host(target: str, authority: str | None, clean: str) -> None:
    assert asked(target.encode()) == Asked(clean, authority)


@pytest.mark.parametrize(
    "target", ["/llm/v1/models", "//llm//v1/v1/models/", "http://localhost/llm/v1/models"]
)
@pytest.mark.parametrize("root", ["/llm", "/llm/"])
def test_where_we_are_mounted_is_no_part_of_it(target: str, root: str) -> None:
    assert asked(target.encode(), root).raw == "/v1/models"


def test_another_place_that_begins_alike() -> None:
    assert asked(b"/llmx/v1/models", "/llm").raw == "/llmx/v1/models"
    assert asked(b"/llm", "/llm").raw == "/"


@given(st.binary(max_size=60) | st.text("%/2eEf6.x;", max_size=12).map(str.encode))
def test_whatever_comes_is_a_path_and_stays_one(target: bytes) -> None:
    clean = asked(target).raw
    assert clean.startswith("/")
    assert clean.isascii()
    assert "//" not in clean
    assert asked(clean.encode()) == Asked(clean)


@given(st.text("%2eEf6x", max_size=12).map(str.encode))
def test_no_byte_is_encoded_that_was_none(target: bytes) -> None:
    """What a server decodes is what it would have decoded of what came."""
    assert unquote_to_bytes(asked(b"/" + target).raw) == unquote_to_bytes(b"/" + target)


@pytest.mark.parametrize(
    "came", [b"/v1/files/a#b", b"/v1/files?a=b#c", b"#", b"/#", b"/healthz#", b"?#", b"/%23#"]
)
def test_a_fragment_is_refused(came: bytes) -> None:
    path, _, its_query = came.partition(b"?")
    with pytest.raises(RequestRejected) as refused:
        check(came, asked(path), query(its_query))
    assert (refused.value.status, refused.value.code) == (400, "malformed_request")


def test_one_that_is_encoded_is_none() -> None:
    check(b"/v1/files/a%23b?c=%23", asked(b"/v1/files/a%23b"), b"c=%23")


@pytest.mark.parametrize(
    ("path", "its_query"),
    [
        (b"/v1/" + b"a" * (LONGEST - 4), b"a"),
        (b"/" * LONGEST, b"a"),
        (b"/[" + b"[" * (LONGEST // 3), b""),
        (b"/", b'"' * (LONGEST // 3 + 1)),
        (b"/", b"&" * LONGEST),
    ],
)
def test_what_is_too_long_as_it_came_or_as_it_would_be_sent(path: bytes, its_query: bytes) -> None:
    check((path + its_query)[: LONGEST // 4], asked(path[: LONGEST // 4]), query(its_query[: LONGEST // 8]))
    with pytest.raises(RequestRejected) as refused:
        check(path + its_query, asked(path), query(its_query))
    assert (refused.value.status, refused.value.code) == (414, "url_too_long")


@pytest.mark.parametrize(
    ("came", "clean"),
    [
        (b"a=%2F&b", b"a=%2F&b"),
        (b"include[]=x|y&z={}", b"include[]=x|y&z={}"),
        (b"a=\xff #", b"a=%FF%20%23"),
    ],
)
def test_a_query_is_sent_on(came: bytes, clean: bytes) -> None:
    assert query(came) == clean
