"""
The command line: `trooper run`, `serve`, `connect`, `config`, `check`, `demo`, `fetch-model`, `bench`, `fake`.

Each command's work is elsewhere; this file turns arguments into a
configuration and results into an exit status.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import cyclopts
import trio
from attrs import evolve
from cyclopts import Parameter

from trooper import __version__
from trooper.commands.output import watched_output
from trooper.config import Config, Key, checked
from trooper.errors import ConfigError
from trooper.web.serve import Server, open_listeners

#: The exit statuses: it did not work; it was asked wrongly.
FAILED, MISUSED = 1, 2

app = cyclopts.App(
    name="trooper", version=f"trooper {__version__}", help="One stream to the client, whatever happens."
)


def main() -> None:
    """The console script."""
    with watched_output():
        app(sys.argv[1:])


@app.command
def serve(
    *,
    host: Annotated[str | None, Parameter(help="The address to listen on.")] = None,
    port: Annotated[int | None, Parameter(help="The port to listen on; 0 takes a free one.")] = None,
    config: Annotated[
        Path | None, Parameter(help="The TOML file; ./trooper.toml is found by itself.")
    ] = None,
    data_dir: Annotated[
        str | None,
        Parameter(help="The folder that sessions are kept in; `:memory:` keeps nothing on disk."),
    ] = None,
    embedded: Annotated[
        bool,
        Parameter(
            help="Put the small model that `trooper fetch-model` brings behind all others.", negative=""
        ),
    ] = False,
) -> int:
    """
    Serve on Trio until SIGTERM or Ctrl-C, and let running streams end.

    One process. Several: `hypercorn --workers N trooper.app`, under a supervisor that
    starts it again whatever its exit status is: where a worker is lost it ends with 0.
    """
    # Imported here so that `--help` and `--version` do not wait for it.
    from trooper.relay.dispatch import answer
    from trooper.services import open_services
    from trooper.telemetry.log import set_up_logging
    from trooper.telemetry.outlet import take_over_output
    from trooper.web.asgi import Application
    from trooper.web.patches import patch_hypercorn

    try:
        settings = _load(config, host, port, data_dir=data_dir, embedded=embedded)
        # As the server will do itself; here it is said in one line that it cannot.
        patch_hypercorn()
    except ConfigError as error:
        print(f"trooper: configuration error: {error}", file=sys.stderr)
        return MISUSED
    take_over_output()
    set_up_logging()
    server = settings.server
    try:
        listeners = open_listeners(server.host, server.port, server.drain_timeout_s)
    except OSError as error:
        reason = error.strerror or error
        print(f"trooper: cannot listen on {server.host} port {server.port}: {reason}", file=sys.stderr)
        return FAILED
    for line in _summary(settings):
        _say(line)
    # As `trooper.app` does, and for the same reason.
    gc.freeze()
    return trio.run(Server(Application(settings, open_services, answer), settings, _say).run, listeners)


# Its words are its own parser's: what stands behind the command is the command's.
app.command(
    "trooper.commands.run:run",
    name="run",
    help="Run a coding agent, or any command, behind a Trooper of its own: trooper run -- claude.\n\n"
    "The exit status is the command's; 127 if there is none of that name, 2 if the configuration cannot be used.",
    help_flags=[],
    version_flags=[],
    # It is the command's, too.
    end_of_options_delimiter="",
)


# `check` and `demo` are functions in modules of their own, imported when they
# are asked for. Their help stands here: the list of commands does not import them.
app.command(
    "trooper.commands.check:check",
    name="check",
    help="Read the configuration, ask each target, and say what is not usable.\n\n"
    "The exit status is 0 if all is well, 1 if something is not usable, 2 if the configuration cannot be read.",
)
app.command(
    "trooper.commands.connect:connect",
    name="connect",
    help="Show what a client has to be told, or put it into its file, with a backup, and take it out again.\n\n"
    "The exit status is 0 if that worked, 1 if the file cannot be used, 2 if it was asked wrongly.",
)
app.command(
    "trooper.demo:demo",
    name="demo",
    help="Watch a provider die in the middle of an answer, and the answer go on.\n\n"
    "Needs no account and no Ollama. The exit status is 0 only if the client got one whole answer.",
)


app.command(
    "trooper.commands.fetch_model:fetch_model",
    name="fetch-model",
    help="Fetch the small model that Trooper can run itself, once.\n\n"
    "It needs the extra `embedded` to run. The exit status is 0 if the model is there.",
)


app.command(
    "trooper.commands.config_show:config_app",
    name="config",
    help="Show the configuration: what is in force, and from where.",
)


app.command("trooper.bench.commands:bench_app", name="bench")


# Its words are its own parser's, `--help` too.
app.command(
    "trooper.testing.command:fake",
    name="fake",
    help="Run a scripted provider, or a stand-in for Ollama, to pull the plug of.",
    help_flags=[],
    version_flags=[],
)


def _load(
    file: Path | None, host: str | None, port: int | None, *, data_dir: str | None, embedded: bool
) -> Config:
    # Imported here for the same reason.
    from trooper.commands.settings import settings

    config = settings(os.environ, Path.cwd(), file=file, embedded=embedded, data_dir=data_dir)
    server = config.server
    server = evolve(server, host=host or server.host, port=server.port if port is None else port)
    return checked(evolve(config, server=server))


def _say(line: str) -> None:
    print(f"trooper: {line}", flush=True)


def _summary(config: Config) -> list[str]:
    """What will be done with requests: the targets and the chains."""
    lines = [f"version {__version__}, configuration from {config.source}"]
    for target in config.targets:
        kind = "local" if target.is_local else "cloud"
        lines.append(
            f"target {target.name}: {kind}, {_without_credentials(target.place)}, {_key(target.key)}"
        )
    for name, targets in config.listed_chains().items():
        lines.append(f"chain {name}: {' → '.join(target.name for target in targets) or 'nobody'}")
    return lines


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _key(key: Key) -> str:
    match key.kind:
        case "client":
            return "the client's own key"
        case "value":
            return "a configured key"
        case _:
            return "no key"
