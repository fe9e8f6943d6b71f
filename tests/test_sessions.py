"""What `.ci/run` runs: every session once, but for those that it says it leaves out."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
RUN = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
NOXFILE = (ROOT / "noxfile.py").read_text(encoding="utf-8")
#: `tests` is what the README's command runs, `coverage` a part of `lower_bounds`; `clean` checks nothing.
LEFT_OUT = {"agents", "agents_wait", "coverage", "kills", "mutation", "ollama", "soak", "tests", "clean"}


def test_every_session_is_run_once() -> None:
    sessions = set(re.findall(r"^@nox\.session.*\ndef (\w+)", NOXFILE, re.MULTILINE))
    run = Counter(" ".join(re.findall(r'"\$\{nox\[@\]\}" ([\w ]+)', RUN)).split())

    assert len(sessions) > 15
    assert run == Counter(sessions - LEFT_OUT)


def test_the_threshold_of_coverage_is_held_by_a_session_that_runs() -> None:
    """One that is left out because another one has it in it."""
    bodies = re.split(r"^@nox\.session.*\n", NOXFILE, flags=re.MULTILINE)
    with_it = {body.split("(")[0].removeprefix("def ") for body in bodies if "    cover(session" in body}

    assert with_it == {"coverage", "lower_bounds"}


def test_what_is_left_out_is_left_out_for_a_reason() -> None:
    for session in LEFT_OUT - {"tests", "clean"}:
        assert f"`{session}`" in RUN


def test_what_measures_time_runs_when_the_lanes_have_ended() -> None:
    beside, alone = RUN.split("\nall_lanes ")

    for session in ("attack", "load", "bench"):
        assert not re.search(rf'"\$\{{nox\[@\]\}}".* {session}\b', beside)
        assert re.search(rf'"\$\{{nox\[@\]\}}".* {session}\b', alone)
