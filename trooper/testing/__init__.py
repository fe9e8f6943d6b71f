"""
Public fakes: a scripted chat provider and an imitation of Ollama.

Both speak HTTP/1.1 on any Trio stream: over `MemoryNetwork` on virtual time,
over real sockets with `serve_tcp`, or as a process of their own with
`trooper fake`. They share no code with the proxy, so that they
can be evidence about it.
"""

from __future__ import annotations

from trooper.testing.chat import DEFAULT_ANSWER, Call, ChatAnswer, chat_events, cut, tokens
from trooper.testing.faults import FAULTS, Fault
from trooper.testing.http import ClosedByPeer, Framing, Request, Response, Server
from trooper.testing.llama_server import FakeLlamaServer
from trooper.testing.network import MemoryNetwork
from trooper.testing.ollama import Ask, FakeOllama, Generation, Model, OllamaFault, ToolUse, Words
from trooper.testing.provider import ANSWERS, FaultAt, ScriptedProvider
from trooper.testing.script import (
    End,
    Fin,
    Hang,
    Head,
    KeepAlive,
    Pause,
    Raw,
    RefuseNoHeaders,
    Reset,
    Script,
    Send,
    Status,
)
from trooper.testing.serve import serve_tcp

__all__ = [
    "ANSWERS",
    "DEFAULT_ANSWER",
    "FAULTS",
    "Ask",
    "Call",
    "ChatAnswer",
    "ClosedByPeer",
    "End",
    "FakeLlamaServer",
    "FakeOllama",
    "Fault",
    "FaultAt",
    "Fin",
    "Framing",
    "Generation",
    "Hang",
    "Head",
    "KeepAlive",
    "MemoryNetwork",
    "Model",
    "OllamaFault",
    "Pause",
    "Raw",
    "RefuseNoHeaders",
    "Request",
    "Reset",
    "Response",
    "Script",
    "ScriptedProvider",
    "Send",
    "Server",
    "Status",
    "ToolUse",
    "Words",
    "chat_events",
    "cut",
    "serve_tcp",
    "tokens",
]
