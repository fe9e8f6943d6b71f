"""What a request line asks for: one clean path for all the spellings that clients' base URLs make of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.web.paths import Asked, asked, query

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


@given(st.binary(max_size=60))
def test_whatever_comes_is_a_path_and_stays_one(target: bytes) -> None:
    clean = asked(target).raw
    assert clean.startswith("/")
    assert clean.isascii()
    assert "//" not in clean
    assert asked(clean.encode()) == Asked(clean)


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
