"""The demo: how the speakers stand on the screen."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from trooper.commands.terminal import open_console
from trooper.demo.screen import Screen


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
