"""
Writes docs/performance.md and its plots from the figures of full bench runs in bench/results.

    trooper bench --json bench/results/full-1.json
    trooper bench --json bench/results/full-2.json
    python bench/profile.py bench/results/profile.json
    python bench/guest.py bench/results/guest.json
    trooper bench handover --json bench/results/handover.json
    trooper bench handover --gguf qwen2.5-coder-0.5b-instruct-q4_k_m.gguf --json bench/results/handover-answers.json
    python docs/generate_performance.py --write
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from generated import write_or_check_all

from trooper.bench.commands import BENCHES
from trooper.bench.handover.speed import WINDOW
from trooper.bench.handover.told import Way
from trooper.bench.plot import Plot, svg
from trooper.bench.result import Mode, Result

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "bench" / "results"
PAGE = DOCS / "performance.md"
#: Ratios of two runs that differ by more say that the machine was too noisy.
AGREES_WITHIN = 0.2

HEAD = """\
# Performance

What a switch costs, what passing through costs, what seams look like, and what a local model still knows of a long session.
Every figure here comes from a run of `trooper bench`; this page is generated from its JSON, which is in `bench/results`.
Figures depend on the machine. Measure yours:

```sh
trooper bench --quick
```

The figures are those of {system}, {processor}, {cores} cores, Python {python}, trio {trio}, hypercorn {hypercorn},
httpx {httpx}. Provider, Trooper, local model and client are processes of their own on real sockets.

## In short

"""

DEFINITIONS = """
## What a switch costs

* **Detection** is from the fault on the wire to Trooper's decision.
* **Overhead**, in full the switchover overhead, is from the fault on the wire to the first word of the local model at the
  client, less the model's own time to its first word.
* **Trooper's own work**, which `trooper demo` shows, is no figure of this page: it is less than the overhead, since it begins
  with the decision, and all of the demo is one process.
* **The gap** is the silence that the client sees. It contains the provider's pace and the model's own time.
* **Asked** is from the fault to the moment when the local model has the request.

The fault of a silence is the end of the patience that was configured ({patience_ms:g} ms here). Served by {serving}, one
request at a time, with open connections to the local model, a stand-in; the provider says a word every {pace_ms:g} ms. All in
milliseconds.

"""

PASSING = """
## What passing through costs

{streams} streams of {rate:g} tokens a second, {rounds} rounds. Processor time is that of the server with all its processes, per
token that the clients got. The first word is late by what the proxy adds to a direct connection; with the gate on, a word
waits until it is whole, so until the next token has come, which is {token_ms:g} ms here. Memory is that of the process that
serves.

"""

SEAMS = """
## What seams look like

{cuts} cuts of fixed answers at every kind of place, gone on with by {model}, a model with 135 million parameters. A defect is
a broken word, or a blank too few or too many, judged against a dictionary. Asked to go on without the gate, at the same
places, the same model leaves them beside it.

"""

HANDOVER = """
## What a local model still knows

{sessions} generated sessions of an agent, of {turns} turns and {least:,} to {most:,} tokens each, are handed over to a local
model with a smaller window: half of them before a word of the cloud, half in mid text. In each of them {facts} facts are
said once, at different ages: who the user is, the goal, decisions, paths, ports, error codes, what must not be done, what
is left to do. Counted is which of them stand in the prompt that the local model gets. A third of their kinds was written by
somebody who has seen neither the rules of the hand-over nor the other kinds. Beside it, what is left where the middle is
cut out and that is all: the newest turns for which there is room.

"""

SHORTENING = """
The shortening at a window of {window:,} tokens, in milliseconds: from the cloud's fault to the request at the local model, less
the same for a conversation of one turn. Prepared: the cloud has streamed for two seconds.

"""

ANSWERS = """
{model} was asked for the facts of {sessions} of these sessions, one question after the other, at temperature 0 and without
tools; the shares are those of the right answers. It is a small model, and what it does not find in its prompt is its own.

"""


YOURS = """
## Yours

On your own Ollama, against another proxy, or served in another way:

