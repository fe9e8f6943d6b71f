"""Each rule of the front door, by itself."""

from __future__ import annotations

import pytest
from attrs import evolve

from asgi_server import CHAT, HOST, JSON
from scenes import configured
from trooper.config import Config
from trooper.core.headers import Headers
from trooper.errors import RequestRejected
from trooper.web.front_door import (
    Admitted,
    RequestHead,
    admit,
    allowed_origin,
    announces_body,
    name_in_via,
    split_host,
)

MACHINE = "aabbccddeeff box"


def head(
    *headers: tuple[bytes, bytes],
    method: str = "POST",
    path: str = CHAT,
    server: tuple[str, int] | None = ("127.0.0.1", 8642),
    scheme: str = "http",
) -> RequestHead:
    names = {name for name, _ in headers}
    fill = tuple(pair for pair in (HOST, JSON) if pair[0] not in names)
    return RequestHead(method, path, scheme, (*fill, *headers), server)


def let_in(request: RequestHead, config: Config | None = None) -> Admitted:
    return admit(config or configured(), MACHINE, request)


def refusal(request: RequestHead, config: Config | None = None) -> tuple[int, str]:
    with pytest.raises(RequestRejected) as caught:
        admit(config or configured(), MACHINE, request)
    return caught.value.status, caught.value.code


class TestHost:
    @pytest.mark.parametrize(
        "value",
        [
            b"localhost",
            b"LocalHost:8642",
            b"localhost.",
            b"localhost:9000",
            b"127.0.0.1",
            b"127.0.0.2:8642",
            b"[::1]",
            b"[::1]:8642",
            b"localhost:",
        ],
    )
    def test_loopback_names_are_served(self, value: bytes) -> None:
        let_in(head((b"host", value)))

    @pytest.mark.parametrize(
        "value",
        [
            b"attacker.example",
            b"attacker.example:8642",
            b"localhost.attacker.example",
            b"127.0.0.1.attacker.example",
            b"192.168.1.5",
            b"0.0.0.0",
            b"127.1",
            b"2130706433",
        ],
    )
    def test_another_name_is_refused(self, value: bytes) -> None:
        """A page that rebinds its name to 127.0.0.1 still sends its name."""
        assert refusal(head((b"host", value))) == (403, "host_not_allowed")

    @pytest.mark.parametrize(
        "value",
        [
            b"",
            b" ",
            b"localhost@attacker.example",
            b"localhost, x",
            b"a/b",
            b"[::1",
            b"::1",
            b"x:99999",
            b"\xff",
        ],
    )
    def test_what_is_no_host_is_refused(self, value: bytes) -> None:
        assert refusal(head((b"host", value))) == (400, "host_invalid")

    def test_a_missing_host_is_refused(self) -> None:
        request = evolve(head(), headers=(JSON,))

        assert refusal(request) == (400, "host_missing")

    def test_two_hosts_are_refused(self) -> None:
        assert refusal(head((b"host", b"localhost"), (b"host", b"localhost"))) == (400, "duplicate_header")

    @pytest.mark.parametrize(
        ("address", "value"),
        [("192.168.1.5", b"192.168.1.5:8642"), ("fd00::5", b"[FD00:0::5]:8642")],
    )
    def test_the_address_we_are_reached_at_is_served(self, address: str, value: bytes) -> None:
        let_in(head((b"host", value), server=(address, 8642)))

    @pytest.mark.parametrize(
        ("allowed", "value", "scheme"),
        [
            ("chat.example", b"chat.example", "http"),
            ("chat.example", b"Chat.Example:1234", "http"),
            ("chat.example:8642", b"chat.example:8642", "http"),
            ("chat.example:80", b"chat.example", "http"),
            ("chat.example:443", b"chat.example", "https"),
        ],
    )
    def test_a_configured_name_is_served(self, allowed: str, value: bytes, scheme: str) -> None:
        config = configured(allowed_hosts=("other.example", allowed))

        let_in(head((b"host", value), scheme=scheme), config)

    @pytest.mark.parametrize("value", [b"chat.example", b"chat.example:8643", b"x.chat.example:8642"])
    def test_a_configured_port_is_part_of_the_name(self, value: bytes) -> None:
        config = configured(allowed_hosts=("chat.example:8642",))

        assert refusal(head((b"host", value)), config) == (403, "host_not_allowed")

    def test_a_host_in_the_request_line_is_one_more(self) -> None:
        """Both count: readers disagree on which of them is the one (RFC 9112, 3.2.2)."""
        let_in(evolve(head(), authority="localhost:8642"))
        assert refusal(evolve(head(), authority="attacker.example")) == (403, "host_not_allowed")
        assert refusal(evolve(head(), authority="a@localhost")) == (400, "host_invalid")
        request = evolve(head((b"host", b"attacker.example")), authority="localhost")
        assert refusal(request) == (403, "host_not_allowed")

    def test_a_unix_socket_needs_a_host_too(self) -> None:
        let_in(head((b"host", b"localhost"), server=None))
        assert refusal(head((b"host", b"attacker.example"), server=None)) == (403, "host_not_allowed")

    def test_splitting(self) -> None:
        assert split_host("[::1]:80") == ("::1", 80)
        assert split_host("a.example.:") == ("a.example", None)
        assert split_host("a:0") is None
        assert split_host(".") is None


