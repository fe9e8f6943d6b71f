"""
A Trooper that keeps all that it may on disk: what it holds does not grow with the requests.

Its caps are small, and reached within the first fifth, which does not count.
`STORE_REQUESTS=100000` is the long one (`nox -s soak`).
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import trio
from attrs import evolve

from attack_watch import Watched, numbers
from deployed import deployed
from figures import Figures
from soak_clients import Clients
from soak_memory import MIB, Sample, look, slope
from soak_mix import Fakes, Mix, Turn
from trooper.testing import serve_tcp
from trooper.testing.client import fetch

REQUESTS = int(os.environ.get("STORE_REQUESTS", "1000"))
LOOKS = 50
SESSIONS, BYTES, CONTENT_BYTES = 500, 1_000_000, 200_000
#: What a few large answers at once may take, in the second half of a short run; and by how much a long one may grow.
MOST_MIB, MOST_MIB_PER_THOUSAND = 10.0, 0.05
LONG = 50_000
SLOW = ("silence", "no-headers", "headers-only")

CONFIG = f"""
[server]
port = 0
memory = false
remember_bytes = {BYTES}
[store]
content = "disk"
sessions_max = {SESSIONS}
metadata_bytes = {BYTES}
content_bytes = {CONTENT_BYTES}
"""
TARGET = """
[[targets]]
name = "{name}"
wire = "{name}"
base_url = "{url}"
key = "client"
ttft_timeout_s = 8.0
stall_timeout_s = 8.0
alive_timeout_s = 8.0
whole_timeout_s = 12.0
"""
WIRES = ("openai-chat", "openai-responses", "anthropic-messages")


def turns(first: int, count: int, mix: Mix) -> list[Turn]:
    """So many of a soak's requests, none of them large, and without faults that one waits for."""
    drawn = [mix.draw(number) for number in range(first, first + count)]
    small = [evolve(turn, words=min(turn.words, 30), request_bytes=0, model="model") for turn in drawn]
    return [evolve(turn, fault="") if turn.fault.startswith(SLOW) else turn for turn in small]


async def test_memory_descriptors_and_the_file_are_flat(figures: Figures, tmp_path: Path) -> None:
    fakes = Fakes()
    fakes.cloud.pace_s = fakes.local.token_s = 0.0
    samples: list[Sample] = []
    facts: list[dict[str, Any]] = []
    async with trio.open_nursery() as nursery:
        with ExitStack() as stack:
            ports = [await serve_tcp(fake, nursery) for fake in (fakes.cloud, fakes.local)]
            cloud, local = (f"http://127.0.0.1:{port}" for port in ports)
            text = CONFIG + "".join(TARGET.format(name=name, url=cloud) for name in WIRES)
            text += f'[[targets]]\nname = "ollama"\nwire = "ollama-chat"\nbase_url = "{local}"\nslots = 8\n'
            (tmp_path / "trooper.toml").write_text(text, encoding="utf-8")
            where = {"TROOPER_DATA_DIR": str(tmp_path / "data")}
            context = deployed("trooper serve", cloud, local, tmp_path, **where)
            trooper = await trio.to_thread.run_sync(context.__enter__)
            stack.push(context.__exit__)
            told = stack.enter_context(numbers())
            watched = Watched(trooper.pid, trooper.port, told, partial(frozenset, ports))
            clients, mix = Clients(trooper.port), Mix()
            for number in range(LOOKS):
                await clients.all_of(turns(number * REQUESTS // LOOKS, REQUESTS // LOOKS, mix))
                clients.leave()
                fakes.forget()
                samples.append(look(watched, number, clients.heard.requests))
                facts.append((await fetch(trooper.port, "GET", "/readyz")).json()["store"])
        nursery.cancel_scope.cancel()

    counted = samples[LOOKS // 5 :]
    begun, ended = counted[len(counted) // 2], counted[-1]
    grown = slope([(one.requests / 1000, one.resident_bytes / MIB) for one in counted])
    third = len(counted) // 3
    # Between two looks connections of clients go, and those to targets.
    first, last = (min(one.descriptors for one in some) for some in (counted[:third], counted[-third:]))
    sizes = [fact["file_bytes"] / MIB for fact in facts]
    figures.add(
        f"{ended.requests} requests with everything on disk",
        f"memory {counted[0].resident_bytes / MIB:.1f} MiB after the first fifth, {ended.resident_bytes / MIB:.1f} at the "
        f"end: {grown:+.4f} MiB per 1,000 requests",
        f"descriptors {first:g} in the first third of that, {last:g} in the last one",
        f"the file {sizes[LOOKS // 5]:.1f} MiB after the first fifth, {sizes[-1]:.1f} at the end, {max(sizes):.1f} at most; "
        f"{facts[-1]['sessions']} sessions, {facts[-1]['contents']} contents",
        ", ".join(f"{name} {count}" for name, count in sorted(clients.heard.counts.items())),
    )
    assert clients.heard.wrong == [], clients.heard.wrong[:3]
    assert {(fact["failed"], fact["dropped"]) for fact in facts} == {(0, 0)}
    assert max(fact["sessions"] for fact in facts) <= SESSIONS
    assert max(fact["content_bytes"] for fact in facts) <= CONTENT_BYTES
    # Each cap was reached, so all of it was tried.
    assert facts[LOOKS // 5]["content_bytes"] > CONTENT_BYTES / 2
    assert abs(last - first) <= 1
    assert max(sizes) <= 2 * sizes[LOOKS // 5] + 4
    if REQUESTS >= LONG:
        assert grown <= MOST_MIB_PER_THOUSAND
    else:
        assert (ended.resident_bytes - begun.resident_bytes) / MIB <= MOST_MIB
