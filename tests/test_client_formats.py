"""
Random files of each format: what is put in is said by a reader of somebody
else's and nothing else is, and taking it out again says what was said before.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from client_texts import (
    READERS,
    URL,
    WITH_FILES,
    jsonc_texts,
    plain,
    toml_texts,
    with_wanted,
    yaml_texts,
)
from trooper.clients.editing import connected, disconnected
from trooper.clients.placing import place, take_back
from trooper.clients.wanted import NotEdited

RELAXED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
TEXTS = {
    "claude-code": jsonc_texts(),
    "codex": toml_texts(),
    "opencode": jsonc_texts(),
    "aider": yaml_texts(),
    "continue": yaml_texts(),
}


def without_empty(said: Any) -> Any:
    if not isinstance(said, dict):
        return said
    return {key: without_empty(value) for key, value in said.items() if value not in ({}, [], None)}


def comments(text: str) -> set[str]:
    """What may be one, as far as it is plain."""
    return set(re.findall(r"(?:#|//) [^\r\n\"'}\]]*", text))


@pytest.mark.parametrize("name", TEXTS)
@RELAXED
@given(data=st.data())
def test_only_what_is_wanted_is_new(name: str, data: st.DataObject) -> None:
    client, read = WITH_FILES[name], READERS[name]
    text = data.draw(TEXTS[name])
    said = plain(read(text))
    wanted = tuple(client.wanted(URL, login=False))

    try:
        edited = connected(client.form, text, wanted)
    except NotEdited:
        # A file that is too odd is left alone; how often, the test below bounds.
        return

    assert plain(read(edited.text)) == with_wanted(said, name, wanted)
    assert connected(client.form, edited.text, wanted).changes == ()
    assert all(comment in edited.text for comment in comments(text))
    back = disconnected(client.form, edited.text, edited.changes)
    assert back.left == ()
    assert without_empty(plain(read(back.text))) == without_empty(said)


@pytest.mark.parametrize("name", TEXTS)
@settings(RELAXED, max_examples=25)
@given(data=st.data())
def test_a_file_comes_back_byte_for_byte(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    client, content = WITH_FILES[name], data.draw(TEXTS[name]).encode()
    file = tmp_path_factory.mktemp("folder") / "file"
    file.write_bytes(content)
    try:
        place(client.form, file, client.fresh, client.wanted(URL))
    except NotEdited:
        assert file.read_bytes() == content
    else:
        told = take_back(client.form, file, client.fresh)
        assert told is None or told.as_it_was
    assert file.read_bytes() == content
    assert [path.name for path in file.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("name", TEXTS)
def test_odd_files_are_edited_all_the_same(name: str) -> None:
    """What is refused is rare, else the test above would prove nothing."""
    client, tried, edited = WITH_FILES[name], 0, 0

    @settings(RELAXED, derandomize=True, database=None)
    @given(text=TEXTS[name])
    def count(text: str) -> None:
        nonlocal tried, edited
        tried += 1
        try:
            connected(client.form, text, tuple(client.wanted(URL)))
        except NotEdited:
            return
        edited += 1

    count()
    assert edited / tried > 0.8


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("claude-code", '{"env": }', "a value belongs here"),
        ("claude-code", '{"env": {}', "a comma or a closing brace"),
        ("claude-code", '{"a": 1 "b": 2}', "a comma or a closing brace"),
        ("claude-code", "[]", "an object in braces"),
        ("claude-code", '{"a": 1} x', "something behind the end"),
        ("claude-code", '{"a": 1, "a": 2}', "twice"),
        ("claude-code", '{"env": "x"}', "env is no object"),
        ("claude-code", '{"a": ' + "[" * 200 + "]" * 200 + "}", "nested too deeply"),
        ("codex", "a = ", "no TOML"),
        ("codex", "model_providers = { x = 1 }", "cannot be edited safely"),
        ("codex", "model_providers.trooper.name = 'x'", "cannot be edited safely"),
        ("codex", '[[model_providers]]\nname = "x"', "model_providers is no table"),
        ("aider", "{model: x}", "a key and a colon"),
        ("aider", "- x", "a key and a colon"),
        ("aider", "a: 1\n---\nb: 2", "a key and a colon"),
        ("aider", "a: &x 1", "a sign that is not understood"),
        ("aider", "a: 1\na: 2", "twice"),
        ("aider", "a: 'x", "not closed"),
        ("aider", "a: 1\u2028b: 2", "odd line break"),
        ("aider", "set-env: A=1", "no list"),
        ("aider", "openai-api-base:\n  x", "several lines"),
        ("aider", "set-env:\n- A=1\nx: |\n  text", "has no end"),
        ("aider", "\ta: 1", "a key and a colon"),
    ],
)
def test_what_cannot_be_edited_is_said(name: str, text: str, why: str) -> None:
    client = WITH_FILES[name]
    with pytest.raises(NotEdited, match=why):
        connected(client.form, text, tuple(client.wanted(URL)))


def test_a_key_in_a_long_string_is_none() -> None:
    text = 'a = """\n[model_providers.trooper]\nname = 1\n"""\n'
    client = WITH_FILES["codex"]
    edited = connected(client.form, text, tuple(client.wanted(URL)))
    assert tomllib.loads(edited.text)["model_providers"]["trooper"]["name"] == "Trooper"
    assert tomllib.loads(edited.text)["a"] == "[model_providers.trooper]\nname = 1\n"


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("openai-api-base:\n", f"openai-api-base: {URL}/v1\n"),
        ("openai-api-base:  # mine\n", f"openai-api-base: {URL}/v1  # mine\n"),
        ("'openai-api-base' : \"x\" # mine\n", f"'openai-api-base' : {URL}/v1 # mine\n"),
        ("set-env:\n\n# end\n", "set-env:\n  - ANTHROPIC_API_BASE=http://127.0.0.1:8642\n\n# end\n"),
    ],
)
def test_where_a_value_goes(text: str, becomes: str) -> None:
    client = WITH_FILES["aider"]
    assert connected(client.form, text, tuple(client.wanted(URL))).text.startswith(becomes)
