"""
What a switch costs: the provider fails in every way at every place, one stream after the other.

The definitions are in `cuts`, the processes in `rig`, one cut in `stage`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import evolve, frozen

from trooper.bench import summary
from trooper.bench.cuts import ANSWER, FULL, KINDS, QUICK, Cut, Plan, Pool, Proxy, Spoiled
from trooper.bench.other import Place, place_of, reached, tried, unreachable
from trooper.bench.plot import Bar, Plot
from trooper.bench.progress import Progress
from trooper.bench.result import Asked, Compare, Mode, NotRun, Result
from trooper.bench.rig import Rig, Serving, open_rig, toml
from trooper.bench.spread import Spread
from trooper.bench.stage import Pace, Stage
from trooper.testing import tokens

NAME: Final = "switchover"
#: Holds the long history whole: leaving something out is another piece of work.
_WINDOW_TOKENS: Final = 32_768
#: Somebody's own model may have to be loaded.
_LOAD_S: Final = 300.0


@frozen
class OwnOllama:
    """Somebody's own server, and the model to ask."""

    url: str
    model: str


async def measure(
    asked: Asked, progress: Progress, *, serving: Serving = Serving.TRIO, own: OwnOllama | None = None
) -> Result | NotRun:
    """
    Make all cuts.

    Args:
        asked: the mode, the seed of the order, and another proxy to measure beside Trooper.
        progress: is told of every cut.
        serving: how Trooper is served.
        own: an Ollama to use instead of the stand-in.

    Raises:
        NotStarted: a program did not start, or ended; in an exception group.
    """
    if own is not None and (why := await unreachable(own.url, "/api/version")):
        return NotRun(NAME, f"no Ollama: {why}")
    compare = asked.compare
    proxies = (Proxy.TROOPER,) if compare is None else (Proxy.TROOPER, Proxy.OTHER)
    await reached(compare)
    plan = FULL if asked.mode is Mode.FULL else QUICK
    if own is not None:
        plan = evolve(plan, histories=plan.histories[:1])
    order = plan.order(proxies, asked.seed)
    cuts: list[Cut] = []
    async with open_rig() as rig:
        stage = await set_up(rig, Pace(), serving, own, compare)
        if compare is not None:
            progress.say(f"provider: {stage.provider.url}/v1, stand-in for Ollama: {stage.local.url}")
            await tried(stage.places[Proxy.OTHER])
        with progress.counting(NAME, plan.warm_up + len(order)) as step:
            for cell in order[: plan.warm_up]:
                await stage.cut(cell)
                step()
            for cell in order:
                cuts.append(await stage.cut(cell))
                step()
    return result(cuts, asked, plan, _settings(stage.pace, plan, asked, serving, own))


async def set_up(
    rig: Rig, pace: Pace, serving: Serving, own: OwnOllama | None, compare: Compare | None
) -> Stage:
    """
    Start provider, local model (the stand-in, or a tap in front of somebody's own) and Trooper.

    Raises:
        NotStarted: one of them does not start.
    """
    ports = (0, 0) if compare is None else (compare.provider_port, compare.ollama_port)
    provider = await rig.provider(token_s=pace.token_s, answer=ANSWER, port=ports[0])
    keys: dict[str, object] = {}
    if own is None:
        local = await rig.ollama(token_s=pace.local_token_s, answer=ANSWER, port=ports[1])
        keys["num_ctx"] = _WINDOW_TOKENS
    else:
        local = await rig.tap(own.url)
        keys["model"] = own.model
    # A silence and signs of life are borne alike, so that one figure is told of both.
    patience: dict[str, object] = dict.fromkeys(("stall_timeout_s", "alive_timeout_s"), pace.patience_s)
    configuration = toml(provider.url, local.url, cloud=patience, local=keys)
    trooper = await rig.trooper(serving, configuration, ready_s=_LOAD_S)
    places = {Proxy.TROOPER: Place("127.0.0.1", trooper.port)}
    if compare is not None:
        places[Proxy.OTHER] = place_of(compare)
    return Stage(provider, local, trooper, places, pace, knows_answer=own is None)


