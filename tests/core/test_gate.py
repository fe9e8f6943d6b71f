"""What may go out now and what waits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from pieces import cuts, singles
from trooper.core.boundary import is_boundary, last_boundary
from trooper.core.events import (
    Begin,
    Done,
    Event,
    Finish,
    FinishReason,
    NextChoice,
    Other,
    PartEnd,
    Reasoning,
    Received,
    Refusal,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.gate import Gate

ZWJ = "\u200d"
TEXTS = {
    "english": "It's late, said Mr. Smith; he paid $3.14 (or 1,000.50) for all-day tea. Ok?\n\nNext: e.g. this.",
    "code": "def f(x):\n\treturn {'a': x[1:2] ** 3}  # don't\r\n\nf(0xff)\n```\n",
    "chinese": "今天天气很好,我们去公园散步吧。价格是3.5元!OK",
    "japanese": "東京タワーは、ｶﾞﾗｽの塔です。「はい」と答えた。",
    "thai": "น้ำใจของคนไทย ดีมาก ๆ ครับ",
    "korean": "한국어는 띄어쓰기를 합니다. 그렇죠?",
    "emoji": f"Go 👩{ZWJ}👩{ZWJ}👧{ZWJ}👦! 👍🏽👍🏿 ❤️ 1️⃣🏳️{ZWJ}🌈 end",
    "flags": "🇩🇪🇫🇷🇪🇸🇮🇹🇵🇱🇬🇷🇨🇿 and 🇺🇸🇨🇦",
    "marks": "e\u0301te\u0301 क्षत्रिय a\u0300\u0323 x",
    "base64": "key: " + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9w" * 2 + " end.",
    "urls": "see https://example.org/a_very_long/path_without_any/boundary?q=1&r=2#frag, or not",
    "decimals": "3.14159 2.71 1,000,000.00 5. 6.",
    "newlines": "\n\na\n\n\nb\n",
}
NAMES = st.sampled_from(sorted(TEXTS))
TOKENS = NAMES.flatmap(lambda name: cuts(TEXTS[name]))


def event(*events: Event, raw: bytes = b"") -> Received:
    return Received(raw or repr(events).encode(), events)


def said(*texts: str) -> list[Received]:
    return [event(Text(text)) for text in texts]


def text_of(items: Iterable[Received]) -> str:
    return "".join(item.text for item in items)


def push_all(gate: Gate, items: Iterable[Received]) -> list[str]:
    """What goes out at each push."""
    return [text_of(gate.push(item)) for item in items]


@define
class Client:
    """A gate, and everything that has come in and gone out."""

    gate: Gate = field(factory=Gate)
    pushed: list[Received] = field(factory=list)
    given: list[Received] = field(factory=list)

    def push(self, item: Received) -> None:
        self.pushed.append(item)
        self.given += self.gate.push(item)
        # In order, untouched, nothing lost, nothing twice.
        assert self.given == self.pushed[: len(self.given)]
        held = self.pushed[len(self.given) :]
        assert list(self.gate._held) == held
        assert self.gate.held_bytes == sum(len(h.raw) for h in held)

    def flush(self) -> None:
        self.given += self.gate.flush()
        assert self.given == self.pushed
        assert self.gate.held_bytes == 0

    @property
    def text(self) -> str:
        return text_of(self.given)

    @property
    def all_text(self) -> str:
        return text_of(self.pushed)


# Words and signs


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (["Hello", " world", ".", " It", " is"], ["", "Hello", " world", ".", " It"]),
        (["Hel", "lo", " w"], ["", "", "Hello"]),
        (["Hello ", "world ", "now"], ["", "Hello ", ""]),
        (["a\n", "b", "\n\n"], ["a\n", "", "b\n\n"]),
        (["3", ".", "14", " ", "x"], ["", "", "", "3.14", ""]),
        (["今天", "天气", "很好"], ["", "今天", "天气"]),
        (["e", "\u0301", " x"], ["", "", "e\u0301"]),
        (["👍", "🏽", "!"], ["", "", "👍🏽"]),
        (["🇩", "🇪", "🇫", "🇷", "!"], ["", "", "🇩🇪", "", "🇫🇷"]),
        (["don", "'t", " x"], ["", "", "don't"]),
        (["one two thr", "ee", " four"], ["", "", "one two three"]),
    ],
)
def test_each_event_goes_out_when_it_ends_at_or_before_the_last_boundary(
    tokens: list[str], expected: list[str]
) -> None:
    assert push_all(Gate(), said(*tokens)) == expected


def test_a_row_of_flags_may_have_been_given_up_to_the_middle_of_one() -> None:
    """Five halves are one token; from what is kept of them it can still be told which is a first one."""
    tokens = ["🇩", "🇪", "🇫", "🇷", "🇪🇸🇮🇹🇵", "🇱🇬"]
    gate = Gate()
    push_all(gate, said(*tokens))
    assert gate.abandon() == "🇱"


@pytest.mark.parametrize("name", TEXTS)
def test_character_by_character_nothing_is_seen_that_cannot_be_continued(name: str) -> None:
    client = Client(Gate(hold_chars=1000))
    for item in said(*singles(TEXTS[name])):
        client.push(item)
        assert client.text == "" or is_boundary(client.all_text, len(client.text))
    client.flush()
    assert client.text == TEXTS[name]


@given(TOKENS, st.data())
def test_what_the_client_has_can_be_continued_from(tokens: list[str], data: st.DataObject) -> None:
    """Client text and the text to be spoken end at the last boundary of all that was said."""
    client = Client(Gate(hold_chars=1000))
    for item in said(*tokens[: data.draw(st.integers(0, len(tokens)))]):
        client.push(item)
    given_before, everything = client.text, client.all_text
    spoken = client.gate.abandon()
    boundary = last_boundary(everything)
    assert given_before + spoken == everything[: max(0, boundary)]
    assert client.gate.held_bytes == 0
    assert client.gate.flush() == []


@given(TOKENS, st.sampled_from([0, 1, 4, 32]))
def test_the_promise_holds_with_any_bound(tokens: list[str], hold_chars: int) -> None:
    """The gate against the sentence in its docstring, with all of the text in view."""
    client = Client(Gate(hold_chars=hold_chars))
    sent, running = 0, False
    for item in said(*tokens):
        client.push(item)
        text = client.all_text
        boundary = last_boundary(text, sent - 1)
        if len(text) - max(boundary, sent) > hold_chars:
            sent, running = len(text), True
        elif boundary < sent:
            sent = len(text) if running else sent
        else:
            running = False
            ends = [0]
            for pushed in client.pushed:
                ends.append(ends[-1] + len(pushed.text))
            sent = max(end for end in ends if end <= max(boundary, sent))
        assert len(client.text) == sent
    client.flush()


@given(TOKENS)
def test_the_hold_is_bounded(tokens: list[str]) -> None:
    client = Client(Gate(hold_chars=8))
    for item in said(*tokens):
        client.push(item)
        held = [h.text for h in client.gate._held]
        # All but the first held event lie behind the last boundary.
        assert len("".join(held[1:])) <= 8
        # What is remembered of what has gone out: eight characters, one more in a row of flags.
        assert len(client.gate._text) <= len("".join(held)) + 9


def test_the_bound_is_exact_and_the_run_ends_at_the_next_boundary() -> None:
    gate = Gate(hold_chars=4)
    released = push_all(gate, said("ab", "cd", "e", "fg", "hi", " x", "y", " z"))
    assert released == ["", "", "abcde", "fg", "hi", "", "", " xy"]


def test_behind_a_run_the_next_word_is_held_again() -> None:
    gate = Gate(hold_chars=2)
    assert push_all(gate, said("abc", "d e", "f.")) == ["abc", "", "d e"]


def test_text_that_runs_through_is_not_clumped() -> None:
    gate = Gate()
    blob = singles("A" * 200)
    assert push_all(gate, said(*blob)) == [""] * 32 + ["A" * 33] + ["A"] * 167


def test_abandoned_within_a_run_the_rest_of_the_word_is_spoken() -> None:
    gate = Gate(hold_chars=2)
    assert push_all(gate, said("abc", "d e")) == ["abc", ""]
    assert gate.abandon() == "d"


@pytest.mark.parametrize(
    ("tokens", "spoken"),
    [
        ([], ""),
        (["Hel"], ""),
        (["Hello", " wor"], ""),
        (["Hello", " big wor"], " big"),
        (["one two thr"], "one two"),
        (["one. Tw"], "one."),
        (["a\n"], ""),
        (["中文"], "中"),
    ],
)
def test_abandon_speaks_up_to_the_last_boundary(tokens: list[str], spoken: str) -> None:
    gate = Gate()
    push_all(gate, said(*tokens))
    assert gate.abandon() == spoken


def test_an_abandoned_gate_begins_anew() -> None:
    gate = Gate(hold_chars=2)
    push_all(gate, [*said("abcdef"), event(ToolCallDelta(0, "c", "f", "{"))])
    gate.abandon()
    assert push_all(gate, said("x", "y", " z")) == ["", "", "xy"]


def test_an_abandoned_run_is_over() -> None:
    gate = Gate(hold_chars=2)
    push_all(gate, said("abcdef"))
    assert gate.abandon() == ""
    assert push_all(gate, said("x", "y", " z")) == ["", "", "xy"]


# Events that are not text


@pytest.mark.parametrize(
    "ender",
    [
        Reasoning("hm"),
        Refusal("no"),
        Finish(FinishReason.STOP),
        Done(),
        NextChoice(1),
    ],
)
def test_what_is_not_text_ends_the_word(ender: Event) -> None:
    gate = Gate()
    held, word = event(Text("Hel")), event(ender)
    assert gate.push(held) == []
    assert gate.push(word) == [held, word]
    assert gate.held_bytes == 0
    assert gate.push(word) == [word]


def test_text_with_the_finish_in_one_event_goes_out() -> None:
    gate = Gate()
    items = [event(Text("Hel")), event(Text("lo"), Finish(FinishReason.STOP))]
    assert [gate.push(item) for item in items] == [[], items]


@pytest.mark.parametrize(
    "nothing", [(), (Begin("x"),), (Usage(1, 2),), (Other(),), (Other(continuable=False),)]
)
def test_what_says_nothing_waits_only_behind_text(nothing: tuple[Event, ...]) -> None:
    gate = Gate()
    silent = event(*nothing)
    assert gate.push(silent) == [silent]
    items = [*said("Hel"), silent, *said("lo"), silent]
    assert [gate.push(item) for item in items] == [[]] * 4
    end = event(Text(" w"))
    assert gate.push(end) == items
    assert gate.flush() == [end]


def test_a_role_and_text_in_one_event_is_text() -> None:
    gate = Gate()
    assert gate.push(event(Begin("x", has_role=True), Text("Hel"))) == []
    assert text_of(gate.push(event(Text("lo w")))) == "Hel"
    assert text_of(gate.push(event(Text(" x")))) == "lo w"


def test_reasoning_is_never_held() -> None:
    gate = Gate()
    for item in [event(Reasoning("hm"), raw=b"x") for _ in range(3)]:
        assert gate.push(item) == [item]


def test_the_word_that_was_ended_is_not_spoken_again() -> None:
    gate = Gate()
    push_all(gate, [*said("Hel"), event(Reasoning("hm")), *said("lo wor")])
    assert gate.abandon() == "lo"


def test_a_flood_that_says_nothing_is_bounded() -> None:
    gate = Gate(max_held_bytes=100)
    word = event(Text("word"), raw=b"w")
    flood = [event(Other(), raw=b"x" * 33) for _ in range(3)]
    assert [gate.push(item) for item in [word, *flood]] == [[], [], [], []]
    assert gate.held_bytes == 100
    last = event(Other(), raw=b"x")
    assert gate.push(last) == [word, *flood, last]
    # It runs through now, as behind a long word, until the next boundary.
    more = event(Text("er"), raw=b"y")
    assert gate.push(more) == [more]


def test_an_open_gate_holds_nothing() -> None:
    gate = Gate(is_open=True)
    for item in [*said("Hel"), event(ToolCallDelta(0, "c", "f", "{")), *said("lo")]:
        assert gate.push(item) == [item]
    assert gate.abandon() == ""


def test_opened_for_good() -> None:
    gate = Gate()
    items = said("Hel", "lo")
    assert gate.push(items[0]) == []
    assert gate.open_up() == [items[0]]
    assert gate.push(items[1]) == [items[1]]


# Tool calls


def call(index: int, arguments: str, *, first: bool = False) -> Received:
    return event(ToolCallDelta(index, f"call_{index}" if first else "", "f" if first else "", arguments))


def releases(gate: Gate, items: Sequence[Received]) -> list[int]:
    """How many events go out at each push."""
    return [len(gate.push(item)) for item in items]


def test_a_call_waits_until_it_is_whole() -> None:
    items = [call(0, "", first=True), call(0, '{"a": "}'), call(0, '"'), call(0, "}")]
    assert releases(Gate(), items) == [0, 0, 0, 4]


def test_the_word_before_a_call_goes_out_at_once() -> None:
    gate = Gate()
    items = [*said("Let me loo"), call(0, "{", first=True), call(0, "}")]
    assert releases(gate, items) == [0, 1, 2]


def test_parallel_calls_one_after_the_other() -> None:
    items = [call(0, "{", first=True), call(0, "}"), call(1, "{", first=True), call(1, "}")]
    assert releases(Gate(), items) == [0, 2, 0, 2]


def test_calls_that_are_open_together_wait_for_each_other() -> None:
    items = [call(0, "{", first=True), call(1, "{", first=True), call(0, "}"), call(1, "}")]
    assert releases(Gate(), items) == [0, 0, 0, 4]


def test_a_call_without_arguments_is_whole_when_the_next_one_starts() -> None:
    items = [call(0, "", first=True), call(1, "", first=True), call(1, "{}")]
    assert releases(Gate(), items) == [0, 0, 3]


@pytest.mark.parametrize(
    "behind", [Text("so"), Reasoning("hm"), Refusal("no"), Other(), Usage(1, 1), Begin()]
)
def test_what_follows_an_open_call_waits_behind_it(behind: Event) -> None:
    items = [call(0, "{", first=True), event(behind), call(0, "}")]
    assert releases(Gate(), items) == [0, 0, 3]


@pytest.mark.parametrize("end", [Finish(FinishReason.TOOL_CALLS), Done(), NextChoice(1)])
def test_the_finish_lets_out_what_does_not_parse(end: Event) -> None:
    """It is the provider's word that these are the arguments; we repair nothing."""
    gate = Gate()
    items = [call(0, '{"cmd": "rm -rf /tmp', first=True), event(end)]
    assert releases(gate, items) == [0, 2]
    assert releases(gate, [event(Usage(1, 2)), event(Done())]) == [0, 2]


