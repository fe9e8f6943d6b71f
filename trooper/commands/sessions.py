"""
`trooper sessions`: the sessions that are kept on this machine, and the turns of one.

It looks into the folder of the store, so it shows everybody's: whoever can read
that folder owns it. What was said in a session is not there to be shown.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from trooper.commands.cli import FAILED, MISUSED
from trooper.commands.settings import settings
from trooper.commands.terminal import open_console
from trooper.config import Config
from trooper.config.store import MEMORY
from trooper.core.names import shown
from trooper.errors import ConfigError
from trooper.relay.session_words import lasting, of_session, of_turn
from trooper.store import Session, Turn, TurnLeg
from trooper.store.looking import NotThere, sessions_in, turns_in

_MOST: Final = 10_000
#: So much of an id tells it from others, nearly always.
_ID_CHARS: Final = 12
#: On a terminal with fewer columns the last ones of the table are left out.
_NARROW: Final = 64


def sessions(
    session: Annotated[str, Parameter(help="The id of one, or how it begins: its turns are shown.")] = "",
    /,
    *,
    most: Annotated[int, Parameter(help="So many are listed, or so many turns, the latest.")] = 20,
    config: Annotated[
        Path | None, Parameter(help="The TOML file; ./trooper.toml is found by itself.")
    ] = None,
    data_dir: Annotated[str | None, Parameter(help="The folder that sessions are kept in.")] = None,
    as_json: Annotated[bool, Parameter(name="--json", help="Print JSON instead.", negative="")] = False,
) -> int:
    """List the sessions, or show the turns of one; 0, or 1 if there is nothing to show it from, or 2."""
    try:
        known = settings(os.environ, Path.cwd(), file=config, data_dir=data_dir)
    except ConfigError as error:
        sys.stderr.write(f"trooper: configuration error: {error}\n")
        return MISUSED
    if most < 1:
        sys.stderr.write("trooper: --most has to be at least 1\n")
        return MISUSED
    if known.store.data_dir == MEMORY:
        server = known.server
        place = f"http://{server.host}:{server.port}/sessions"
        sys.stderr.write(
            "trooper: sessions are in the memory of the Trooper that runs, since nothing is kept on disk here"
            f' (data_dir = "{MEMORY}"). With the credential of their client it tells them: GET {place}\n'
        )
        return FAILED
    try:
        return _show(known, session, most, as_json=as_json)
    except NotThere as why:
        sys.stderr.write(f"trooper: no sessions can be shown: {why}\n")
        return FAILED


def _show(config: Config, wanted: str, most: int, *, as_json: bool) -> int:
    folder, now = Path(config.store.data_dir), time.time()
    since = now - config.store.keep_s
    every = sessions_in(folder, since, _MOST)
    if not wanted:
        if as_json:
            _print_json({"sessions": [of_session(one) for one in every[:most]]})
        else:
            listed(open_console(), every, most, folder, config.store.keep_s, now)
        return 0
    found = [one for one in every if one.id.startswith(wanted)]
    if len(found) != 1:
        problem = "there is no session" if not found else f"{len(found)} sessions have an id"
        sys.stderr.write(
            f"trooper: {problem} that begins with {shown(wanted)}; `trooper sessions` lists them\n"
        )
        return FAILED
    turns = turns_in(folder, found[0].id, since)
    if as_json:
        _print_json({"session": of_session(found[0]), "turns": [of_turn(turn) for turn in turns[-most:]]})
    else:
        described(open_console(), found[0], turns, most, now)
    return 0


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


#: Of a turn that is not over, as far as the file knows.
_OPEN: Final = "open: it is being answered, or Trooper was ended in the middle of it"


def listed(
    console: Console, every: Sequence[Session], most: int, folder: Path, keep_s: float, now: float
) -> None:
    """Print the list."""
    if not every:
        console.print(f"No session in {folder}. One is kept for {lasting(keep_s)} after its last use.")
        return
    is_narrow = console.width < _NARROW
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("session", no_wrap=True)
    table.add_column("last used", no_wrap=True)
    columns = ("turns", "tokens", "local") if not is_narrow else ("turns", "local")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    if not is_narrow:
        table.add_column("told apart by", overflow="ellipsis", no_wrap=True)
    for one in every[:most]:
        figures = {"turns": one.turns, "tokens": one.tokens, "local": one.local_tokens}
        cells = [
            one.id[:_ID_CHARS],
            told_moment(one.used_at, now),
            *(f"{figures[name]:,}" for name in columns),
        ]
        table.add_row(*cells, *([] if is_narrow else [shown(one.key_kind)]))
    console.print(table)
    count = f"{len(every):,} session{'' if len(every) == 1 else 's'}"
    rest = f", the latest {most:,} of them shown" if len(every) > most else ""
    console.print()
    console.print(f"{count} in {folder}{rest}. One is kept for {lasting(keep_s)} after its last use.")


def described(console: Console, session: Session, turns: Sequence[Turn], most: int, now: float) -> None:
    """Print one session with its latest turns."""
    console.print(Text(f"session {session.id}", style="bold"))
    local = f", {session.local_tokens:,} of them by local models" if session.local_tokens else ""
    console.print(f"  told apart by  {shown(session.key_kind)}")
    console.print(f"  began          {told_moment(session.began_at, now)}")
    console.print(f"  last used      {told_moment(session.used_at, now)}")
    console.print(f"  turns          {session.turns:,}, {session.tokens:,} tokens{local}")
    if len(turns) > most or session.turns > len(turns):
        console.print(f"  shown          the latest {min(most, len(turns)):,}")
    for turn in turns[-most:]:
        console.print()
        what = f"{shown(turn.ending)} in {turn.duration_s:.1f} s" if not turn.is_open else _OPEN
        console.print(f"{told_moment(turn.at, now, seconds=True)}  {shown(turn.model) or 'no model'}: {what}")
        for name, reason in turn.passed_by.items():
            console.print(Text(f"  {shown(name)} was not asked: {shown(reason)}", style="dim"))
        for leg in turn.legs:
            console.print(Text(f"  {_leg(leg)}", style="" if leg.outcome == "completed" else "yellow"))


def _leg(leg: TurnLeg) -> str:
    who = f"{shown(leg.target)} {shown(leg.model)}".strip()
    tokens = f"{'about ' if leg.estimated else ''}{leg.tokens:,} token{'' if leg.tokens == 1 else 's'}"
    why = f" ({shown(leg.reason)})" if leg.reason else ""
    parts = [f"{who}: {shown(leg.outcome)}{why}", tokens, f"{leg.started_s:.1f} s to {leg.ended_s:.1f} s"]
    if leg.shortened:
        told = ", ".join(f"{shown(name)} {number}" for name, number in leg.shortened.items())
        parts.append(f"not shown: {told}")
    return ", ".join(parts)


def told_moment(
    at: float,
    now: float,
    *,
    seconds: bool = False,
    local: Callable[[float], datetime] = datetime.fromtimestamp,
) -> str:
    """A moment as a person says it, in the time of this machine."""
    then, today = local(at), local(now)
    clock = f"{then:%H:%M:%S}" if seconds else f"{then:%H:%M}"
    if then.date() == today.date():
        return f"today {clock}"
    if then.date() == today.date() - timedelta(days=1):
        return f"yesterday {clock}"
    return f"{then:%Y-%m-%d} {clock}"
