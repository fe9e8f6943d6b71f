"""
TLS and unix sockets, which hypercorn offers and `trooper serve` does not: the
same wall, and HTTP/1.1 behind both. Eight streams run beside each attack.

`localhost.pem` is a key that guards nothing, and a certificate by itself.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import frozen

from beside import LONG_S, Steady, steady_provider
from deployed import WAYS, Process, fake, running
from front_attacks import H2, NOISE, SETTINGS, UNHEARD, WEBSOCKETS
from hostile_clients import HEALTHY, said_on, status_of

SERVED = [way for way in WAYS if way.startswith("hypercorn") and "--workers" not in way]
PEM = str(Path(__file__).with_name("localhost.pem"))
GARBAGE = {
    "plain HTTP": HEALTHY,
    "noise": b"\xff" * 3000,
    "half a greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 20,
    "a long record": b"\x16\x03\x01\xff\xff" + b"\0" * 70_000,
    "an alert": b"\x15\x03\x03\x00\x02\x02\x28",
    "nothing": b"",
}


@frozen
class Place:
    """One server with three doors; the eight come through the plain one."""

    steady: Steady
    process: Process
    plain: int
    tls: int
    path: str

    @contextmanager
    def eight(self) -> Iterator[None]:
        before = len(self.process.lines)
        with self.steady.eight(self.plain):
            yield
        told = "".join(self.process.lines[before:])
        assert "Traceback" not in told
        assert "connection_failed" not in told

    def tcp(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.tls), timeout=LONG_S)

    def over_tls(self, *protocols: str) -> ssl.SSLSocket:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(PEM)
        if protocols:
            context.set_alpn_protocols(protocols)
        return context.wrap_socket(self.tcp(), server_hostname="localhost", suppress_ragged_eofs=True)

    def unix(self) -> socket.socket:
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(LONG_S)
        stream.connect(self.path)
        return stream


@pytest.fixture(scope="module", params=SERVED)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("cwd")
    path = str(folder / "door")
    doors = (
        "--insecure-bind",
        "127.0.0.1:0",
        "--insecure-bind",
        f"unix:{path}",
        "--certfile",
        PEM,
        "--keyfile",
        PEM,
    )
    with steady_provider() as steady, fake("ollama") as local:
        targets = {"TROOPER_OPENAI_BASE_URL": steady.url, "TROOPER_OLLAMA_URL": local.url}
        with running(*WAYS[request.param], *doors, cwd=folder, **targets) as process:
            process.wait_for('"standby_ready"')
            plain, tls = (
                int(process.wait_for(rf"Running on {scheme}://127\.0\.0\.1:(\d+)")[1])
                for scheme in ("http", "https")
            )
            process.wait_for("Running on http://unix:")
            yield Place(steady, process, plain, tls, path)


class TestTls:
    @pytest.mark.parametrize("protocols", [("h2", "http/1.1"), ("h2",), ("http/1.1",), ("h3", "spdy/1"), ()])
    def test_another_protocol_is_not_agreed_on(self, place: Place, protocols: tuple[str, ...]) -> None:
        stream = place.over_tls(*protocols)

        assert stream.selected_alpn_protocol() == ("http/1.1" if "http/1.1" in protocols else None)
        assert status_of(said_on(stream, HEALTHY)) == 200

    @pytest.mark.parametrize("protocols", [("h2", "http/1.1"), ("h2",)])
    def test_nor_spoken(self, place: Place, protocols: tuple[str, ...]) -> None:
        with place.eight():
            heard = {name: said_on(place.over_tls(*protocols), payload) for name, payload in H2.items()}

        assert {name: status_of(answer) for name, answer in heard.items()} == dict.fromkeys(H2, 505)

    def test_the_rest_is_as_without_it(self, place: Place) -> None:
        with place.eight():
            heard = [said_on(place.over_tls(), payload) for payload in UNHEARD.values()]
            refused = [said_on(place.over_tls(), payload) for payload in WEBSOCKETS.values()]
            noise = [said_on(place.over_tls(), payload) for payload in NOISE.values()]

        assert {status_of(answer) for answer in heard} == {200}
        assert {status_of(answer) for answer in refused} == {426}
        assert {status_of(answer) for answer in noise} <= {400, 414, 431, 501}

    @pytest.mark.parametrize("name", GARBAGE)
    def test_what_is_no_handshake_ends_its_own_connection(self, place: Place, name: str) -> None:
        with place.eight():
            for _ in range(5):
                stream = place.tcp()
                stream.sendall(GARBAGE[name])
                stream.shutdown(socket.SHUT_WR)
                said_on(stream, b"")
            assert status_of(said_on(place.over_tls(), HEALTHY)) == 200

    def test_a_client_that_leaves_without_a_goodbye(self, place: Place) -> None:
        with place.eight():
            for payload in (b"", HEALTHY[:9], HEALTHY, SETTINGS):
                stream = place.over_tls()
                stream.sendall(payload)
                socket.socket(fileno=stream.detach()).close()
            assert status_of(said_on(place.over_tls(), HEALTHY)) == 200


class TestUnixSocket:
    def test_it_is_the_same_there(self, place: Place) -> None:
        with place.eight():
            for attacks, expected in (
                (UNHEARD, {200}),
                (H2, {505}),
                (WEBSOCKETS, {426}),
                (NOISE, {400, 414, 431, 501}),
            ):
                heard = {status_of(said_on(place.unix(), payload)) for payload in attacks.values()}
                assert heard <= expected

    def test_a_client_that_leaves(self, place: Place) -> None:
        with place.eight():
            for payload in (b"", HEALTHY[:9], HEALTHY, HEALTHY * 9):
                with place.unix() as stream:
                    stream.sendall(payload)
            assert status_of(said_on(place.unix(), HEALTHY)) == 200