```sh
trooper bench switchover --ollama http://127.0.0.1:11434 --model llama3.2:3b
trooper bench switchover --compare http://127.0.0.1:4000/v1
trooper bench passthrough --compare http://127.0.0.1:4000/v1
trooper bench switchover --serving guest
trooper bench handover --ollama http://127.0.0.1:11434 --model llama3.2:3b
trooper bench --json figures.json --plot figures.svg
```

For `--compare`, tell the other proxy that its provider is `http://127.0.0.1:8651/v1` and its Ollama
`http://127.0.0.1:8652`; both are there while the bench runs. The seam bench needs the extras `embedded` and `bench`, and the
model (`trooper fetch-model`). `trooper bench handover --answers` asks the same model, which takes minutes, and `--gguf FILE`
another one. The ratio to nginx needs nginx. `--json FILE` keeps everything, `--plot FILE` draws it.
"""


def load(name: str) -> dict[str, Any]:
    """One file of results; an empty one if it is not there."""
    path = RESULTS / name
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return value


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table of Markdown; figures to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def number(value: object, digits: int = 1) -> str:
    """A figure; a dash where there is none."""
    return f"{value:.{digits}f}" if isinstance(value, int | float) else "–"


def in_short(summary: Mapping[str, Any], handover: Mapping[str, Any]) -> str:
    """The targets, and what was reached."""
    switch, passing, seam = summary["switchover"], summary["passthrough"], summary["seam"]
    overhead, asked = switch["switchover_overhead_ms"], switch["asked_after_429_ms"]
    memory, added = passing["rss_mib"], passing["added_ttft_ms"]
    rows = [
        ("switchover overhead, median", "≤ 5 ms", f"{number(overhead['p50'])} ms"),
        ("switchover overhead, 99 %", "≤ 20 ms", f"{number(overhead['p99'])} ms"),
        ("429 → local model asked, median", "≤ 5 ms", f"{number(asked['p50'])} ms"),
        ("processor time per token, against nginx", "≤ 9", number(passing["cpu_per_token_vs_nginx"])),
        ("added time to the first word, gate off, median", "≤ 6 ms", f"{number(added['p50'])} ms"),
        ("memory, idle", "≤ 70 MiB", f"{number(memory['idle'], 0)} MiB"),
        ("memory, 200 streams", "≤ 100 MiB", f"{number(memory['at_200'], 0)} MiB"),
        ("seams with a defect", "≤ 2 %", f"{number(seam['defects_percent']['gate_on'])} %"),
    ]
    if handover:
        told = handover["told_percent"]["8192"]["trooper"]
        took = handover["shortening_ms"]["prepared"]["60000"]
        rows += [
            ("facts of a long session in a prompt of 8,192 tokens", "≥ 90 %", f"{number(told['all'])} %"),
            ("those of its first turn", "100 %", f"{number(told['first_turn'])} %"),
            ("60,000 tokens made short enough, median", "≤ 30 ms", f"{number(took['p50'])} ms"),
        ]
    return table(("", "target", "reached"), rows)


def switch_table(told: Mapping[str, Any]) -> str:
    """A row for each fault."""
    rows = []
    for fault, figures in told["summary"]["by_fault"].items():
        row: list[object] = [f"`{fault}`", figures["switchover_overhead_ms"]["n"]]
        for name in ("detection_ms", "switchover_overhead_ms", "gap_ms", "asked_ms"):
            spread = figures.get(name, {})
            row += [number(spread.get("p50")), number(spread.get("p99"))]
        rows.append(row)
    head = ("fault", "cuts", "detection", "99 %", "overhead", "99 %", "gap", "99 %", "asked", "99 %")
    return table(head, rows)


def passing_table(told: Mapping[str, Any]) -> str:
    """A row for each system."""
    summary = told["summary"]
    memory = {"trooper, -k trio": summary["rss_mib"], "trooper, asyncio guest": summary["guest"]["rss_mib"]}
    rows = []
    for cell in told["cells"]:
        ratios = sorted(cell["vs_nginx_by_round"])
        added = cell["added_ttft_ms"] or {}
        here = memory.get(cell["system"]) or {}
        rows.append(
            (
                cell["system"],
                number(cell["cpu_per_token_us"], 0),
                number(ratios[len(ratios) // 2] if ratios else None),
                number(added.get("p50")),
                number(added.get("p99")),
                *(number(here.get(at), 0) for at in ("idle", "at_40", "at_200")),
            )
        )
    head = ("", "µs a token", "× nginx", "first word +ms", "99 %", "MiB idle", "at 40", "at 200")
    return table(head, rows)


def seam_table(told: Mapping[str, Any]) -> str:
    """A row for each kind of place."""
    summary = told["summary"]
    sides = ("gate_on", "gate_off")
    rows = [(place, *(number(rates[side]) for side in sides)) for place, rates in summary["by_place"].items()]
    rows.append(("all", *(number(summary["defects_percent"][side]) for side in sides)))
    return table(("cut", "with the gate, %", "without, %"), rows)


def ratios(run: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """The figures of one run that another run should find again."""
    by_fault = run["benches"]["switchover"]["summary"]["by_fault"]
    base = by_fault["reset"]["switchover_overhead_ms"]["p50"]
    for fault, figures in by_fault.items():
        if fault != "reset":
            yield f"overhead of `{fault}` / of `reset`", figures["switchover_overhead_ms"]["p50"] / base
    passing = run["benches"]["passthrough"]["summary"]
    yield "processor time per token / nginx", passing["cpu_per_token_vs_nginx"]
    yield "the same for the asyncio guest", passing["guest"]["cpu_per_token_vs_nginx"]


def agreement(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """Whether two runs found the same ratios."""
    again = dict(ratios(second))
    rows, worst = [], 0.0
    for name, value in ratios(first):
        apart = abs(again[name] - value) / min(again[name], value)
        worst = max(worst, apart)
        rows.append((name, number(value, 2), number(again[name], 2), f"{100 * apart:.0f} %"))
    words = (
        f"They agree on every ratio within {100 * worst:.0f} %."
        if worst <= AGREES_WITHIN
        else f"They differ by up to {100 * worst:.0f} %: the machine was too noisy for the rows that are above 20 %."
    )
    title = "\n## Two runs\n\nSwitchover and pass-through were each run in full a second time on the same machine. "
    return f"{title}{words}\n\n" + table(("ratio", "first", "second", "apart"), rows)


GUEST = """
## Trio as a guest of asyncio

