"""What is put right of a model that goes on badly, and what no rule may do (`core.repairing`)."""

from __future__ import annotations

import re

import pytest

from half_answers import CODE, PROSE
from honest_texts import EATEN
from joins import joined
from pieces import singles
from trooper.core.overlap import Lost
from trooper.core.repair import ALL_REPAIRS, Repair
from trooper.core.seam import Join, Prefill, prefill
from trooper.core.unfit import Unfit

P = "f000 p001 p002 p003 p004 p005 p006 p007 p008 p009"
BLOCK = "Like this:\n\n```python\nimport os\n\n\ndef size(path):\n"
SENTENCES = "The lamp is lit every evening. Nobody has seen the keeper for weeks."


def new(half: str, said: str, **how: object) -> str:
    """What the client gets, whole or character by character."""
    whole, dribbled = (Join(prefill(half), False, **how) for _ in range(2))  # type: ignore[arg-type]
    out = joined(whole, [said])
    assert (joined(dribbled, singles(said)), dribbled.unfit) == (out, whole.unfit)
    return out


# What is said again from its beginning


@pytest.mark.parametrize("half", [P, P + " ", SENTENCES, SENTENCES + "\n\n", PROSE[:300], CODE[:200], BLOCK])
@pytest.mark.parametrize("blanks", ["", "\n\n", " "])
def test_the_whole_answer_again_is_spoken_from_where_the_client_is(half: str, blanks: str) -> None:
    rest = "and so on." if half[-1].isspace() else " and so on."
    assert new(half, f"{blanks}{half}{rest}") == rest
    # Other white space makes no other answer.
    assert new(half, f"{blanks}{half.replace(' ', '  ')}{rest}") == rest


def test_nothing_goes_out_while_it_is_what_the_client_has() -> None:
    join = Join(prefill(PROSE[:300]), False)
    assert [join.feed(piece) for piece in PROSE[:300]] == [""] * 300
    assert join.feed("x") == "x"


def test_what_the_model_was_not_shown_may_come_again_or_not() -> None:
    """Of a half answer that no window holds it sees the end."""
    shown, hidden = PROSE[200:400], PROSE[:200]
    for said in (shown, hidden + shown):
        join = Join(Prefill(shown, "", hidden=hidden), False)
        assert joined(join, singles(said + " And so on.")) == " And so on."
    join = Join(Prefill(BLOCK[12:], "", hidden=BLOCK[:12]), False)
    assert joined(join, singles(BLOCK[12:] + "    pass\n")) == "    pass\n"


def test_another_beginning_is_another_answer() -> None:
    for half, said in (
        (P, P[:30] + "x"),
        (P, " " + P[:44] + "x"),
        (P, P[:30]),
        (SENTENCES[:50], SENTENCES[:30] + "night"),
        (PROSE[:300], PROSE[:120] + "other"),
        (BLOCK, "```python\nimport os\nimport sys\n"),
    ):
        join = Join(prefill(half), False)
        assert (joined(join, singles(said)), join.unfit) == ("", Unfit.STARTS_ANEW)


@pytest.mark.parametrize(
    ("half", "said"),
    [
        ("The keeper is old. He", " sees the ships."),
        ("The keeper is old. ", "The keeper is tired."),
        ("Johann Sebastian Bach was born here, and", " Johann Sebastian Bach lived here."),
        ("- one of them\n- two of them\n", "- one more of them\n"),
        ("A line of a song that is sung\n", "A line of a song that is sung\nAnd then another\n"),
        ("====================", "===================="),
    ],
)
def test_who_begins_alike_may_go_on(half: str, said: str) -> None:
    assert new(half, said) == said.removeprefix(half[len(half.rstrip()) :] if half.endswith(" ") else "")


# Words


@pytest.mark.parametrize("blanks", ["", " ", "  "])
@pytest.mark.parametrize("again", ["p007 p008 p009", "p006 p007 p008 p009", P[5:]])
def test_last_words_again(again: str, blanks: str) -> None:
    assert new(P, f"{blanks}{again} f010") == " f010"
    assert new(P + " ", f"{blanks}{again} f010") == "f010"
    assert new(P, f" {again.replace(' ', '  ')} f010") == " f010"


