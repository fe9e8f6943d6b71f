"""
`trooper run -- COMMAND …`: a Trooper for the life of one command.

The command has the terminal: Trooper prints nothing until it has ended, and then
one line. How a program is told where Trooper is stands in `trooper/clients/`, how
its process is looked after in `trooper/commands/child.py`.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import shlex
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Final, TextIO

import trio
from attrs import define, evolve, field, frozen
from cyclopts import Parameter

from trooper.clients.launch import Place, Program, Surroundings, started
from trooper.clients.programs import program_of
from trooper.commands.child import CANNOT_RUN, NOT_FOUND, SIGNALLED, Child, Unstarted, signals_heard
from trooper.commands.cli import FAILED, MISUSED
from trooper.commands.settings import settings
from trooper.config import Config, checked
from trooper.config.addresses import leads_to, normalised
from trooper.config.environment import variable
from trooper.config.toml_file import FILE_NAME
from trooper.errors import ConfigError
from trooper.relay.dispatch import answer
from trooper.services import open_services
from trooper.telemetry.log import log_request, set_up_logging
from trooper.telemetry.outlet import LAST_WORDS_S, Stream, aside
from trooper.telemetry.report import RequestReport
from trooper.telemetry.turns import Turns
from trooper.web.asgi import Application
from trooper.web.patches import patch_hypercorn
from trooper.web.serve import Server, open_listeners

logger = logging.getLogger(__name__)

#: What a shell reports for a program that Ctrl-C has ended.
_INTERRUPTED: Final = 130
_WITH_VALUE: Final = frozenset({"--config", "--log"})
_HOST: Final = "127.0.0.1"
#: How long the last requests of a command that has ended may take to be over. Its own
#: connections are closed by then; somebody that it has left behind may have one.
_LAST_S: Final = 1.0


@frozen
class Asked:
    """What stands behind `trooper run`."""

    command: tuple[str, ...]
    config: Path | None = None
    embedded: bool = False
    log: Path | None = None


@frozen
class Ended:
    """The exit status, and the line that is left on standard error: of what has become of the turns if `None`."""

    status: int
    line: str | None = None


def run(*words: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> int:
    """Run a command behind a Trooper of its own; the exit status is the command's."""
    ended = Ended(_INTERRUPTED)
    try:
        ended = _run(_asked(words))
    except* KeyboardInterrupt:
        # Nothing has been started yet, or all is over; Trio may have put it into a group.
        pass
    # Whoever has closed it wants silence.
    with suppress(OSError, ValueError, AttributeError):
        if ended.line:
            sys.stderr.write(f"trooper: {ended.line}\n")
            sys.stderr.flush()
    return ended.status


