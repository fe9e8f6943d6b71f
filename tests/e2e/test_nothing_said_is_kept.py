"""
After every failure that there is, on all wires: no file of a real Trooper, and
no line of its log, has a key, a prompt or an answer in it; after a kill neither.

With `content = "disk"` there are prompts and answers, which shows that they
would be found, and still no key; sealed there is nothing that can be read.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import apsw
import h11
import pytest
import trio
from attrs import frozen

from deployed import IMPATIENT, LONG_S, Deployed, deployed, fake
from trooper.testing import FAULTS
from trooper.testing.client import Answered, fetch
from trooper.testing.faults import ON_EVERY_WIRE

KEY, QUERY_KEY, SEAL = "sk-M4rkedKeyOne", "sk-M4rkedKeyTwo", "M4rkedPasswordOfTheFolder"
PROMPT, SYSTEM, RESULT, ANSWER = "M4rkedPrompt", "M4rkedSystem", "M4rkedResult", "M4rkedAnswer"
NAME = "M4rkedNameOfTheSession"
#: The name stands in bodies, too.
SECRETS, WORDS = (KEY, QUERY_KEY, SEAL), (PROMPT, SYSTEM, RESULT, ANSWER, NAME)
SAID = f"It says {ANSWER} at first, then many other words follow, one by one, and at last {ANSWER} again."
HEADERS = {
    "/v1/chat/completions": (("authorization", f"Bearer {KEY}"),),
    "/v1/responses": (("authorization", f"Bearer {KEY}"),),
    "/v1/messages": (("x-api-key", KEY), ("anthropic-version", "2023-06-01")),
}
#: So many requests at once.
AT_ONCE = 24


@frozen
class Row:
    """One fault, as one client meets it."""

    path: str
    fault: str
    place: str
    streams: bool

    def body(self) -> bytes:
        asked = {"model": f"fault/{self.fault}/{self.place}", "stream": self.streams}
        user = {"role": "user", "content": f"{PROMPT} {self.fault} {self.place}"}
        match self.path:
            case "/v1/chat/completions":
                function = {"name": "look", "arguments": json.dumps({"at": PROMPT})}
                call = {"id": "c1", "type": "function", "function": function}
                turns = [
                    {"role": "system", "content": SYSTEM},
                    user,
                    {"role": "assistant", "content": None, "tool_calls": [call]},
                    {"role": "tool", "tool_call_id": "c1", "content": RESULT},
                ]
                return json.dumps({**asked, "messages": turns}).encode()
            case "/v1/messages":
                more = {"max_tokens": 500, "system": SYSTEM, "metadata": {"user_id": NAME}}
                return json.dumps({**asked, **more, "messages": [user]}).encode()
            case _:
                more = {"instructions": SYSTEM, "prompt_cache_key": NAME}
                return json.dumps({**asked, **more, "input": [user]}).encode()


ROWS = [
    Row(path, fault, place, streams)
    for path in HEADERS
    for fault in (FAULTS if path == "/v1/chat/completions" else ON_EVERY_WIRE)
    for place in ("start", "middle")
    for streams in (True, False)
]


async def all_of(port: int) -> list[Answered]:
    """What is said to all of them; an answer may end as its provider's did."""
    answers: list[Answered] = []
    limit = trio.CapacityLimiter(AT_ONCE)

    async def one(row: Row) -> None:
        headers = (*HEADERS[row.path], ("x-session-id", f"{NAME}-{row.fault}"))
        async with limit:
            with trio.fail_after(LONG_S):
                try:
                    path = f"{row.path}?api_key={QUERY_KEY}"
                    answers.append(await fetch(port, "POST", path, row.body(), headers=headers))
                except (h11.RemoteProtocolError, trio.BrokenResourceError):
                    answers.append(Answered(0, ()))

    async with trio.open_nursery() as nursery:
        for row in ROWS:
            nursery.start_soon(one, row)
        nursery.start_soon(fetch, port, "POST", "/v1/chat/completions", f'{{"{PROMPT}'.encode())
    return answers


def forms(mark: str) -> list[bytes]:
    """How it could stand in a file."""
    plain = mark.encode()
    # Its middle, whatever stands before it.
    packed = [base64.b64encode(b"\0" * shift + plain)[4:-4] for shift in range(3)]
    return [plain, plain.hex().encode(), mark.encode("utf-16-le"), *packed]


def nameless(held: Path) -> Iterator[bytes]:
    """What is in files that are open and have no name any more."""
    for link in held.iterdir():
        # A connection may be closed while one looks.
        with suppress(FileNotFoundError):
            if "(deleted)" in str(link.readlink()) and link.is_file():
                yield link.read_bytes()


def found(folder: Path, trooper: Deployed) -> set[str]:
    """The marks that are in a file, in one that is open and has no name any more, or in the log."""
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != "trooper.toml"]
    held = Path(f"/proc/{trooper.process.process.pid}/fd")
    is_running = held.exists()
    assert any(file.name == "trooper.sqlite3-wal" for file in files) or not is_running
    texts = [file.read_bytes() for file in files] + [trooper.process.said.encode()]
    texts += nameless(held) if is_running else []
    marks = (*SECRETS, *WORDS)
    return {mark for mark in marks for form in forms(mark) if any(form in text for text in texts)}


def contents(folder: Path) -> int:
    with closing(apsw.Connection(str(folder / "data" / "trooper.sqlite3"))) as db:
        return int(db.execute("SELECT count(*) FROM contents").get)


@contextmanager
def served(folder: Path, content: str) -> Iterator[Deployed]:
    text = f'[store]\ncontent = "{content.removeprefix("sealed ")}"\n'
    (folder / "trooper.toml").write_text(text, encoding="utf-8")
    for name in ("home", "temp"):
        (folder / name).mkdir(exist_ok=True)
    env = {
        **IMPATIENT,
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "temp"),
        "TROOPER_BREAKER": "off",
    }
    env |= {"XDG_DATA_HOME": str(folder / "home"), "TROOPER_DATA_DIR": str(folder / "data")}
    env |= {"TROOPER_STORE_KEY": SEAL} if content.startswith("sealed") else {}
    with fake("provider", "--answer", SAID) as cloud, fake("ollama", "--answer", SAID) as local:
        env["TROOPER_ANTHROPIC_BASE_URL"] = cloud.url
        with deployed("trooper serve", cloud.url, local.url, folder, **env) as trooper:
            yield trooper


@pytest.mark.parametrize("content", ["memory", "disk", "sealed disk"])
async def test_no_file_has_what_was_said(content: str, tmp_path: Path) -> None:
    with served(tmp_path, content) as trooper:
        answers = await all_of(trooper.port)
        running = found(tmp_path, trooper)
        trooper.process.process.kill()
        trooper.process.process.wait(LONG_S)
        killed = found(tmp_path, trooper)
    kept = contents(tmp_path)
    with served(tmp_path, content) as trooper:
        await fetch(trooper.port, "POST", "/v1/responses", ROWS[-1].body(), headers=HEADERS["/v1/responses"])
    ended = found(tmp_path, trooper)

    assert len(answers) == len(ROWS)
    assert sum(ANSWER.encode() in answer.body for answer in answers) > len(ROWS) / 2
    expected = set(WORDS) if content == "disk" else set()
    assert (running, killed, ended) == (expected, expected, expected)
    assert (kept > 0) == (content != "memory")
