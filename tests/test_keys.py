"""
A client's key, and all else that is secret, is told to one provider: its own.
"""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heard_by import DOOR_KEY, PLACE_OF, Asked, heard
from relay_parts import services_of
from scenes import WIRES
from trooper.core.headers import Headers
from trooper.testing import FAULTS, FaultAt, Script, Status
from trooper.testing.provider import Plan

BEARER = (b"authorization", b"Bearer sk-MARK0")
X_API_KEY = (b"x-api-key", b"sk-ant-MARK0")
VERSION = (b"anthropic-version", b"2023-06-01")
ANSWERS = tuple(wire.path for wire in WIRES.values())
AWAY = Script((Status(307, b"", (("location", "http://second.example/v1/files"),)),))
DIES = FaultAt(FAULTS["reset"], "middle")
MARK = "MARK0"


class TestWhatWasWrong:
    """The lines that were run against an earlier version."""

    @pytest.mark.parametrize("first", ["anthropic", "second"])
    def test_a_list_of_models_is_asked_of_the_clients_own_provider(self, first: str) -> None:
        asked = Asked("GET", "/v1/models", (BEARER,), order=(first,), second="messages")
        got = heard(asked)

        assert (got.answer.status, got.places(MARK)) == (200, {"openai"})
        assert not got.by[first]

    def test_where_there_is_no_such_provider_nobody_gets_it(self) -> None:
        without = ("openai", "openai-responses")
        got = heard(Asked("GET", "/v1/models", (BEARER,), without=without, second="messages"))

        assert (got.answer.status, got.places(MARK)) == (200, set())
        assert not got.by["anthropic"]

    @pytest.mark.parametrize("method", ["HEAD", "GET"])
    @pytest.mark.parametrize("header", [BEARER, X_API_KEY])
    def test_whether_somebody_is_there_needs_nobodys_key(
        self, method: str, header: tuple[bytes, bytes]
    ) -> None:
        got = heard(Asked(method, "/", (header,)))

        assert (got.answer.status, got.places(MARK)) == (200, set())
        assert not any(got.by[place] for place in ("openai", "anthropic", "second"))

    @pytest.mark.parametrize("path", ["/v1/files", "/v1/batches", "/v1/models", "/v1/embeddings", "/v1/x"])
    def test_a_key_in_anthropics_header_is_anthropics(self, path: str) -> None:
        assert heard(Asked("GET", path, (X_API_KEY,))).places(MARK) == {"anthropic"}

    @pytest.mark.parametrize(
        "name",
        [
            *("helicone-auth", "ocp-apim-subscription-key", "x-portkey-api-key", "cf-aig-authorization"),
            *("x-auth-token", "x-my-secret", "x-credential-id", "openai-project"),
        ],
    )
    @pytest.mark.parametrize("keys", [{}, {"openai": "ours"}])
    def test_a_gateways_key_reaches_no_second_cloud(self, name: str, keys: dict[str, str]) -> None:
        """One that goes on from a half answer, beside its own key."""
        extra = (name.encode(), b"MARK1")
        asked = Asked(
            "POST",
            "/v1/chat/completions",
            (BEARER, extra),
            b"api_key=MARK2&beta=true",
            keys={"second": "ours", **keys},
            chain=("openai", "second", "ollama"),
            plan=FaultAt(FAULTS["status-503"]),
        )
        got = heard(asked)

        own = set() if keys else {"openai"}
        assert [got.places(f"MARK{n}") for n in range(3)] == [own, own, own]
        assert got.places("beta=true") == {"openai", "second"}
        assert got.places("sk-ours-second") == {"second"}

    def test_what_could_be_two_providers_is_nobodys(self) -> None:
        got = heard(Asked("GET", "/v1/models", (BEARER, X_API_KEY)))

        assert got.answer.status == 400
        assert b"provider_unclear" in got.answer.body
        assert got.answer.header(b"x-should-retry") == b"false"
        assert got.places("GET /v1/models") == got.places(MARK) == set()

    @pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/files"])
    def test_a_redirect_takes_it_nowhere(self, path: str) -> None:
        method = "POST" if path in ANSWERS else "GET"
        got = heard(Asked(method, path, (BEARER,), b"key=MARK0", plan=AWAY, elsewhere=AWAY))

        assert got.places(MARK) == {"openai"}
        assert got.answer.header(b"location") is None