`hypercorn trooper.app`, as typed, runs Trio as a guest of asyncio. What that costs was measured in pairs: both serve at once
and are measured in turn, and the ratio is taken within a pair. The guest's loop waits for sockets in a thread of its own, and
the less there is to do, the more often it waits: so the guest is the dearer one where few streams pass on a quiet machine,
and need not be where much goes on. When this began, the load of the machine's {cores} cores was {load:.1f}.
`python bench/guest.py` repeats it.

"""


def guest_section(told: Mapping[str, Any]) -> str:
    """What the guest costs, in pairs."""
    rows = []
    for size in told["sizes"]:
        ratio = size["ratio"]
        spread = f"{number(ratio['lowest'], 2)} – {number(ratio['highest'], 2)}"
        costs = (number(size["trio_us"], 0), number(size["guest_us"], 0))
        rows.append((f"{size['streams']} streams", size["pairs"], *costs, number(ratio["median"], 2), spread))
    head = (
        "",
        "pairs",
        "`-k trio`, µs a token",
        "guest, µs a token",
        "guest / `-k trio`",
        "lowest – highest",
    )
    machine = told["machine"]
    return GUEST.format(cores=machine["cores"], load=machine["load_average"][0]) + table(head, rows)


def profile_section(profile: Mapping[str, Any]) -> str:
    """Where the processor time of a token goes."""
    rows = [(row["part"], f"{row['percent']:.0f} %") for row in profile["parts"]]
    title = "\n## Where the time of a token goes\n\n"
    words = (
        f"{profile['samples']} samples of the process that serves ({profile['serving']}), while"
        f" {profile['streams']} streams pass; the innermost frame counts. `python bench/profile.py` repeats it.\n\n"
    )
    return title + words + table(("where", "share"), rows)


def handover_section(told: Mapping[str, Any], answered: Mapping[str, Any], plot: Plot) -> str:
    """
    Which facts are still told, how long that takes, and what a real model makes of them.

    It is `answered` in a run of its own: an hour of a model's work, beside which nothing can be timed.
    """
    settings, summary = told["settings"], told["summary"]
    least, most = settings["tokens"]
    text = HANDOVER.format(**settings | {"least": least, "most": most})
    text += _both_ways(summary["told_percent"]) + shown("handover", plot)
    rows = [
        (f"{int(size):,} tokens", *(number(took[size][at]) for took in ways for at in ("p50", "max")))
        for ways in [[summary["shortening_ms"][name] for name in ("prepared", "not_prepared")]]
        for size in ways[0]
    ]
    text += SHORTENING.format(window=WINDOW)
    text += table(("", "prepared, median", "max", "at once, median", "max"), rows)
    if answered:
        asked = {cell["session"] for cell in answered["cells"] if "question" in cell}
        model = f"`{answered['settings']['model']}`"
        text += ANSWERS.format(model=model, sessions=len(asked))
        text += _both_ways(answered["summary"]["right_answers_percent"])
    return text


def _both_ways(by_window: Mapping[str, Any]) -> str:
    groups = ("all", "first_turn", "kinds_apart")
    rows = [
        (f"{int(window):,}", *(number(ways[way.value][group]) for way in Way for group in groups))
        for window, ways in by_window.items()
    ]
    names = ("all", "first turn", "kinds written apart")
    head = ("window", *(f"{name}, %" for name in names), *(f"plain cut: {name}, %" for name in names))
    return table(head, rows)


def drawn(run: Mapping[str, Any]) -> dict[str, Plot]:
    """The plot of each bench, as `trooper bench --plot` draws it."""
    plots = {}
    handover = load("handover.json")
    for name, module in BENCHES.items():
        told = handover if name == "handover" else run["benches"][name]
        if told:
            result = Result(name, Mode.FULL, told["settings"], told["cells"], told["summary"])
            plots[name] = import_module(module).plot(result)
    return plots


def picture(name: str) -> Path:
    """Where a bench's plot is."""
    return DOCS / f"performance-{name}.svg"


