"""
How sessions are told: the JSON of each, in words and numbers; pure.

Moments are told as people and programs both read them (RFC 3339, UTC). What is
text of a conversation stands in fields of its own and nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from trooper.core.local_model import LocalModel
from trooper.core.recovery import Appended, Recovery
from trooper.store import Session, Turn, TurnLeg
from trooper.store.last_turns import LastTurn
from trooper.targets.sitrep import Sitrep


def moment(at: float) -> str:
    """A moment, to the second."""
    # A page may have two thousand of them, and this takes half as long as a `datetime`.
    return "{}-{:02}-{:02}T{:02}:{:02}:{:02}Z".format(*time.gmtime(at)[:6])


def lasting(seconds: float) -> str:
    """How long something is kept."""
    hours = seconds / 3600
    number, unit = (hours, "hour") if hours >= 1 else (seconds / 60, "minute")
    return f"{number:g} {unit}{'' if number == 1 else 's'}"


def of_session(session: Session) -> Mapping[str, object]:
    """A session, without its turns."""
    return {
        "id": session.id,
        "key": session.key_kind,
        "began_at": moment(session.began_at),
        "used_at": moment(session.used_at),
        "turns": session.turns,
        "tokens": session.tokens,
        "local_tokens": session.local_tokens,
    }


def of_turn(turn: Turn) -> Mapping[str, object]:
    """A turn with its legs."""
    return {
        "id": turn.id,
        "at": moment(turn.at),
        "wire": turn.wire,
        "model": turn.model,
        "ending": turn.ending,
        "duration_s": None if turn.is_open else turn.duration_s,
        "prompt_tokens": turn.prompt_tokens,
        "tokens": turn.tokens,
        "local_tokens": turn.local_tokens,
        "answer_id": turn.answer_id or None,
        "legs": [_leg(leg) for leg in turn.legs],
        "passed_by": turn.passed_by,
    }


def _leg(leg: TurnLeg) -> Mapping[str, object]:
    return {
        "target": leg.target,
        "model": leg.model,
        "is_local": leg.is_local,
        "how": leg.how,
        "outcome": leg.outcome,
        "reason": leg.reason or None,
        "tokens": leg.tokens,
        "estimated": leg.estimated,
        "started_s": leg.started_s,
        "first_content_s": leg.first_content_s,
        "ended_s": leg.ended_s,
        "shortened": leg.shortened,
    }


def of_sitrep(sitrep: Sitrep, target: str, model: LocalModel | None) -> Mapping[str, object]:
    """A report, and which model it would be for."""
    return {
        "target": target or None,
        "model": model.name if model is not None else None,
        "window_tokens": model.window_tokens if model is not None else None,
        "is_carried": sitrep.is_carried,
        "shortened": sitrep.shortened,
        "report": sitrep.report,
    }


def of_recovery(recovery: Recovery, turn: LastTurn, appended: Sequence[Appended]) -> Mapping[str, object]:
    """Where a session stands."""
    steps = [{"call": one.call, "arguments": one.arguments, "result": one.result} for one in recovery.steps]
    return {
        "turn": turn.id,
        "at": moment(turn.at),
        "wire": turn.wire,
        "ending": turn.said.ending,
        "task": recovery.task,
        "asked": recovery.asked,
        "steps": steps,
        "steps_left_out": recovery.steps_left_out,
        "open": [
            {"id": one.id, "call": one.call, "arguments": one.arguments, "is_whole": one.is_whole}
            for one in recovery.open
        ],
        "answer": {"text": recovery.answer, "is_whole": recovery.is_whole, "is_lost": recovery.is_lost},
        "appended": [{"role": one.role, "text": one.text, "at": moment(one.at)} for one in appended],
    }
