"""
The validator is the judge of every end-to-end test, so each of its rules is
shown a stream that breaks this rule and no other.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from trooper.testing import Call, ChatAnswer, chat_events
from trooper.testing.chat import DONE, sse
from wire_validator import ErrorSeen, SseEvent, WireViolation, parse_sse, validate_chat, validate_whole

ANSWER = ChatAnswer(tokens=("Hello", " wörld", "."))
CALLS = ChatAnswer(calls=(Call("f", '{"a": 1}', "c1"), Call("g", "{}", "c2")), finish="tool_calls")
ROLE, HELLO, WORLD, DOT, STOP, _DONE = ANSWER.events()
ERROR = sse({"error": {"message": "Both are gone.", "type": "server_error", "param": None, "code": "stall"}})
USAGE: dict[str, Any] = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}


def chunk(delta: dict[str, Any] | None, finish: str | None = None, **changes: Any) -> bytes:
    return sse(ANSWER.chunk(delta, finish) | changes)


def usage(**changes: Any) -> bytes:
    return chunk(None, usage=USAGE | changes)


def call(index: int, **piece: Any) -> bytes:
    function = {key: piece.pop(key) for key in ("name", "arguments") if key in piece}
    return chunk({"tool_calls": [{"index": index, "function": function, **piece}]})


def second(event: bytes) -> bytes:
    return event.replace(b'"index":0', b'"index":1')


# -- what is right ---------------------------------------------------------


def test_a_plain_answer() -> None:
    result = validate_chat(b"".join(chat_events(["Hello", " wörld"], model="m", created=7, id="i")))
    assert (result.text, result.finish_reason, result.done) == ("Hello wörld", "stop", True)
    assert (result.id, result.created, result.model) == ("i", 7, "m")
    assert (result.usage, result.error, result.comments, result.trooper) == (None, None, (), None)


def test_usage_reasoning_refusal_and_calls() -> None:
    answer = ChatAnswer(("Hi",), reasoning=("Hm", "."), refusal=("No",), calls=CALLS.calls, usage=True)
    result = validate_chat(b"".join(answer.events()), include_usage=True)
    assert (result.text, result.reasoning, result.refusal) == ("Hi", "Hm.", "No")
    assert [(c.id, c.name, c.arguments) for c in result.tool_calls] == [
        ("c1", "f", '{"a": 1}'),
        ("c2", "g", "{}"),
    ]
    assert result.usage is not None
    assert result.usage["prompt_tokens"] == 12


def test_comments_and_the_key_trooper_are_kept() -> None:
    finish = chunk({}, "stop", trooper={"legs": []})
    result = validate_chat(ROLE + b": seam\n\n" + HELLO + finish + b":end\n\n" + DONE)
    assert result.comments == ("seam", "end")
    assert result.trooper == {"legs": []}


def test_an_in_band_error_is_an_honest_end() -> None:
    result = validate_chat(ROLE + HELLO + ERROR)
    assert result.error == ErrorSeen("Both are gone.", "server_error", "stall")
    assert (result.text, result.finish_reason, result.done) == ("Hello", None, False)
    assert validate_chat(ERROR, include_usage=True).error is not None


def test_several_choices_each_have_their_own_order() -> None:
    events = [ROLE, second(ROLE), HELLO, second(DOT), STOP, second(DOT), second(STOP), DONE]
    assert validate_chat(b"".join(events)).texts == ("Hello", "..")


def test_a_call_cut_by_the_limit_is_honest() -> None:
    events = [ROLE, call(0, id="c", name="f", arguments='{"a'), chunk({}, "length"), DONE]
    assert validate_chat(b"".join(events)).tool_calls[0].arguments == '{"a'


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_line_end(end: bytes) -> None:
    assert validate_chat(b"".join(ANSWER.events()).replace(b"\n", end)).text == "Hello wörld."


def test_events_by_the_letter_of_the_specification() -> None:
    body = (
        "\ufeffdata:a\ndata\ndata: \u2028 b\n\n: c\n:d\nevent: e\nid: 1\ndata:  f\n\nretry: 5\n\ndata: g\n\n"
    )
    assert list(parse_sse(body.encode())) == [
        SseEvent("a\n\n\u2028 b"),
        SseEvent("c", ":"),
        SseEvent("d", ":"),
        SseEvent(" f", "e"),
        SseEvent("g"),
    ]


# -- what is wrong ---------------------------------------------------------

BEGUN = ROLE + HELLO
FINISHED = BEGUN + STOP
CALLED = ROLE + call(0, id="c", name="f", arguments="{}")
CALL_END = chunk({}, "tool_calls") + DONE

BROKEN: dict[str, tuple[bytes, str]] = {
    "no utf-8": (BEGUN + b"\xff" + STOP + DONE, "not UTF-8"),
    "half a character": (BEGUN + STOP + DONE + b": \xc3", "not UTF-8"),
    "half a line": (FINISHED + b"data: [DONE]", "inside a line"),
    "half an event": (FINISHED + b"data: [DONE]\n", "inside an event"),
    "no json": (BEGUN + b"data: {no\n\n" + STOP + DONE, "not JSON"),
    "no object": (BEGUN + b"data: [1]\n\n" + STOP + DONE, "not an object"),
    "named event": (BEGUN + b"event: x\n" + STOP + DONE, "event name"),
    "other object": (BEGUN + chunk({}, "stop", object="chat.completion") + DONE, "object is"),
    "other id": (BEGUN + chunk({}, "stop", id="other") + DONE, "identity changed"),
    "other created": (BEGUN + chunk({}, "stop", created=1) + DONE, "identity changed"),
    "other model": (BEGUN + chunk({}, "stop", model="llama") + DONE, "identity changed"),
    "no id": (chunk({"role": "assistant"}, id=None) + STOP + DONE, "is missing"),
    "created as text": (chunk({"role": "assistant"}, created="1") + STOP + DONE, "is missing"),
    "no role": (HELLO + STOP + DONE, "begins without a role"),
    "role twice": (BEGUN + ROLE + STOP + DONE, "role again"),
    "role late": (HELLO + ROLE + STOP + DONE, "without a role"),
    "wrong role": (chunk({"role": "user"}) + STOP + DONE, "the role is 'user'"),
    "second choice without role": (ROLE + second(HELLO) + STOP + second(STOP) + DONE, "choice 1 begins"),
    "no finish": (BEGUN + DONE, "no finish_reason"),
    "one choice unfinished": (ROLE + second(ROLE) + STOP + DONE, "choice 1 has no finish_reason"),
    "finish twice": (FINISHED + STOP + DONE, "goes on after"),
    "text after finish": (FINISHED + DOT + DONE, "goes on after"),
    "unknown finish": (BEGUN + chunk({}, "error") + DONE, "finish_reason is 'error'"),
    "finish is a number": (BEGUN + chunk({}, 1) + DONE, "not a string"),  # type: ignore[arg-type]
    "no done": (FINISHED, "without [DONE]"),
    "nothing": (b"", "without [DONE]"),
    "only done": (DONE, "without any chunk"),
    "done twice": (FINISHED + DONE + DONE, "follows [DONE]"),
    "chunk after done": (FINISHED + DONE + DOT, "follows [DONE]"),
    "error after done": (FINISHED + DONE + ERROR, "follows [DONE]"),
    "done after error": (BEGUN + ERROR + DONE, "follows an in-band error"),
    "text after error": (BEGUN + ERROR + DOT, "follows an in-band error"),
    "error as text": (BEGUN + sse({"error": "boom"}), "an error is not an object"),
    "error without message": (BEGUN + sse({"error": {"code": "x"}}), "no message"),
    "usage unasked": (FINISHED + usage() + DONE, "nobody asked"),
    "text is a number": (ROLE + chunk({"content": 1}) + STOP + DONE, "content is not a string"),
    "no choices": (ROLE + chunk(None, choices=None) + STOP + DONE, "choices is not a list"),
    "neither choice nor usage": (ROLE + chunk(None) + STOP + DONE, "neither choice nor usage"),
    "no index": (ROLE + chunk(None, choices=[{"delta": {}}]) + STOP + DONE, "no index"),
    "no delta": (ROLE + chunk(None, choices=[{"index": 0}]) + STOP + DONE, "no delta"),
    "trooper twice": (ROLE + chunk({}, trooper={}) + chunk({}, "stop", trooper={}) + DONE, "trooper comes"),
    "trooper is text": (ROLE + chunk({}, "stop", trooper="x") + DONE, "trooper is not"),
    "call index skips": (CALLED + call(2, id="d", name="g", arguments="{}") + CALL_END, "not the next"),
    "call without id": (ROLE + call(0, name="f", arguments="{}") + CALL_END, "no id or name"),
    "call without name": (ROLE + call(0, id="c", arguments="{}") + CALL_END, "no id or name"),
    "call with empty id": (ROLE + call(0, id="", name="f", arguments="{}") + CALL_END, "an empty id"),
    "call id again": (CALLED + call(0, id="c", arguments="") + CALL_END, "id or name again"),
    "call name again": (CALLED + call(0, name="f", arguments="") + CALL_END, "id or name again"),
    "two calls with one id": (CALLED + call(1, id="c", name="g", arguments="{}") + CALL_END, "comes twice"),
    "call of another type": (ROLE + call(0, id="c", name="f", type="x") + CALL_END, "has type 'x'"),
    "arguments cut": (ROLE + call(0, id="c", name="f", arguments='{"a') + CALL_END, "do not parse"),
    "arguments twice": (CALLED + call(0, arguments="{}") + CALL_END, "do not parse"),
    "arguments are a list": (ROLE + call(0, id="c", name="f", arguments="[]") + CALL_END, "not an object"),
    "cut call under stop": (ROLE + call(0, id="c", name="f", arguments="{") + STOP + DONE, "do not parse"),
    "tool finish without call": (BEGUN + CALL_END, "but there is none"),
}


@pytest.mark.parametrize(("body", "reason"), BROKEN.values(), ids=list(BROKEN))
def test_each_rule_is_kept(body: bytes, reason: str) -> None:
    with pytest.raises(WireViolation) as caught:
        validate_chat(body)
    assert reason in str(caught.value)


USAGE_BROKEN: dict[str, tuple[bytes, str]] = {
    "missing": (FINISHED + DONE, "usage chunk is missing"),
    "before the finish": (BEGUN + usage() + STOP + DONE, "usage before the finish"),
    "twice": (FINISHED + usage() + usage() + DONE, "follows the usage chunk"),
    "with choices": (BEGUN + chunk({}, "stop", usage=USAGE) + DONE, "usage chunk has choices"),
    "before another choice": (ROLE + STOP + usage() + second(ROLE) + DONE, "follows the usage chunk"),
    "not an object": (FINISHED + chunk(None, usage=[1]) + DONE, "not an object"),
    "incomplete": (FINISHED + usage(total_tokens=None) + DONE, "incomplete"),
    "wrong sum": (FINISHED + usage(total_tokens=99) + DONE, "does not add up"),
}


@pytest.mark.parametrize(("body", "reason"), USAGE_BROKEN.values(), ids=list(USAGE_BROKEN))
def test_usage_has_its_place(body: bytes, reason: str) -> None:
    with pytest.raises(WireViolation) as caught:
        validate_chat(body, include_usage=True)
    assert reason in str(caught.value)


def test_cutting_a_stream_anywhere_is_noticed() -> None:
    body = b"".join(CALLS.events())
    for at in range(len(body)):
        with pytest.raises(WireViolation):
            validate_chat(body[:at])


# -- whole answers ---------------------------------------------------------


def whole(answer: ChatAnswer = ANSWER, **changes: Any) -> bytes:
    return json.dumps(json.loads(answer.body()) | changes).encode()


def choices(**changes: Any) -> list[Any]:
    (choice,) = json.loads(ANSWER.body())["choices"]
    return [choice | changes]


def test_whole_answers() -> None:
    result = validate_whole(whole(trooper={"legs": []}))
    assert (result.text, result.finish_reason, result.done) == ("Hello wörld.", "stop", True)
    assert result.trooper == {"legs": []}
    assert [c.name for c in validate_whole(CALLS.body()).tool_calls] == ["f", "g"]
    assert validate_whole(b'{"error": {"message": "No."}}').error == ErrorSeen("No.", None, None)


WHOLE_BROKEN: dict[str, tuple[bytes, str]] = {
    "cut": (whole()[:-1], "not JSON"),
    "no utf-8": (b"\xff", "not UTF-8"),
    "a chunk": (whole(object="chat.completion.chunk"), "object is"),
    "no id": (whole(id=None), "is missing"),
    "no choices": (whole(choices=[]), "no choice"),
    "wrong order": (whole(choices=choices(index=1)), "not in order"),
    "no message": (whole(choices=choices(message=None)), "no message"),
    "wrong role": (whole(choices=choices(message={"role": "user"})), "the role is"),
    "no finish": (whole(choices=choices(finish_reason=None)), "finish_reason is"),
    "usage is text": (whole(usage="x"), "usage is not"),
    "cut arguments": (whole(CALLS).replace(b'{\\"a\\": 1}', b"{"), "do not parse"),
}


@pytest.mark.parametrize(("body", "reason"), WHOLE_BROKEN.values(), ids=list(WHOLE_BROKEN))
def test_each_rule_of_whole_answers_is_kept(body: bytes, reason: str) -> None:
    with pytest.raises(WireViolation) as caught:
        validate_whole(body)
    assert reason in str(caught.value)
