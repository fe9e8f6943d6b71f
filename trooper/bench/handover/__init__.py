"""
What a local model still knows: long sessions of an agent go through Trooper, and what it hands over is searched.

Facts are planted in generated sessions, each said once. The cloud fails before
a word or in the middle of one, and what the stand-in for Ollama was sent is
searched for them; beside it, what would be left if the middle were cut out and
that were all. A real model can be asked for the facts, too.

The facts and their sessions come from `sessions`, which what decides about the
hand-over never imports: nobody can be good at these sessions in particular.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

from trooper.bench.handover import answers, figures, plain_cut, speed
from trooper.bench.handover.answers import Answer
from trooper.bench.handover.figures import plot
from trooper.bench.handover.sessions import Session, sessions
from trooper.bench.handover.stage import open_stage
from trooper.bench.handover.told import Fault, Prompt, Way, told_by, told_in
from trooper.bench.other import unreachable
from trooper.bench.progress import Progress
from trooper.bench.result import Asked, Mode, NotRun, Result

__all__ = ["NAME", "Plan", "Questioned", "measure", "plot"]

NAME: Final = figures.NAME


@frozen
class Plan:
    """How much of everything: sessions, windows, switches to time, and what a real model is asked."""

    sessions: int = 20
    windows: tuple[int, ...] = (4_096, 8_192, 16_384, 32_768)
    rounds: int = 10
    questioned: int = answers.SESSIONS
    questions: int = 12
    question_windows: tuple[int, ...] = answers.WINDOWS


PLANS: Final = {
    Mode.FULL: Plan(),
    Mode.QUICK: Plan(5, (4_096, 8_192), 2, 1, 3, (4_096,)),
}


@frozen
class Questioned:
    """Which real model is asked: a file, one of somebody's own Ollama, or the embedded one if nothing is named."""

    gguf: Path | None = None
    ollama: str = ""
    model: str = ""


async def measure(
    asked: Asked, progress: Progress, *, questioned: Questioned | None = None, plan: Plan | None = None
) -> Result | NotRun:
    """
    Hand all sessions over at every window, and look what is left of the facts.

    Args:
        asked: the mode, and the seed of the sessions.
        progress: is told of every prompt.
        questioned: the real model that answers the questions for the facts; nobody does without it.
        plan: how much, if it is not what the mode says.

    Raises:
        NotStarted: a program did not start; in an exception group.
    """
    plan = plan or PLANS[asked.mode]
    model = await _model(questioned)
    if isinstance(model, str):
        return NotRun(NAME, model)
    known = list(sessions(asked.seed, plan.sessions))
    with progress.counting(NAME, len(known) * len(plan.windows) + 2 * plan.rounds) as step:
        prompts: list[Prompt] = []
        for window in plan.windows:
            prompts += await _prompts(known, window, step)
        timed = await speed.measure(asked.seed, plan.rounds, step)
    said: list[Answer] = []
    if model is not None:
        told = known[: plan.questioned]
        total = len(told) * len(plan.question_windows) * 2 * plan.questions
        with progress.counting(f"{NAME}, {model.name}", total) as step:
            said = await answers.measure(model, told, plan.question_windows, plan.questions, step)
    return figures.result(asked, prompts, timed, said, model.name if model else None)


async def _model(questioned: Questioned | None) -> answers.Model | str | None:
    """The model that is asked, if one is; why it cannot be, in words."""
    if questioned is None:
        return None
    if not questioned.ollama:
        return await answers.embedded(questioned.gguf)
    if why := await unreachable(questioned.ollama, "/api/version"):
        return f"no Ollama: {why}"
    return answers.Model(questioned.model, ollama=questioned.ollama)


async def _prompts(known: Sequence[Session], window: int, step: figures.Step) -> list[Prompt]:
    found: list[Prompt] = []
    async with open_stage(window) as stage:
        for session in known:
            for fault in Fault:
                shown = await stage.hand_over(session.request, fault)
                told = told_in(session, shown.prompt)
                found.append(Prompt(session, window, Way.TROOPER, fault, told, shown.problem))
            request = session.request
            short = plain_cut.cut(request["messages"], request["tools"], plain_cut.room_in(window))
            found.append(Prompt(session, window, Way.PLAIN_CUT, None, told_by(session, short)))
            step()
    return found
