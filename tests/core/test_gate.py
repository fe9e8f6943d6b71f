"""What may go out now and what waits: words and signs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated import Client, event, push_all, said
from pieces import cuts, singles
from trooper.core.boundary import is_boundary, last_boundary
from trooper.core.events import Text, ToolCallDelta
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


@pytest.mark.parametrize(
    ("texts", "dropped"),
    [
        (["still open."], "."),
        (["p009", " p0"], " p0"),
        (["Hello", " ", "th"], " th"),
        (["Hello\n", "th"], "th"),
        (["完了", "。"], "。"),
        (["a" * 40, "b"], ""),
        (["Hello\n"], ""),
    ],
)
def test_what_was_dropped_behind_the_last_boundary(texts: list[str], dropped: str) -> None:
    """Whoever joins a continuation to the text needs to know it."""
    gate = Gate()
    push_all(gate, said(*texts))
    spoken = gate.abandon()
    assert gate.dropped == dropped
    assert "".join(texts).endswith(spoken + dropped)
    whole = Gate(holds_all=True)
    push_all(whole, said(*texts))
    assert (whole.abandon(), whole.dropped) == ("", "")


def test_whether_a_call_waits() -> None:
    gate = Gate()
    waits = []
    for item in (*said("Hello", " th"), event(ToolCallDelta(0, "c", "f")), event(Text("more"))):
        gate.push(item)
        waits.append(gate.holds_a_call)
    gate.abandon()
    assert (waits, gate.holds_a_call) == ([False, False, True, True], False)
