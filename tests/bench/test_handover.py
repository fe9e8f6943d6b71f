"""
The hand-over bench, for real and briefly: what it says of the prompts is what a model could know.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import trio
from rich.console import Console

from trooper.bench import handover
from trooper.bench.handover import kinds, kinds_apart
from trooper.bench.handover.sessions import Session, session
from trooper.bench.progress import Progress
from trooper.bench.result import Asked, Mode, Result
from trooper.testing import serve_tcp
from trooper.testing.ollama import FakeOllama, Model
from trooper.testing.ollama.decoding import Ask
from trooper.testing.ollama.saying import Words

BENCH = "import sys; from trooper.bench.commands import bench_app; sys.exit(bench_app(sys.argv[1:]))"
LONG_S = 300


def test_a_quick_run_finds_what_is_in_the_prompts(tmp_path: Path) -> None:
    file, plot = tmp_path / "figures.json", tmp_path / "figures.svg"
    done = subprocess.run(
        [sys.executable, "-c", BENCH, "handover", "--quick", "--json", str(file), "--plot", str(plot)],
        capture_output=True,
        text=True,
        check=False,
        timeout=LONG_S,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    told = json.loads(file.read_text(encoding="utf-8"))
    summary = told["summary"]
    assert told["problems"] == []
    assert (told["settings"]["sessions"], told["settings"]["facts"]) == (5, 12)
    assert summary["told_percent"].keys() == {"4096", "8192"}
    for window in summary["told_percent"].values():
        assert all(0 <= share <= 100 for way in window.values() for share in way.values())
        # What is cut out of the middle takes the beginning with it.
        assert window["plain cut"]["first_turn"] == 0
        # Who somebody is, and what for all this is done, is known whatever is left out.
        assert window["trooper"]["first_turn"] == 100
        assert window["trooper"]["all"] >= 2 * window["plain cut"]["all"]
    assert summary["told_percent"]["8192"]["trooper"]["all"] >= 90
    assert summary["by_kind_percent"].keys() == {*kinds.KINDS, *kinds_apart.KINDS_APART}
    # Not how fast it is, but that it was measured.
    assert summary["shortening_ms"]["prepared"]["60000"]["n"] == 2
    assert summary["right_answers_percent"] == {}
    assert len(told["cells"]) == 5 * 2 * 3
    assert plot.read_text(encoding="utf-8").startswith("<svg")


class Attentive:
    """A model that knows exactly what stands in its prompt."""

    def __init__(self, known: Session) -> None:
        self.known = known
        self.prompts: list[str] = []

    def __call__(self, ask: Ask) -> Words:
        *before, question = ask.messages
        prompt = json.dumps(before, ensure_ascii=False)
        if question["role"] == "assistant":
            return Words("I do not know.")  # Nobody's question: Trooper finds out how it goes on.
        assert (before[-1]["role"], question["role"]) == ("assistant", "user")
        self.prompts.append(prompt)
        for sown in self.known.facts:
            if sown.planted.question in question["content"] and sown.planted.is_in(prompt):
                return Words(f"It is {sown.planted.answer[0]}.")
        return Words("I do not know.")


async def test_a_model_is_asked_for_the_facts_both_ways() -> None:
    attentive = Attentive(session(1, 0))
    ollama = FakeOllama(models=(Model(name="attentive"),), script=attentive)
    plan = handover.Plan(1, (4_096,), 1, 1, 12, (8_192,))
    with trio.fail_after(LONG_S):
        async with trio.open_nursery() as nursery:
            url = f"http://127.0.0.1:{await serve_tcp(ollama, nursery)}"
            result = await handover.measure(
                Asked(Mode.QUICK),
                Progress(Console(file=io.StringIO())),
                questioned=handover.Questioned(ollama=url, model="attentive"),
                plan=plan,
            )
            nursery.cancel_scope.cancel()

    assert isinstance(result, Result)
    assert result.problems == ()
    assert result.settings["model"] == "attentive"
    asked = [cell for cell in result.cells if "question" in cell]
    assert [cell["way"] for cell in asked] == ["trooper"] * 12 + ["plain cut"] * 12
    # Some of the latest facts are known both ways, and those of the first turn one way only.
    right = {
        way: [c["kind"] for c in asked if c["way"] == way and c["right"]] for way in ("trooper", "plain cut")
    }
    assert right["plain cut"]
    assert set(right["plain cut"]) < {*kinds.KINDS, *kinds_apart.KINDS_APART}
    assert {"who I am", "goal"} <= set(right["trooper"]) - set(right["plain cut"])
    # All questions of one way stand behind the same words, which a server reads once.
    assert len(set(attentive.prompts[-12:])) == 1
    # The bench has cut it, and Trooper has left it as it is: there is no word of what was left out.
    assert [m["role"] for m in json.loads(attentive.prompts[-1])].count("system") == 1