def _asked(words: Sequence[str]) -> Asked:
    options, command = _split(words)
    parser = argparse.ArgumentParser(
        prog="trooper run",
        usage="trooper run [--config FILE] [--embedded] [--log FILE] -- COMMAND …",
        description="Start a Trooper on a free port, run COMMAND behind it, and end with its exit status.",
        epilog="Claude Code, Codex, opencode and aider are told where Trooper is as each of them wants it;"
        " any other command by ANTHROPIC_BASE_URL, OPENAI_BASE_URL and OPENAI_API_BASE."
        " Their own files are not touched.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="the TOML file, else the one that TROOPER_CONFIG names; ./trooper.toml is not read by itself",
    )
    parser.add_argument(
        "--embedded", action="store_true", help="put the small model that `trooper fetch-model` brings last"
    )
    parser.add_argument(
        "--log", type=Path, metavar="FILE", help="a file for the log, added to; without it there is none"
    )
    found = parser.parse_args(options)
    if not command:
        parser.error("there is no command; for example: trooper run -- claude")
    return Asked(tuple(command), found.config, found.embedded, found.log)


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our options, and the command: the first word that is no option, and all behind it."""
    count = 0
    while count < len(words) and words[count].startswith("-") and words[count] != "--":
        count += 2 if words[count] in _WITH_VALUE else 1
    command = list(words[count:])
    return list(words[:count]), command[1:] if command[:1] == ["--"] else command


def _run(asked: Asked) -> Ended:
    path = shutil.which(asked.command[0])
    if path is None:
        return _not_there(asked.command[0])
    # Not `Path.home`, which raises where there is none.
    home = Path(os.path.expanduser("~"))  # noqa: PTH111
    program = program_of(asked.command[0])
    try:
        around = surroundings(asked, os.environ, Path.cwd(), home)
        config = settings_of(asked, program, around)
        patch_hypercorn()
        with _output_in(asked.log) as log:
            listeners = open_listeners(_HOST, 0, config.server.drain_timeout_s)
            # As `trooper serve` does, and for the same reason.
            gc.freeze()
            return trio.run(Session(asked, path, program, around, config, log).run, listeners)
    except ConfigError as error:
        return Ended(MISUSED, f"configuration error: {error}")
    except OSError as error:
        return Ended(FAILED, f"cannot start: {error.strerror or error}")


def _not_there(word: str) -> Ended:
    if os.sep in word and Path(word).exists():
        return Ended(CANNOT_RUN, f"{word}: it cannot be run: is it a program, and may you run it?")
    return Ended(NOT_FOUND, f"{word}: command not found")


def surroundings(asked: Asked, environ: Mapping[str, str], cwd: Path, home: Path) -> Surroundings:
    """
    What the command finds; where `trooper serve` would listen, with the same configuration, is a Trooper.

    Raises:
        ConfigError: it cannot be used.
    """
    server = _settings(asked, environ, cwd).server
    return Surroundings(environ, cwd, home, partial(leads_to, server.host, server.port))


def _settings(asked: Asked, environ: Mapping[str, str], cwd: Path) -> Config:
    """
    What the user has said; no file that merely lies where the agent works.

    A coding agent is started in other people's repositories. What such a file says gets the
    agent's key and every prompt, so it is obeyed only where it is named.
    """
    is_named = asked.config is not None or variable(environ, "TROOPER_CONFIG") is not None
    # `os.path`: `Path.exists` raises in a folder that may not be looked into.
    if not is_named and os.path.lexists(cwd / FILE_NAME):
        again = "-- " + " ".join(map(shlex.quote, asked.command[:1])) + (" …" if asked.command[1:] else "")
        raise ConfigError(
            f"./{FILE_NAME}",
            "there is one here, which `trooper run` does not read by itself, since whoever wrote it could"
            " say in it where your key goes",
            f"If it is yours: trooper run --config {FILE_NAME} {again}; to leave it aside:"
            f" trooper run --config {os.devnull} {again}",
        )
    return settings(environ, cwd, file=asked.config, embedded=asked.embedded)


def settings_of(asked: Asked, program: Program, around: Surroundings) -> Config:
    """
    The configuration of one run.

    It is `trooper serve`'s, but for the front door: that is open to this machine
    alone, on a free port, so the command needs no key for it. A cloud that nobody has
    told Trooper the place of is where the program's own user has it, as long as it
    gets the program's own key. Where client keys have been set to guard a key of Trooper's
    there is no such run: whoever is on this machine could spend that key meanwhile.

    Raises:
        ConfigError: it cannot be used. What the program's user has said is blamed on where that was.
    """
    said = {**around.environ, "TROOPER_HOST": _HOST, "TROOPER_PORT": "0"}
    config = _settings(asked, said, around.cwd)
    _no_key_is_left_open(config)
    for provider, place in program.places(asked.command, around).items():
        config = _asking_at(place, provider, config)
    door = evolve(config.server, client_keys=(), allowed_hosts=(), allowed_origins=())
    return evolve(checked(config), server=door)


def _no_key_is_left_open(config: Config) -> None:
    keyed = next((target for target in config.targets if target.key.kind == "value"), None)
    if config.server.client_keys and keyed is not None:
        raise ConfigError(
            config.origins.get("server.client_keys", "server.client_keys_env"),
            f"`trooper run` asks for no client key, and whoever finds its port could spend the key of {keyed.name}",
            "Run the agent behind `trooper serve`, which asks for one, or name a --config without one of the two",
        )


def _asking_at(place: Place, provider: str, config: Config) -> Config:
    """
    `config` with the provider at `place`, in each target of it that nobody has told
    another place and that gets the program's own key.

    Where there is no such target, and nobody has told any of them a place, all that the
    program sends would go past what its user has said.

    Raises:
        ConfigError: so it would; or it is no place.
    """
    own = [w for w in config.wires if w.default_target and w.default_target.url_variable == provider]
    targets = [target for target in config.targets if target.wire in own and not target.is_local]
    untold = [t for t in targets if f"targets.{t.name}.base_url" not in config.origins]
    takes = {t.name for t in untold if t.key.kind == "client"}
    leaves_here = any(not target.is_local for target in config.targets)
    if place.is_said and not takes and untold == targets and leaves_here:
        raise _not_taken(place, provider, config, tuple(target.name for target in targets))
    try:
        now = tuple(
            evolve(t, base_url=normalised(t.wire, place.url)) if t.name in takes else t
            for t in config.targets
        )
    except ConfigError as error:
        raise ConfigError(place.said_by, error.problem, error.fix) from None
    told = {f"targets.{name}.base_url": place.said_by for name in takes}
    return evolve(config, targets=now, origins={**config.origins, **told})


def _not_taken(place: Place, provider: str, config: Config, names: Sequence[str]) -> ConfigError:
    problem = "it says where a provider is, and no target of Trooper's asks there"
    if names:
        why = f"{' and '.join(names)} {'do' if names[1:] else 'does'} not get the program's own key"
        fix = f"Say with {provider} where Trooper's key is good, or leave that key out"
        return ConfigError(place.said_by, f"{problem}: {why}", fix)
    known = [w for w in config.wires if w.default_target and w.default_target.url_variable == provider]
    tables = " or ".join(
        f'name = "{w.default_target.name}", wire = "{w.name}", key = "client"'
        for w in known
        if w.default_target
    )
    fix = f"Add a [[targets]] table: {tables}; or take that out, if those are to answer that are configured"
    return ConfigError(place.said_by, f"{problem}: {config.source} has none for it", fix)


@contextmanager
def _output_in(path: Path | None) -> Iterator[TextIO]:
    """
    Have all that we and our libraries say in the file meanwhile, or nowhere: the screen is the command's.

    Raises:
        ConfigError: there can be no such file.
    """
    try:
        opened = path.open("a", encoding="utf-8") if path else None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(
            "--log", f"{str(path)!r} cannot be written ({reason})", "Name another file"
        ) from None
    before, stream = (sys.stdout, sys.stderr), aside(opened)
    sys.stdout = sys.stderr = stream
    set_up_logging(stream)
    try:
        yield stream
    finally:
        sys.stdout, sys.stderr = before
        if isinstance(stream, Stream):
            stream.outlet.finish(LAST_WORDS_S)
        if opened:
            opened.close()


@define(eq=False)
class Session:
    """
    One run: the server and the command beside each other.

    The server may fall; the command runs on, without it. The command's end is the end of both.
    """

    asked: Asked
    path: str
    program: Program
    around: Surroundings
    config: Config
    log: TextIO
    turns: Turns = field(factory=Turns, init=False)
    _said: list[str] = field(factory=list, init=False)
    _is_up: bool = field(default=False, init=False)
    _up: trio.Event = field(factory=trio.Event, init=False)
    _down: trio.Event = field(factory=trio.Event, init=False)

    async def run(self, listeners: list[socket.socket]) -> Ended:
        """Serve on `listeners`, which are ours from here on, until the command has ended."""
        url = f"http://{_HOST}:{listeners[0].getsockname()[1]}"
        application = Application(self.config, partial(open_services, tell=self._tell), answer)
        server, child = Server(application, self.config, self._say), Child()
        with trio.open_signal_receiver(*signals_heard()) as signals:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(child.obey, signals)
                nursery.start_soon(self._serve, server, listeners)
                with child.starting:
                    await self._up.wait()
                ended = await self._run(child, url)
                with child.ending, trio.move_on_after(_LAST_S):
                    server.stop()
                    await self._down.wait()
                nursery.cancel_scope.cancel(reason="the command has ended")
        return ended if ended.line is not None else evolve(ended, line=self.turns.line)

    async def _run(self, child: Child, url: str) -> Ended:
        if child.told:
            return Ended(SIGNALLED + child.told, "")
        if not self._is_up:
            return Ended(FAILED, self._said[-1] if self._said else "cannot start; --log FILE has the reason")
        start = started(self.program, self.asked.command, self.around, url)
        match await child.run(self.path, start.words, start.environ):
            case Unstarted(status, why):
                return Ended(status, f"{self.asked.command[0]}: {why}")
            case status:
                return Ended(status)

    async def _serve(self, server: Server, listeners: list[socket.socket]) -> None:
        try:
            async with trio.open_nursery() as nursery:
                self._is_up = await nursery.start(server.serve, listeners)
                self._up.set()
        except Exception:
            logger.exception("the server has ended")
        finally:
            self._up.set()
            self._down.set()

    def _tell(self, report: RequestReport) -> None:
        self.turns.note(report)
        log_request(report)

    def _say(self, line: str) -> None:
        self._said.append(line)
        print(f"trooper: {line}", file=self.log, flush=True)