class TestOrigin:
    @pytest.mark.parametrize("origin", [b"https://attacker.example", b"null", b"http://localhost:3000", b""])
    def test_pages_are_refused(self, origin: bytes) -> None:
        assert refusal(head((b"origin", origin))) == (403, "origin_not_allowed")

    def test_an_allowed_page_is_served(self) -> None:
        config = configured(allowed_origins=("https://chat.example",))
        request = head((b"origin", b"https://Chat.example"))

        let_in(request, config)
        assert allowed_origin(config, request) == b"https://Chat.example"

    @pytest.mark.parametrize(
        "origin", [b"http://chat.example", b"https://chat.example:444", b"https://chat.example.x"]
    )
    def test_an_origin_is_compared_whole(self, origin: bytes) -> None:
        config = configured(allowed_origins=("https://chat.example",))

        assert refusal(head((b"origin", origin)), config) == (403, "origin_not_allowed")

    def test_two_origins_are_refused(self) -> None:
        config = configured(allowed_origins=("https://chat.example",))
        request = head((b"origin", b"https://chat.example"), (b"origin", b"https://chat.example"))

        assert refusal(request, config) == (403, "origin_not_allowed")

    def test_no_origin_is_what_programs_send(self) -> None:
        assert allowed_origin(configured(), head()) is None

    @pytest.mark.parametrize("site", [b"cross-site", b"same-site", b"Cross-Site", b"", b"none, cross-site"])
    def test_a_browser_says_whose_page_it_is(self, site: bytes) -> None:
        """Behind `Origin`, which does not come with an image's address."""
        for method, path in (
            ("POST", CHAT),
            ("GET", "/v1/models"),
            ("HEAD", "/v1/files"),
            ("GET", "/healthz"),
        ):
            asked = head((b"sec-fetch-site", site), (b"sec-fetch-dest", b"image"), method=method, path=path)
            assert refusal(asked) == (403, "origin_not_allowed")

    @pytest.mark.parametrize(
        ("method", "path", "mode", "dest", "is_let_in"),
        [
            ("GET", "/healthz", b"navigate", b"document", True),
            ("HEAD", "/readyz", b"Navigate", b"document", True),
            ("GET", "/", b"navigate", b"document", True),
            ("POST", "/", b"navigate", b"document", False),
            ("GET", "/v1/models", b"navigate", b"document", False),
            ("GET", "/healthz", b"navigate", b"iframe", False),
            ("GET", "/healthz", b"no-cors", b"image", False),
            ("GET", "/healthz", b"no-cors", b"document", False),
        ],
    )
    def test_a_link_leads_to_a_page_of_ours(
        self, method: str, path: str, mode: bytes, dest: bytes, is_let_in: bool
    ) -> None:
        said = ((b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", mode), (b"sec-fetch-dest", dest))
        asked = head(*said, method=method, path=path)
        if is_let_in:
            let_in(asked)
        else:
            assert refusal(asked) == (403, "origin_not_allowed")

    @pytest.mark.parametrize("site", [b"none", b"same-origin"])
    def test_the_user_and_our_own_pages(self, site: bytes) -> None:
        let_in(head((b"sec-fetch-site", site)))


class TestContent:
    @pytest.mark.parametrize(
        "value", [b"application/json", b"Application/JSON; charset=utf-8", b" application/json "]
    )
    def test_json_is_served(self, value: bytes) -> None:
        let_in(head((b"content-type", value)))

    @pytest.mark.parametrize(
        "value", [b"text/plain", b"", b"application/x-www-form-urlencoded", b"application/jsonx"]
    )
    def test_what_a_page_may_post_unasked_is_refused(self, value: bytes) -> None:
        assert refusal(head((b"content-type", value))) == (415, "content_type_not_json")

    def test_a_missing_type_is_refused_where_a_body_is_announced(self) -> None:
        request = evolve(head(), headers=(HOST, (b"content-length", b"2")))
        assert refusal(request) == (415, "content_type_not_json")

    def test_nothing_needs_no_type(self) -> None:
        admitted = let_in(evolve(head(), headers=(HOST, (b"content-length", b"0"))))
        assert not admitted.typed
        assert let_in(head()).typed

    def test_a_request_without_a_body_needs_no_type(self) -> None:
        let_in(evolve(head(method="GET", path="/v1/models"), headers=(HOST,)))

    def test_how_a_body_is_compressed(self) -> None:
        """Whoever undoes it takes the header away; what is no POST is not read, and keeps its own."""
        gzip = (b"content-encoding", b"gzip")
        assert refusal(head((b"content-encoding", b"br"))) == (415, "request_body_encoding_unsupported")
        assert let_in(head((b"content-encoding", b"Identity"))).coding is None
        assert (let_in(head(gzip)).coding, gzip in let_in(head(gzip)).headers) == ("gzip", False)
        put = head(gzip, method="PUT")
        assert (let_in(put).coding, gzip in let_in(put).headers) == (None, True)

    def test_an_announced_body_is_bounded(self) -> None:
        config = configured(max_request_bytes=1000)

        let_in(head((b"content-length", b"1000")), config)
        assert refusal(head((b"content-length", b"1001")), config) == (413, "request_too_large")
        assert refusal(head((b"content-length", b"9" * 5000)), config) == (413, "request_too_large")

    @pytest.mark.parametrize("value", [b"-1", b"1_000", b"", b"1, 1"])
    def test_a_length_is_a_number(self, value: bytes) -> None:
        request = head((b"content-length", value))

        assert refusal(request) == (400, "content_length_invalid")

    def test_which_requests_announce_a_body(self) -> None:
        assert announces_body(head((b"content-length", b"10")))
        assert announces_body(head((b"transfer-encoding", b"chunked")))
        assert not announces_body(head((b"content-length", b"00")))
        assert not announces_body(head())


class TestKeys:
    config = configured(client_keys=("first-key", "second-key"))

    @pytest.mark.parametrize("value", [b"Bearer first-key", b"bearer  second-key "])
    def test_a_bearer_key_opens_and_goes_no_further(self, value: bytes) -> None:
        admitted = let_in(head((b"authorization", value)), self.config)

        assert b"authorization" not in dict(admitted.headers)

    def test_the_other_header_leaves_the_clients_own_key_alone(self) -> None:
        request = head((b"x-trooper-key", b"second-key"), (b"authorization", b"Bearer sk-mine"))

        admitted = let_in(request, self.config)

        assert dict(admitted.headers)[b"authorization"] == b"Bearer sk-mine"
        assert b"x-trooper-key" not in dict(admitted.headers)

    def test_a_key_in_both_headers_goes_no_further(self) -> None:
        request = head((b"x-trooper-key", b"first-key"), (b"authorization", b"Bearer second-key"))

        admitted = let_in(request, self.config)

        assert not {b"x-trooper-key", b"authorization"} & dict(admitted.headers).keys()

    @pytest.mark.parametrize(
        "headers",
        [
            (),
            ((b"authorization", b"Bearer sk-mine"),),
            ((b"authorization", b"Bearer first-ke"),),
            ((b"authorization", b"Bearer"),),
            ((b"authorization", b"Basic first-key"),),
            ((b"x-trooper-key", b""),),
            ((b"x-trooper-key", b"\xff\xfe"),),
        ],
    )
    def test_without_a_key_nobody_comes_in(self, headers: Headers) -> None:
        assert refusal(head(*headers), self.config) == (401, "client_key_invalid")

    @pytest.mark.parametrize("path", ["/readyz", "/v1/models", "/healthz/"])
    def test_every_other_path_needs_it_too(self, path: str) -> None:
        assert refusal(head(method="GET", path=path), self.config) == (401, "client_key_invalid")

    def test_the_liveness_probe_needs_none(self) -> None:
        let_in(head(method="GET", path="/healthz"), self.config)

    def test_a_preflight_cannot_carry_one(self) -> None:
        config = configured(client_keys=("first-key",), allowed_origins=("https://chat.example",))
        asking = ((b"origin", b"https://chat.example"), (b"access-control-request-method", b"POST"))

        let_in(head(*asking, method="OPTIONS"), config)
        assert refusal(head(*asking[1:], method="OPTIONS"), config) == (401, "client_key_invalid")

    def test_the_refusal_names_no_key(self) -> None:
        with pytest.raises(RequestRejected) as caught:
            let_in(head((b"authorization", b"Bearer wrong-key")), self.config)

        assert not any(key in str(caught.value) for key in ("first-key", "second-key", "wrong-key"))

    def test_two_authorizations_are_refused(self) -> None:
        twice = (b"authorization", b"Bearer first-key")

        assert refusal(head(twice, twice), self.config) == (400, "duplicate_header")

    def test_without_keys_the_clients_own_is_passed_on(self) -> None:
        admitted = let_in(head((b"authorization", b"Bearer sk-mine"), (b"x-trooper-key", b"whatever")))

        assert dict(admitted.headers)[b"authorization"] == b"Bearer sk-mine"
        assert b"x-trooper-key" not in dict(admitted.headers)


class TestLoop:
    via_name = name_in_via(MACHINE, "8642")

    @pytest.mark.parametrize(
        "via",
        [
            "1.1 {via_name}",
            "1.1 proxy.example, 1.1 {via_name}",
            "1.1 proxy.example (a, b),1.1  {VIA_NAME} (trooper)",
            "HTTP/1.1 {via_name}",
        ],
    )
    def test_a_request_that_was_here_is_refused(self, via: str) -> None:
        value = via.format(via_name=self.via_name, VIA_NAME=self.via_name.upper()).encode()

        assert refusal(head((b"via", value))) == (508, "loop_detected")

    def test_each_via_header_counts(self) -> None:
        request = head((b"via", b"1.1 other"), (b"via", b"1.1 " + self.via_name.encode()))

        assert refusal(request) == (508, "loop_detected")

    def test_another_trooper_is_no_loop(self) -> None:
        other = name_in_via(MACHINE, "8643").encode()

        assert (
            let_in(head((b"via", b"1.1 " + other + b", 1.1 x" + self.via_name.encode()))).via_name
            == self.via_name
        )

    def test_the_name_is_the_same_in_each_worker_and_says_nothing(self) -> None:
        assert self.via_name == name_in_via(MACHINE, "8642")
        assert self.via_name != name_in_via("another box", "8642")
        assert len(self.via_name) == len("trooper-") + 12
        assert "box" not in self.via_name

    def test_a_unix_socket_has_a_name_too(self) -> None:
        assert let_in(head(server=None)).via_name == name_in_via(MACHINE, "unix")


def test_other_headers_pass_in_order_and_twice() -> None:
    extra = ((b"x-a", b"1"), (b"x-b", b"2"), (b"x-a", b"3"))

    assert let_in(head(*extra)).headers[-3:] == extra
