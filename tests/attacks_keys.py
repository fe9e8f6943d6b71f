"""Attacks on secrets: whose key goes where, and who pays."""

from __future__ import annotations

import re
import socket
import tempfile
from pathlib import Path
from typing import Final

from attack_place import TEAM_KEY, Place
from attack_provider import Asked, response, saying
from attacks import PATHS, QUESTION, asks, attack, body_of, is_whole, key_of, refused
from attacks_door import CHAT, HOSTS, PAGES
from deployed import LONG_S, WAYS, running
from trooper.testing import ChatAnswer, tokens
from trooper.testing.provider import WIRES as SPOKEN

#: A client's own secret. Who has heard it has heard this.
MARK: Final = "MARK-of-a-client"
#: Where gateways, SDKs and people put their secrets.
SECRETS: Final = {
    "helicone-auth": f"Bearer {MARK}",
    "cf-aig-authorization": MARK,
    "x-portkey-api-key": MARK,
    "x-my-token": MARK,
    "x-upstream": f"Bearer {MARK}",
    "x-upstream-too": f"sk-{MARK}",
    "x-session-id": MARK,
    "x-csrf": MARK,
    "cookie": f"session={MARK}",
    "referer": f"https://chat.example/?key={MARK}",
    "proxy-authorization": f"Basic {MARK}",
    "openai-organization": MARK,
    "openai-project": MARK,
    "x-trooper-key": MARK,
    "x-api-key": MARK,
    "api-key": MARK,
    "ocp-apim-subscription-key": MARK,
    "x-json": f'{{"api_key": "{MARK}"}}',
    "x-url": f"https://h.example/?api_key={MARK}",
    "connection": "x-hop",
    "x-hop": MARK,
}
QUERY: Final = "&".join(
    f"{name}={MARK}"
    for name in (
        "api_key",
        "key",
        "API-KEY",
        "access_token",
        "a%70i_key",
        "sig",
        "signature",
        "code",
        "jwt",
        "auth",
    )
)


def streamed(wire: str, words: str, answer_id: str = "resp_of_somebody") -> bytes:
    """A healthy answer of a provider."""
    events = SPOKEN[PATHS[wire][0]].events(ChatAnswer(tuple(tokens(words, 4)), id=answer_id))
    return response(b"".join(events))


@attack("keys", "the operator's key goes there, the client's goes to nobody")
def secrets_of_a_client_before_the_operators_cloud(place: Place) -> str:
    """A client of Chat Completions brings a key of its own, in every header and parameter there is."""
    place.team.says("alone-m", streamed("chat", "The lamp."))
    got = place.ask(f"/v1/chat/completions?{QUERY}&beta=true", body_of("chat", "alone-m"), SECRETS)
    assert is_whole("chat", got), got
    assert place.team.heard(TEAM_KEY)
    assert place.team.heard("beta=true")
    assert not place.team.heard(MARK), place.team.asked
    assert not place.hostile.asked
    return f"{len(SECRETS)} headers, {QUERY.count('=')} parameters"


