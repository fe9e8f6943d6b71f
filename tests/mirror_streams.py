"""
Healthy streams of each wire, as strange as they come: strategies for
hypothesis.

A stream has content, or an empty answer's counted tokens; the wire's finish;
and its terminator. Around and between them stands whatever JSON, lines and
bytes there are.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from attrs import evolve
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from mirror import MAX_EVENT_BYTES, Block, Framing, Stream, framed, play_all
from mirror_events import VOCABULARIES
from mirror_words import JSON, NAMES, Part, Say, written

LINE_ENDS: Final = st.sampled_from((b"\n", b"\n", b"\n", b"\r\n", b"\r", None))
#: Keys that providers add, and signs of a failure that are none.
EXTRAS: Final[st.SearchStrategy[dict[str, Any]]] = st.sampled_from(
    (
        {"error": None},
        {"error": ""},
        {"error": {}},
        {"x_groq": {"id": "req_1"}},
        {"obfuscation": "aBcD"},
        {"provider": "x", "service_tier": None},
        {"usage": None},
        {"usage": {"prompt_tokens": "3", "completion_tokens": None}},
        {"sequence_number": "7"},
    )
)
BOM: Final = b"\xef\xbb\xbf"


def _mixed(lines: Sequence[bytes]) -> bytes:
    ends = (b"\r", b"\n", b"\r\n")
    mixed = [line + ends[number % 3] for number, line in enumerate(lines[:-1])]
    # Not CR: with the LF behind it that would be one line end.
    return b"".join([*mixed, lines[-1], b"\r\n\n"])


def event_of(lines: Sequence[bytes], line_end: bytes | None) -> bytes:
    """One event; without a line end each line has another one."""
    return _mixed(lines) if line_end is None else line_end.join([*lines, b"", b""])


@st.composite
def lines_of(draw: st.DrawFn, say: Say) -> list[bytes]:
    """The lines of one event: its name or not, its data in one line or in several."""
    style = draw(st.sampled_from(("usual", "usual", "bare", "ascii", "pretty", "tight", "more")))
    name = [b"event: " + say.name.encode()] if say.name and style != "bare" else []
    data = [written(say.value) if say.raw is None else say.raw]
    if say.raw is None and style == "ascii":
        data = [json.dumps(say.value).encode()]
    if say.raw is None and style == "pretty":
        data = json.dumps(say.value, indent=1).encode().splitlines()
    before = b"data:" if style == "tight" else b"data: "
    more = [b": why", b"id: 7", b"strange: x"] if style == "more" else []
    return [*name, *more, *(before + line for line in data)]


@st.composite
def blocks_of(draw: st.DrawFn, say: Say) -> Block:
    raw = event_of(draw(lines_of(say)), draw(LINE_ENDS))
    kind = say.kind if len(raw) <= MAX_EVENT_BYTES else "odd"
    return Block(raw, kind, says=kind in ("sure", "text", "call"), may_finish=say.may_finish)


# -- spoiled values ------------------------------------------------------------------


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a value, as what holds it and its key there."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from _places(inner)


@st.composite
def spoiled(draw: st.DrawFn, say: Say) -> Say:
    """The same event with another type, a null, a missing or an additional field somewhere."""
    value = copy.deepcopy(say.value)
    for _ in range(draw(st.integers(1, 2))):
        places = list(_places(value))
        if not places:
            break
        holder, key = draw(st.sampled_from(range(len(places))).map(places.__getitem__))
        match draw(st.sampled_from(("other", "other", "null", "missing", "more"))):
            case "other":
                holder[key] = draw(JSON)
            case "null":
                holder[key] = None
            case "missing" if isinstance(holder, dict):
                del holder[key]
            case _ if isinstance(holder, dict):
                holder[draw(NAMES)] = draw(JSON)
            case _:
                holder.append(draw(JSON))
    return evolve(say, kind="vague", value=value, may_finish=True)


@st.composite
def with_extras(draw: st.DrawFn, say: Say) -> Say:
    return evolve(say, value={**say.value, **draw(EXTRAS)} if isinstance(say.value, dict) else say.value)


# -- bytes that nobody expects ---------------------------------------------------------


def _in_string(say: Say, inside: bytes) -> bytes:
    """The event, with bytes put into its longest string."""
    marked = json.dumps(say.value).encode()
    at = max(marked.rfind(b'": "') + 4, 0)
    return b"data: " + marked[:at] + inside + marked[at:]


INSIDE: Final = st.sampled_from(
    (
        b"\x01",
        b"\t",
        b"\x0b",
        b"\x00",
        b"\x1b[0m",
        b"\xff\xfe",
        b"\xc3",
        b"\xed\xa0\xbd",
        b"\\ud83d",
        b"\x85",
        b"\\u12",
    )
)
LINES: Final = st.sampled_from(
    (
        b"data: {broken",
        b"data: not json at all",
        b'data: {"a": "b"}]',
        b'data: {"a": NaN}',
        b'data: {"x": -Infinity, "text": "y"}',
        b'{"object": "bare", "x": [1]}',
        b"<html>",
        b"\xff\xfe\x00junk",
        b"id: 7",
        b"retry: 100",
        b"event: strange",
        b"unknown: field",
        b"data",
        b"data:",
        b"data:  ",
        b'data: {"a": 1}{"b": 2}',
        b"event: message\ndata: ",
        b" data: {}",
        b"data : {}",
    )
)
QUIET: Final = st.sampled_from((b": comment", b":", b": OPENROUTER PROCESSING", b": " + b"x" * 300))


@st.composite
def odd_blocks(draw: st.DrawFn, part: Part) -> Block:
    """Something that is no plain event; `part` is where its words come from."""
    say, line_end = part[-1], draw(LINE_ENDS)
    match draw(
        st.sampled_from(("line", "inside", "two", "quiet", "blank", "loose", "json", "big", "bom", "run"))
    ):
        case "line":
            return Block(event_of([draw(LINES)], line_end), "odd")
        case "inside":
            return Block(event_of([_in_string(say, draw(INSIDE))], line_end), "odd", may_finish=True)
        case "two":
            data = b"data: " + written(say.value)
            return Block(event_of([data, data], line_end), "odd", may_finish=True)
        case "quiet":
            return Block(event_of([draw(QUIET)], line_end))
        case "blank":
            return Block(draw(st.sampled_from((b"\n", b"\r\n", b"\n\n\n"))), ends=False)
        case "loose":
            # No empty line behind it: it is of the next event.
            return Block(
                draw(st.sampled_from((b": comment\n", b"id: 1\r\n", b'{"x": 1}\n', b"\xff\n"))), ends=False
            )
        case "json":
            return Block(event_of([b"data: " + written(draw(JSON))], line_end), may_finish=True)
        case "big":
            more = {
                "instructions": draw(st.sampled_from(("x", "é", "\n", '"'))) * draw(st.integers(500, 4000))
            }
            value = {**more, **say.value} if draw(st.booleans()) else {**say.value, **more}
            return Block(event_of([b"data: " + written(value)], line_end), "odd", may_finish=True)
        case "bom":
            return Block(BOM + event_of([b": x"], line_end), "odd")
        case _:
            # More than may wait: of what nobody can read, or of what says nothing.
            line, kind = draw(
                st.sampled_from(((b"data: {" + b"x" * 150, "odd"), (b": " + b"x" * 150, "quiet")))
            )
            return Block(event_of([line], line_end) * draw(st.integers(2, 40)), kind)


# -- streams ------------------------------------------------------------------------------

BEHIND: Final = st.sampled_from(
    (
        b"",
        b"",
        b"",
        b"\n",
        b"data: [DONE]\n\n",
        b": bye\n\n",
        b'data: {"x": {"y": 1}}\n\n',
        b"\xffjunk",
        b"data: {",
    )
)


@st.composite
def bodies(draw: st.DrawFn, wire: str) -> list[Say]:
    """What is said before the end; one piece of its text is as the wire has it, all else may be spoiled."""
    words = VOCABULARIES[wire]
    parts = draw(st.lists(words.parts, max_size=5))
    # What is said for certain, so that the answer is none without content.
    parts.insert(draw(st.integers(0, len(parts))), draw(words.text))
    says = [say for part in parts for say in part]
    if wire == "chat" and draw(st.integers(0, 4)) == 0:
        says = [_finished(say) for say in says]
    said = draw(st.sampled_from([number for number, say in enumerate(says) if say.kind == "text"]))
    if draw(st.integers(0, 2)) == 0:
        return says
    return [say if number == said else draw(_perhaps_spoiled(say)) for number, say in enumerate(says)]


@st.composite
def streams(draw: st.DrawFn, wire: str) -> Stream:
    """A healthy stream of `wire`; one of twenty says nothing, and why."""
    words = VOCABULARIES[wire]
    is_empty = draw(st.integers(0, 19)) == 19
    begin = words.begin if draw(st.booleans()) else ()
    body = [] if is_empty else draw(bodies(wire))
    end = list(draw(words.end(is_empty=is_empty)))
    if not is_empty and draw(st.integers(0, 7)) == 7:
        # Content behind the finish, which takes it back.
        end[-1:-1] = draw(words.text)
    blocks = [draw(blocks_of(say)) for say in (*begin, *body, *end)]
    blocks[-1] = evolve(blocks[-1], is_end=True)
    for _ in range(0 if is_empty else draw(st.integers(0, 4))):
        blocks.insert(draw(st.integers(0, len(blocks) - 1)), draw(odd_blocks(draw(words.text))))
    if draw(st.integers(0, 5)) == 5:
        blocks[0] = evolve(blocks[0], raw=BOM + blocks[0].raw)
    behind = draw(BEHIND)
    return Stream(wire, (*blocks, Block(behind, ends=False)) if behind else tuple(blocks))


def _finished(say: Say) -> Say:
    """A finish in every chunk: a common adapter's fault."""
    value = copy.deepcopy(say.value)
    for choice in value.get("choices") or ():
        choice["finish_reason"] = "stop"
    return evolve(say, value=value, may_finish=True)


