"""
Trooper's own refusals, as the official SDKs raise them: each its own class of
error, with the code, the sentence and the id that the door gave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from attrs import frozen

from deployed import deployed, fake

QUESTION: list[Any] = [{"role": "user", "content": "Tell me about lighthouses."}]
WAYS = ("hypercorn", "trooper serve")
FILE = """
[server]
client_keys_env = "DOOR_KEYS"
allowed_origins = ["https://chat.example"]
max_request_bytes = 5000
"""


@frozen
class Sdk:
    """One SDK on one of its wires."""

    package: Any
    new: Callable[..., Any]
    ask: Callable[[Any, str], Any]
    base: str
    classes: Mapping[int, str]


#: Where the packages have a class of their own; all else is `APIStatusError`.
OPENAI = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
}
ANTHROPIC = {**OPENAI, 413: "ContentTooLargeError"}
SDKS = {
    "chat": Sdk(
        openai,
        openai.OpenAI,
        lambda client, text: client.chat.completions.create(model=text, messages=QUESTION),
        "/v1",
        OPENAI,
    ),
    "responses": Sdk(
        openai,
        openai.OpenAI,
        lambda client, text: client.responses.create(model=text, input=QUESTION),
        "/v1",
        OPENAI,
    ),
    "messages": Sdk(
        anthropic,
        anthropic.Anthropic,
        lambda client, text: client.messages.create(model=text, max_tokens=9, messages=QUESTION),
        "",
        ANTHROPIC,
    ),
}


@pytest.fixture(scope="module", params=WAYS)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("cwd")
    (folder / "trooper.toml").write_text(FILE)
    with (
        fake("provider") as cloud,
        fake("ollama") as local,
        deployed(request.param, cloud.url, local.url, folder, DOOR_KEYS="door-key") as trooper,
    ):
        yield trooper.url


#: What is asked → how it is refused.
ROWS: Mapping[str, tuple[Mapping[str, Any], int, str]] = {
    "a wrong key": ({"api_key": "sk-wrong"}, 401, "client_key_invalid"),
    "a page": ({"default_headers": {"origin": "https://a.example"}}, 403, "origin_not_allowed"),
    "a strange host": ({"default_headers": {"host": "attacker.example"}}, 403, "host_not_allowed"),
    "a type of text": ({"default_headers": {"content-type": "text/plain"}}, 415, "content_type_not_json"),
    "another compression": (
        {"default_headers": {"content-encoding": "br"}},
        415,
        "request_body_encoding_unsupported",
    ),
    "not what it says": (
        {"default_headers": {"content-encoding": "zstd"}},
        400,
        "request_body_encoding_invalid",
    ),
    "too long": ({"model": "m" * 6000}, 413, "request_too_large"),
    "a wrong path": ({"base": "/v2"}, 404, "unknown_url"),
}


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("sdk", SDKS)
def test_each_is_raised_as_its_own_class(url: str, sdk: str, row: str) -> None:
    given, status, code = ROWS[row]
    options, one = dict(given), SDKS[sdk]
    base, model = options.pop("base", one.base), options.pop("model", "gpt-4o")
    with (
        one.new(base_url=url + base, **{"api_key": "door-key", "max_retries": 2, **options}) as client,
        pytest.raises(one.package.APIStatusError) as caught,
    ):
        one.ask(client, model)
    error = caught.value
    assert (error.status_code, code_of(error)) == (status, code)
    expected = getattr(one.package, one.classes.get(status, "APIStatusError"))
    # The newest have one for some codes, too.
    assert isinstance(error, expected)
    assert type(error) is expected or one.package is anthropic
    assert str(error.request_id).startswith("req_")


def code_of(error: Any) -> str:
    if isinstance(error, openai.APIError):
        return str(error.code)
    assert error.body["type"] == "error"
    return str(error.body["error"]["details"]["error_code"])


@pytest.mark.parametrize("slip", ["/", "/v1", "/v1/", "//v1/v1//"])
@pytest.mark.parametrize("sdk", SDKS)
def test_a_slip_in_the_base_url_works(url: str, sdk: str, slip: str) -> None:
    one = SDKS[sdk]
    base = url + ("/v1" + slip if one.base and "v1" not in slip else slip)
    with one.new(base_url=base, api_key="door-key", max_retries=0) as client:
        assert one.ask(client, "gpt-4o").id


def test_a_shared_path_has_the_shape_of_who_asks(url: str) -> None:
    with anthropic.Anthropic(base_url=url, api_key="sk-wrong", max_retries=0) as client:
        with pytest.raises(anthropic.AuthenticationError) as theirs:
            client.models.list()
        body: Any = theirs.value.body
        assert body["type"] == "error"
    with openai.OpenAI(base_url=f"{url}/v1", api_key="sk-wrong", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as ours:
            client.models.list()
        assert ours.value.code == "client_key_invalid"


def test_what_is_cancelled_reaches_its_provider(url: str) -> None:
    """A POST without a body. The fake has no such thing, and says so in its own words."""
    with (
        openai.OpenAI(base_url=f"{url}/v1", api_key="door-key", max_retries=0) as client,
        pytest.raises(openai.NotFoundError) as caught,
    ):
        client.responses.cancel("resp_1")
    assert caught.value.code != "unknown_url"
