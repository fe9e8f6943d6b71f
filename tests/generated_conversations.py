"""
Conversations of every kind of content, drawn by chance: what a window has to be filled with.

The same number makes the same conversation.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Mapping
from typing import Final

from attrs import frozen

from trooper.core.conversation import (
    Conversation,
    ImagePart,
    Message,
    Part,
    Role,
    Sampling,
    TextPart,
    Tool,
    ToolCall,
)

_WORDS: Final = [
    "the",
    "light",
    "of",
    "a",
    "keeper",
    "who",
    "writes",
    "down",
    "every",
    "ship",
    "and",
    "storm",
    "so",
    "that",
    "boats",
    "find",
    "their",
    "way",
    "home",
    "before",
    "dark",
    "while",
    "she",
    "climbs",
    "narrow",
    "stairs",
    "with",
    "oil",
    "matches",
    "bread",
    "and",
    "an",
    "old",
    "letter",
    "nobody",
    "has",
    "ever",
    "answered",
]
_OTHER: Final = [
    "valo",
    "majakka",
    "vartija",
    "kirjoittaa",
    "laivat",
    "myrskyt",
    "Leuchtturm",
    "wächter",
    "schreibt",
    "jedes",
    "Schiff",
    "auf",
    "tempête",
    "gardien",
    "lumière",
    "chaque",
    "navire",
    "cahaya",
    "penjaga",
    "menulis",
    "setiap",
    "kapal",
    "badai",
    "mwanga",
    "mlinzi",
    "anaandika",
    "kila",
    "meli",
    "đèn",
    "biển",
]
_CODE: Final = '''def blow(horn, *, seconds: int = 3) -> None:
    """Blow the horn."""
    for _ in range(seconds):
        if not horn.is_ready():  # it freezes
            raise HornError(f"not ready: {horn!r}")
        horn.blow(volume=0.75)

const beam = (lens, {km = 20}) => lens.rows.map((row) => row * km).filter(Boolean);
'''
_MINIFIED: Final = '!function(e,t){"use strict";var n=[],r=n.slice,o=function(e){return null!=e&&e===e.window};t.a=n}(this,{});'
_SCRIPTS: Final = {
    "chinese": "灯塔看守人每天晚上都会点亮灯光让船只找到回家的路",
    "japanese": "灯台守は毎晩あかりをともして船が帰り道を見つけられるようにします",
    "korean": "등대지기는 매일 밤 불을 밝혀 배들이 집으로 가는 길을 찾게 한다",
    "thai": "ผู้ดูแลประภาคารจุดไฟทุกคืนเพื่อให้เรือหาทางกลับบ้านได้",
    "arabic": "حارس المنارة يشعل الضوء كل ليلة لكي تجد السفن طريقها إلى البيت",
    "hindi": "प्रकाशस्तंभ का रखवाला हर रात रोशनी जलाता है ताकि जहाज़ घर का रास्ता पा सकें",
    "russian": "Смотритель маяка каждую ночь зажигает свет чтобы корабли нашли дорогу домой",
    "emoji": "👩‍👩‍👧‍👦🚢👍🏿🧑‍💻❤️🏴‍☠️✨",
}

Chance = random.Random
Write = Callable[[Chance, int], str]


def _repeated(chance: Chance, size: int, piece: Callable[[Chance], str]) -> str:
    pieces: list[str] = []
    left = size
    while left > 0:
        pieces.append(piece(chance))
        left -= max(1, len(pieces[-1]))
    return "".join(pieces)


def _script(letters: str) -> Write:
    def write(chance: Chance, size: int) -> str:
        return _repeated(
            chance, size, lambda c: letters[c.randrange(len(letters)) :] + c.choice(("", " ", "\n"))
        )

    return write


def _sentence(words: list[str]) -> Callable[[Chance], str]:
    def say(chance: Chance) -> str:
        said = " ".join(chance.choice(words) for _ in range(chance.randrange(4, 18)))
        return f"{said.capitalize()}{chance.choice('.?!:')}{chance.choice((' ', ' ', chr(10) * 2))}"

    return say


def _lines(text: str) -> Write:
    lines = text.splitlines(keepends=True)
    return lambda chance, size: _repeated(chance, size, lambda c: c.choice(lines))


def _record(chance: Chance) -> dict[str, object]:
    return {
        "id": chance.randrange(10**6),
        "name": chance.choice(_WORDS),
        "at": f"2026-11-{chance.randrange(1, 30):02}T{chance.randrange(24):02}:00:00Z",
        "tags": [chance.choice(_WORDS) for _ in range(chance.randrange(4))],
        "open": chance.random() < 0.5,
        "km": round(chance.random() * 40, 3),
    }


def _json(indent: int | None, separators: tuple[str, str] | None) -> Write:
    def write(chance: Chance, size: int) -> str:
        records = [_record(chance) for _ in range(size // 110 + 1)]
        return json.dumps(records, indent=indent, separators=separators, ensure_ascii=chance.random() < 0.5)

    return write


def _row(chance: Chance) -> str:
    return "| " + " | ".join(f"{chance.random() * 100:8.2f}" for _ in range(5)) + " |\n"


def _letters(alphabet: str, between: str = "") -> Write:
    return lambda chance, size: between.join(
        chance.choice(alphabet) for _ in range(size // (1 + len(between)))
    )


#: Each writes about so many characters.
KINDS: Final[Mapping[str, Write]] = {
    "prose": lambda chance, size: _repeated(chance, size, _sentence(_WORDS)),
    "other languages": lambda chance, size: _repeated(chance, size, _sentence(_OTHER)),
    "code": _lines(_CODE),
    "minified": _lines(_MINIFIED),
    "json": _json(None, None),
    "indented json": _json(2, None),
    "tight json": _json(None, (",", ":")),
    "base64": lambda chance, size: base64.b64encode(chance.randbytes(size * 3 // 4)).decode(),
    "digits": _letters("0123456789"),
    "table": lambda chance, size: _repeated(chance, size, _row),
    "one-letter words": _letters("abcdefghijklmnopqrstuvwxyz", " "),
    "letters": _letters("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    "signs": _letters("!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~"),
    "blanks": lambda chance, size: _repeated(
        chance, size, lambda c: c.choice((" " * 30, "\n" * 20, "\t\t", "x"))
    ),
    "one sign": lambda chance, size: chance.choice("[a-=\n ") * size,
    **{name: _script(letters) for name, letters in _SCRIPTS.items()},
}


@frozen
class Asked:
    """
    A conversation, and what the client has of its answer.

    Attributes:
        half_call: the arguments of a call that breaks off, or nothing.
    """

    conversation: Conversation
    given: str = ""
    half_call: str = ""


def _text(chance: Chance, kinds: list[str], size: int) -> str:
    return KINDS[chance.choice(kinds)](chance, max(1, size))


def _tools(chance: Chance, kinds: list[str]) -> tuple[Tool, ...]:
    if chance.random() < 0.6:
        return ()
    count = chance.choice((1, 3, 12, 30))
    return tuple(
        _tool(chance, kinds, number, huge=count < 4 and chance.random() < 0.3) for number in range(count)
    )


def _tool(chance: Chance, kinds: list[str], number: int, *, huge: bool) -> Tool:
    size = chance.randrange(20, 2000 if huge else 120)
    names = [f"{chance.choice(_WORDS)}_{at}" for at in range(chance.randrange(1, 25 if huge else 4))]
    properties = {
        name: {"type": chance.choice(("string", "integer")), "description": _text(chance, ["prose"], 40)}
        for name in names
    }
    schema = {"type": "object", "properties": properties, "required": names[:1]}
    return Tool(f"tool_{number}", _text(chance, [*kinds, "prose", "prose"], size), schema)


def _turn(
    chance: Chance, kinds: list[str], size: int, *, tools: tuple[Tool, ...], images: bool
) -> list[Message]:
    said = _text(chance, kinds, chance.randrange(1, size))
    draw = chance.random()
    if tools and draw < 0.3:
        tool, number = chance.choice(tools), chance.randrange(10**9)
        calls = tuple(
            ToolCall(f"call_{number}_{at}", tool.name, json.dumps({"what": _text(chance, kinds, size // 4)}))
            for at in range(chance.randrange(1, 3))
        )
        answered = (Message(Role.TOOL, (TextPart(_text(chance, kinds, size)),), (), c.id) for c in calls)
        return [Message(Role.ASSISTANT, (TextPart("I look."),), calls), *answered]
    parts: tuple[Part, ...] = (TextPart(said),)
    if images and draw > 0.8:
        parts = (*parts, ImagePart("image/png", base64.b64encode(chance.randbytes(300)).decode()))
        return [Message(Role.USER, parts)]
    return [Message(chance.choice((Role.USER, Role.ASSISTANT)), parts)]


def generated(
    number: int, *, images: bool = True, half_calls: bool = True, most_chars: int = 40_000
) -> Asked:
    """The conversation of that number."""
    chance = random.Random(number)
    kinds = chance.sample(sorted(KINDS), chance.choice((1, 1, 2, 4)))
    tools, size = _tools(chance, kinds), chance.choice((8, 60, 400, 3000))
    wanted = chance.choice((300, 4_000, 15_000, most_chars))
    messages = [
        Message(Role.SYSTEM, (TextPart(_text(chance, ["prose", *kinds], chance.choice((40, 1500)))),))
    ]
    if chance.random() < 0.3:
        messages = []
    written = 0
    while written < wanted and len(messages) < 600:
        turn = _turn(chance, kinds, size, tools=tools, images=images and chance.random() < 0.1)
        messages += turn
        written += sum(len(message.text) for message in turn)
    messages.append(Message(Role.USER, (TextPart(_text(chance, kinds, min(size, 1500))),)))
    conversation = Conversation(
        tuple(messages), tools=tools, sampling=Sampling(max_tokens=chance.choice((None, 20, 500, 100_000)))
    )
    given = _text(chance, ["prose", *kinds], chance.choice((20, 900))) if chance.random() < 0.5 else ""
    if half_calls and tools and chance.random() < 0.3:
        return Asked(conversation, "", json.dumps({"what": _text(chance, kinds, 60)})[:-3])
    return Asked(conversation, given)