@st.composite
def _perhaps_spoiled(draw: st.DrawFn, say: Say) -> Say:
    match draw(st.sampled_from(("", "", "", "", "spoiled", "extras"))):
        case "spoiled":
            return draw(spoiled(say))
        case "extras":
            return draw(with_extras(say))
        case _:
            return say


#: The longest is one in which a client is sent a sign of life.
PAUSES: Final = st.lists(st.sampled_from((0.0, 0.05, 0.7, 1.3, 4.0, 11.0)), min_size=1, max_size=4)


@st.composite
def framings(draw: st.DrawFn, stream: Stream, count: int) -> list[Framing]:
    """In how many ways the stream comes: by its events, in pieces of one size, and cut anywhere."""
    found = [framed(stream, stream.ends, draw(PAUSES))]
    size = draw(st.sampled_from((700, 1500, 100_000)))
    found.append(framed(stream, range(size, len(stream.raw), size), draw(PAUSES)))
    while len(found) < count:
        places = draw(st.lists(st.integers(1, max(1, len(stream.raw) - 1)), max_size=8))
        found.append(framed(stream, places, draw(PAUSES)))
    return found


def every_one_passes(wire: str, *, examples: int, ways: int, part: int = 0) -> int:
    """
    Play `examples` streams in `ways` framings each under every setting; the number of streams played.

    The same ones on every machine; each `part` has others.
    """
    played = 0

    @seed(part)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        # Not `explain`: it takes minutes, and says which lines the failure ran.
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=(
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.large_base_example,
        ),
    )
    @given(data=st.data())
    def passes(data: st.DataObject) -> None:
        nonlocal played
        stream = data.draw(streams(wire))
        played += play_all(stream, data.draw(framings(stream, ways)))

    passes()
    return played
