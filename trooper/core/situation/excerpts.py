"""What is kept of a sentence or a line: the words that tell something, and some around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from trooper.core.situation.judging import Measure
from trooper.core.situation.values import Word

#: What stands where something in the middle is left out.
OMITTED: Final = " ... "
#: So many words are kept around a cue: behind it stands what it is about.
_CUE_BEFORE, _CUE_AFTER = 3, 8
#: So much of its most may be there that a piece is not cut: it would not become much shorter.
_SHORT: Final = 0.85
#: So many characters at the edges and between two runs are not worth leaving out.
_EDGE, _GAP = 8, 12
_WORDS_BY_THEMSELVES: Final = 18
_LEAST_CHARS: Final = 8


def excerpt(text: str, words: Sequence[Word], measure: Measure) -> str:
    """Return what of `text` is worth its room: the whole of a short one, and else runs of its words, as they stand."""
    # Tokens go by bytes.
    size = len(text.encode("utf-8", "surrogatepass"))
    most = max(_LEAST_CHARS, measure.most_bytes * len(text) // max(1, size))
    if not words:
        return text[:most].strip()
    if len(text) <= most * _SHORT:
        return text.strip()
    telling = [place for place, word in enumerate(words) if word.worth or word.cue]
    if not telling:
        return text[: words[min(len(words), _WORDS_BY_THEMSELVES) - 1].end][:most].strip()
    kept, chars = set[int](), 0
    for place in sorted(telling, key=lambda one: (-words[one].worth, one)):
        before, after = (measure.before, measure.after) if words[place].worth else (_CUE_BEFORE, _CUE_AFTER)
        near = range(max(0, place - before), min(len(words), place + after + 1))
        more = [one for one in near if one not in kept]
        longer = sum(words[one].end - words[one].start + 1 for one in more)
        if kept and chars + longer > most:
            if not words[place].worth or place in kept or chars > most:
                continue
            more, longer = [place], words[place].end - words[place].start + 1
        kept.update(more)
        chars += longer
    return _joined(text, words, sorted(kept))[: 2 * most].strip()


def _joined(text: str, words: Sequence[Word], kept: Sequence[int]) -> str:
    """The runs of words that are kept, from the text itself, and a mark between them."""
    runs = [(words[kept[0]].start, words[kept[0]].end)]
    for place in kept[1:]:
        start, end = words[place].start, words[place].end
        begun, ended = runs[-1]
        if start - ended <= _GAP:
            runs[-1] = (begun, max(end, ended))
        else:
            runs.append((start, end))
    if runs[0][0] <= _EDGE:
        runs[0] = (0, runs[0][1])
    if len(text) - runs[-1][1] <= _EDGE:
        runs[-1] = (runs[-1][0], len(text))
    return OMITTED.join(text[start:end].strip() for start, end in runs)