def shown(name: str, plot: Plot) -> str:
    """A plot, as the page has it."""
    return f"\n![{plot.title}.]({picture(name).name})\n"


def page(run: Mapping[str, Any], plots: Mapping[str, Plot]) -> str:
    """The whole page."""
    benches = run["benches"]
    switch, passing, seam = (benches[name] for name in ("switchover", "passthrough", "seam"))
    settings = switch["settings"]
    text = HEAD.format(**run["machine"], **run["versions"]) + in_short(
        run["summary"], load("handover.json").get("summary", {})
    )
    text += DEFINITIONS.format(
        serving=f"`{settings['serving']}`",
        patience_ms=1000 * settings["stall_timeout_s"],
        pace_ms=1000 * settings["provider_token_s"],
    )
    text += switch_table(switch) + shown("switchover", plots["switchover"])
    sets = passing["settings"]
    text += PASSING.format(
        streams=sets["streams"],
        rate=sets["tokens_per_s"],
        rounds=sets["rounds"],
        token_ms=1000 / sets["tokens_per_s"],
    )
    text += passing_table(passing) + shown("passthrough", plots["passthrough"])
    text += "".join(f"\n{note[0].upper()}{note[1:]}.\n" for note in passing["notes"])
    if guest := load("guest.json"):
        text += guest_section(guest)
    if profile := load("profile.json"):
        text += profile_section(profile)
    text += SEAMS.format(cuts=seam["summary"]["cuts"], model=seam["settings"]["model"]) + seam_table(seam)
    text += shown("seam", plots["seam"])
    if handover := load("handover.json"):
        text += handover_section(handover, load("handover-answers.json"), plots["handover"])
    if second := load("full-2.json"):
        text += agreement(run, second)
    return text + YOURS


if __name__ == "__main__":
    first = load("full-1.json")
    all_plots = drawn(first)
    pictures = {picture(name): svg(plot) for name, plot in all_plots.items()}
    sys.exit(write_or_check_all({PAGE: page(first, all_plots)} | pictures))
