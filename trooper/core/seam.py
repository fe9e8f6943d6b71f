"""
Cuts what a continuation repeats of the half answer, so that both read as one text: the join. And
splits the half answer into what the model is shown and what it is not.

Theory of operation
-------------------
The half answer is sent as a prefill, never as a request to "please continue"
(measured: 80 to 90 % of such seams show). Blanks at its end are withheld from
the model and newlines are not: models double a blank that they are shown, and
lose their place without a newline.

A `Join` then reads the continuation piece by piece and returns what the
client should get. In order it

1. cuts an echo: some servers repeat the prefill before the first new token.
   Known echoes are cut exactly. Where nobody knows, only a repetition that
   cannot be honest text is cut: 20 characters at least and not periodic. A
   target that was merely asked to go on may repeat the last words: those are
   cut by the same measure. One that repeats the beginning and then says
   something else has started `anew`: it did not go on at all.
2. drops leading white space that the client already has.
3. watches for a stop sequence that began in the half answer.
4. at the start of a line drops one blank before a word, and newlines beyond
   one empty line: small models put them there (measured with one of 135M
   parameters: at 36 % of such cuts). Not in a code block, where they count.

After that it is transparent. No overlap is trimmed: with a prefill there is
none to find, and an honest answer may repeat itself exactly at the cut.

This file may not know any wire, server or model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec
from attrs import define, field, frozen

from trooper.core.json_text import NOT_JSON

#: Shorter unknown repetitions may be honest text (measured: trimming at 8 ate
#: true text in every answer that is a run of one sign).
UNPROBED_ECHO_CHARS: Final = 20
#: How far back the last words are looked for.
_OVERLAP_CHARS: Final = 400
_FENCE: Final = re.compile(r"^[ \t]{0,3}(```|~~~)", re.MULTILINE)
_JSON_SIGN: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[][{}"]', re.DOTALL)
#: One blank before a word. Before a list's sign, or more of them: somebody's indentation.
_LONE_BLANK: Final = re.compile(r" (?![ \t\n]|[-*+] |\d+[.)] |$)")
#: What may still become either.
_UNDECIDED: Final = re.compile(r"\n*(?: *| (?:[-*+]|\d+[.)]?))")
_SENTENCE_ENDS: Final = ".!?…。！？।؟"
_CLOSERS: Final = "\"'”’)]}*_`»」』"


@frozen
class Prefill:
    """
    The half answer as the model gets it.

    `withheld` are the blanks at the client's end that the model is not shown.
    """

    text: str
    withheld: str


#: What a model is given of an answer that starts at the beginning.
NOTHING: Final = Prefill("", "")


def prefill(given: str, *, trims: bool = False) -> Prefill:
    """
    Split what the client has into what the model is shown and what it is not.

    `trims` says that the model's template strips all white space there anyway.
    """
    text = given.rstrip() if trims else given.rstrip(" \t")
    return Prefill(text, given[len(text) :])


@define
class Join:
    """
    Makes one text out of a half answer and its continuation.

    Args:
        prefill: what the model was shown and the client has beyond it.
        echoes: whether this server repeats the prefill; `None` if unprobed.
        stop: the client's stop sequences.
        overlaps: the last words of the half answer may come first.
    """

    prefill: Prefill
    echoes: bool | None = None
    stop: Sequence[str] = ()
    overlaps: bool = False
    #: The continuation is another answer from the beginning: nothing of it may be used.
    anew: bool = field(default=False, init=False)
    #: A stop sequence has been completed across the join: nothing may follow.
    stopped: bool = field(default=False, init=False)
    _pending: str = field(default="", init=False)
    _echo_over: bool = field(default=False, init=False)
    _blanks_left: str = field(default="", init=False)
    _joined: bool = field(default=False, init=False)
    _starts_line: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._blanks_left = self.prefill.withheld
        text = self.prefill.text
        plausible = len(text) >= UNPROBED_ECHO_CHARS and not is_periodic(text)
        looks_for_echo = self.echoes if self.echoes is not None else plausible
        self._echo_over = not looks_for_echo or not text
        given = text + self.prefill.withheld
        self._starts_line = given.endswith("\n") and len(_FENCE.findall(given)) % 2 == 0

    def feed(self, text: str) -> str:
        """Return the part of `text` that is new to the client."""
        if self.stopped or self.anew:
            return ""
        if self._joined:
            return text
        self._pending += text
        if not self._echo_over and not self._cut_echo():
            return ""
        if self.overlaps and not self._cut_overlap(final=False):
            return ""
        return self._join(final=False)

    def finish(self) -> str:
        """The continuation has ended: return what was still undecided."""
        if self.stopped or self.anew or self._joined:
            return ""
        # A server that only repeats the prefill has said nothing new. A
        # beginning of it is an echo cut short only where echoes are known.
        if not self._echo_over:
            echo = self.prefill.text
            if self._pending == echo or (self.echoes and echo.startswith(self._pending)):
                self._pending = ""
            elif self.echoes is None and len(self._pending) >= UNPROBED_ECHO_CHARS:
                self.anew = echo.startswith(self._pending) and not is_periodic(self._pending)
                if self.anew:
                    return ""
        if self.overlaps:
            self._cut_overlap(final=True)
        return self._join(final=True)

    def _cut_echo(self) -> bool:
        """Decide about the echo; true once it is decided, and there is something to go on with."""
        echo = self.prefill.text
        if len(self._pending) <= len(echo) and echo.startswith(self._pending):
            return False
        if self._pending.startswith(echo):
            self._pending = self._pending[len(echo) :]
            self.overlaps = False
        elif not self.echoes and self._starts_anew(echo):
            self.anew = True
            return False
        self._echo_over = True
        return True

    def _starts_anew(self, echo: str) -> bool:
        """Whether the beginning of the half answer came, and then something else."""
        same = next(i for i, (a, b) in enumerate(zip(self._pending, echo, strict=False)) if a != b)
        return same >= UNPROBED_ECHO_CHARS and not is_periodic(echo[:same])

    def _cut_overlap(self, *, final: bool) -> bool:
        """Cut the half answer's last words from the front; true once it is decided."""
        tail, pending = self.prefill.text[-_OVERLAP_CHARS:], self._pending
        if not final and len(pending) < len(tail) and pending in tail:
            return False
        for at in range(len(tail) - UNPROBED_ECHO_CHARS + 1):
            if pending.startswith(tail[at:]) and not is_periodic(tail[at:]):
                self._pending = pending[len(tail) - at :]
                break
        self.overlaps = False
        return True

    def _join(self, *, final: bool) -> str:
        while self._blanks_left and self._pending.startswith(self._blanks_left[0]):
            self._pending = self._pending[1:]
            self._blanks_left = self._blanks_left[1:]
        if not self._pending and not final:
            return ""
        if not final and (self._may_be_stop() or self._may_be_blank()):
            return ""
        self._joined = True
        out, self._pending = self._pending, ""
        at = self._stop_at(out)
        if at is not None:
            self.stopped = True
            return out[:at]
        if self._starts_line:
            return _at_line_start(out, self.prefill.text + self.prefill.withheld)
        return out

    def _may_be_blank(self) -> bool:
        """Whether it takes more to know what white space at the start of a line is for."""
        return self._starts_line and _UNDECIDED.fullmatch(self._pending) is not None

    def _may_be_stop(self) -> bool:
        """Whether what is pending could still grow into a stop sequence that began before."""
        given = self.prefill.text + self.prefill.withheld
        return any(
            given.endswith(stop[:k]) and stop[k:].startswith(self._pending) and self._pending != stop[k:]
            for stop in self.stop
            for k in range(1, len(stop))
        )

    def _stop_at(self, out: str) -> int | None:
        given = self.prefill.text + self.prefill.withheld
        for stop in self.stop:
            for k in range(len(stop) - 1, 0, -1):
                if given.endswith(stop[:k]) and out.startswith(stop[k:]):
                    return 0
        return None


