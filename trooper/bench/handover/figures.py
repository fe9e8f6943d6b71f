"""
The figures of the hand-over bench: shares, times and right answers, and how they are shown.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from trooper.bench.handover import answers, kinds, kinds_apart, speed
from trooper.bench.handover.answers import Answer
from trooper.bench.handover.sessions import TURNS, Sown
from trooper.bench.handover.speed import Timed, shortening_ms
from trooper.bench.handover.told import Fault, Prompt, Way, percent
from trooper.bench.plot import Bar, Plot
from trooper.bench.result import Asked, Result
from trooper.bench.spread import Spread
from trooper.bench.table import Table, figure

NAME: Final = "handover"
Step: TypeAlias = Callable[[], None]

#: The facts that are told apart.
_GROUPS: Final[dict[str, Callable[[Sown], bool]]] = {
    "all": lambda _: True,
    "first_turn": lambda sown: sown.is_first,
    "later": lambda sown: not sown.is_first,
    "own_kinds": lambda sown: not sown.is_apart,
    "kinds_apart": lambda sown: sown.is_apart,
}


def result(
    asked: Asked, prompts: Sequence[Prompt], timed: Sequence[Timed], said: Sequence[Answer], model: str | None
) -> Result:
    """Everything, put together."""
    tables = [_share_table(prompts), _kind_table(prompts), _speed_table(timed)]
    if said:
        tables.append(_answer_table(said))
    known = {prompt.session.number: prompt.session for prompt in prompts}
    sizes = [session.tokens for session in known.values()]
    return Result(
        bench=NAME,
        mode=asked.mode,
        settings={
            "seed": asked.seed,
            "sessions": len(known),
            "turns": TURNS,
            "tokens": [min(sizes), max(sizes)] if sizes else [],
            "languages": dict(Counter(session.tongue for session in known.values())),
            "facts": len(kinds.KINDS) + len(kinds_apart.KINDS_APART),
            "model": model,
            "most_answer_tokens": answers.MOST_TOKENS,
        },
        cells=[*map(_cell, prompts), *map(_answer_cell, said)],
        summary={
            "told_percent": _told(prompts),
            "by_kind_percent": _by_kind(prompts),
            "shortening_ms": _shortening(timed),
            "right_answers_percent": _right(said),
        },
        tables=tuple(tables),
        notes=_notes(prompts, said, model),
        problems=_problems(prompts, timed, said),
    )


def _of(prompts: Sequence[Prompt], window: int, way: Way) -> list[Prompt]:
    return [p for p in prompts if p.window_tokens == window and p.way is way and not p.problem]


def _windows(prompts: Sequence[Prompt]) -> list[int]:
    return sorted({prompt.window_tokens for prompt in prompts})


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _told(prompts: Sequence[Prompt]) -> dict[str, object]:
    return {
        str(window): {
            way.value: {
                name: _rounded(percent(_of(prompts, window, way), of)) for name, of in _GROUPS.items()
            }
            for way in Way
        }
        for window in _windows(prompts)
    }


def _by_kind(prompts: Sequence[Prompt]) -> dict[str, object]:
    return {
        kind: {
            str(window): _rounded(percent(_of(prompts, window, Way.TROOPER), _is_of(kind)))
            for window in _windows(prompts)
        }
        for kind in (*kinds.KINDS, *kinds_apart.KINDS_APART)
    }


def _is_of(kind: str) -> Callable[[Sown], bool]:
    return lambda sown: sown.planted.kind == kind


def _shortening(timed: Sequence[Timed]) -> dict[str, object]:
    told: dict[str, object] = {}
    for fault, name in ((Fault.MIDWAY, "prepared"), (Fault.BEFORE, "not_prepared")):
        spreads = {size: Spread.of(shortening_ms(timed, fault, size)) for size in speed.SIZES}
        told[name] = {str(size): spread.as_json() for size, spread in spreads.items() if spread}
    return told


def _right(said: Sequence[Answer]) -> dict[str, object]:
    told: dict[str, object] = {}
    for window in sorted({answer.window_tokens for answer in said}):
        told[str(window)] = {
            way.value: {name: _rounded(_right_percent(said, window, way, of)) for name, of in _GROUPS.items()}
            for way in Way
        }
    return told


def _right_percent(said: Sequence[Answer], window: int, way: Way, of: Callable[[Sown], bool]) -> float | None:
    meant = [a for a in said if a.window_tokens == window and a.way is way and of(a.sown)]
    return 100 * sum(answer.is_right for answer in meant) / len(meant) if meant else None


def _share_table(prompts: Sequence[Prompt]) -> Table:
    rows = []
    for window in _windows(prompts):
        ours, plain = (_of(prompts, window, way) for way in (Way.TROOPER, Way.PLAIN_CUT))
        shares = [percent(ours, _GROUPS[name]) for name in ("all", "first_turn", "own_kinds", "kinds_apart")]
        shares += [percent(plain, _GROUPS[name]) for name in ("all", "first_turn")]
        rows.append((str(window), *map(figure, shares)))
    head = ("window", "all", "first turn", "our kinds", "apart", "plain cut", "first turn")
    return Table("Facts that stand in the prompt, %", head, tuple(rows))


def _kind_table(prompts: Sequence[Prompt]) -> Table:
    windows = _windows(prompts)
    rows = [
        (kind, *(figure(percent(_of(prompts, window, Way.TROOPER), _is_of(kind))) for window in windows))
        for kind in (*kinds.KINDS, *kinds_apart.KINDS_APART)
    ]
    return Table("The same by kind, %", ("", *map(str, windows)), tuple(rows))


def _speed_table(timed: Sequence[Timed]) -> Table:
    rows = []
    for size in speed.SIZES:
        row = [str(size)]
        for fault in (Fault.MIDWAY, Fault.BEFORE):
            took = shortening_ms(timed, fault, size)
            row += [figure(statistics.median(took) if took else None), figure(max(took, default=None))]
        rows.append(tuple(row))
    head = ("tokens", "prepared", "max", "at once", "max")
    title = f"What the shortening adds to a switch at a window of {speed.WINDOW}, median, ms"
    return Table(title, head, tuple(rows))


def _answer_table(said: Sequence[Answer]) -> Table:
    rows = []
    for window in sorted({answer.window_tokens for answer in said}):
        row = [str(window), str(sum(a.window_tokens == window for a in said) // 2)]
        for way in Way:
            row += [figure(_right_percent(said, window, way, _GROUPS[n])) for n in ("all", "first_turn")]
        rows.append(tuple(row))
    head = ("window", "asked", "right", "first turn", "plain cut", "first turn")
    return Table("Questions for the facts that a real model answers rightly, %", head, tuple(rows))


def _notes(prompts: Sequence[Prompt], said: Sequence[Answer], model: str | None) -> tuple[str, ...]:
    many = len({prompt.session.number for prompt in prompts})
    sessions = f"{many} generated sessions of {TURNS} turns with tools, 12 facts in each, every one said once"
    lines = [
        f"{sessions}; half of the hand-overs before a word of the cloud, half in mid text.",
        "Apart: kinds by somebody who has seen neither the rules nor the other kinds.",
        "Plain cut: the newest turns that fit, the middle cut out, no report.",
        "At once: the cloud fails before a word, so nothing can be prepared; the request is read then, too.",
    ]
    if said:
        lines.append(
            f"{model} is asked, at temperature 0, without tools, for at most {answers.MOST_TOKENS} tokens."
        )
    return tuple(lines)


def _problems(prompts: Sequence[Prompt], timed: Sequence[Timed], said: Sequence[Answer]) -> tuple[str, ...]:
    why = Counter(f"hand-overs: {p.problem}" for p in prompts if p.problem)
    why += Counter(f"timed switches: {t.problem}" for t in timed if t.problem)
    why += Counter(f"questions: {a.problem}" for a in said if a.problem)
    return tuple(f"{many} {words}" for words, many in why.items())


def _cell(prompt: Prompt) -> dict[str, object]:
    return {
        "session": prompt.session.number,
        "language": prompt.session.tongue,
        "window": prompt.window_tokens,
        "way": prompt.way.value,
        "fault": prompt.fault.value if prompt.fault else None,
        "lost": [s.planted.kind for s in prompt.session.facts if s.planted.kind not in prompt.told],
        "problem": prompt.problem,
    }


def _answer_cell(answer: Answer) -> dict[str, object]:
    return {
        "session": answer.session.number,
        "window": answer.window_tokens,
        "way": answer.way.value,
        "kind": answer.sown.planted.kind,
        "question": answer.sown.planted.question,
        "answer": answer.said,
        "right": answer.is_right,
        "prompt_tokens": answer.prompt_tokens,
    }


def plot(measured: Result) -> Plot:
    """The share of the facts in the prompt, window by window, beside the plain cut."""
    bars = []
    match measured.summary:
        case {"told_percent": dict(by_window)}:
            for window, ways in by_window.items():
                for series, way in enumerate(Way):
                    for label, group in (("", "all"), (", first turn", "first_turn")):
                        share = float(ways[way.value][group] or 0.0)
                        bars.append(Bar(f"{window}{label}", 0.0, share, series, at=share))
    return Plot("Facts in the prompt of the local model", "%", bars, ("with the report", "plain cut"))