class TestTheDoor:
    @pytest.mark.parametrize(
        ("headers", "query"),
        [
            (((b"api-key", DOOR_KEY.encode()),), b""),
            (((b"helicone-auth", b"Bearer " + DOOR_KEY.encode()),), b""),
            (((b"x-custom", DOOR_KEY.encode()),), b""),
            (((b"authorization", b"Basic " + base64.b64encode(f"me:{DOOR_KEY}".encode())),), b""),
            ((), b"key=" + DOOR_KEY.encode()),
            ((), b"x=door%2Dkey-1"),
        ],
    )
    @pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings"])
    def test_its_key_reaches_nobody(self, headers: Headers, query: bytes, path: str) -> None:
        mine = () if any(name == b"authorization" for name, _ in headers) else (BEARER,)
        opens = (b"x-trooper-key", DOOR_KEY.encode())
        asked = Asked("POST", path, (opens, *mine, *headers), query + b"&a=1", door=(DOOR_KEY,))
        got = heard(asked)

        packed = base64.b64encode(f"me:{DOOR_KEY}".encode()).decode()
        assert got.places(DOOR_KEY) == got.places("door%2Dkey") == got.places(packed) == set()
        assert got.places("a=1") == {"openai"} or not mine
        assert got.places(MARK) == ({"openai"} if mine else set())

    def test_a_clients_own_key_passes_beside_it(self) -> None:
        opens = (b"authorization", b"Bearer " + DOOR_KEY.encode())
        got = heard(Asked("POST", "/v1/messages", (opens, X_API_KEY, VERSION), door=(DOOR_KEY,)))

        assert (got.answer.status, got.places(MARK)) == (200, {"anthropic"})


class TestPastAnswers:
    @pytest.mark.parametrize("name", ["authorization", "api-key", "helicone-auth", "cookie", "x-trooper-key"])
    def test_nobody_with_other_credentials_finds_one(self, name: str) -> None:
        services = services_of()
        mine, theirs = ((name.encode(), value) for value in (b"MARK1", b"MARK2"))
        assert services.credentials((BEARER, mine), b"") != services.credentials((BEARER, theirs), b"")
        assert services.credentials((BEARER,), b"key=1") != services.credentials((BEARER,), b"key=2")


# -- any headers, queries, chains and paths ------------------------------------------

