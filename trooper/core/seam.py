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

1. cuts a thinking block, behind which an echo may stand as well
   (`core.thinking`). An end without a beginning, further on, tells that the leg
   has thought aloud: nothing of it may be used.
2. cuts an echo: some servers repeat the prefill before the first new token.
   Known echoes are cut exactly. Where nobody knows, only a repetition that
   cannot be honest text is cut: 20 characters at least and not periodic; a
   target that was merely asked to go on, or has thought first, has no reason
   to begin with the half answer, however short. One that repeats the
   beginning and then says something else has started `anew`: it did not go on
   at all.
3. cuts the last words of the half answer, where they come again: whole
   sentences, or three words (`core.overlap`). Not in code and documents, and
   behind a prefill that is proven only where a tool call was lost.
4. drops leading white space that the client already has, and puts back what
   was lost with the fragment that the gate dropped.
5. watches for a stop sequence that began in the half answer.
6. at the start of a line drops one blank before a word, and newlines beyond
   one empty line: small models put them there (measured with one of 135M
   parameters: at 36 % of such cuts). Not in a code block, where they count.

After that it is transparent. No shorter overlap is trimmed: with a prefill
there is none to find, and an honest answer may repeat itself exactly at the cut.

This file may not know any wire, server or model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import define, evolve, field, frozen

from trooper.core.overlap import (
    NOTHING_LOST,
    Lost,
    at_line_start,
    count_words,
    is_periodic,
    may_be_blank,
    may_be_echo,
    needs_more,
    said_again,
    with_blanks,
)
from trooper.core.thinking import (
    LateEnd,
    Thoughts,
    begins_with_thought,
    ends_in_thought,
    half_tag,
    speaks_of_thinking,
)
from trooper.core.unfit import Unfit
from trooper.core.whole_text import is_in_code

#: Shorter unknown repetitions may be honest text (measured: trimming at 8 ate
#: true text in every answer that is a run of one sign).
UNPROBED_ECHO_CHARS: Final = 20
#: So many words alike, and then others, are another beginning where nobody was shown the half answer as his own.
_ANEW_WORDS: Final = 2


@frozen
class Prefill:
    """
    The half answer as the model gets it.

    `withheld` are the blanks at the client's end that the model is not shown,
    `added` is white space behind the text that it is shown and the client has not, and
    `hidden` what stands in front of the text, where the window is too small for all of it.
    """

    text: str
    withheld: str
    added: str = ""
    hidden: str = ""


#: Blanks in front of a continuation, and what it may say again, are decided about within so many characters.
_MOST_PENDING_CHARS: Final = 8_192
#: Of stop sequences so much, all together, is looked for across the join; a longer one is still the model's to obey.
_MOST_STOP_CHARS: Final = 1_024
#: What a model is given of an answer that starts at the beginning.
NOTHING: Final = Prefill("", "")


def prefill(given: str, *, trims: bool = False, added: str = "") -> Prefill:
    """
    Split what the client has into what the model is shown and what it is not.

    `trims` says that the model's template strips all white space there anyway,
    `added` what it puts there.
    """
    text = given.rstrip() if trims else given.rstrip(" \t")
    return Prefill(text, given[len(text) :], added if text else "")


