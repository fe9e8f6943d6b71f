"""
What the providers of each wire say, as values: strategies of well-formed
pieces of answers, and of ends.

What tells of a failure is left out: that is another test's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from attrs import frozen
from hypothesis import strategies as st

from mirror_words import ARGUMENTS, STRANGE, UNKNOWN, WORDS, Part, Say, pieces, typed

# -- chat --------------------------------------------------------------------------


def chunk(delta: Any, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": None, **more}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
    }


def counts(completion: int) -> dict[str, Any]:
    return {"prompt_tokens": 3, "completion_tokens": completion, "total_tokens": 3 + completion}


_THOUGHTS: Final[Sequence[Callable[[str], Mapping[str, Any]]]] = (
    lambda text: {"reasoning": text},
    lambda text: {"reasoning_content": text},
    lambda text: {"reasoning_text": text},
    lambda text: {"reasoning_details": [{"type": "reasoning.text", "text": text, "index": 0}]},
    lambda text: {"thinking_blocks": [{"type": "thinking", "thinking": text, "signature": None}]},
    lambda text: {"reasoning": text, "reasoning_details": [{"type": "reasoning.text", "text": text}]},
    lambda text: {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]},
)
_TEXTS: Final[Sequence[Callable[[str], Mapping[str, Any]]]] = (
    lambda text: {"content": text},
    lambda text: {"role": "assistant", "content": text, "index": 0, "tool_calls": []},
    lambda text: {"content": text, "function_call": None, "audio": None, "reasoning": ""},
    lambda text: {"content": text, "reasoning_details": [], "annotations": [], "logprobs": 0},
)


@st.composite
def chat_calls(draw: st.DrawFn) -> Part:
    """One call or two at once, whole or in pieces."""
    says: list[Say] = []
    for index in range(draw(st.integers(1, 2))):
        first = {
            "index": index,
            "id": f"call_{index}",
            "type": "function",
            "function": {"name": "look", "arguments": ""},
        }
        parts = draw(pieces(draw(ARGUMENTS)))
        if draw(st.booleans()):
            first["function"] = {"name": "look", "arguments": parts.pop(0)}
        says.append(Say("call", chunk({"role": "assistant", "content": None, "tool_calls": [first]})))
        says += [
            Say("call", chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}))
            for piece in parts
        ]
    return tuple(says)


CHAT_TEXT: Final = st.builds(
    lambda as_, text: (Say("text", chunk(as_(text))),), st.sampled_from(_TEXTS), WORDS
)
CHAT_PARTS: Final[st.SearchStrategy[Part]] = st.one_of(
    CHAT_TEXT,
    CHAT_TEXT,
    st.builds(lambda as_, text: (Say("vague", chunk(as_(text))),), st.sampled_from(_THOUGHTS), WORDS),
    st.builds(lambda text: (Say("sure", chunk({"reasoning": text})),), WORDS),
    st.builds(
        lambda text: (Say("vague", chunk({"content": [{"type": "text", "text": text}, "x"]})),),
        WORDS,
    ),
    st.builds(lambda text: (Say("sure", chunk({"refusal": text})),), WORDS),
    st.builds(lambda strange: (Say("sure", chunk({"content": "", "images": [strange]})),), STRANGE),
    st.builds(lambda text, strange: (Say("sure", chunk({"content": text, "x": strange})),), WORDS, UNKNOWN),
    st.builds(lambda text, strange: (Say("vague", chunk({"content": text}, x=strange)),), WORDS, STRANGE),
    st.just((Say("quiet", chunk({"role": "assistant", "content": ""})),)),
    st.just((Say("quiet", {**chunk({}), "choices": [], "usage": counts(7)}),)),
    st.just((Say("quiet", {"choices": [], "prompt_filter_results": [{"index": 0}], "id": ""}),)),
    chat_calls(),
)
CHAT_REASONS: Final = st.sampled_from(
    ("stop", "length", "tool_calls", "function_call", "content_filter", "eos", "end_turn", "strange")
)


@st.composite
def chat_end(draw: st.DrawFn, *, is_empty: bool) -> Part:
    delta = draw(st.sampled_from(({}, {}, None, {"content": ""}, {"content": None, "role": "assistant"})))
    finish = chunk(delta, finish_reason=draw(CHAT_REASONS))
    usage = draw(st.sampled_from(("none", "within", "late", "null")))
    if usage == "within" or (is_empty and usage in ("none", "null")):
        finish["usage"] = counts(5)
    elif usage == "null":
        finish["usage"] = None
    if draw(st.booleans()):
        del finish["choices"][0]["delta"]
    says = [Say("vague", finish, may_finish=True)]
    if usage == "late":
        says.append(Say("quiet", {**chunk({}), "choices": [], "usage": counts(5)}))
    return (*says, Say("quiet", None, raw=draw(st.sampled_from((b"[DONE]", b"[DONE]", b" [DONE] ")))))


# -- Anthropic messages --------------------------------------------------------------


def block_of(kind: str, start: Mapping[str, Any], *deltas: Mapping[str, Any]) -> Part:
    return (
        typed("call" if kind == "call" else "quiet", "content_block_start", index=0, content_block=start),
        *(typed(kind, "content_block_delta", index=0, delta=delta) for delta in deltas),
        typed("quiet", "content_block_stop", index=0),
    )


@st.composite
def message_calls(draw: st.DrawFn) -> Part:
    start = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
    parts = draw(pieces(draw(ARGUMENTS)))
    part = block_of("call", start, *({"type": "input_json_delta", "partial_json": p} for p in parts))
    return (*part[:-1], typed("call", "content_block_stop", index=0))


def _message_text(texts: Sequence[str]) -> Part:
    return block_of("text", {"type": "text", "text": ""}, *({"type": "text_delta", "text": t} for t in texts))


def _message_thought(text: str) -> Part:
    start, delta = {"type": "thinking", "thinking": ""}, {"type": "thinking_delta", "thinking": text}
    signed = {"type": "signature_delta", "signature": "Eq"}
    *thought, end = block_of("sure", start, delta)
    return (*thought, typed("quiet", "content_block_delta", index=0, delta=signed), end)


MESSAGE_TEXT: Final = st.builds(_message_text, st.lists(WORDS, min_size=1, max_size=3))
MESSAGE_START: Final = typed(
    "quiet",
    "message_start",
    message={
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "usage": {"input_tokens": 3, "output_tokens": 1},
    },
)
MESSAGE_PARTS: Final[st.SearchStrategy[Part]] = st.one_of(
    MESSAGE_TEXT,
    MESSAGE_TEXT,
    st.builds(_message_thought, WORDS),
    message_calls(),
    st.just((typed("quiet", "ping"),)),
    st.sampled_from(({"type": "ping"}, {})).map(lambda data: (Say("quiet", data, "ping"),)),
    st.sampled_from(("server_tool_use", "web_search_tool_result", "image", "container_upload")).map(
        lambda of: (
            typed(
                "sure",
                "content_block_start",
                index=0,
                content_block={"type": of, "id": "x", "content": [{"a": 1}]},
            ),
            typed("quiet", "content_block_stop", index=0),
        )
    ),
    st.builds(
        lambda strange: (
            typed(
                "sure", "content_block_delta", index=0, delta={"type": "strange_delta", "strange": strange}
            ),
        ),
        STRANGE,
    ),
    st.builds(lambda strange: (typed("vague", "strange_event", strange=strange),), STRANGE),
)
MESSAGE_REASONS: Final = st.sampled_from(
    ("end_turn", "stop_sequence", "max_tokens", "tool_use", "pause_turn", "refusal", "strange")
)


@st.composite
def message_end(draw: st.DrawFn, *, is_empty: bool) -> Part:
    reason = draw(st.sampled_from(("end_turn", "stop_sequence")) if is_empty else MESSAGE_REASONS)
    end = typed("vague", "message_delta", delta={"stop_reason": reason, "stop_sequence": None})
    usage = (
        {"output_tokens": 5}
        if is_empty
        else draw(st.sampled_from(({"output_tokens": 5}, None, {}, {"output_tokens": None, "x": {"y": 1}})))
    )
    end.value["usage"] = usage
    stop = {
        "type": "message_stop",
        **draw(st.sampled_from(({}, {"amazon-bedrock-invocationMetrics": {"n": 1}}))),
    }
    return (Say("vague", end.value, end.name, may_finish=True), Say("quiet", stop, "message_stop"))


# -- OpenAI responses ------------------------------------------------------------------


def _item(kind: str, **fields: Any) -> dict[str, Any]:
    return {"id": f"{kind}_1", "type": kind, "status": "in_progress", **fields}


def response_of(status: str, **fields: Any) -> dict[str, Any]:
    return {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": status, **fields}


def _response_text(texts: Sequence[str]) -> Part:
    place = {"item_id": "message_1", "output_index": 0, "content_index": 0}
    return (
        typed("quiet", "response.output_item.added", output_index=0, item=_item("message", content=[])),
        *(typed("text", "response.output_text.delta", **place, delta=text) for text in texts),
        typed("vague", "response.output_text.done", **place, text="".join(texts)),
    )


def _response_thought(text: str) -> Part:
    place = {"item_id": "rs_1", "output_index": 0, "summary_index": 0}
    return (
        typed("quiet", "response.output_item.added", output_index=0, item=_item("reasoning", summary=[])),
        typed("sure", "response.reasoning_summary_text.delta", **place, delta=text),
        typed("quiet", "response.reasoning_summary_text.done", **place, text=text),
    )


@st.composite
def response_calls(draw: st.DrawFn) -> Part:
    arguments = draw(ARGUMENTS)
    item = _item("function_call", call_id="call_1", name="look", arguments="")
    place = {"item_id": "function_call_1", "output_index": 1}
    deltas = draw(pieces(arguments)) if draw(st.booleans()) else []
    return (
        typed("call", "response.output_item.added", output_index=1, item=item),
        *(typed("call", "response.function_call_arguments.delta", **place, delta=piece) for piece in deltas),
        typed("call", "response.function_call_arguments.done", **place, arguments=arguments),
        typed("call", "response.output_item.done", output_index=1, item={**item, "arguments": arguments}),
    )


RESPONSE_TEXT: Final = st.builds(_response_text, st.lists(WORDS, min_size=1, max_size=3))
RESPONSE_START: Final = typed("quiet", "response.created", response=response_of("in_progress", output=[]))
RESPONSE_PARTS: Final[st.SearchStrategy[Part]] = st.one_of(
    RESPONSE_TEXT,
    RESPONSE_TEXT,
    st.builds(_response_thought, WORDS),
    response_calls(),
    st.builds(
        lambda text: (typed("sure", "response.refusal.delta", output_index=0, content_index=0, delta=text),),
        WORDS,
    ),
    st.builds(lambda strange: (typed("sure", "response.strange.delta", delta=strange),), UNKNOWN),
    # Where it is a seal and nothing else, it says nothing.
    st.builds(lambda strange: (typed("vague", "response.strange.delta", delta=strange),), STRANGE),
    st.builds(lambda strange: (typed("vague", "response.strange.done", x=strange),), STRANGE),
    st.just((typed("vague", "response.web_search_call.in_progress", output_index=0),)),
    st.just((typed("quiet", "response.in_progress", response=response_of("in_progress")),)),
    st.just((typed("quiet", "keepalive", sequence_number=1),)),
)


@st.composite
def response_end(draw: st.DrawFn, *, is_empty: bool) -> Part:
    of = draw(st.sampled_from(("response.completed", "response.completed", "response.incomplete")))
    usage = {"input_tokens": 3, "output_tokens": 5}
    told: dict[str, Any] = response_of(of.removeprefix("response."), output=[], usage=usage)
    if not is_empty:
        spoiled = draw(
            st.sampled_from(("output", "usage", "status", "created_at", "incomplete_details", "id"))
        )
        told |= draw(st.sampled_from(({}, {spoiled: None}, {spoiled: 7}, {spoiled: [None, "x", 3]})))
        told |= {"instructions": "x" * 3000} if draw(st.booleans()) else {}
    value = {"type": of, "sequence_number": 9, "response": told}
    if not is_empty and draw(st.integers(0, 9)) == 0:
        value["response"] = draw(st.sampled_from((None, "x", [])))
    return (Say("vague", value, of, may_finish=True),)


@frozen
class Vocabulary:
    """One wire's words."""

    begin: Part
    text: st.SearchStrategy[Part]
    parts: st.SearchStrategy[Part]
    end: Callable[..., st.SearchStrategy[Part]]


VOCABULARIES: Final[Mapping[str, Vocabulary]] = {
    "chat": Vocabulary((Say("quiet", chunk({"role": "assistant"})),), CHAT_TEXT, CHAT_PARTS, chat_end),
    "messages": Vocabulary((MESSAGE_START,), MESSAGE_TEXT, MESSAGE_PARTS, message_end),
    "responses": Vocabulary((RESPONSE_START,), RESPONSE_TEXT, RESPONSE_PARTS, response_end),
}
