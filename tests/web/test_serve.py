"""What `trooper serve` starts: its sockets, its signals, and what it says."""

from __future__ import annotations

import os
import signal
import socket
import struct
from pathlib import Path

import pytest
import trio
import trio.testing
from attrs import define, field

from asgi_server import CHAT
from hypercorn_server import said_to, spoken, until_closed, until_said
from opened import BEGUN, STREAMED, HeldProvider, Opening, application
from scenes import configured
from trooper.commands import cli
from trooper.config import Config
from trooper.errors import ConfigError
from trooper.services import Services
from trooper.web.asgi import Application
from trooper.web.serve import Server, open_listeners


class TestListeners:
    def test_a_port_is_taken_once(self) -> None:
        (listener,) = open_listeners("127.0.0.1", 0, 30.0)
        with listener, pytest.raises(OSError, match="in use"):
            open_listeners("127.0.0.1", listener.getsockname()[1], 30.0)

    def test_every_address_of_a_name_has_the_same_port(self) -> None:
        listeners = open_listeners("localhost", 0, 30.0)

        assert len({listener.getsockname()[1] for listener in listeners}) == 1
        assert {listener.getsockname()[0] for listener in listeners} <= {"127.0.0.1", "::1"}
        for listener in listeners:
            listener.close()

    def test_the_kernel_gives_up_on_clients_that_do_not_read(self) -> None:
        (listener,) = open_listeners("127.0.0.1", 0, 1.5)
        with listener:
            assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1500

    def test_an_address_of_another_machine_is_refused(self) -> None:
        with pytest.raises(OSError, match=r"assign|address"):
            open_listeners("192.0.2.1", 0, 30.0)


@define
class Operator:
    """Runs the server behind `trooper serve` and hears what it says."""

    app: Application[Services]
    config: Config = field(factory=configured)
    heard: list[str] = field(factory=list)
    listening: trio.Event = field(factory=trio.Event)
    stopping: trio.Event = field(factory=trio.Event)
    status: int | None = None
    port: int = 0

    def say(self, line: str) -> None:
        self.heard.append(line)
        if line.startswith("listening on http://127.0.0.1:"):
            self.port = int(line.rpartition(":")[2])
            self.listening.set()
        if line.startswith("stopping"):
            self.stopping.set()

    async def run(self) -> None:
        with trio.fail_after(10):
            self.status = await Server(self.app, self.config, self.say).run(
                open_listeners("127.0.0.1", 0, 30.0)
            )


class TestServer:
    async def test_the_first_signal_lets_a_stream_end(self) -> None:
        cloud = HeldProvider()
        opening = Opening(cloud)
        operator = Operator(application(opening, configured(gate=False)))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(operator.run)
            await operator.listening.wait()
            async with await trio.open_tcp_stream("127.0.0.1", operator.port) as stream:
                await stream.send_all(spoken("POST", CHAT, STREAMED))
                answer = await until_said(stream, BEGUN.encode())
                signal.raise_signal(signal.SIGTERM)
                await operator.stopping.wait()
                cloud.let_go.set()
                answer += await until_closed(stream)

        assert answer.endswith(b"0\r\n\r\n")
        assert b"server:" not in answer.lower()
        assert operator.status == 0
        assert opening.events[-1] == "closed"

    @pytest.mark.parametrize(
        ("grace_s", "signals", "status"), [(0.1, 1, 0), (1000.0, 2, 128 + signal.SIGTERM)]
    )
    async def test_a_stream_is_cut_after_the_grace_or_at_once(
        self, grace_s: float, signals: int, status: int
    ) -> None:
        cloud = HeldProvider()
        operator = Operator(application(Opening(cloud), configured(gate=False)), configured(grace_s=grace_s))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(operator.run)
            await operator.listening.wait()
            async with await trio.open_tcp_stream("127.0.0.1", operator.port) as stream:
                await stream.send_all(spoken("POST", CHAT, STREAMED))
                answer = await until_said(stream, BEGUN.encode())
                for _ in range(signals):
                    signal.raise_signal(signal.SIGTERM)
                    await operator.stopping.wait()
                answer += await until_closed(stream)

        # A whole piece of the answer is the last that came.
        assert answer.endswith(b"\n\n\r\n")
        assert BEGUN.encode() in answer.splitlines()[-3]
        assert operator.status == status

    async def test_a_client_that_leaves_behind_further_requests_is_not_waited_for(self) -> None:
        """What it had said beside is lost; before, the server waited for it until the grace was over."""
        operator = Operator(application(), configured(grace_s=1000.0))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(operator.run)
            await operator.listening.wait()
            stream = await trio.open_tcp_stream("127.0.0.1", operator.port)
            await stream.send_all(spoken("GET", "/healthz") * 200)
            await until_said(stream, b'"ok"')
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await stream.aclose()
            # Another is answered meanwhile, so the first one's end has been seen.
            await said_to(("127.0.0.1", operator.port), spoken("GET", "/healthz", b"", "Connection: close"))
            signal.raise_signal(signal.SIGTERM)

        assert operator.status == 0

    async def test_a_failed_start_is_said(self) -> None:
        error = ConfigError("server.port", "it is 99999", "Use less")
        operator = Operator(application(Opening(error=error)))
        await operator.run()

        assert operator.status == 1
        assert any("server.port: it is 99999. Use less" in line for line in operator.heard)
        assert not operator.listening.is_set()

    async def test_it_does_not_serve_without_its_services(self) -> None:
        crash = trio.Event()

        async def background() -> None:
            await crash.wait()
            raise ValueError

        operator = Operator(application(Opening(background=background)))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(operator.run)
            await operator.listening.wait()
            crash.set()

        assert operator.status == 1


class TestCommand:
    @pytest.fixture(autouse=True)
    def _nothing_configured(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)
        for name in os.environ:
            if name.startswith(("TROOPER_", "OLLAMA_")):
                monkeypatch.delenv(name)

    def test_a_port_in_use(self, capsys: pytest.CaptureFixture[str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]

            assert cli.serve(port=port) == 1
        assert (
            f"trooper: cannot listen on 127.0.0.1 port {port}: Address already in use"
            in capsys.readouterr().err
        )

    def test_a_key_is_not_exposed(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("TROOPER_OPENAI_API_KEY", "sk-operator")

        assert cli.serve(host="0.0.0.0", port=0) == 2
        said = capsys.readouterr().err
        assert said.startswith("trooper: configuration error: server.host: ")
        assert "sk-operator" not in said

    def test_a_file_that_is_not_there(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.serve(config=Path("nowhere.toml")) == 2
        assert "nowhere.toml" in capsys.readouterr().err