@attack("keys", "the client's key goes there once, the operator's never")
def a_second_cloud_behind_the_clients(place: Place) -> str:
    """The client's provider fails before and in the middle of an answer; other clouds stand behind it."""
    for wire, dies in (
        ("messages", b""),
        ("messages", b"middle"),
        ("responses", b""),
        ("responses", b"middle"),
    ):
        whole = streamed(wire, "The lamp of the keeper is lit.")
        said = whole[: len(whole) // 2] if dies else response(b"{}", "application/json", "500 Oh")
        place.hostile.says("m", said)
        got = place.ask(
            f"{PATHS[wire][0]}?api_key={MARK}", body_of(wire, "m"), key_of(wire, MARK) | {"cookie": MARK}
        )
        assert is_whole(wire, got), (wire, dies, got)
    assert place.hostile.heard(MARK)
    assert not place.hostile.heard(TEAM_KEY)
    assert not place.team.heard(MARK)
    assert MARK not in str(place.local.state()["requests"])
    return "2 wires, 2 places"


@attack("keys", "400, and nobody is asked")
def a_client_of_two_providers(place: Place) -> str:
    """Headers of two APIs on a path that both have."""
    both = {"authorization": f"Bearer {MARK}", "x-api-key": MARK}
    answers = {
        path: place.ask(path, None, both)
        for path in ("/v1/models", "/v1/models/m", "/v1/files", "/v1/batches")
    }
    return refused(place, answers, 400)


def _twice(stream: socket.socket, asked: Asked) -> object:
    """Says whose key it came with, and says it again, on a connection that stays open."""
    key = re.search(rb"x-api-key: (\S+)", asked.head, re.IGNORECASE)
    words = f"You are {key[1].decode() if key else 'nobody'} indeed."
    body = b"".join(SPOKEN["/v1/messages"].events(ChatAnswer((words,))))
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % len(body)
    stream.sendall((head + body) * 2)
    return True


@attack("keys", "each hears what was said to its own key")
def a_provider_that_answers_twice(place: Place) -> str:
    """The second answer waits on a kept connection for the next client."""
    place.hostile.otherwise = _twice
    keys = ["sk-one", "sk-two", "sk-one", "sk-three", "sk-three", "sk-two"] * 4
    for key in keys:
        got = asks(place, "messages", "alone-m", key)
        assert is_whole("messages", got), got
        assert key.encode() in got.body
        assert not any(other.encode() in got.body for other in set(keys) - {key}), (key, got)
    return f"{len(keys)} clients"


@attack("keys", "404 or the provider's word: never the other's answer")
def an_answer_of_somebody_else(place: Place) -> str:
    """One client's answer, remembered by its id, is asked for, gone on from and deleted with other keys."""
    secret = "the-secret-of-the-first-client"
    whole = streamed("responses", f"It is {secret} and more words that follow it.", "resp_first")
    # Cut in the middle: a local model ends it, so that Trooper itself has to remember it.
    place.hostile.says("m", whole[: whole.index(b"follow")])
    mine = asks(place, "responses", "m", "sk-first")
    assert is_whole("responses", mine), mine
    found = re.search(rb'"id":"(resp_[^"]+)"', mine.body)
    assert found, mine
    path = f"/v1/responses/{found[1].decode()}"
    assert place.ask(path, None, key_of("responses", "sk-first")).status == 200
    others: tuple[dict[str, str], ...] = (
        {},
        key_of("responses", "sk-second"),
        key_of("responses", "sk-firs"),
        key_of("responses", "sk-first") | {"openai-organization": "other"},
        {"x-api-key": "sk-first"},
    )
    place.local.forget()
    place.hostile.says("m", response(b"{}", "application/json", "500 Oh"))
    for headers in others:
        for method, below in (("GET", ""), ("GET", "/input_items"), ("DELETE", "")):
            assert secret.encode() not in place.ask(path + below, None, headers, method).body
        got = place.ask(
            "/v1/responses", body_of("responses", "m", previous_response_id=found[1].decode()), headers
        )
        assert secret.encode() not in got.body
    assert secret not in str(place.local.state()["requests"])
    assert place.ask(path, None, key_of("responses", "sk-first")).status == 200
    return f"{len(others)} other owners, 4 questions each"


@attack("keys", "403, 415 or 400, and it pays for nothing")
def the_operators_key_by_a_page(place: Place) -> str:
    """What a page, or a name that leads here, can send to the paths that cost money."""
    paths = ("/v1/chat/completions", "/v1/embeddings", "/v1/batches", "/v1/responses")
    answers = {}
    for path in paths:
        for number, headers in enumerate((*PAGES, {"host": HOSTS[0]}, {"content-type": "text/plain"})):
            answers[f"{path} {number}"] = place.ask(path, CHAT, headers)
    return refused(place, answers, 403, 415)


_FRONT: Final = """
[server]
allowed_hosts = ["llm.example"]
port = 0

[[targets]]
name = "team"
wire = "openai-chat"
base_url = "{team}"
key = {{ env = "TEAM_KEY" }}

[[targets]]
name = "ollama"
wire = "ollama-chat"
base_url = "{local}"
"""


@attack("keys", "it does not start, and says why")
def a_front_server_without_client_keys(place: Place) -> str:
    """The operator's key, `allowed_hosts` beyond this machine, everything on loopback."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "trooper.toml").write_text(_FRONT.format(team=place.team.url, local=place.local.url))
        with running(*WAYS[place.way], cwd=Path(folder), TEAM_KEY=TEAM_KEY) as process:
            status = process.process.wait(LONG_S)
    # Hypercorn says 0 also where its worker could not begin.
    assert status != 0 or place.way != "trooper serve", process.said
    assert "client_keys" in process.said, process.said
    assert TEAM_KEY not in process.said
    return "does not start"


@attack("keys", "nobody follows it, and the client is not led there")
def a_provider_that_leads_elsewhere(place: Place) -> str:
    """Redirects of every kind to a recording server."""
    for status in ("301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"):
        head = f"HTTP/1.1 {status}\r\nlocation: {place.team.url}/messages\r\nconnection: close\r\n"
        refresh = f"refresh: 0; url={place.team.url}\r\ncontent-length: 0\r\n\r\n"
        place.hostile.otherwise = saying((head + refresh).encode())
        got = asks(place, "messages", "m", MARK)
        assert is_whole("messages", got), got
        listed = place.ask("/v1/files", None, {"x-api-key": MARK})
        for one in (got, listed):
            assert not {"location", "refresh"} & set(one.headers), one
    assert not place.team.asked
    return "5 × 2"


#: What a provider may want to do to those who read its answer.
_STEERING: Final = (
    "set-cookie: a=b; Path=/",
    "access-control-allow-origin: *",
    "access-control-allow-credentials: true",
    "strict-transport-security: max-age=9",
    "x-accel-redirect: /etc/passwd",
    "x-sendfile: /etc/passwd",
    "content-security-policy: sandbox",
    "clear-site-data: *",
    "alt-svc: h3=evil.example:443",
    "service-worker-allowed: /",
    "link: <https://evil.example>; rel=preload",
    "server: evil",
    "via: 1.1 evil",
    "www-authenticate: Basic",
    "upgrade: h2c",
    "x-trooper-target: evil",
)


@attack("keys", "none of it comes through")
def headers_that_steer(place: Place) -> str:
    """A provider sets cookies, lets other pages in, and steers the server in front."""
    body = b"".join(SPOKEN["/v1/messages"].events(ChatAnswer(("The ", "lamp."))))
    lines = "\r\n".join(
        ["HTTP/1.1 200 OK", "content-type: text/event-stream", "connection: close", *_STEERING]
    )
    place.hostile.says("alone-m", lines.encode() + b"\r\n\r\n" + body)
    got = asks(place, "messages", "alone-m", MARK)
    assert is_whole("messages", got), got
    sent = dict(line.split(": ", 1) for line in _STEERING)
    through = {name for name, value in sent.items() if got.headers.get(name) == value}
    assert not through, through
    return f"{len(_STEERING)} headers"


@attack("keys", "in no line of the log, in no answer that Trooper makes")
def secrets_where_they_do_not_belong(place: Place) -> str:
    """Keys in paths, names of models, bodies that are no JSON, and with a provider that says them back."""
    lines = len(place.trooper.process.lines)
    echo = response(f'{{"error": {{"message": "bad key {MARK}"}}}}'.encode(), "application/json", "500 Oh")
    place.hostile.otherwise = place.team.otherwise = saying(echo)
    asked: tuple[tuple[str, object, dict[str, str]], ...] = (
        (f"/v1/unknown/{MARK}", None, {}),
        (f"/unknown?key={MARK}", None, {}),
        ("/v1/messages", f"{{{MARK}".encode(), {"x-api-key": MARK}),
        ("/v1/messages", {"model": "m", "messages": QUESTION, "max_tokens": 9}, {"x-api-key": MARK}),
        ("/v1/messages", {"model": "m"}, {"x-api-key": MARK, "host": f"{MARK}.example"}),
        ("/v1/messages", {"model": "m"}, {"x-api-key": MARK, "origin": f"https://{MARK}.example"}),
        ("/v1/messages", {"model": "m"}, {"x-api-key": MARK, "content-encoding": MARK}),
        ("/v1/messages", {"model": "m"}, {"x-api-key": MARK, "content-type": MARK}),
    )
    for path, body, headers in asked:
        place.ask(path, body, headers)
    said = "".join(place.trooper.process.lines[lines:])
    assert MARK not in said, said
    assert TEAM_KEY not in place.trooper.process.said
    return f"{len(asked)} places"