@pytest.mark.parametrize(
    ("half", "again"),
    [
        (SENTENCES, "Nobody has seen the keeper for weeks."),
        (SENTENCES + "\n\n", "Nobody has seen the keeper for weeks."),
        ("Ja. Der Wärter ist fort und kommt nicht wieder.", "Der Wärter ist fort und kommt nicht wieder."),
        ("灯塔为船只指明方向。守塔人每天点亮油灯。", "守塔人每天点亮油灯。"),
        (
            "Once. "
            + "word " * 5
            + "and others that make it a long sentence of more than eighty characters. ",
            "",
        ),
    ],
)
def test_last_sentence_again(half: str, again: str) -> None:
    again = again or half.removeprefix("Once. ").strip()
    assert new(half, f" {again} Then more.").lstrip() == "Then more."


@pytest.mark.parametrize("name", [*EATEN])
def test_what_looks_like_stammering_is_cut_once_and_no_more(name: str) -> None:
    text, most = EATEN[name]
    shorter = 0
    for at in range(1, len(text)):
        if re.match(r"\w+\b|\s|$", text[at:]) and not text[at - 1].isspace() and not text[at].isalnum():
            out = new(text[:at], text[at:])
            assert text[at:].endswith(out)
            shorter = max(shorter, len(text) - at - len(out))
    assert shorter == len(most) + 1


# A fence


@pytest.mark.parametrize("fence", ["```python\n", "\n```python\n", "```py\n", "```python title=x\n"])
def test_an_opened_block_is_not_opened_again(fence: str) -> None:
    half = BLOCK + "    here = 1\n"
    assert new(half, f"{fence}    return here\n```\n").lstrip("\n") == "    return here\n```\n"


def test_what_begins_a_line_gets_one() -> None:
    assert new(BLOCK + "    here = 1", "```python\n    return 1") == "\n    return 1"
    assert new(BLOCK + "    return", "```python\n 1") == " 1"


@pytest.mark.parametrize(
    ("half", "said"),
    [
        (BLOCK, "```\n\nThat is it."),
        (BLOCK, "~~~python\n"),
        (BLOCK + '    text = """\n', "```python\n"),
        (BLOCK + "    text = '", "```python\n"),
        ("```\nfirst\n```\n\n", "```python\nsecond\n```\n"),
        ("Text.\n\n", "```python\n"),
        ("````text\n", "```python\n"),
        ("```markdown\n# T\n\n", "```python\nx\n```\n"),
        ("~~~~\n", "~~~python\n"),
    ],
)
def test_what_may_stand_in_a_block_stays(half: str, said: str) -> None:
    assert new(half, said) == said


# A announcement


@pytest.mark.parametrize(
    "announcement",
    [
        "Sure, continuing: ",
        "Certainly! Here is the rest:\n\n",
        "Sure! Here's the rest of the text: ",
        "Okay, let me continue from where I left off:\n",
        "Continuing from where I left off:\n\n",
        "Continuing: ",
        "Of course. Here’s the continuation:\n",
        "I apologize for the interruption. Here is the rest of the answer:\n\n",
        "Natürlich, hier geht es weiter: ",
        "Gerne! Hier ist der Rest:\n\n",
        "Bien sûr, voici la suite : ",
        "¡Claro! Aquí está el resto:\n\n",
        "Certo, ecco il resto: ",
        "Конечно, вот продолжение: ",
        "当然，以下是剩余部分：",
        "好的，继续：",
        "もちろんです。続きです：\n",
        "\n\nSure, continuing:\n\n",
    ],
)
def test_an_announcement_is_no_part_of_the_answer(announcement: str) -> None:
    for half, rest in (
        (P, " f010 f011"),
        (SENTENCES, " Then he came."),
        (SENTENCES + "\n\n", "Then he came."),
    ):
        assert new(half, announcement + rest) == rest
        assert new(half, announcement + rest.lstrip()) == rest
        # Behind it all of the rest may come as well.
        assert new(half, announcement + half + rest) == rest
    assert new(P, f"{announcement}p007 p008 p009 f010") == " f010"
    assert new(BLOCK, f"{announcement.strip()}\n\n```python\n    return 1\n") == "    return 1\n"


@pytest.mark.parametrize("shout", ["Sure! ", "Certainly!\n\n", "Natürlich! ", "当然！"])
def test_a_ready_word_alone(shout: str) -> None:
    assert new(SENTENCES, f"{shout}Then he came.").strip() == "Then he came."
    assert new(SENTENCES + " Is he there?", f"{shout}Then he came.") == f"{shout}Then he came."