def _at_line_start(text: str, given: str) -> str:
    """`text` without the white space that nobody wants behind a line's end."""
    newlines = len(text) - len(text.lstrip("\n"))
    # Two make an empty line; what is beyond makes another.
    text = text[max(0, newlines - (0 if given.endswith("\n\n") else 1)) :] if newlines else text
    return text[1:] if _LONE_BLANK.match(text) else text


def is_periodic(text: str) -> bool:
    """Whether `text` is one short piece repeated: `=====`, a row of one emoji, `| --- | --- |`."""
    # A string is a power of a shorter one if it occurs inside its own square;
    # a trailing part of the period is allowed for by looking at half of it.
    half = text[len(text) // 2 :]
    return bool(half) and text.find(half) < len(text) // 2


def says_it_all(text: str) -> bool:
    """
    Whether an answer that ends here, and that its model would not continue, is whole.

    True at the end of a sentence, a line, a closed code block or a closed
    JSON document, and only when no code fence and no bracket of a JSON
    document is open.
    """
    if len(_FENCE.findall(text)) % 2:
        return False
    stripped = text.rstrip()
    if stripped.startswith(("{", "[")):
        if _is_open_json(stripped):
            return False
        if _is_json(stripped):
            return True
    if text.endswith("\n") or stripped.endswith(("```", "~~~")):
        return True
    core = stripped.rstrip(_CLOSERS)
    return bool(core) and core[-1] in _SENTENCE_ENDS


def _is_open_json(text: str) -> bool:
    depth = 0
    for part in _JSON_SIGN.findall(text):
        if part == '"':  # A string that does not end.
            return True
        depth += (part in "{[") - (part in "}]")
    return depth > 0


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except NOT_JSON:
        return False
    return True
