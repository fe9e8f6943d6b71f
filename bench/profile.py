"""
Where the processor time of a forwarded token goes: `python bench/profile.py FILE.json`.

Trooper serves 40 streams of 50 tokens a second, as in the pass-through bench, and
py-spy (`pip install py-spy`) looks a thousand times a second where the process is.
What counts is the innermost frame, put down to the part of the stack that it is in.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import trio

from trooper.bench.crowd import Crowd
from trooper.bench.passthrough import STREAMS, TOKEN_S
from trooper.bench.rig import Serving, open_rig, run, toml

SECONDS = 6
#: Part of a path → what it is called; the first that fits.
PARTS = (
    ("trooper/core/framing", "Trooper: framing"),
    ("trooper/wire", "Trooper: reading events"),
    ("trooper/core", "Trooper: gate, transcript and other decisions"),
    ("trooper/delivery", "Trooper: delivery"),
    ("trooper/", "Trooper: relay, legs, inbox, web"),
    ("hypercorn", "hypercorn"),
    ("httpcore", "httpcore and httpx"),
    ("httpx", "httpcore and httpx"),
    ("h11", "h11, both sides"),
    ("anyio", "anyio"),
    ("trio", "Trio: scheduling, sockets, waiting"),
)


def part_of(frame: str) -> str:
    """Which part a frame of py-spy belongs to."""
    return next((name for piece, name in PARTS if piece in frame), "Python's own library")


async def record(spy: str, raw: str) -> int:
    """Serve, and let py-spy write what it sees."""
    async with open_rig() as rig:
        provider = await rig.provider(token_s=TOKEN_S, answer="word " * 500)
        local = await rig.ollama()
        trooper = await rig.trooper(Serving.TRIO, toml(provider.url, local.url))
        async with trio.open_nursery() as nursery:
            crowd = Crowd(trooper.port, STREAMS, 0.01)
            nursery.start_soon(crowd.run)
            await crowd.all_begun.wait()
            options = ["-f", "raw", "-F", "-r", "1000", "-d", str(SECONDS), "-o", raw]
            command = [spy, "record", *options, "-p", str(trooper.serving_pid)]
            await trio.run_process(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            nursery.cancel_scope.cancel()
    return 0


def tell(lines: Iterable[str]) -> dict[str, object]:
    """What was seen, part by part."""
    seen: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        seen[part_of(stack.rpartition(";")[2])] += int(count)
    total = sum(seen.values())
    return {
        "serving": Serving.TRIO.value,
        "streams": STREAMS,
        "samples": total,
        "parts": [{"part": part, "percent": round(100 * n / total, 1)} for part, n in seen.most_common()],
    }


def main(target: Path) -> int:
    """Record, and write the figures."""
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if spy is None:
        sys.stderr.write("py-spy is missing: pip install py-spy\n")
        return 1
    with tempfile.NamedTemporaryFile() as raw:
        status = run(partial(record, spy, raw.name))
        lines = Path(raw.name).read_text(encoding="utf-8").splitlines()
    if status == 0:
        target.write_text(json.dumps(tell(lines), indent=2) + "\n", encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