PARTS = ("key", "token", "secret", "auth", "credential", "password", "session", "cookie", "signature", "jwt")
WORDS = st.sampled_from(["x", "my", "acme", "cf", "v2", "app", "api", "client", "user", "corp"])
KNOWN = st.sampled_from(
    [
        *("authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "proxy-authorization"),
        *("helicone-auth", "ocp-apim-subscription-key", "x-portkey-api-key", "cf-aig-authorization"),
        *("x-auth-token", "x-amz-security-token", "openai-organization", "chatgpt-account-id"),
    ]
)
MADE_UP = st.builds(
    lambda before, part, behind, glue: glue.join([before, part, *behind]),
    WORDS,
    st.sampled_from(PARTS),
    st.lists(WORDS, max_size=1),
    st.sampled_from(["-", "_", ""]),
)
#: What is harmless by its name, and a value that is not.
GIVEN_AWAY = {"x-upstream": "Bearer {}", "x-config": '{{"api_key": "{}"}}', "x-model": "sk-abcdefgh-{}"}
IN_A_QUERY = st.sampled_from(
    ["key", "code", "sig", "X-Amz-Signature", "%6Bey", "a=1;token", "auth[id]", "KEY"]
)
PATHS = st.sampled_from(
    [
        *(("POST", path) for path in ANSWERS),
        *(
            ("GET", path)
            for path in ("/", "/v1/models", "/v1/files", "/v1/responses/resp_1", "/readyz", "/x")
        ),
        *(("POST", path) for path in ("/v1/embeddings", "/v1/messages/count_tokens", "/v1/completions")),
        *(("HEAD", path) for path in ("/", "/v1/models")),
        *(("GET", path) for path in ("/v1/messages/batches", "/v1/chat/completions/c1", "/v1/models/gpt-4o")),
    ]
)
NAMED = st.sampled_from([(), (VERSION,), ((b"anthropic-beta", b"b"),), ((b"openai-beta", b"b"),)])
DOORS = st.sampled_from([None, "authorization", "x-api-key", "x-trooper-key"])
KINDS = st.sampled_from(["client", "ours", "none"])
CLOUDS = ("openai", "openai-responses", "anthropic", "second")
PLANS: list[Plan | None] = [None, DIES, FaultAt(FAULTS["status-503"]), FaultAt(FAULTS["auth-401"]), AWAY]


@st.composite
def requests(draw: st.DrawFn) -> Asked:
    """Any request with any secrets, each of another value, and any configuration."""
    method, path = draw(PATHS)
    names = draw(st.lists(KNOWN | MADE_UP | st.sampled_from([*GIVEN_AWAY]), max_size=5, unique=True))
    values = [GIVEN_AWAY.get(name, "{}").format(f"MARK{at}.") for at, name in enumerate(names)]
    door = draw(DOORS)
    headers = [
        (name.encode(), value.encode()) for name, value in zip(names, values, strict=True) if name != door
    ]
    if door is not None:
        scheme = b"Bearer " if door == "authorization" else b""
        headers.append((door.encode(), scheme + DOOR_KEY.encode()))
    asked = draw(st.lists(IN_A_QUERY | MADE_UP, max_size=2, unique=True))
    query = "&".join(f"{name}=MARK{at}." for at, name in enumerate(asked, len(names)))
    second = draw(st.sampled_from([*WIRES]))
    keys = {"openai": draw(KINDS), "anthropic": draw(KINDS), "second": draw(KINDS)}
    if keys["second"] == "client":
        keys["anthropic" if second == "messages" else "openai"] = "ours"
    return Asked(
        method,
        path,
        (*headers, *draw(NAMED)),
        query.encode(),
        keys=keys,
        second=second,
        order=tuple(draw(st.permutations(CLOUDS))),
        chain=(*draw(st.just(()) | st.permutations(CLOUDS)),),
        door=() if door is None else (DOOR_KEY,),
        plan=draw(st.sampled_from(PLANS)),
        elsewhere=draw(st.sampled_from([Script((Status(200, b"{}"),)), Script((Status(503),)), AWAY])),
    )


def family_of(asked: Asked) -> str | None:
    """Whose client asks, told by simpler means than Trooper's; `None`: nobody can know."""
    for path, family in ((WIRES[wire].path, wire) for wire in WIRES):
        if asked.path == path or asked.path.startswith(path + "/"):
            return family
    names = {name for name, value in asked.headers if DOOR_KEY.encode() not in value}
    named = {name.split(b"-")[0] for name in names if name.startswith((b"anthropic-", b"openai-"))}
    if named == {b"anthropic"}:
        return "messages"
    if named == {b"openai"}:
        return "chat or responses"
    bearer = bool(names & {b"authorization", b"api-key"})
    if named or bearer == (b"x-api-key" in names):
        return None
    return "chat or responses" if bearer else "messages"


def own_places(asked: Asked) -> set[str]:
    """Where a secret of the client's may go."""
    family = family_of(asked)
    wires = {spoken.wire.name: name for name, spoken in WIRES.items()}
    taking = [target for target in asked.config.targets if target.key.kind == "client"]
    if family is None and len({target.base_url for target in taking}) == 1 and not is_strange(asked):
        return {PLACE_OF[target.name] for target in taking}
    return {
        PLACE_OF[target.name]
        for target in taking
        if family is not None and wires.get(target.wire.name, "-") in family
    }


def is_strange(asked: Asked) -> bool:
    """Whether it says of more than one provider that it is its client's."""
    names = {name for name, _ in asked.headers}
    return any(
        name.startswith((b"anthropic-", b"openai-")) or name in (b"x-api-key", b"authorization", b"api-key")
        for name in names
    )


def marks(asked: Asked) -> dict[str, str]:
    """Each secret, and the name that it has."""
    told = [(name.decode(), value.decode()) for name, value in asked.headers]
    told += [(f"?{part.partition('=')[0]}", part) for part in asked.query.decode().split("&")]
    return {value[at : at + 6]: name for name, value in told if (at := value.find("MARK")) >= 0}


@given(requests())
def test_a_secret_is_told_to_the_one_that_it_belongs_to(asked: Asked) -> None:
    got = heard(asked)
    own = own_places(asked)
    for mark, name in marks(asked).items():
        places = got.places(mark)
        assert len(places) <= 1, (name, places)
        assert places <= own, (name, places)
        assert mark not in got.told, name
    assert got.places(DOOR_KEY) == set()
    assert DOOR_KEY not in got.told
    for place in got.by:
        assert got.places(f"sk-ours-{place}") <= {place}
        assert f"sk-ours-{place}" not in got.told


@given(requests(), st.sampled_from([*WIRES]))
def test_its_own_provider_is_told_all_of_it(asked: Asked, wire: str) -> None:
    """First, do no harm: whoever is meant, and is asked first, gets each header and the query as they came."""
    name = WIRES[wire].target
    asked = Asked(
        "POST",
        WIRES[wire].path,
        asked.headers,
        asked.query,
        keys={"openai": "client", "anthropic": "client"},
        order=(name,),
        chain=(name, "second"),
        door=asked.door,
    )
    got = heard(asked)
    for mark, named in marks(asked).items():
        own = set() if named in {"cookie", "proxy-authorization"} else {PLACE_OF[name]}
        assert got.places(mark) == own, named
    assert asked.query.decode() in got.by[PLACE_OF[name]]
