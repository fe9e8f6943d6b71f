"""
Hypercorn is told to end while one of its two workers streams and the other has
nothing to do: nothing is cut, and nothing is lost.
"""

from __future__ import annotations

import http.client
import json
import signal
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from deployed import LONG_S, WAYS, fake, running
from wire_validator import validate_chat

ANSWER = "word " * 40
CHAT = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "Lighthouses?"}]}
HEADERS = {"content-type": "application/json", "authorization": "Bearer sk-mine"}
WORKERS = WAYS["hypercorn --workers 2"]
LOOPS = {"asyncio": WORKERS, "Trio": (*WORKERS[:-1], "-k", "trio", WORKERS[-1])}


@pytest.mark.parametrize("loop", LOOPS)
def test_the_slower_worker_ends_in_its_own_time(loop: str, tmp_path: Path) -> None:
    *hypercorn, application = LOOPS[loop]
    place = tmp_path / "data"
    with (
        fake("provider", "--answer", ANSWER, "--token-s", "0.1") as cloud,
        running(
            *(*hypercorn, "--graceful-timeout", "60", application),
            cwd=tmp_path,
            TROOPER_DATA_DIR=str(place),
            TROOPER_OPENAI_BASE_URL=cloud.url,
            TROOPER_OLLAMA_URL="http://127.0.0.1:9",
        ) as process,
    ):
        port = int(process.wait_for(r"on http://127\.0\.0\.1:(\d+)", times=2)[1])
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=LONG_S)) as client:
            client.request("POST", "/v1/chat/completions", json.dumps(CHAT), HEADERS)
            with client.getresponse() as response:
                begun = response.read(10)
                process.process.send_signal(signal.SIGTERM)
                body = begun + response.read()
        assert process.process.wait(LONG_S) == 0

    assert validate_chat(body).text == ANSWER
    with closing(apsw.Connection(str(place / "trooper.sqlite3"))) as db:
        assert list(db.execute("SELECT turns FROM sessions")) == [(1,)]