def _settings(
    pace: Pace, plan: Plan, asked: Asked, serving: Serving, own: OwnOllama | None
) -> dict[str, object]:
    return {
        "serving": serving.value,
        "local_model": "stand-in" if own is None else own.model,
        "provider_token_s": pace.token_s,
        "local_token_s": pace.local_token_s if own is None else None,
        "answer_words": len(tokens(ANSWER)),
        "stall_timeout_s": pace.patience_s,
        "window_tokens": _WINDOW_TOKENS if own is None else None,
        "at_once": 1,
        "seed": asked.seed,
        "warm_up_cuts": plan.warm_up,
        "cuts_per_fault": plan.per_fault,
        "histories_bytes": {history.name: history.size_bytes for history in plan.histories},
        "compare": asked.compare.url if asked.compare else None,
    }


def result(cuts: list[Cut], asked: Asked, plan: Plan, settings: Mapping[str, object]) -> Result:
    """The figures of `cuts`."""
    judged = summary.of_proxy(cuts, Proxy.TROOPER)
    told = dict(judged)
    if asked.compare is not None:
        told["other"] = summary.of_proxy(cuts, Proxy.OTHER)
    tables = [summary.fault_table(cuts)]
    if asked.mode is Mode.FULL:
        tables.append(summary.cell_table(cuts))
    inexact = [c for c in cuts if isinstance(c.outcome, Spoiled) and c.cell.proxy is Proxy.TROOPER]
    reasons = judged["not_exact"]
    problems = (f"{len(inexact)} of Trooper's cuts were not exact: {reasons}",) if inexact else ()
    return Result(
        NAME,
        asked.mode,
        settings,
        summary.cells(cuts),
        told,
        tuple(tables),
        _notes(cuts, plan, settings),
        problems,
    )


def _notes(cuts: list[Cut], plan: Plan, settings: Mapping[str, object]) -> tuple[str, ...]:
    kept = [c for c in cuts if c.cell.pool is Pool.KEPT and c.cell.proxy is Proxy.TROOPER]
    midway = summary.spreads(c for c in kept if not c.cell.kind.before).get("switchover_overhead_ms")
    limited = summary.spreads(c for c in kept if c.cell.kind.name == "status-429").get("asked_ms")
    pause_ms, patience_ms = (1000 * float(str(settings[k])) for k in ("provider_token_s", "stall_timeout_s"))
    patience = f"a silence is borne for {patience_ms:g} ms, which is in the gap of the silences only"
    lines = [
        f"Overhead in mid-stream: {_words(midway)}.",
        f"429 → local model asked: {_words(limited)}.",
        f"Served by {settings['serving']}, one request at a time, after {plan.warm_up} cuts to warm up.",
        f"The provider says a token every {pause_ms:g} ms, which is in the gap; {patience}.",
        "Connections to the local model are kept; * is with a fresh one.",
    ]
    if settings["local_model"] != "stand-in":
        lines.append("The model's words are its own: only the form of the streams was checked.")
    return tuple(lines)


def _words(spread: Spread | None) -> str:
    if spread is None:
        return "not measured"
    return f"p50 {spread.p50:.1f} ms, p99 {spread.p99:.1f} ms, max {spread.max:.1f} ms ({spread.n} cuts)"


def plot(measured: Result) -> Plot:
    """Each fault's overhead, from its median to its 99th percentile."""
    proxies = [measured.summary, *([measured.summary["other"]] if "other" in measured.summary else [])]
    bars = []
    for kind in KINDS:
        for series, told in enumerate(proxies):
            match told:
                case {"by_fault": dict(by_fault)} if found := by_fault[kind.name].get(
                    "switchover_overhead_ms"
                ):
                    bars.append(Bar(kind.title, found["p50"], found["p99"], series))
    names = ("Trooper", "the other proxy") if len(proxies) > 1 else ()
    title = "Switchover overhead: median to 99th percentile, " + str(measured.settings["serving"])
    return Plot(title, "ms", bars, names)