def test_arguments_that_are_more_than_an_object_wait_for_the_finish() -> None:
    items = [call(0, "{}{", first=True), call(0, "}"), event(Finish(FinishReason.TOOL_CALLS))]
    assert releases(Gate(), items) == [0, 0, 3]


def test_text_behind_whole_calls_is_held_word_by_word_again() -> None:
    gate = Gate()
    assert releases(gate, [call(0, "{}", first=True), *said("The", " answer")]) == [1, 0, 1]


def test_a_call_and_its_finish_in_one_event() -> None:
    item = event(ToolCallDelta(0, "c", "f", "{"), Finish(FinishReason.TOOL_CALLS))
    assert Gate().push(item) == [item]


def test_an_open_call_is_forgotten_when_the_leg_dies() -> None:
    gate = Gate()
    assert releases(gate, [*said("One tw"), call(0, '{"a"', first=True), *said("lost words")]) == [0, 1, 0]
    assert gate.abandon() == ""
    assert gate.flush() == []


def test_flushed_calls_do_not_hold_what_comes_later() -> None:
    gate = Gate()
    item = call(0, "{", first=True)
    assert gate.push(item) == []
    assert gate.flush() == [item]
    silent = event(Usage(1, 1))
    assert gate.push(silent) == [silent]


def test_a_call_that_is_too_long_opens_the_gate() -> None:
    gate = Gate(max_tool_bytes=20)
    items = [event(ToolCallDelta(0, "c", "f", "{"), raw=b"x" * 20), event(ToolCallDelta(0), raw=b"x")]
    assert releases(gate, items) == [0, 2]
    assert gate.is_open
    assert releases(gate, said("wor", "d")) == [1, 1]


