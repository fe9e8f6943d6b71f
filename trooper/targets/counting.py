"""
Shortens what a local model is shown until it fits into the window by its server's own count.

Theory of operation
-------------------
What is far from filling the window is sent as it is: `core.fitting` counts on the safe side. Near the window the server
is asked for the prompt that it makes, and how many tokens that is; one that has no tokenizer to ask (Ollama) shows the
prompt, and it is counted on the safe side. Each count teaches how many tokens one of ours is in this very
conversation, and with that more or less is left out, in few steps. What is sent last has been counted.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from itertools import chain
from typing import Final, TypeAlias

import trio
from attrs import define, evolve, field, frozen

from trooper.core import fitting
from trooper.core.conversation import Conversation
from trooper.core.local_model import LocalModel, Way
from trooper.core.outcome import Answer, Failed, FailureKind
from trooper.core.reported import reported
from trooper.core.situation.facts import found_in, is_looked_through
from trooper.core.tokens import count_in_steps, tokens_at_most
from trooper.core.unfit import Unfit
from trooper.core.window import answer_reserve
from trooper.targets.prompt import Prompt
from trooper.wire.target_side import LocalSide, Post
from trooper.wire.weight import is_heavy

#: Above this share of the window the server is asked; below, no template adds as much.
_NEAR_SHARE: Final = 0.6
#: What templates may add around a message where our count has less.
_MORE_PER_MESSAGE: Final = 10
#: So often the server is asked at most.
_MOST_COUNTS: Final = 6
#: A window so full is full enough.
_FULL_SHARE: Final = 0.9
#: Where a server counts, the first guess is for English; it is corrected at once.
_FIRST_RATIO: Final = 0.9
#: Where it only renders, what its template adds is counted as well: 2 to 4 % more than we reckon with.
_RENDERED_RATIO: Final = 1.035
#: A ratio by which nothing fits but what has to stay.
_LEAST: Final = 1e9
#: What stands between a rendered prompt and the half answer behind it: the end of a thought, or a call's beginning.
_BETWEEN_TOKENS: Final = 32

#: How many times the window the least of a prompt may seem to be, and is counted all the same: blanks and
#: large vocabularies make far fewer tokens of a text than we do.
_WHERE_COUNTED: Final = 16.0
_WHERE_RENDERED: Final = 1.3

#: Texts of so many characters, all together, are counted before others have their turn, and so many messages.
_STEP_CHARS: Final = 8_192
_STEP_MESSAGES: Final = 256
#: Texts of so many characters are looked through.
_LOOKED_AT_CHARS: Final = 4_096
_LATEST_LOOKED_AT: Final = 2_048

#: Makes a prompt by a ratio of real tokens to counted ones, and by how much its least may seem too long.
MakePrompt: TypeAlias = Callable[[float, float], Prompt | Failed]
#: Sends one request and returns its answer, if it is a success.
Fetch: TypeAlias = Callable[[Post], Awaitable[Answer | Failed]]


def most_times(model: LocalModel) -> float:
    """How many times its window what must be shown may seem to be: somebody knows better than we."""
    if model.counts:
        return _WHERE_COUNTED
    return _WHERE_RENDERED if model.renders else 1.0


def first_ratio(model: LocalModel, safe_ratio: float) -> float:
    """What a prompt is made by first: near what the server will find, so that it need not be made twice."""
    return _RENDERED_RATIO * safe_ratio if model.renders and not model.counts else safe_ratio


async def counted(conversation: Conversation) -> int:
    """About how many tokens `conversation` is at most; others have their turn while it is counted."""
    chars = 0
    for text in fitting.uncounted(conversation):
        for _ in count_in_steps(text):
            chars += min(len(text), _STEP_CHARS)
            if chars >= _STEP_CHARS:
                chars = 0
                await trio.lowlevel.checkpoint()
    tokens = fitting.count_tools(conversation)
    for at in range(0, len(conversation.messages), _STEP_MESSAGES):
        tokens += sum(map(fitting.count_message, conversation.messages[at : at + _STEP_MESSAGES]))
        await trio.lowlevel.checkpoint()
    return tokens


async def look_through(conversation: Conversation) -> None:
    """
    Find out what a report on its turns may have to say; others have their turn meanwhile.

    What is found is kept: a prompt is made at once, and each of these turns comes with the next request again.
    """
    parts, chars = fitting.parts_of(conversation.messages), 0
    turns = tuple(chain.from_iterable((*parts.old, *parts.since)))
    # Some of the latest may stay, and a report looks at those before them.
    for message in reported(turns, _LATEST_LOOKED_AT):
        if is_looked_through(message):
            continue
        found_in(message)
        chars += len(message.text) + sum(len(call.arguments) for call in message.tool_calls)
        if chars >= _LOOKED_AT_CHARS:
            chars = 0
            await trio.lowlevel.checkpoint()


@frozen
class Sized:
    """
    What will be sent.

    Attributes:
        rendered: the server's own rendering, where the answer will be asked for by the raw way.
        tokens: how many tokens it is, by the server's count if it has one; 0 where nobody has counted.
    """

    prompt: Prompt
    rendered: str | None = None
    tokens: int = 0


@define
class _Search:
    """Which ratio leaves out as little as fits."""

    window_tokens: int
    ratio: float
    best: Sized | None = field(default=None, init=False)
    _least_tokens: int = field(default=0, init=False)
    _too_small: float = field(default=0.0, init=False)
    _fits: float = field(default=math.inf, init=False)

    def take(self, sized: Sized) -> bool:
        """Learn from a count; whether that is enough."""
        prompt, reserve_tokens = sized.prompt, sized.prompt.reserve_tokens
        if prompt.is_least:
            # Nothing more can be left out: better a short answer than none.
            reserve_tokens = min(reserve_tokens, answer_reserve(self.window_tokens, None, self.window_tokens))
        needed = sized.tokens + reserve_tokens
        real = sized.tokens / max(1, prompt.tokens)
        if needed <= self.window_tokens:
            self._fits = min(self._fits, self.ratio)
            if self.best is None or sized.tokens > self.best.tokens:
                self.best = sized
            if prompt.is_whole or needed >= _FULL_SHARE * self.window_tokens:
                return True
        elif prompt.is_least:
            self._least_tokens = sized.tokens
            return True
        else:
            self._too_small = max(self._too_small, self.ratio)
            # Whoever has just been too long by a little would be so again.
            real *= 1.01
        if self._too_small < real < self._fits:
            self.ratio = real
        elif not self._too_small:
            return True
        elif self._fits < math.inf:
            self.ratio = math.sqrt(self._too_small * self._fits)
        else:
            self.ratio = self._too_small * 1.1
        return self._fits <= self._too_small * 1.02

    def found(self) -> Sized | Failed:
        """The longest that fits, and what the window leaves behind it."""
        if self.best is None:
            return Failed(
                FailureKind.CONTEXT_LENGTH,
                prompt_tokens=self._least_tokens,
                window_tokens=self.window_tokens,
            )
        room = max(1, self.window_tokens - self.best.tokens)
        return evolve(self.best, prompt=evolve(self.best.prompt, room_tokens=room))


@frozen
class Counting:
    """
    Counts what one leg shows a model, at the model's server.

    Attributes:
        model: with the window as it is known by now.
        safe_ratio: what the server's refusals have taught.
    """

    model: LocalModel
    asking: LocalSide
    make: MakePrompt
    fetch: Fetch
    safe_ratio: float = 1.0

    async def sized(self, first: Prompt | None = None) -> Sized | Failed:
        """
        What is sent: all of it where that is short, else what fits by the server's count.

        Args:
            first: what was made by `first_ratio` just now.
        """
        begins = first_ratio(self.model, self.safe_ratio)
        prompt = first or self.make(begins, most_times(self.model))
        if isinstance(prompt, Failed):
            return prompt
        if not self._is_near(prompt):
            return await self._uncounted(prompt)
        search = _Search(self.model.window_tokens, _FIRST_RATIO if self.model.counts else begins)
        for count in range(_MOST_COUNTS):
            is_last_chance = count == _MOST_COUNTS - 1 and search.best is None
            # A prompt of thousands of turns was made just now, and another one will be.
            await trio.lowlevel.checkpoint()
            ratio = _LEAST if is_last_chance else search.ratio
            sized = await self._counted(prompt if ratio == begins else self.make(ratio, math.inf))
            if isinstance(sized, Failed):
                return sized if prompt.way is Way.RAW else await self._safe()
            if search.take(sized):
                break
        return search.found()

    def _is_near(self, prompt: Prompt) -> bool:
        if not self.model.renders or self.model.window_tokens <= 0:
            return False
        if not prompt.is_whole:
            return True
        more = _MORE_PER_MESSAGE * len(prompt.conversation.messages)
        return self.safe_ratio * prompt.tokens + more > _NEAR_SHARE * self.model.window_tokens

    async def _safe(self) -> Sized | Failed:
        """What fits by our own count, where the server has not said more."""
        prompt = self.make(self.safe_ratio, 1.0)
        return prompt if isinstance(prompt, Failed) else Sized(prompt)

    async def _uncounted(self, prompt: Prompt) -> Sized | Failed:
        if prompt.way is not Way.RAW:
            return Sized(prompt)
        rendered = await self._rendered(prompt)
        return rendered if isinstance(rendered, Failed) else Sized(prompt, rendered)

    async def _counted(self, prompt: Prompt | Failed) -> Sized | Failed:
        if isinstance(prompt, Failed):
            return prompt
        rendered = await self._rendered(prompt)
        if isinstance(rendered, Failed):
            return rendered
        is_raw = prompt.way is Way.RAW
        tokens = await self._tokens(rendered + prompt.half if is_raw else rendered)
        tokens += fitting.count_images(prompt.conversation) + (_BETWEEN_TOKENS if is_raw else 0)
        return Sized(prompt, rendered if is_raw else None, tokens)

    async def _rendered(self, prompt: Prompt) -> str | Failed:
        # Behind a prompt that is rendered first, the half answer follows raw.
        prefill = "" if prompt.way is Way.RAW else prompt.half
        answer = await self.fetch(self.asking.render(prompt.conversation, prefill=prefill))
        if isinstance(answer, Failed):
            return answer
        rendered = None if is_heavy(answer.body) else self.asking.read_render(answer.body)
        return Failed(FailureKind.UNFIT, unfit_reason=Unfit.NO_RENDER) if rendered is None else rendered

    async def _tokens(self, text: str) -> int:
        post = self.asking.count(text)
        answer = None if post is None else await self.fetch(post)
        tokens = self.asking.read_count(answer.body) if isinstance(answer, Answer) else None
        return math.ceil(self.safe_ratio * tokens_at_most(text)) if tokens is None else tokens
