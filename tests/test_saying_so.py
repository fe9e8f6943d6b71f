"""
What is told about a switch, and what is never told: headers, the comment at
the seam, the key on the finishing chunk, the log line.
"""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
import structlog

from scenes import configured, dies, stage
from trooper.telemetry.log import set_up_logging
from trooper.testing import DEFAULT_ANSWER, FAULTS, FaultAt, OllamaFault


async def test_headers_tell_what_is_known_at_the_start(autojump_clock: Any) -> None:
    """Request id, target and fallbacks so far, on streams, whole answers and failures."""
    async with stage() as s:
        for script, fields, target, fallbacks in (
            (None, {}, b"openai", b"0"),
            (FaultAt(FAULTS["status-503"]), {}, b"ollama", b"1"),
            (FaultAt(FAULTS["status-503"]), {"stream": False}, b"ollama", b"1"),
            (FaultAt(FAULTS["auth-401"]), {}, b"openai", b"0"),
        ):
            if script is not None:
                s.cloud.play_next(script)
            x = await s.ask(**fields)
            assert x.headers[b"x-trooper-target"] == target
            assert x.headers[b"x-trooper-fallbacks"] == fallbacks
            assert re.fullmatch(rb"[0-9a-f]{24}", x.headers[b"x-trooper-request-id"])
            assert x.headers[b"x-trooper-request-id"].decode() == x.report["request_id"]
        s.cloud.play_next(FaultAt(FAULTS["status-503"]))
        s.ollama.fault = OllamaFault("status", status=500)
        x = await s.ask()
        # Both were asked, the local one twice; the words are the first one's.
        assert (x.status, x.headers[b"x-trooper-target"], x.headers[b"x-trooper-fallbacks"]) == (
            503,
            b"openai",
            b"2",
        )
        assert x.headers[b"x-trooper-others"] == b"ollama had a server error (server_error)"


async def test_the_seam_is_marked_once(autojump_clock: Any) -> None:
    """One comment between the halves, with enumerated words."""
    async with stage(dies(position=5)) as s:
        body = bytes((await s.ask()).body).decode()
        comments = re.findall(r"^:.*$", body, re.MULTILINE)
        assert comments == [": trooper seam from=openai to=ollama reason=conn_reset phase=text"]
        before, after = body.split(comments[0])
        assert before.endswith("\n\n")
        assert after.startswith("\n\ndata: ")


async def test_the_finishing_chunk_names_the_legs(autojump_clock: Any) -> None:
    """Who said how much, on the finishing chunk and nowhere else."""
    async with stage(dies()) as s:
        trooper = (await s.ask()).chat().trooper
        assert trooper is not None
        cloud, local = trooper["legs"]
        assert (cloud["target"], cloud["model"], cloud["outcome"]) == ("openai", "gpt-4o", "conn_reset")
        assert (local["target"], local["model"], local["outcome"]) == ("ollama", "qwen2.5:3b", "completed")
        assert cloud["tokens"] > 10
        assert cloud["estimated"] is True
        assert local["tokens"] == s.ollama.generations[-1].said_tokens


async def test_both_can_be_off(autojump_clock: Any) -> None:
    """Without them there is no comment and no key; names that Trooper has to make up are all that tells of it."""
    async with stage(dies(), config=configured(seam_comment=False, seam_key=False)) as s:
        x = await s.ask()
        assert x.chat().text == DEFAULT_ANSWER
        assert b"trooper" not in bytes(x.body)


async def test_a_healthy_stream_says_nothing_of_us(autojump_clock: Any) -> None:
    """No switch, no word."""
    async with stage() as s:
        assert b"trooper" not in bytes((await s.ask()).body)


async def test_one_line_for_each_request(autojump_clock: Any) -> None:
    """Legs, reasons, times and token counts, in one structured line."""
    async with stage(dies()) as s:
        await s.ask()
        lines = [line for line in s.log if line["event"] == "request"]
        assert len(lines) == 1
        assert set(lines[0]) == {
            "event", "log_level", "request_id", "model", "stream", "outcome", "status",
            "duration_s", "sent_bytes", "gap_s", "legs",
        }  # fmt: skip
        assert [leg["outcome"] for leg in lines[0]["legs"]] == ["conn_reset", "completed"]


@pytest.mark.parametrize("fault", ["error-with-secret", "status-503", "reset", "html-200", "silence"])
async def test_nothing_secret_is_ever_written(autojump_clock: Any, fault: str) -> None:
    """No key, no prompt, no answer and no upstream's text in log lines, headers, comments or errors of ours."""
    out = io.StringIO()
    async with stage(dies(fault, 3)) as s:
        set_up_logging(out, level=0)
        s.ollama.fault = OllamaFault("error_line", 0, error="SECRET-FROM-UPSTREAM sk-leak")
        x = await s.ask(messages=[{"role": "user", "content": "PROMPT-TEXT"}])
        y = await s.ask(stream=False, messages=[{"role": "user", "content": "PROMPT-TEXT"}])
        written = out.getvalue()
    structlog.reset_defaults()
    assert json.loads(written.splitlines()[0])["event"]
    ours = written + str(x.headers) + str(y.headers)
    if x.status == 200:
        error = x.chat().error
        assert error is not None
        ours += error.message + str(x.chat().comments)
    for secret in ("sk-", "PROMPT-TEXT", "SECRET", "lighthouse", "Bearer"):
        assert secret not in ours


async def test_two_requests_have_two_ids(autojump_clock: Any) -> None:
    """Ids are not reused."""
    async with stage(dies("status-503")) as s:
        ids = {(await s.ask()).chat().id for _ in range(5)}
        assert len(ids) == 5
