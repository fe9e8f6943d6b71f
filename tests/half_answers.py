"""
Answers of many kinds, to be cut anywhere: what models write, and what people do.

None of them says a sentence twice at once; for those that repeat themselves
there is `honest_texts`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from trooper.testing import tokens

PROSE = (
    "A gateway earns its keep when a stream breaks. It has read every word that went by, so it knows what the"
    " client has, and what is still missing. Another model is shown the half answer as its own, and goes on from"
    " there.\n\nThe reader sees one text. Nothing in it tells where the first voice ended; the second one has to be"
    ' careful with blanks, with quotes ("like these"), and with numbers such as 3.14 or 1,250. That is all there is'
    " to it, and it took years to get right.\n"
)
LIST = (
    "Here is what you need for a day in the hills:\n\n"
    "- Water, two litres for each person\n"
    "- A map, since telephones run out of power\n"
    "- Warm clothes in a dry bag\n"
    "- Bread, cheese and some apples\n\n"
    "Then plan the way:\n\n"
    "1. **Start early.** The paths are empty before eight.\n"
    "2. **Rest often.** Ten minutes in each hour are enough.\n"
    "3. **Turn back in time.** The way down takes longer than it looks.\n\n"
    "Have a good day outside!"
)
CODE = (
    "This function counts the words of a text:\n\n"
    "```python\n"
    "from collections import Counter\n\n\n"
    "def count_words(text: str) -> Counter[str]:\n"
    '    """How often each word occurs."""\n'
    "    words = text.lower().split()\n"
    "    return Counter(word.strip('.,;:') for word in words)\n\n\n"
    'if __name__ == "__main__":\n'
    '    for word, times in count_words("so it is, and so it was").most_common(3):\n'
    "        print(word, times)\n"
    "```\n\n"
    "It splits the text at its blanks and takes signs off both ends of each word. Ask for as many as you like."
)
GERMAN = (
    "Ein Leuchtturm zeigt Schiffen bei Nacht den Weg. Früher zündete der Wärter jeden Abend die Lampe an und zog"
    " das Uhrwerk auf, das die Linse drehte.\n\nHeute geschieht das alles von selbst: Ein Fühler misst die"
    " Dunkelheit, und eine Leuchtdiode braucht kaum noch Strom. Trotzdem kommt zweimal im Jahr jemand vorbei,"
    " putzt die Scheiben und prüft die Batterien. Wer einmal oben stand, vergisst die Aussicht nie wieder."
)
FRENCH = (
    "Le phare guide les bateaux pendant la nuit. Autrefois, un gardien vivait sur place : il allumait la lampe"
    " chaque soir et notait dans un cahier tous les navires qui passaient.\n\nAujourd'hui, tout est automatique."
    " Une équipe vient deux fois par an pour nettoyer les vitres, vérifier les batteries et repeindre la porte."
    " C'est un travail tranquille, mais il faut aimer le vent."
)
CHINESE = (
    "灯塔为夜间航行的船只指明方向。从前，守塔人每天傍晚点亮油灯，并在本子上记下每一艘经过的船。\n\n"
    "如今一切都自动运行：传感器测量光线，发光二极管只需要很少的电。每年仍有人来两次，擦拭玻璃，检查电池。"
    "站在塔顶看过大海的人，永远不会忘记那里的风景。"
)
TABLE = (
    "The three ways compared:\n\n"
    "| Way | Time | Price |\n"
    "| --- | --- | --- |\n"
    "| Train | 4 hours | 60 euros |\n"
    "| Bus | 7 hours | 25 euros |\n"
    "| Plane | 3 hours with the waiting | 140 euros |\n\n"
    "The train is the best choice for most people, since it leaves from the middle of the town."
)
WORDS = " ".join(["f000", *(f"p{n:03}" for n in range(1, 10)), *(f"f{n:03}" for n in range(10, 40))]) + "."

KINDS: Final[Mapping[str, str]] = {
    "prose": PROSE,
    "list": LIST,
    "code": CODE,
    "german": GERMAN,
    "french": FRENCH,
    "chinese": CHINESE,
    "table": TABLE,
    "words": WORDS,
}


def pieces_of(answer: str) -> list[str]:
    """`answer` in words, or in a few characters where it has no blanks."""
    if answer is CHINESE:
        return tokens(answer, 3)
    return tokens(answer)


def places_in(answer: str, count: int, turn: int = 0) -> Iterator[int]:
    """`count` places to cut `answer` at, as numbers of its pieces, spread over it; others for another `turn`."""
    first, last = 6, len(pieces_of(answer)) - 4
    step = (last - first) // count
    for n in range(count):
        yield first + n * step + (turn * 7) % step
