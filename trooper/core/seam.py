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
   Known echoes are cut exactly.
3. follows a continuation that begins anew, and cuts all that the client has
   (`core.following`, `core.anew`). Where nobody knows about echoes, that is one, if it
   cannot be honest text: 20 characters at least and not periodic; a
   target that was merely asked to go on, or has thought first, has no reason
   to begin with the half answer, however short. One that repeats the
   beginning and then says something else has started `anew`: it did not go on
   at all.
4. cuts an announcement (`core.announcing`), behind which all of that may stand as well.
5. cuts a code fence that is opened inside an open one (`core.code_block`).
6. cuts the last words of the half answer, where they come again: whole
   sentences, or three words (`core.overlap`); of a model that goes on, only where
   they cannot be honest (`core.honest`).
7. drops leading white space that the client already has, and puts back what
   was lost with the fragment that the gate dropped.
8. watches for a stop sequence that began in the half answer.
9. at the start of a line drops one blank before a word, and newlines beyond
   one empty line: small models put them there (measured with one of 135M
   parameters: at 36 % of such cuts). Not in a code block, where they count.

After that it is transparent. What waits for 3 is what the client has; nothing
else waits for more than 80 characters. How the continuation is cut into pieces
does not matter.

This file may not know any wire, server or model.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from attrs import define, evolve, field, frozen