EVENTS = st.one_of(
    st.sampled_from(["a", "b ", " c", "\n", "中", "x" * 40]).map(Text),
    st.sampled_from([Begin("x"), Usage(1, 2), Other(), Reasoning("r"), Refusal("no"), NextChoice(1)]),
    st.sampled_from([Finish(FinishReason.STOP), Done(), Other(continuable=False)]),
    st.builds(ToolCallDelta, st.integers(0, 2), arguments=st.sampled_from(["", "{", "}", "{}", '"'])),
)


@given(st.lists(st.lists(EVENTS, max_size=3)), st.integers(0, 40), st.integers(0, 400))
def test_whatever_comes_the_order_is_kept_and_nothing_is_lost(
    stream: list[list[Event]], hold_chars: int, max_bytes: int
) -> None:
    client = Client(Gate(hold_chars, max_bytes, max_bytes))
    for number, events in enumerate(stream):
        client.push(event(*events, raw=b"%d" % number))
    client.flush()


class SlowGate(Gate):
    """The rules of `push`, each asked for by itself: clearer, and half a token's way longer."""

    def push(self, item: Received) -> list[Received]:
        if self.is_open or self.holds_all:
            return super().push(item)
        deltas = [e for e in item.events if isinstance(e, ToolCallDelta)] if self.holds_calls else []
        if deltas or not self._calls.all_whole:
            return self._push_tool_call(item, deltas)
        says_nothing = all(isinstance(e, Begin | PartEnd | Usage | Other) for e in item.events)
        if says_nothing and not self._held:
            return [item]
        if not says_nothing and not item.text:
            return [*self._release_all(), item]
        self._hold(item, item.text)
        if any(not isinstance(e, Text | Begin | PartEnd | Usage | Other) for e in item.events):
            return self._release_all()
        return self._release_text()


@given(
    st.lists(st.lists(EVENTS | st.just(PartEnd()) | st.builds(Text, st.text(min_size=1)), max_size=3)),
    st.integers(0, 40),
    st.booleans(),
    st.data(),
)
def test_every_push_is_what_the_rules_say(
    stream: list[list[Event]], hold_chars: int, holds_calls: bool, data: st.DataObject
) -> None:
    gates = [kind(hold_chars, 400, 400, holds_calls=holds_calls) for kind in (Gate, SlowGate)]
    for number, events in enumerate(stream):
        item = event(*events, raw=b"%d" % number)
        assert gates[0].push(item) == gates[1].push(item)
    leaves = data.draw(st.sampled_from([Gate.flush, Gate.abandon]))
    assert leaves(gates[0]) == leaves(gates[1])