@pytest.mark.parametrize(
    "said",
    [
        "Of course, ships pass here.",
        "Sure, he may come.",
        "Certainly. Here is the keeper.",
        "Continuing the work is hard.",
        "Here is the rest of the story. It is sad.",
        "Here is the rest of the list:\n\n- a\n",
        "Continued on the next page.",
        "Natürlich kommt er wieder.",
        "当然，他会回来。",
        "Sure",
        "Okay",
    ],
)
def test_what_an_answer_may_say_itself_stays(said: str) -> None:
    for blanks in (" ", "\n\n"):
        assert new(SENTENCES, blanks + said) == blanks + said
    assert new(P + " he said:", ' "Sure, continuing: x') == ' "Sure, continuing: x'


def test_no_announcement_in_a_document_or_a_text_block() -> None:
    for half in ('{"text": "He said.', "```text\nHe said.\n", "```\nHe said.\n"):
        assert new(half, "Sure, continuing: he did.") == "Sure, continuing: he did."


# Blanks


@pytest.mark.parametrize(
    ("half", "said", "expected"),
    [
        (P, "  f010", " f010"),
        (P + " ", "  f010", "f010"),
        (SENTENCES, "  Then", " Then"),
        ("Two of them.  Three of them.  And so it goes on", "  and on", "  and on"),
        ("Few words", "  more", "  more"),
        ("name   kind of it   kind", "  of", "  of"),
        ("灯塔为夜间航行的船只指明方向。从前，守塔人", " 每天", "每天"),
        ("我们 今天 去 海边 看 灯塔 然后 回家", " 吧", " 吧"),
        # Of what knows no blanks between words, Thai has them between clauses; a tab is nobody's slip.
        ("ประภาคารส่องแสงทุกคืนเพื่อเรือ", " คนเฝ้าจุดตะเกียง", " คนเฝ้าจุดตะเกียง"),
        ("灯台は光を一か所に保つ。船がそれを見つける。", " ภาษาไทย", " ภาษาไทย"),
        ("The lamp, the lens, the keeper, ", "\ttabs", "\ttabs"),
        (BLOCK + "x = 1\n", " y = 2", "y = 2"),
        (BLOCK + "if x:\n", " y = 2", " y = 2"),
    ],
)
def test_blanks_as_the_answer_has_them(half: str, said: str, expected: str) -> None:
    assert new(half, said) == expected


def test_a_fragment_of_what_was_cut_tells_nothing_of_what_follows() -> None:
    again = "A light is lit every evening."
    for half in (again, f"Nobody knows. {again}"):
        assert new(half, f"{again} And so on.", lost=Lost("A")) == " And so on."


@pytest.mark.parametrize(
    ("half", "lost", "said"),
    [("he said", " he", '"yes"'), ("well done", " an", "🎉 and"), ("он сказал", " о", "«да»")],
)
def test_the_blank_before_what_is_opened_is_put_back(half: str, lost: str, said: str) -> None:
    assert new(half, said, lost=Lost(lost)) == " " + said


def test_a_sign_that_closes_gets_none() -> None:
    assert new('"I know', '" he said', lost=Lost(" th")) == '" he said'


# Each may be switched off


@pytest.mark.parametrize(
    ("repair", "half", "said", "how"),
    [
        (Repair.ANEW, PROSE[:300], PROSE[:300] + " x", {}),
        (Repair.REPETITION, P, " p007 p008 p009 f010", {}),
        (Repair.FENCE, BLOCK, "```python\n    return 1\n", {}),
        (Repair.ANNOUNCEMENT, SENTENCES, " Sure, continuing: x", {}),
        (Repair.BLANK, P, "  f010", {}),
        (Repair.BLANK, "p009", "Sure", {"lost": Lost(" p0")}),
    ],
)
def test_each_repair_may_be_switched_off(
    repair: Repair, half: str, said: str, how: dict[str, object]
) -> None:
    others = ALL_REPAIRS - {repair}
    # All of it again ends in its last sentence.
    others -= {Repair.REPETITION, Repair.FENCE} if repair is Repair.ANEW else set()
    assert new(half, said, repairs=others, **how) == said
    assert new(half, said, repairs={repair}, **how) != said
    assert new(half, said, repairs=frozenset(), **how) == said