from trooper.core.blanks import (
    at_line_start,
    may_be_blank,
    may_have_more_blanks,
    needs_more,
    with_blanks,
    without_more_blanks,
)
from trooper.core.overlap import MOST_WAITING_CHARS, NOTHING_LOST, Lost, may_be_echo
from trooper.core.repair import ALL_REPAIRS, Repair
from trooper.core.repairing import Repairing
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
        repairs: what is put right that the model does, and should not.
    """

    prefill: Prefill
    echoes: bool | None = None
    stop: Sequence[str] = ()
    overlaps: bool = False
    lost: Lost = NOTHING_LOST
    speaks_of_thinking: bool = False
    repairs: AbstractSet[Repair] = ALL_REPAIRS
    #: Why nothing of the continuation may be used; `None` while it may.
    unfit: Unfit | None = field(default=None, init=False)
    #: A stop sequence has been completed across the join: nothing may follow.
    stopped: bool = field(default=False, init=False)
    #: What the model has said, and the client is not given; whoever counts it takes it.
    cut: str = field(default="", init=False)
    # What waits for the end of an echo, and what for its place.
    _pending: str = field(default="", init=False)
    _joining: str = field(default="", init=False)
    _thoughts: Thoughts | None = field(init=False)
    _late: LateEnd | None = field(init=False)
    _waits_for_echo: bool = field(init=False)
    _echo_over: bool = field(default=False, init=False)
    _repairing: Repairing = field(init=False)
    _blanks_left: str = field(default="", init=False)
    _blanks_over: bool = field(default=False, init=False)
    _in_code: bool = field(default=False, init=False)
    _looks_at_blanks: bool = field(default=False, init=False)
    _joined: bool = field(default=False, init=False)
    _starts_line: bool = field(default=False, init=False)
    # What is missing of each stop sequence that may have begun in what the client has.
    _rests_of_stops: tuple[str, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._blanks_left = self.prefill.withheld
        text, given = self.prefill.text, self.given
        self._echo_over = self.echoes is not True or self.overlaps or not text
        in_code = self._in_code = is_in_code(given)
        self._starts_line = given.endswith("\n") and not in_code
        self._repairing = Repairing(
            text,
            given,
            hidden=self.prefill.hidden,
            is_own=self.echoes is not None and not self.overlaps,
            was_asked=self.overlaps,
            lost_call=self.lost.call,
            repairs=self.repairs,
        )
        repairs_blanks = Repair.BLANK in self.repairs
        self._blanks_over = not self.lost.fragment or not repairs_blanks
        self._looks_at_blanks = repairs_blanks and bool(text)
        in_code = in_code or given.rpartition("\n")[2].count("`") % 2 == 1
        about = self.speaks_of_thinking or speaks_of_thinking([given])
        # In the code of an answer about thinking blocks one is text.
        thoughts = Thoughts(about, ends_in_thought(given), half_tag(given))
        self._thoughts = None if about and in_code else thoughts
        self._late = None if about else LateEnd()
        self._rests_of_stops = _rests_of_stops(given, self.stop)
        # Where the answer itself began with a thought, so does its echo: only what is none can be a thought.
        begins = bool(begins_with_thought(text) or half_tag(text))
        looks_for_echo = self.echoes is not False or self.overlaps
        self._waits_for_echo = self._thoughts is not None and looks_for_echo and begins

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
            if self._waits_for_echo and len(text.lstrip()) < len(self.prefill.text.lstrip()):
                self._pending = text
                return ""
        if not self._waits_for_echo:
            text = self._without_thoughts(text)
        return self._new(text, final=False) if text else ""

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
        return rest if self._joined else self._new(rest, final=True)

    def _new(self, text: str, *, final: bool) -> str:
        """What is new, now that `text` has come as well."""
        if not self._echo_over:
            self._pending += text
            if not self._cut_echo(final=final):
                return ""
            text, self._pending = self._pending, ""
        self._joining += self._repaired(text, final=final)
        return "" if self.unfit else self._join(final=final)

    def _repaired(self, text: str, *, final: bool) -> str:
        repairing = self._repairing
        out = repairing.feed(text)
        if final and not repairing.is_again:
            out += repairing.finish()
        if repairing.is_again:
            rest = self._behind_echo(repairing.behind_echo(), final=final)
            out += repairing.feed(rest) + (repairing.finish() if final else "")
        if repairing.cut and repairing.cut.lstrip().startswith(self.lost.fragment.strip()):
            # The fragment was the beginning of that, and tells nothing of what follows.
            self._blanks_over = True
        self.cut, repairing.cut = self.cut + repairing.cut, ""
        self.unfit = repairing.unfit or self.unfit
        return out

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
        if text and thoughts.found and not self._repairing.has_begun and not self._pending:
            # Whoever has thought begins to speak: perhaps with all that was said before.
            thoughts.found = False
            self._repairing.asked()
        return text

    def _look(self, late: LateEnd, text: str) -> str:
        text = late.feed(text)
        if late.came:
            self.unfit = Unfit.THINKS_ALOUD
        return text

    def _cut_echo(self, *, final: bool) -> bool:
        """Decide about an echo that is known; true once it is decided, and there is something to go on with."""
        echo = self.prefill.text
        blanks = 0 if echo[0].isspace() else len(self._pending) - len(self._pending.lstrip())
        said = self._pending[blanks:]
        if len(said) <= len(echo) and echo.startswith(said) and not final:
            return False
        self._echo_over = True
        # It is the server's, not the model's: that has not begun to speak yet, and nobody has counted it.
        if len(said) <= len(echo) and echo.startswith(said):
            # Nothing follows: the beginning of one is an echo cut short.
            self._pending = ""
        elif said.startswith(echo):
            self._pending = self._behind_echo(said[len(echo) :], final=final)
        self._waits_for_echo = False
        return True

    def _behind_echo(self, text: str, *, final: bool) -> str:
        """What stands there is what the model says first: perhaps a thought."""
        if self._thoughts is not None:
            self._thoughts = evolve(self._thoughts)
            text = self._think(self._thoughts, text)
            if self._late is not None and self._waits_for_echo:
                # Else it has seen all of it.
                text = self._look(self._late, text)
            if final:
                text += self._rest_of_thoughts()
        self._waits_for_echo = False
        return text

    def _join(self, *, final: bool) -> str:
        while self._blanks_left and self._joining.startswith(self._blanks_left[0]):
            self._joining = self._joining[1:]
            self._blanks_left = self._blanks_left[1:]
        if not self._joining and not final:
            return ""
        enough = final or len(self._joining) > MOST_WAITING_CHARS
        if not enough and not self._blanks_over and needs_more(self.lost.fragment, self._joining):
            return ""
        if not enough and self._looks_at_blanks and may_have_more_blanks(self._joining):
            return ""
        self._put_blanks_right()
        if not final and self._may_be_stop():
            return ""
        if not enough and self._starts_line and may_be_blank(self._joining):
            return ""
        self._joined = True
        out, self._joining = self._joining, ""
        if any(map(out.startswith, self._rests_of_stops)):
            self.stopped = True
            return ""
        if self._starts_line:
            return at_line_start(out, self.given)
        return out

    def _put_blanks_right(self) -> None:
        if self._looks_at_blanks:
            self._looks_at_blanks = False
            self._joining = without_more_blanks(self.given, self._joining, in_code=self._in_code)
        if self._blanks_over or not self._joining:
            return
        self._blanks_over = True
        certain = self.echoes is not None and not self.overlaps and not self.prefill.added
        self._joining = with_blanks(self.given, self.lost.fragment, self._joining, is_certain=certain)

    def _may_be_stop(self) -> bool:
        """Whether what is pending could still grow into a stop sequence that began before."""
        return any(rest.startswith(self._joining) and self._joining != rest for rest in self._rests_of_stops)


def _rests_of_stops(given: str, stops: Sequence[str]) -> tuple[str, ...]:
    left, rests = _MOST_STOP_CHARS, []
    for stop in stops:
        if len(stop) <= left:
            left -= len(stop)
            rests += [stop[k:] for k in range(1, len(stop)) if given.endswith(stop[:k])]
    return tuple(rests)