@define
class Join:
    """
    Makes one text out of a half answer and its continuation.

    Args:
        prefill: what the model was shown and the client has beyond it.
        echoes: whether this server repeats the prefill; `None` if unprobed.
        stop: the client's stop sequences.
        overlaps: the target was merely asked to go on: the last words of the
            half answer may come first, or all of it.
        lost: what stood behind the half answer, and the client has not got.
        speaks_of_thinking: the conversation is about thinking blocks.
    """

    prefill: Prefill
    echoes: bool | None = None
    stop: Sequence[str] = ()
    overlaps: bool = False
    lost: Lost = NOTHING_LOST
    speaks_of_thinking: bool = False
    #: Why nothing of the continuation may be used; `None` while it may.
    unfit: Unfit | None = field(default=None, init=False)
    #: A stop sequence has been completed across the join: nothing may follow.
    stopped: bool = field(default=False, init=False)
    #: What the model has said, and the client is not given; whoever counts it takes it.
    cut: str = field(default="", init=False)
    _pending: str = field(default="", init=False)
    _thoughts: Thoughts | None = field(init=False)
    _late: LateEnd | None = field(init=False)
    _waits_for_echo: bool = field(init=False)
    _echo_over: bool = field(default=False, init=False)
    _words_over: bool = field(default=False, init=False)
    _blanks_left: str = field(default="", init=False)
    _blanks_over: bool = field(default=False, init=False)
    _joined: bool = field(default=False, init=False)
    _starts_line: bool = field(default=False, init=False)
    # What is missing of each stop sequence that may have begun in what the client has.
    _rests_of_stops: tuple[str, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._blanks_left = self.prefill.withheld
        text, given = self.prefill.text, self.given
        plausible = (self.overlaps or len(text) >= UNPROBED_ECHO_CHARS) and not is_periodic(text)
        looks_for_echo = self.echoes if self.echoes is not None else plausible
        self._echo_over = not looks_for_echo or not text
        in_code = is_in_code(given)
        self._starts_line = given.endswith("\n") and not in_code
        # What a proven prefill is gone on with is honest, and a line may be said twice, as in
        # a song. Before a call that was lost a model begins again at what announces it.
        may_repeat = self.echoes is not None or given.endswith("\n")
        honest = in_code or text.lstrip()[:1] in ("{", "[") or (may_repeat and not self.lost.call)
        self._words_over = not text or (honest and not self.overlaps)
        self._blanks_over = not self.lost.fragment
        in_code = in_code or given.rpartition("\n")[2].count("`") % 2 == 1
        about = self.speaks_of_thinking or speaks_of_thinking([given])
        # In the code of an answer about thinking blocks one is text.
        thoughts = Thoughts(about, ends_in_thought(given), half_tag(given))
        self._thoughts = None if about and in_code else thoughts
        self._late = None if about else LateEnd()
        self._rests_of_stops = _rests_of_stops(given, self.stop)
        # Where the answer itself began with a thought, so does its echo: only what is none can be a thought.
        begins = bool(begins_with_thought(text) or half_tag(text))
        self._waits_for_echo = self._thoughts is not None and not self._echo_over and begins

    @property
    def given(self) -> str:
        """What the client has."""
        return self.prefill.hidden + self.prefill.text + self.prefill.withheld

    @property
    def says_nothing(self) -> bool:
        """Whether all that came was a thought without an end."""
        return self._thoughts is not None and self._thoughts.unclosed

    def feed(self, text: str) -> str:
        """Return the part of `text` that is new to the client."""
        if self.stopped or self.unfit:
            return ""
        if self._joined:
            return text if self._late is None else self._look(self._late, text)
        if self._waits_for_echo:
            text, self._pending = self._pending + text, ""
            self._waits_for_echo = may_be_echo(text, self.prefill.text)
        if not self._waits_for_echo:
            text = self._without_thoughts(text)
        if not text:
            return ""
        self._pending += text
        # Nothing that could still decide is longer: each piece would be compared with all before it.
        final = len(self._pending) > len(self.prefill.text) + _MOST_PENDING_CHARS
        if not self._echo_over and not self._cut_echo(final=final):
            return ""
        if not self._words_over and not self._cut_words(final=final):
            return ""
        return self._join(final=final)

    def finish(self) -> str:
        """The continuation has ended: return what was still undecided."""
        if self.stopped or self.unfit:
            return ""
        rest = ""
        if self._waits_for_echo and not self.echoes and len(self._pending) < len(self.prefill.text):
            # The beginning of an echo that nobody expects is what it looks like.
            text, self._pending, self._waits_for_echo = self._pending, "", False
            rest = self._without_thoughts(text)
        rest += self._rest_of_thoughts()
        if self._joined:
            return rest
        self._pending += rest
        if not self._echo_over and not self._cut_echo(final=True):
            return ""
        if not self._words_over:
            self._cut_words(final=True)
        return self._join(final=True)

    def _without_thoughts(self, text: str) -> str:
        """What of `text` is none of the model's thoughts, as far as that is known."""
        if self._thoughts is not None:
            text = self._think(self._thoughts, text)
        return text if self._late is None else self._look(self._late, text)

    def _rest_of_thoughts(self) -> str:
        """What of it was not known, now that nothing follows."""
        rest = ""
        if self._thoughts is not None:
            rest = self._thoughts.finish()
            self.cut += self._thoughts.cut
        return rest if self._late is None else self._look(self._late, rest) + self._late.finish()

    def _think(self, thoughts: Thoughts, text: str) -> str:
        text = thoughts.feed(text)
        if thoughts.goes_on:
            # Its end belongs to what the client has begun to read.
            self._late = None
        self.cut, thoughts.cut = self.cut + thoughts.cut, ""
        if text and thoughts.found and not self._joined and not self._pending:
            # Whoever has thought begins to speak: perhaps with all that was said before.
            text_given = self.prefill.text
            thoughts.found, self._echo_over = False, not text_given or is_periodic(text_given)
            self.overlaps = True
        return text

    def _look(self, late: LateEnd, text: str) -> str:
        text = late.feed(text)
        if late.came:
            self.unfit = Unfit.THINKS_ALOUD
        return text

    def _cut_echo(self, *, final: bool) -> bool:
        """Decide about the echo; true once it is decided, and there is something to go on with."""
        echo = self.prefill.text
        blanks = 0 if echo[0].isspace() else len(self._pending) - len(self._pending.lstrip())
        said = self._pending[blanks:]
        if len(said) <= len(echo) and echo.startswith(said):
            if not final:
                return False
            return self._ends_in_echo(said)
        if said.startswith(echo):
            self._drop(blanks + len(echo), is_said=self.echoes is not True or self.overlaps)
            # A known echo is the server's, not the model's: that has not begun to speak yet.
            self._words_over = self._words_over or self.echoes is not True
            if self._thoughts is not None:
                # The same, at its beginning.
                self._thoughts = evolve(self._thoughts)
                self._pending = self._think(self._thoughts, self._pending)
                if self._late is not None and self._waits_for_echo:
                    # Else it has seen all of it.
                    self._pending = self._look(self._late, self._pending)
                if final:
                    self._pending += self._rest_of_thoughts()
        elif not (self.echoes and not self.overlaps) and self._starts_anew(
            said, echo, after_blanks=blanks > 0
        ):
            self.unfit = Unfit.STARTS_ANEW
            return False
        self._waits_for_echo, self._echo_over = False, True
        return True

    def _ends_in_echo(self, said: str) -> bool:
        """
        The leg has said no more than that. A server that only repeats the
        prefill has said nothing new; a beginning of it is an echo cut short only
        where echoes are known.
        """
        if said == self.prefill.text or self.echoes:
            self._drop(len(self._pending), is_said=not self.echoes)
        elif self._starts_anew(said, self.prefill.text, after_blanks=len(said) < len(self._pending)):
            self.unfit = Unfit.STARTS_ANEW
            return False
        self._echo_over = True
        return True

    def _starts_anew(self, said: str, echo: str, *, after_blanks: bool) -> bool:
        """Whether the beginning of the half answer came, and then something else."""
        pairs = enumerate(zip(said, echo, strict=False))
        same = echo[: next((i for i, (a, b) in pairs if a != b), min(len(said), len(echo)))]
        if is_periodic(same):
            return False
        if self.overlaps and not after_blanks and count_words(same.rpartition(" ")[0]) >= _ANEW_WORDS:
            return True
        return len(same) >= UNPROBED_ECHO_CHARS

    def _cut_words(self, *, final: bool) -> bool:
        """Cut the half answer's last words from the front; true once it is decided."""
        asked = UNPROBED_ECHO_CHARS if self.overlaps else None
        again = said_again(self.prefill.text, self._pending, final=final, at_least_chars=asked)
        if again is None:
            return False
        self._drop(again, is_said=True)
        self._words_over = True
        return True

    def _drop(self, chars: int, *, is_said: bool) -> None:
        """Take `chars` from the front; `is_said`: the model has said them, and so has counted them."""
        if is_said:
            self.cut += self._pending[:chars]
        self._pending = self._pending[chars:]

    def _join(self, *, final: bool) -> str:
        while self._blanks_left and self._pending.startswith(self._blanks_left[0]):
            self._pending = self._pending[1:]
            self._blanks_left = self._blanks_left[1:]
        if not self._pending and not final:
            return ""
        if not final and not self._blanks_over and needs_more(self.lost.fragment, self._pending):
            return ""
        self._put_blanks_right()
        if not final and (self._may_be_stop() or self._may_be_blank()):
            return ""
        self._joined = True
        out, self._pending = self._pending, ""
        if any(map(out.startswith, self._rests_of_stops)):
            self.stopped = True
            return ""
        if self._starts_line:
            return at_line_start(out, self.given)
        return out

    def _put_blanks_right(self) -> None:
        if self._blanks_over or not self._pending:
            return
        self._blanks_over = True
        certain = self.echoes is not None and not self.overlaps and not self.prefill.added
        self._pending = with_blanks(self.given, self.lost.fragment, self._pending, is_certain=certain)

    def _may_be_blank(self) -> bool:
        """Whether it takes more to know what white space at the start of a line is for."""
        return self._starts_line and may_be_blank(self._pending)

    def _may_be_stop(self) -> bool:
        """Whether what is pending could still grow into a stop sequence that began before."""
        return any(rest.startswith(self._pending) and self._pending != rest for rest in self._rests_of_stops)


def _rests_of_stops(given: str, stops: Sequence[str]) -> tuple[str, ...]:
    left, rests = _MOST_STOP_CHARS, []
    for stop in stops:
        if len(stop) <= left:
            left -= len(stop)
            rests += [stop[k:] for k in range(1, len(stop)) if given.endswith(stop[:k])]
    return tuple(rests)
