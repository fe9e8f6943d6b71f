"""
`trooper connect`: what a client has to be told, printed, put in place, taken out again.

The block goes to standard output and nothing else does, so that it can be
copied or piped. What is said about it goes to standard error. No value of the
user's file is ever shown but addresses, without what proves who asks, and the name
of a provider.
"""

from __future__ import annotations

import os
import re
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from cyclopts import Parameter

from trooper.clients.client import ByHand, Client
from trooper.clients.editing import conflicts, connected
from trooper.clients.launch import ANTHROPIC, ANY, OPENAI, Surroundings, provider_of
from trooper.clients.placing import TakenBack, is_placed, place, take_back, text_of
from trooper.clients.table import CLIENTS, client_named
from trooper.clients.wanted import NotEdited, Wanted
from trooper.commands.cli import FAILED, MISUSED
from trooper.config.addresses import leads_to

_URL = "http://127.0.0.1:8642"


def connect(
    client: Annotated[str, Parameter(help=f"One of: {', '.join(c.name for c in CLIENTS)}.")],
    /,
    *,
    url: Annotated[str, Parameter(help="Where Trooper listens.")] = _URL,
    write: Annotated[
        bool, Parameter(help="Put it into the client's own file, and keep a backup.", negative="")
    ] = False,
    undo: Annotated[bool, Parameter(help="Take it out again.", negative="")] = False,
    login: Annotated[
        bool,
        Parameter(
            help="Codex proves itself by its own login, a ChatGPT plan for example, in place of OPENAI_API_KEY.",
            negative="",
        ),
    ] = False,
) -> int:
    """Show what a client has to be told; 0, or 1 if its file cannot be used, or 2."""
    known = client_named(client)
    if known is None:
        return _misused(f"{client} is no client; write one of {', '.join(c.name for c in CLIENTS)}")
    address = _address(url)
    if address is None:
        return _misused(
            "--url takes where Trooper listens and nothing else, for example http://127.0.0.1:8642"
        )
    if write and undo:
        return _misused("--write and --undo are two commands")
    if isinstance(known, ByHand):
        return _by_hand(known, address, for_file=write or undo)
    if login and known.asked_by_login is None:
        return _misused(f"--login makes no difference to {known.title}; leave it out")
    try:
        file = known.file(os.environ, _home())
    except NotEdited as error:
        _say(f"{known.title}'s file: {error}. Nothing was changed.")
        return FAILED
    try:
        if undo:
            return _undo(known, file)
        if write:
            return _write(known, file, address, login=login)
        return _show(known, file, address, login=login)
    except NotEdited as error:
        _say(f"{file}: {error}. Nothing was changed.")
        return FAILED


def _show(client: Client, file: Path, address: str, *, login: bool) -> int:
    sys.stdout.write(client.block(address, login=login))
    sys.stdout.flush()
    _say(f"{client.title} reads this from {file}.")
    if note := client.login_note if login else client.note:
        _say(note)
    barred = client.barred(file)
    text = None if barred else text_of(file)
    _say_shell(client, text, address, login=login)
    if text is None:
        _say(barred or f"There is no such file yet: trooper connect {client.name} --write makes it.")
        return 0
    wanted = client.wanted(address, login=login)
    if connected(client.form, text, wanted).text == text:
        _say("It says so already.")
        return 0
    _say_conflicts(client, text, address, login=login)
    _say(
        f"trooper connect {client.name} --write puts it there, with a backup, and --undo takes it out again."
    )
    return 0


def _write(client: Client, file: Path, address: str, *, login: bool) -> int:
    if barred := client.barred(file):
        raise NotEdited(barred)
    text = text_of(file)
    if text is not None and not is_placed(file):
        _say_conflicts(client, text, address, login=login)
    placed = place(client.form, file, client.fresh, client.wanted(address, login=login))
    if placed.was_there:
        _say(f"{placed.file} says so already; nothing was changed.")
        return 0
    kept = f" As it was: {placed.backup}." if placed.backup else ""
    _say(f"{client.title} asks Trooper at {address} now: {placed.file}.{kept}")
    if note := client.login_note if login else client.note:
        _say(note)
    _say_shell(client, text, address, login=login)
    _say(f"trooper connect {client.name} --undo takes it out again.")
    return 0


