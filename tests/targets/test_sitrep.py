"""The report that a hand-over would carry: the very one, or what there is to say where it would carry none."""

from __future__ import annotations

import json

import msgspec

from relay_parts import MODEL
from trooper.core.recovery import Appended, Recovery, Said
from trooper.targets.sitrep import Sitrep, recovered_from, sitrep

READER = ("trooper.wire.openai_chat.read_request", "read_conversation")
LONG = [
    message
    for number in range(60)
    for message in (
        {"role": "user", "content": f"Set port {8000 + number} in /srv/{number}.toml now. " + "and " * 60},
        {"role": "assistant", "content": f"Done: /srv/{number}.toml. " + "words " * 60},
    )
]
SAID = Said("All set.")


def body(*messages: object) -> bytes:
    return json.dumps({"messages": messages}).encode()


def told(
    *messages: object, said: Said = SAID, appended: tuple[Appended, ...] = (), known: bool = True
) -> Sitrep:
    more = msgspec.to_builtins((said, appended, MODEL if known else None))
    found = sitrep(body(*messages), *READER, *more)
    assert found is not None
    # As it comes back from a process aside.
    assert msgspec.json.decode(msgspec.json.encode(found), type=Sitrep) == found
    return found


def test_what_does_not_fit_is_carried() -> None:
    report = told(*LONG)
    assert report.is_carried
    assert report.shortened["turns"] > 0
    assert "/srv/3.toml" in report.report
    with_note = told(*LONG, appended=(Appended("user", "Mind /etc/keeper.conf.", 1.0),))
    assert "/etc/keeper.conf" in with_note.report


def test_what_fits_is_carried_whole_and_the_report_is_on_all_of_it() -> None:
    report = told(*LONG[:4], said=Said("Half of it: /srv/half.toml", ending="failed"))
    assert (report.is_carried, report.shortened) == (False, {})
    assert "/srv/half.toml" in report.report
    assert told(*LONG, known=False).is_carried is False


def test_what_nobody_can_read_has_none() -> None:
    nothing = msgspec.to_builtins((SAID, (), None))
    assert sitrep(b"{", *READER, *nothing) is None
    assert recovered_from(b"[]", *READER, msgspec.to_builtins(SAID)) is None


def test_where_it_stands_comes_back_as_it_was() -> None:
    found = recovered_from(body(*LONG[:3]), *READER, msgspec.to_builtins(SAID))
    assert found is not None
    assert found.answer == "All set."
    assert msgspec.json.decode(msgspec.json.encode(found), type=Recovery) == found
