"""The demo: how the speakers stand on the screen."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from trooper.commands.terminal import open_console
from trooper.demo.end import short_end, whole_end
from trooper.demo.proof import Claim
from trooper.demo.screen import Line, Screen
from trooper.demo.times import Moment, Span


def shown(*said: tuple[str, str], color: bool = False) -> str:
    out = io.StringIO()
    screen = Screen(
        Console(file=out, width=80, color_system="standard" if color else None, force_terminal=color)
    )
    for speaker, text in said:
        screen.say(speaker, text, 1.5)
    screen.line()
    return out.getvalue()


def test_the_other_speaker_goes_on_below_where_the_first_stopped() -> None:
    assert shown(("cloud", "One two"), ("local", " three\nfour")) == (
        "  1.50 cloud │ One two\n"
        "  1.50 local │         three\n"
        "  1.50 local │ four\n"
        "\n"
    )  # fmt: skip


def test_a_seam_at_the_start_of_a_line_needs_no_indent() -> None:
    assert shown(("cloud", "One\n"), ("local", "two")) == "  1.50 cloud │ One\n  1.50 local │ two\n\n"


def test_an_empty_line_has_no_blank_at_its_end() -> None:
    assert shown(("cloud", "One\n\ntwo")) == ("  1.50 cloud │ One\n  1.50 cloud │\n  1.50 cloud │ two\n\n")


def test_no_line_is_longer_than_the_screen() -> None:
    text = shown(("cloud", "word " * 40), ("local", "and " * 40))

    assert max(map(len, text.splitlines())) <= 80
    assert text.count("word") == text.count("and") == 40


def test_a_model_cannot_steer_the_terminal() -> None:
    assert shown(("local", "a\x1b[2Jb\x07\x9bc")) == "  1.50 local │ a[2Jbc\n\n"


def test_colours_tell_the_speakers_apart() -> None:
    text = shown(("cloud", "One"), ("local", " two"), color=True)

    assert "\x1b[36mcloud │" in text
    assert "\x1b[32mlocal │" in text


def test_no_color_means_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")

    assert open_console().color_system is None


def test_a_seam_stands_between_the_speakers() -> None:
    out = io.StringIO()
    screen = Screen(Console(file=out, width=80))
    screen.say("cloud", "One two", 0.25)
    screen.seam(1.0, "conn_reset: gone")
    screen.say("local", " three", 1.5)
    screen.line()

    assert out.getvalue() == (
        "  0.25 cloud │ One two\n"
        "  1.00   ┄┄┄ │ conn_reset: gone\n"
        "  1.50 local │         three\n"
        "\n"
    )  # fmt: skip


# -- what remains on the screen --------------------------------------------

TIMES = [Moment(number, f"moment {number}") for number in range(4)]
SPANS = [Span(0.0535, "gap: the silence at the client; of this"), Span(0.0005, "  Trooper's own work")]
CLAIMS = [Claim(f"one {name}", holds=True, found="it") for name in "abcdefg"]
BROKEN = [*CLAIMS[:-1], Claim("one g", holds=False, found="two of them")]


def remains(
    columns: int, rows: int, words: tuple[int, int], *, claims: list[Claim] = CLAIMS, terminal: bool = True
) -> list[str]:
    """What a terminal of this size shows once the demo is over, the prompt's row left out."""
    out = io.StringIO()
    console = Console(file=out, width=columns, height=rows, force_terminal=terminal, color_system=None)
    screen = Screen(console)
    screen.line("Trooper: the cloud dies in mid-answer, and the answer goes on.")
    screen.question("Why?")
    for speaker, count in zip(("cloud", "local"), words, strict=True):
        for number in range(count):
            screen.say(speaker, f"{speaker}{number} ", 1.0)
        if speaker == "cloud":
            screen.seam(1.5, "conn_reset: the cloud is gone, the local model goes on")
    screen.end(whole_end(TIMES, SPANS, claims, 1000), short_end(SPANS, claims))
    lines = []
    for line in out.getvalue().splitlines():
        lines += [line[at : at + columns] for at in range(0, max(len(line), 1), columns)]
    return lines[-(rows - 1) :] if terminal else lines


SIZES = [(80, 24), (80, 16), (120, 24), (60, 24), (40, 24), (30, 20), (24, 24), (200, 14)]


@pytest.mark.parametrize("words", [(40, 40), (12, 400), (400, 12), (400, 400), (1, 1), (0, 60)])
@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_the_seam_and_the_verdict_remain_on_the_screen(
    columns: int, rows: int, words: tuple[int, int]
) -> None:
    shown = remains(columns, rows, words)
    at = next(number for number, line in enumerate(shown) if "┄┄┄ │ conn" in line)

    assert "The proof holds." in " ".join(" ".join(shown).split())
    assert any("local │" in line and "local0" in line for line in shown[at:])
    if words[0]:
        assert f"cloud{words[0] - 1}" in shown[at - 1]


def test_the_whole_story_remains_where_it_fits_with_a_short_end() -> None:
    shown = remains(80, 24, (60, 40))

    assert "  0.00   you │ Why?" in shown
    assert shown[-1] == "The proof holds. Gap at the seam: 53.5 ms. All of it: trooper demo | cat"
    assert "Times" not in shown


def test_all_of_the_end_is_told_where_it_fits() -> None:
    shown = remains(80, 50, (60, 40))

    assert "  0.00   you │ Why?" in shown
    assert {"Times", "The proof holds.", "  ✓ one a: it"} <= set(shown)


def test_a_file_gets_all_of_it_and_the_seam_once() -> None:
    shown = remains(80, 24, (400, 400), terminal=False)

    assert {"Times", "The proof holds."} <= set(shown)
    assert sum("┄┄┄" in line for line in shown) == 1


def test_what_does_not_hold_is_said_also_in_short() -> None:
    shown = remains(80, 24, (60, 40), claims=BROKEN)

    assert shown[-2:] == [
        "  ✗ one g: two of them",
        "The proof does not hold. --log shows what Trooper says.",
    ]


@pytest.mark.parametrize("columns", [80, 60, 40, 30, 24])
def test_no_line_is_longer_than_a_narrow_terminal(columns: int) -> None:
    out = io.StringIO()
    screen = Screen(Console(file=out, width=columns, color_system=None))
    screen.question("Explain in a few sentences why the sky is blue.")
    screen.say("cloud", f"words and {'x' * 90} and {'灯' * 60}", 0.5)
    screen.seam(1.0, "conn_reset: the cloud is gone, the local model goes on")
    screen.say("local", " and more " * 20, 1.5)
    screen.end([Line("  ✓ one seam: from=cloud to=local reason=conn_reset phase=text")], [])

    assert max(map(cell_len, out.getvalue().splitlines())) <= columns
    assert out.getvalue().count("x") >= 90
    assert out.getvalue().count("灯") == 60


def test_somebody_elses_line_stands_alone_and_the_speaker_goes_on_where_he_was() -> None:
    out = io.StringIO()
    screen = Screen(Console(file=out, width=80))
    screen.say("cloud", "One two", 0.25)
    screen.aside('{"event": "request"}')
    out.write('{"event": "request"}\n')
    screen.say("cloud", " three\n", 0.5)
    screen.aside('{"event": "request"}')
    out.write('{"event": "request"}\n')
    screen.say("local", "four", 0.75)
    screen.line()

    assert out.getvalue() == (
        "  0.25 cloud │ One two\n"
        '{"event": "request"}\n'
        "  0.50 cloud │         three\n"
        '{"event": "request"}\n'
        "  0.75 local │ four\n"
        "\n"
    )
