"""
The figures of the pass-through bench: from what was read to what is said.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import trio

from trooper.bench import nginx
from trooper.bench.costs import _cell, _summary, _table
from trooper.bench.crowd import REQUEST_BYTES, Crowd, request
from trooper.bench.passthrough import QUICK, Mark, Measured, Memory, Sample
from trooper.bench.processes import cost_of, read_stat
from trooper.testing import FAULTS, FaultAt, ScriptedProvider, serve_tcp

STAT = "7 (a) b (c)) S 1 7 7 0 -1 4194560 900 0 0 0 250 50 0 0 20 0 1 0 100 9000 512 18446744073709551615"


def test_the_fields_are_counted_behind_the_command() -> None:
    cost = read_stat(STAT, ticks_per_s=100, page_bytes=4096)

    assert (cost.cpu_s, cost.rss_bytes) == (3.0, 512 * 4096)


def test_this_process_costs_something() -> None:
    cost = cost_of(os.getpid())

    assert cost is not None
    assert cost.cpu_s > 0
    assert cost.rss_bytes > 2**20
    assert cost_of(2**22 + 1) is None


def measured(**cpu_us: list[float]) -> Measured:
    result = Measured(QUICK)
    for name, values in cpu_us.items():
        first = (0.030, 0.040) if name == "TRIO_OPEN" else (0.020, 0.022)
        result.samples[Mark[name]] = [Sample(value or None, first, 1000, 0) for value in values]
    return result


def test_ratios_are_taken_within_a_round() -> None:
    result = measured(DIRECT=[0, 0], NGINX=[20, 40], TRIO=[100, 240])

    assert result.ratios(Mark.TRIO) == [5.0, 6.0]
    assert _summary(result)["cpu_per_token_us"] == 170
    assert _summary(result)["cpu_per_token_vs_nginx"] == 5.5


def test_without_nginx_there_is_no_ratio() -> None:
    told = _summary(measured(DIRECT=[0], TRIO=[100]))

    assert told["cpu_per_token_vs_nginx"] is None
    assert told["cpu_per_token_us"] == 100


def test_the_first_content_is_late_by_what_the_proxy_adds() -> None:
    told: dict[str, Any] = _summary(measured(DIRECT=[0], TRIO_OPEN=[100]))

    # The medians are 35 and 21 ms, the 99th percentile of the proxy 39.9.
    assert told["added_ttft_ms"] == {"p50": 14.0, "p99": 18.9}


@pytest.mark.parametrize(
    ("trio_us", "noisy"),
    [([100, 101, 102, 99, 100], False), ([100, 60, 140, 90, 150], True), ([100, 200], False)],
)
def test_a_noisy_machine_is_said(trio_us: list[float], noisy: bool) -> None:
    assert measured(NGINX=[20.0] * len(trio_us), TRIO=trio_us).noisy is noisy


def test_the_table_fits_80_columns() -> None:
    result = measured(DIRECT=[0], NGINX=[20], TRIO=[1234], TRIO_OPEN=[99], GUEST=[150])
    result.memory[Mark.TRIO] = Memory(55.0, 58.0, 171.0, 97.0)
    lines = _table(result).lines()

    assert max(map(len, lines)) <= 80
    assert [line.split("  ")[0] for line in lines[2:4]] == ["direct", "nginx"]
    assert "171.0" in lines[4]
    assert _cell(result, Mark.NGINX)["vs_nginx_by_round"] == [1.0]
    json.dumps(_summary(result))


def test_nginx_passes_on_at_once_and_keeps_to_its_folder() -> None:
    text = nginx.configuration(Path("/a/folder"), 81, 82)

    assert "proxy_buffering off;" in text
    assert "listen 127.0.0.1:81;" in text
    assert "server 127.0.0.1:82;" in text
    assert text.count("_temp_path /a/folder/") == 5
    assert "worker_processes 1;" in text


def test_the_request_is_of_one_size() -> None:
    head, _, body = request().partition(b"\r\n\r\n")

    assert len(body) == REQUEST_BYTES
    assert f"content-length: {REQUEST_BYTES}".encode() in head
    assert json.loads(body)["stream"] is True


@pytest.mark.parametrize(
    ("fault", "broken"), [(None, 0), (FaultAt(FAULTS["clean-eof"], 5), 3), (FaultAt(FAULTS["reset"], 5), 3)]
)
async def test_a_crowd_counts(fault: FaultAt | None, broken: int) -> None:
    provider = ScriptedProvider(answer="one two three four five six seven", script=fault)
    async with trio.open_nursery() as nursery:
        crowd = Crowd(await serve_tcp(provider, nursery), streams=3, arrival_s=0.0)
        await crowd.run()
        nursery.cancel_scope.cancel()

    assert (crowd.ended, crowd.broken) == (3, broken)
    # A reset may throw away what was on its way.
    if fault is None or fault.fault.name != "reset":
        assert crowd.tokens == (15 if fault else 21)
        assert crowd.all_begun.is_set()
