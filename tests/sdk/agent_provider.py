"""
A provider for an agent's run of two turns, as a process: first it calls the
tool, then, with the result, it answers.

The model's name says what goes wrong, and in which turn:
`agent/<call or answer>/<fault>/<position>`.
"""

from __future__ import annotations

import json
import sys

import trio

from trooper.testing import ANSWERS, FAULTS, Call, ChatAnswer, FaultAt, Request, ScriptedProvider, serve_tcp

CALL = ChatAnswer(calls=(Call("get_weather", json.dumps({"city": "Zermatt"})),), finish="tool_calls")


def script(request: Request) -> ChatAnswer | FaultAt:
    asked = request.json()
    _, broken, fault, position = asked["model"].split("/")
    turn = "answer" if asked["messages"][-1]["role"] == "tool" else "call"
    said = ANSWERS["text"] if turn == "answer" else CALL
    return FaultAt(FAULTS[fault], position, said) if turn == broken else said


async def main() -> None:
    async with trio.open_nursery() as nursery:
        port = await serve_tcp(ScriptedProvider(script=script), nursery)
        sys.stdout.write(json.dumps({"url": f"http://127.0.0.1:{port}"}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    trio.run(main)
