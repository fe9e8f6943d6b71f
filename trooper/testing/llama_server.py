"""
An imitation of llama.cpp's own server, `llama-server`, with one model.

Its shapes are those of a real one (October 2026). It continues a half answer
that is a prefix of `answer` with exactly the rest, and everything else with
` [cannot continue]`, noted in `mismatches`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import trio
from attrs import define, field

from trooper.testing.chat import DEFAULT_ANSWER, Call, call_deltas, dumps, tokens
from trooper.testing.http import Request, Response, Server
from trooper.testing.odd import GoesOn, exactly
from trooper.testing.ollama.saying import rest_behind
from trooper.testing.script import End, Fin, Hang, Head, Pause, Reset, Script, Send, Status, Step, play
from trooper.testing.served import Served

_OPEN = "<|im_start|>"
_CLOSE = "<|im_end|>\n"


@define(eq=False)
class FakeLlamaServer(Served):
    """
    llama-server on any stream: give `llama.serve` to a listener.

    Attributes:
        api_key: what it wants as a bearer token; `/health` is open to all.
        load_s: how long it answers 503, from the first look on.
        prefill_s: how long it reads one token of a prompt, before the first of its answer.
        batch_tokens: of how many it tells at once that they are read, where it is asked to.
        turn: what its template makes of a half answer: leaves the turn open, strips it, adds a newline,
            or closes the turn.
        echoes: whether the chat route repeats a half answer, as older builds do.
        echo_prefix: what some templates put before that, `<think></think>`.
        fault: how every answer ends, in its middle; or, `hangs`, in the middle of its prompt.
        calls: what it does behind its answer when a request offers tools.
        json_answer: what it says under `response_format`.
        goes_on: how it goes on from a half answer: one of `trooper.testing.odd`.
        fullest: of all prompts that it was asked to go on from, how many tokens the longest is.
        refused: how many prompts were too long for its window.
    """

    answer: str = DEFAULT_ANSWER
    model: str = "tiny"
    n_ctx: int = 4096
    api_key: str | None = None
    load_s: float = 0.0
    prefill_s: float = 0.0
    batch_tokens: int = 2048
    turn: Literal["continues", "trims", "newline", "closes"] = "continues"
    echoes: bool = False
    echo_prefix: str = ""
    fault: Literal["reset", "eof", "error", "hangs"] | None = None
    token_s: float = 0.0
    calls: tuple[Call, ...] = ()
    json_answer: str = '{"ok": true}'
    goes_on: GoesOn = exactly
    server: Server = field(init=False)
    mismatches: list[str] = field(init=False, factory=list)
    fullest: int = field(init=False, default=0)
    refused: int = field(init=False, default=0)
    _loaded_at: float | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self.server = Server(self._answer)

    async def _answer(self, request: Request, response: Response) -> None:
        await play(self._script(request), response, pace_s=self.token_s)

    def _script(self, request: Request) -> Script:
        if self._loaded_at is None:
            self._loaded_at = trio.current_time() + self.load_s
        if trio.current_time() < self._loaded_at:
            return _error(503, "Loading model", "unavailable_error")
        if request.path == "/health":
            return _whole({"status": "ok"})
        if self.api_key is not None and request.header("authorization") != f"Bearer {self.api_key}":
            return _error(401, "Invalid API Key", "authentication_error")
        asked: dict[str, Any] = json.loads(request.body) if request.body else {}
        match request.method, request.path:
            case "GET", "/props":
                return _whole(self._props())
            case "GET", "/v1/models":
                return _whole({"data": [{"id": self.model, "meta": {"n_ctx_train": 8192}}]})
            case "POST", "/apply-template":
                return _whole({"prompt": self._render(asked["messages"], asked.get("tools", ()))})
            case "POST", "/tokenize":
                return _whole({"tokens": list(range(len(tokens(asked["content"]))))})
            case "POST", "/v1/chat/completions":
                return self._chat(asked)
            case "POST", "/completion":
                return self._completion(asked)
        return _error(404, "File Not Found", "not_found_error")

    def _props(self) -> Mapping[str, object]:
        return {
            "default_generation_settings": {"n_ctx": self.n_ctx},
            "total_slots": 1,
            "model_alias": self.model,
            "model_path": f"models/{self.model}.gguf",
            "modalities": {"vision": False},
            "chat_template": f"a template that {self.turn}",
            "chat_template_caps": {"supports_tools": True},
            "build_info": "b1-fake",
        }

    def _too_long(self, prompt: str) -> Script | None:
        """The refusal of a prompt that leaves no room for a single token."""
        counted = len(tokens(prompt))
        self.fullest = max(self.fullest, counted)
        if counted < self.n_ctx:
            return None
        self.refused += 1
        error = {
            "code": 400,
            "message": f"request ({counted} tokens) exceeds the available context size ({self.n_ctx} tokens)",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": counted,
            "n_ctx": self.n_ctx,
        }
        return Script((Status(400, dumps({"error": error})),))

    def _render(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[object] = ()) -> str:
        *earlier, last = messages
        prompt = f"{_OPEN}system\n{json.dumps(tools)}{_CLOSE}" if tools else ""
        prompt += "".join(f"{_OPEN}{m['role']}\n{m['content']}{_shown(m)}{_CLOSE}" for m in earlier)
        half = str(last["content"])
        if last["role"] != "assistant":
            return f"{prompt}{_OPEN}{last['role']}\n{half}{_CLOSE}{_OPEN}assistant\n"
        match self.turn:
            case "continues":
                return f"{prompt}{_OPEN}assistant\n{half}"
            case "trims":
                return f"{prompt}{_OPEN}assistant\n{half.strip()}"
            case "newline":
                return f"{prompt}{_OPEN}assistant\n{half}\n"
            case "closes":
                return f"{prompt}{_OPEN}assistant\n{half}{_CLOSE}{_OPEN}assistant\n"

    def _rest(self, prompt: str) -> str:
        half = prompt.rpartition(f"{_OPEN}assistant\n")[2]
        if (rest := rest_behind(self.answer, half)) is not None:
            return self.goes_on(half, rest) if half else rest
        if half.endswith("\n") and self.answer.startswith(half[:-1]):
            # Behind a newline that is not in the answer a model begins a word.
            return self.goes_on(half, self.answer[len(half) - 1 :].lstrip(" "))
        self.mismatches.append(half)
        return " [cannot continue]"

    def _chat(self, asked: Mapping[str, Any]) -> Script:
        prompt = self._render(asked["messages"], asked.get("tools", ()))
        if too_long := self._too_long(prompt):
            return too_long
        last = asked["messages"][-1]
        echo = (
            [self.echo_prefix + str(last["content"])] if self.echoes and last["role"] == "assistant" else []
        )
        structured = "response_format" in asked
        said = tokens(self.json_answer if structured else self._rest(prompt))
        limit = asked.get("max_tokens")
        kept = said[:limit] if limit else said
        calls = self.calls if asked.get("tools") and len(kept) == len(said) else ()
        finish = "length" if len(kept) < len(said) else "tool_calls" if calls else "stop"
        events = [_chunk(delta={"role": "assistant", "content": None})]
        events += [_chunk(delta={"content": token}) for token in (*echo, *kept)]
        events += [
            _chunk(delta=delta) for index, call in enumerate(calls) for delta in call_deltas(index, call)
        ]
        events.append(_chunk(delta={}, finish=finish))
        if asked.get("stream_options", {}).get("include_usage"):
            counts = {"prompt_tokens": 7, "completion_tokens": len(kept)}
            events.append(_data({"choices": [], "usage": counts, "timings": self._timings(prompt)}))
        return self._streamed(self._read(asked, prompt), events, b"data: [DONE]\n\n")

    def _rest_of_call(self, prompt: str) -> str:
        """What is missing of the call that the prompt breaks off in."""
        head, _, half = prompt.rpartition('"arguments": ')
        name = head.rpartition('"name": "')[2].partition('"')[0]
        whole = next((call.arguments for call in self.calls if call.name == name), "")
        if whole.startswith(half):
            return whole[len(half) :]
        self.mismatches.append(half)
        return "[cannot continue]"

    def _completion(self, asked: Mapping[str, Any]) -> Script:
        prompt = str(asked["prompt"])
        if too_long := self._too_long(prompt):
            return too_long
        said = tokens(self._rest_of_call(prompt) if "grammar" in asked else self._rest(prompt))
        events = [_data({"index": 0, "content": token, "stop": False}) for token in said]
        last = {"content": "", "stop": True, "stop_type": "eos", "tokens_evaluated": 7}
        last |= {"tokens_predicted": len(said), "timings": self._timings(prompt)}
        return self._streamed(self._read(asked, prompt), events, _data(last))

    def _timings(self, prompt: str) -> Mapping[str, object]:
        total = len(tokens(prompt))
        return {"cache_n": 0, "prompt_n": total, "prompt_ms": 1000 * total * self.prefill_s}

    def _read(self, asked: Mapping[str, Any], prompt: str) -> list[Step]:
        """The prompt is read, batch by batch; that is told to whoever has asked for it."""
        total, read = len(tokens(prompt)), 0
        steps: list[Step] = []
        while read < total:
            batch = min(self.batch_tokens, total - read)
            read += batch
            steps += [Pause(batch * self.prefill_s)] if self.prefill_s else []
            if asked.get("return_progress"):
                took_ms = 1000 * read * self.prefill_s
                told = {"total": total, "cache": 0, "processed": read, "time_ms": took_ms}
                chunk = {"content": "", "stop": False} if "prompt" in asked else _ROLE
                steps.append(Send(_data({**chunk, "prompt_progress": told})))
        return steps

    def _streamed(self, reads: Sequence[Step], events: Sequence[bytes], last: bytes) -> Script:
        if self.fault == "hangs":
            return Script((Head(), *reads[: len(reads) // 2], Hang()))
        half = [Send(event) for event in events[: len(events) // 2]]
        ends: Mapping[str, tuple[Step, ...]] = {
            "reset": (Reset(),),
            "eof": (End(),),
            "error": (Send(_data({"error": {"code": 500, "message": "m", "type": "server_error"}})), Fin()),
        }
        if self.fault is not None:
            return Script((Head(), *reads, *half, *ends[self.fault]))
        return Script((Head(), *reads, *map(Send, events), Send(last), End()))


#: What each word about the prompt comes with, on the chat route.
_ROLE = {"choices": [{"finish_reason": None, "index": 0, "delta": {"role": "assistant", "content": None}}]}


def _shown(message: Mapping[str, Any]) -> str:
    """A turn's calls, as many templates show them."""
    functions = [call["function"] for call in message.get("tool_calls", ())]
    told = [f'{{"name": "{f["name"]}", "arguments": {f["arguments"]}}}' for f in functions]
    return "".join(f"\n<tool_call>\n{call}\n</tool_call>" for call in told)


def _data(value: Mapping[str, object]) -> bytes:
    return b"data: " + dumps(value) + b"\n\n"


def _chunk(delta: Mapping[str, object], finish: str | None = None) -> bytes:
    choice = {"finish_reason": finish, "index": 0, "delta": delta}
    return _data({"choices": [choice], "id": "chatcmpl-local", "object": "chat.completion.chunk"})


def _whole(value: Mapping[str, object]) -> Script:
    return Script((Status(200, dumps(value)),))


def _error(code: int, message: str, kind: str) -> Script:
    return Script((Status(code, dumps({"error": {"code": code, "message": message, "type": kind}})),))
