"""
The fake server: routes, records, and the pace of an answer.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import trio
from attrs import define, field

from trooper.testing.chat import DEFAULT_ANSWER
from trooper.testing.http import ClosedByPeer, Request, Response, Server
from trooper.testing.odd import GoesOn, exactly
from trooper.testing.ollama import listing
from trooper.testing.ollama.decoding import Ask, Rejected, check, decode, decode_object
from trooper.testing.ollama.models import Model, Prompt, read_raw, render
from trooper.testing.ollama.runner import Loaded, Loader, count, evaluate
from trooper.testing.ollama.saying import Line, OllamaFault, ToolUse, Words, say
from trooper.testing.ollama.speech import (
    Generation,
    Pace,
    Speech,
    Stopwatch,
    answer_json,
    done_value,
    rendered_value,
)
from trooper.testing.served import Served


@define(eq=False)
class FakeOllama(Served):
    """
    Ollama on any stream: give `ollama.serve` to a listener.

    It continues a half answer that is a prefix of `answer` with exactly the
    rest, and everything else with ` [cannot continue]`, noted in
    `mismatches`. With a function as `answer`, the question (the last user
    message) decides.

    Attributes:
        load_s, prefill_s, token_s, listing_s: how long a load, a prompt token, an
            output token and the list of what is loaded take: that waits for unloads.
        tool_calls, before_calls: what it does when a request offers tools.
        thinking: what a thinking model thinks first.
        json_answer: what it says under `format`.
        goes_on: how it goes on from a half answer: one of `trooper.testing.odd`.
        script: what it says to each request, in place of all that.
        fault: what goes wrong in every answer.
        load_fault: what goes wrong in every request that only loads.
        cut_bytes: cut every line into writes of so many bytes.
        max_loaded, memory_bytes, vram_bytes: what there is room for.
        fullest: of all prompts that it was asked to go on from, which share of its window the longest is.
        refused: how many prompts were too long for their window.
    """

    answer: str | Callable[[str], str] = DEFAULT_ANSWER
    models: tuple[Model, ...] = (Model(),)
    load_s: float = 0.0
    prefill_s: float = 0.0
    token_s: float = 0.0
    listing_s: float = 0.0
    tool_calls: tuple[ToolUse, ...] = ()
    before_calls: str = ""
    thinking: str = ""
    json_answer: str = '{"ok": true}'
    goes_on: GoesOn = exactly
    script: Callable[[Ask], Words] | None = None
    fault: OllamaFault | None = None
    load_fault: OllamaFault | None = None
    tokens_per_line: int = 1
    content_on_done: bool = False
    cut_bytes: int | None = None
    version: str = "0.33.0"
    default_num_ctx: int = 4096
    keep_alive_s: float = 300.0
    parallel: int = 1
    max_queue: int = 512
    max_loaded: int = 3
    memory_bytes: float = math.inf
    vram_bytes: int = 0
    server: Server = field(init=False)
    loader: Loader = field(init=False)
    generations: list[Generation] = field(init=False, factory=list)
    mismatches: list[str] = field(init=False, factory=list)
    truncations: list[Ask] = field(init=False, factory=list)
    remote_requests: int = field(init=False, default=0)
    fullest: float = field(init=False, default=0.0)
    refused: int = field(init=False, default=0)
    waiting_for_slot: int = field(init=False, default=0)
    _faults: deque[OllamaFault | None] = field(init=False, factory=deque)

    def __attrs_post_init__(self) -> None:
        self.server = Server(self._answer, state=self._state, reset=self._reset)
        self.loader = Loader(
            self.default_num_ctx,
            self.keep_alive_s,
            self.parallel,
            self.max_queue,
            self.max_loaded,
            self.memory_bytes,
            self.vram_bytes,
        )

    def fail_next(self, *faults: OllamaFault | None) -> None:
        """Use these for the next answers, one each; `None` is a healthy one."""
        self._faults.extend(faults)

    @property
    def open_connections(self) -> int:
        """Connections not closed by either side."""
        return self.server.open_connections

    @property
    def closed_by_peer(self) -> list[ClosedByPeer]:
        """When peers went away, and during which request."""
        return self.server.closed_by_peer

    @property
    def loads(self) -> int:
        """Loads begun, finished or not."""
        return self.loader.loads

    @property
    def reloads(self) -> int:
        """Loads that replaced the same model with other options."""
        return self.loader.reloads

    @property
    def aborted_loads(self) -> int:
        """Loads lost because their client left."""
        return self.loader.aborted_loads

    @property
    def evaluated_tokens(self) -> list[int]:
        """Prompt tokens evaluated, answer by answer."""
        return [g.evaluated_tokens for g in self.generations]

    def _state(self) -> dict[str, object]:
        return {
            "kind": "ollama",
            "loads": self.loads,
            "reloads": self.reloads,
            "aborted_loads": self.aborted_loads,
            "mismatches": list(self.mismatches),
            "truncations": len(self.truncations),
            "evaluated_tokens": self.evaluated_tokens,
            "endings": [g.ending for g in self.generations],
            "loaded": [x.model.name for x in self.loader.present()],
        }

    def _reset(self) -> None:
        self.generations.clear()
        self.mismatches.clear()
        self.truncations.clear()
        self.loader.forget()

    async def _answer(self, request: Request, response: Response) -> None:
        try:
            match request.method, request.path:
                case (("GET" | "HEAD"), "/"):
                    body = b"" if request.method == "HEAD" else b"Ollama is running"
                    await response.whole(200, [("content-type", "text/plain; charset=utf-8")], body)
                case (("GET" | "HEAD"), "/api/version"):
                    await answer_json(response, 200, {"version": self.version})
                case (("GET" | "HEAD"), "/api/tags"):
                    await answer_json(response, 200, {"models": [listing.tag(m) for m in self.models]})
                case "GET", "/api/ps":
                    await trio.sleep(self.listing_s)
                    await answer_json(
                        response, 200, {"models": [listing.running(x) for x in self.loader.present()]}
                    )
                case "POST", "/api/show":
                    asked = decode_object(request.body)
                    model = self._find(str(asked.get("model") or asked.get("name") or ""))
                    await answer_json(response, 200, listing.show(model))
                case "POST", "/api/chat":
                    await self._generate(decode(request.body, chat=True), response)
                case "POST", "/api/generate":
                    await self._generate(decode(request.body, chat=False), response)
                case _:
                    content = [("content-type", "text/plain")]
                    await response.whole(404, content, b"404 page not found")
        except Rejected as rejected:
            await answer_json(response, rejected.status, rejected.body)

    def _find(self, name: str) -> Model:
        bare = name.removesuffix(":local")
        for model in self.models:
            if bare in (model.name, model.full_name) and not (model.remote_host and name.endswith(":local")):
                return model
        raise Rejected(404, f"model '{name}' not found")

    async def _generate(self, ask: Ask, response: Response) -> None:
        model = self._find(ask.model)
        if model.remote_host:
            self.remote_requests += 1
            raise Rejected(401, "unauthorized", signin_url="https://ollama.com/connect?name=fake")
        check(ask, model)
        fault = self._fault(ask)
        if fault is not None and fault.how == "status":
            raise Rejected(fault.status, fault.error)
        if ask.loads_only and ask.keep_alive_s == 0:
            self.loader.unload(model)
            await answer_json(response, 200, done_value(ask, Line(tokens=0), "unload", {}))
            return
        began = trio.current_time()
        loaded = await self.loader.acquire(model, ask, self.load_s)
        try:
            await self._use(loaded, ask, response, fault, began)
        finally:
            self.loader.release(loaded, ask.keep_alive_s)
            self.server.changed()

    def _fault(self, ask: Ask) -> OllamaFault | None:
        if ask.loads_only or ask.debug:
            return self.load_fault
        return self._faults.popleft() if self._faults else self.fault

    async def _use(
        self, loaded: Loaded, ask: Ask, response: Response, fault: OllamaFault | None, began: float
    ) -> None:
        if ask.loads_only:
            await answer_json(response, 200, done_value(ask, Line(tokens=0), "load", {}))
            return
        prompt = self._prompt(loaded, ask)
        if ask.debug and loaded.model.renders:
            await answer_json(response, 200, rendered_value(ask, prompt))
            return
        self.waiting_for_slot += 1
        try:
            await loaded.slots.acquire()
        finally:
            self.waiting_for_slot -= 1
        try:
            await self._run(loaded, ask, prompt, response, fault, began)
        finally:
            loaded.slots.release()

    def _prompt(self, loaded: Loaded, ask: Ask) -> Prompt:
        model = loaded.model
        if ask.raw:
            return read_raw(ask.prompt)
        messages = ask.messages if ask.chat else ({"role": "user", "content": ask.prompt},)
        if ask.truncate:
            kept = _truncated(loaded, ask, messages)
            if len(kept) < len(messages):
                self.truncations.append(ask)
            messages = kept
        return render(model, messages, ask.tools, ask.think)

    async def _run(
        self,
        loaded: Loaded,
        ask: Ask,
        prompt: Prompt,
        response: Response,
        fault: OllamaFault | None,
        began: float,
    ) -> None:
        words = tuple(count(prompt.text))
        self.fullest = max(self.fullest, len(words) / loaded.num_ctx)
        if len(words) >= loaded.num_ctx:
            words = self._overflow(loaded, ask, words)
        watch_load = trio.current_time()
        generation = Generation(loaded.model.name, ask, prompt, len(words), 0, watch_load)
        self.generations.append(generation)

        def evaluated(tokens: int) -> None:
            generation.evaluated_tokens += tokens

        await evaluate(loaded, words, self.prefill_s, evaluated)
        watch = Stopwatch(began, watch_load, trio.current_time())
        room = 10 * loaded.num_ctx if ask.shift else loaded.num_ctx - len(words)
        saying = say(loaded.model, ask, prompt, self._words(ask, prompt), room)
        if saying.mismatch is not None:
            self.mismatches.append(saying.mismatch)
        speech = Speech(Pace(self.token_s, self.cut_bytes), ask, response, generation, watch)
        try:
            generation.ending = await speech.speak(saying, fault)
        finally:
            generation.ended_at = trio.current_time()
            said = speech.said.removeprefix(saying.echo)
            loaded.prompts.append(tuple(count(prompt.text + said)))

    def _overflow(self, loaded: Loaded, ask: Ask, words: tuple[str, ...]) -> tuple[str, ...]:
        """What happens to a prompt that is too long even after whole messages were dropped."""
        self.refused += 1
        if not ask.truncate or loaded.model.path == "A":
            raise Rejected(400, _too_long(len(words), loaded.num_ctx))
        if not ask.shift:
            raise Rejected(
                400,
                "the prompt is longer than the context length currently available to the model; "
                "try a shorter prompt or a longer context",
            )
        self.truncations.append(ask)
        half = loaded.num_ctx // 4
        return (*words[:half], *words[-half:])

    def _words(self, ask: Ask, prompt: Prompt) -> Words:
        if self.script is not None:
            return self.script(ask)
        answer = self.answer if isinstance(self.answer, str) else self.answer(prompt.question or "")
        return Words(
            answer,
            self.thinking,
            self.tool_calls,
            self.before_calls,
            self.json_answer,
            self.tokens_per_line,
            self.content_on_done,
            goes_on=self.goes_on,
        )


def _truncated(
    loaded: Loaded, ask: Ask, messages: tuple[Mapping[str, Any], ...]
) -> tuple[Mapping[str, Any], ...]:
    """
    Drop whole messages from the front. System messages and the last one stay,
    so with a prefill it is the question that goes.
    """
    kept = list(messages)
    while len(count(render(loaded.model, kept, ask.tools, ask.think).text)) >= loaded.num_ctx:
        droppable = [m for m in kept[:-1] if m.get("role") != "system"]
        if not droppable:
            break
        kept.remove(droppable[0])
    return tuple(kept)


def _too_long(prompt_tokens: int, num_ctx: int) -> str:
    error = {
        "code": 400,
        "message": f"request ({prompt_tokens} tokens) exceeds the available context size "
        f"({num_ctx} tokens), try increasing it",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": prompt_tokens,
        "n_ctx": num_ctx,
    }
    # The runner's JSON arrives as a string inside Ollama's own.
    return json.dumps({"error": error}, separators=(",", ":"))