def _undo(client: Client, file: Path) -> int:
    back = take_back(client.form, file, client.fresh)
    if back is None:
        _say(f"{file} has nothing of Trooper's that was put there by --write; nothing was changed.")
        return 0
    _say(_told(back))
    if back.backup is not None:
        _say(f"As it was before: {back.backup}. It stays; remove it when you do not need it.")
    return 0


def _told(back: TakenBack) -> str:
    if back.removed:
        return f"{back.file} is gone, as before." if back.as_it_was else f"{back.file} is gone."
    if back.as_it_was:
        return f"{back.file} is as it was."
    if back.left:
        return (
            f"{back.file} has been changed since: only Trooper's own part was taken out. These have another"
            f" value now, and stay: {', '.join(back.left)}."
        )
    return f"{back.file} has been changed since: only Trooper's own part was taken out."


def _say_conflicts(client: Client, text: str, address: str, *, login: bool) -> None:
    for wanted, value in conflicts(client.form, text, client.wanted(address, login=login)):
        _say(
            f"{wanted.name} is {_shown_old(wanted, value)} there; with --write it becomes {_shown(wanted.value)}."
        )
        if wanted.value in (address, f"{address}/v1") and _is_address(value):
            # A key that was made for that place must not go to another one.
            _say(
                f"If your key is for that place, start Trooper with {provider_of(wanted.name)}={_shown(value)}."
            )
    if _is_address(asked := client.asks_at(client.form.read(text))):
        key = "" if login else ", and have the key for it in OPENAI_API_KEY"
        _say(
            f"It asks at {_shown(asked)} there. If it is to go on asking there, start Trooper with"
            f" {OPENAI}={_shown(asked)}{key}."
        )


def _say_shell(client: Client, text: str | None, address: str, *, login: bool) -> None:
    """
    What the shell says of where the client's provider is: a key of the same shell may be for that place.

    Not where the client's file has said a place, which the client obeyed; nor of a login of its own.
    """
    here = urlsplit(address)
    port = here.port or (443 if here.scheme == "https" else 80)
    around = Surroundings(os.environ, Path(), Path(), partial(leads_to, here.hostname or "", port))
    block = client.block(address).upper()
    others = conflicts(client.form, text or "", client.wanted(address))
    in_file = {provider_of(wanted.name) for wanted, value in others if _is_address(value)}
    in_file |= {OPENAI} if _is_address(client.asks_at(client.form.read(text or ""))) else set()
    for provider, said in ANY.places((), around).items():
        is_asked = ("ANTHROPIC" if provider == ANTHROPIC else "OPENAI") in block
        if is_asked and not login and provider not in in_file and _is_address(said.url):
            _say(
                f"{said.said_by} is {_shown(said.url)} in this shell. If your key is for that place,"
                f" start Trooper with {provider}={_shown(said.url)}."
            )


def _by_hand(client: ByHand, address: str, *, for_file: bool) -> int:
    if for_file:
        return _misused(f"{client.no_file}. trooper connect {client.name} shows what to set.")
    sys.stdout.write(client.block(address))
    sys.stdout.flush()
    _say(f"{client.title}: {client.where}.")
    return 0


def _shown_old(wanted: Wanted, value: Any) -> str:
    """What the user's file says: an address, or the name of a provider. Anything else may be a secret."""
    return _shown(value) if _is_address(value) or wanted.path == ("model_provider",) else "set otherwise"


def _shown(value: Any) -> str:
    """An address without what may be a secret, and other words of ours; anything else is not shown."""
    if not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else "set otherwise"
    if _is_address(value):
        parts = urlsplit(value)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    return (
        value if value.replace("_", "").replace("-", "").isalnum() and len(value) <= 40 else "set otherwise"
    )


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"https?://[!-~]+", value) is not None


def _address(url: str) -> str | None:
    """The address alone; `/v1` and a slash behind it are a common slip."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        return None
    path = parts.path.rstrip("/").removesuffix("/v1")
    is_one = (
        parts.scheme in {"http", "https"} and parts.hostname and not (path or parts.query or parts.fragment)
    )
    if not is_one or parts.username is not None or not parts.netloc.isascii() or '"' in parts.netloc:
        return None
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")


def _home() -> Path:
    said = os.environ.get("HOME", "")
    return Path(said) if said else Path.home()


def _say(line: str) -> None:
    sys.stderr.write(f"trooper: {line}\n")


def _misused(why: str) -> int:
    _say(why)
    return MISUSED
