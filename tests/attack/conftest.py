from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from attack_place import SERVED, Place, attack_place
from attack_results import Results
from attack_table import ATTACKS
from attack_warm_up import warm_up

_RESULTS: pytest.StashKey[Results] = pytest.StashKey()
_REFUSED: pytest.StashKey[str] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write", action="store_true", help="keep the figures for the table of the docs")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_RESULTS] = Results()


@pytest.fixture(scope="session", params=SERVED)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One Trooper of each way for all attacks; pytest goes through the ways one after the other."""
    with attack_place(request.param, tmp_path_factory.mktemp("cwd")) as place:
        warm_up(place)
        yield place


@pytest.fixture
def results(pytestconfig: pytest.Config) -> Results:
    return pytestconfig.stash[_RESULTS]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    results = config.stash[_RESULTS]
    terminalreporter.section("attacks that were borne")
    for line in results.lines():
        terminalreporter.write_line(line)
    if _REFUSED in config.stash:
        terminalreporter.write_line(config.stash[_REFUSED], red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("--write"):
        try:
            session.config.stash[_RESULTS].write(list(ATTACKS))
        except ValueError as error:
            session.config.stash[_REFUSED] = str(error)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
