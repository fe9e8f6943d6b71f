"""
One connection ends nothing but itself, on real sockets and through each way to
serve: eight streams run beside each attack, and none of them loses a byte.
"""

from __future__ import annotations

import random
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from attrs import frozen

from beside import STREAMS, Steady, steady_provider
from deployed import WAYS, Deployed, deployed, fake
from front_attacks import BODIES, H2, NOISE, TARGETS, UNHEARD, WEBSOCKETS, request
from hostile_clients import (
    HEALTHY,
    KEPT,
    PHASES,
    STATUSES,
    TABLES,
    connected,
    left,
    mutated,
    reset,
    said,
    shut,
    status_of,
    told,
    until_held,
)

SERVED = [way for way in WAYS if "--workers" not in way]
MUTANTS = 400


@frozen
class Place:
    steady: Steady
    trooper: Deployed

    @contextmanager
    def eight(self) -> Iterator[None]:
        """Eight streams, and a server that is as it was when they have ended."""
        before = len(self.trooper.process.lines)
        with self.steady.eight(self.trooper.port):
            yield
            assert status_of(said(self.trooper.port, HEALTHY)) == 200
        told = "".join(self.trooper.process.lines[before:])
        assert "Traceback" not in told
        assert "connection_failed" not in told


@pytest.fixture(scope="module", params=SERVED)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("cwd")
    with (
        steady_provider() as steady,
        fake("ollama", "--token-s", "0.005") as local,
        deployed(request.param, steady.url, local.url, folder) as trooper,
    ):
        yield Place(steady, trooper)


class TestOtherProtocols:
    def test_an_offer_that_is_not_heard_changes_nothing(self, place: Place) -> None:
        with place.eight():
            heard = {name: said(place.trooper.port, payload) for name, payload in UNHEARD.items()}

        assert {name: status_of(answer) for name, answer in heard.items()} == dict.fromkeys(UNHEARD, 200)
        assert all(answer.endswith(b'{"status":"ok"}\n') for answer in heard.values())

    def test_another_version_is_refused_before_a_frame_is_read(self, place: Place) -> None:
        with place.eight():
            heard = {name: told(said(place.trooper.port, payload)) for name, payload in H2.items()}

        assert heard == dict.fromkeys(H2, (505, "http_version_not_supported"))

    def test_a_head_of_another_version_has_no_body(self, place: Place) -> None:
        head, _, body = said(place.trooper.port, request(b"HEAD / HTTP/2.0")).partition(b"\r\n\r\n")

        assert (status_of(head), body) == (505, b"")

    def test_a_websocket_is_refused_before_a_frame_is_read(self, place: Place) -> None:
        with place.eight():
            heard = {name: told(said(place.trooper.port, payload)) for name, payload in WEBSOCKETS.items()}

        assert heard == dict.fromkeys(WEBSOCKETS, (426, "websockets_not_served"))


class TestNoRequest:
    def test_what_cannot_be_read_is_refused(self, place: Place) -> None:
        with place.eight():
            heard = {name: told(said(place.trooper.port, payload)) for name, payload in NOISE.items()}

        assert {name: status for name, (status, _) in heard.items()} == {
            name: STATUSES.get(name, 400) for name in NOISE
        }

    def test_so_is_a_body(self, place: Place) -> None:
        with place.eight():
            heard = {name: told(said(place.trooper.port, payload)) for name, payload in BODIES.items()}

        assert {name: status for name, (status, _) in heard.items()} == {
            name: STATUSES.get(name, 400) for name in BODIES
        }

    def test_so_is_a_target_of_two_meanings_or_too_long_a_one(self, place: Place) -> None:
        with place.eight():
            heard = {
                target: said(place.trooper.port, request(b"GET %b HTTP/1.1" % target)) for target in TARGETS
            }

        assert {target: status_of(answer) for target, answer in heard.items()} == TARGETS

    def test_noise_behind_an_answer_ends_its_own_connection(self, place: Place) -> None:
        kept = HEALTHY.replace(b"Connection: close\r\n", b"")
        with place.eight():
            heard = {name: said(place.trooper.port, kept + noise) for name, noise in {**NOISE, **H2}.items()}

        assert {name: status_of(answer) for name, answer in heard.items()} == dict.fromkeys(heard, 200)
        refusals = {name: answer.count(b"x-should-retry: false") for name, answer in heard.items()}
        assert refusals == dict.fromkeys(heard, 1)

    def test_nothing_that_comes_by_chance_ends_more(self, place: Place) -> None:
        chance = random.Random(15)
        seeds = [payload for table in TABLES for payload in table.values()]
        seeds += [payload for payload, _ in PHASES.values()]
        with place.eight():
            for _ in range(MUTANTS):
                payload = mutated(chance.choice(seeds)[:4000], chance)
                left(place.trooper.port, payload, b"", chance.choice((reset, shut, socket.socket.close)))
            until_held(place.trooper.port, STREAMS, "mutants")


@pytest.mark.parametrize("leave", [reset, shut, socket.socket.close])
def test_a_client_that_leaves_takes_nobody_with_it(
    place: Place, leave: Callable[[socket.socket], None]
) -> None:
    with place.eight():
        for phase, (payload, awaited) in PHASES.items():
            for _ in range(2):
                left(place.trooper.port, payload, awaited, leave)
            until_held(place.trooper.port, STREAMS, phase)


def test_no_descriptors_left_end_nobody(place: Place) -> None:
    """Connections wait, then, or are closed; they are accepted again once there are some."""
    open_now = len(list(Path(f"/proc/{place.trooper.pid}/fd").iterdir()))
    limits = resource.prlimit(place.trooper.pid, resource.RLIMIT_NOFILE)
    with place.steady.eight(place.trooper.port):
        resource.prlimit(place.trooper.pid, resource.RLIMIT_NOFILE, (open_now + 12, limits[1]))
        try:
            with ExitStack() as crowd:
                for _ in range(60):
                    crowd.enter_context(connected(place.trooper.port)).sendall(KEPT)
                place.trooper.process.wait_for("Too many open files")
        finally:
            resource.prlimit(place.trooper.pid, resource.RLIMIT_NOFILE, limits)
        assert status_of(said(place.trooper.port, HEALTHY)) == 200
