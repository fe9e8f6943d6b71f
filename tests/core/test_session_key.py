"""Which conversation a request belongs to: every way to say it, what can be guessed, how it begins."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.session_key import KeyKind, SessionKey, is_drawn, key_of
from trooper.wire.routing import read_marks, read_routing

RUN = "9706b2de-2776-4d52-8ae9-daae730a595b"
THREAD = "01a22d6e-2e90-7ec2-99c4-29e669e6402f"
DEVICE = "0a43294b4a8ca86272cecf6b328f78be98dbfd1d4cc8dd8982e913a0bf304c79"
KEY = b"k" * 32
ANN, BEN = "a" * 32, "b" * 32


def key(headers: dict[str, str] | None = None, **body: Any) -> SessionKey:
    told = tuple((name.encode(), value.encode("latin-1")) for name, value in (headers or {}).items())
    return key_of(told, read_routing(json.dumps({"model": "m", **body}).encode()).marks)  # type: ignore[union-attr]


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def claude(**more: str) -> dict[str, str]:
    """As Claude Code 2.1.197 says who asks."""
    return {"user_id": json.dumps({"device_id": DEVICE, "account_uuid": "", **more}, separators=(",", ":"))}


@pytest.mark.parametrize(
    ("headers", "body", "kind", "value", "alone"),
    [
        ({"x-session-id": RUN}, {"prompt_cache_key": "other"}, KeyKind.HEADER, RUN, False),
        ({"x-session-id": RUN, "session-id": RUN}, {"prompt_cache_key": THREAD}, KeyKind.HEADER, RUN, False),
        ({"x-session-id": " test "}, {}, KeyKind.HEADER, "test", False),
        ({"session-id": RUN}, {"prompt_cache_key": THREAD}, KeyKind.CACHE_KEY, THREAD, True),
        ({}, {"prompt_cache_key": "my-app"}, KeyKind.CACHE_KEY, "my-app", False),
        # The same for all who use a program: a digest of its prompt, or a UUID in its source.
        ({}, {"prompt_cache_key": DEVICE[:32]}, KeyKind.CACHE_KEY, DEVICE[:32], False),
        ({"session-id": RUN}, {"prompt_cache_key": DEVICE[:32]}, KeyKind.CACHE_KEY, DEVICE[:32], False),
        ({}, {"prompt_cache_key": THREAD}, KeyKind.CACHE_KEY, THREAD, False),
        ({"session-id": "1"}, {"prompt_cache_key": THREAD}, KeyKind.CACHE_KEY, THREAD, False),
        ({"session_id": DEVICE}, {}, KeyKind.AGENT, DEVICE, False),
        (
            {"x-claude-code-session-id": THREAD},
            {"metadata": claude(session_id=RUN)},
            KeyKind.USER_ID,
            RUN,
            True,
        ),
        (
            {},
            {"metadata": {"user_id": f"user_{DEVICE}_account_{THREAD}_session_{RUN}"}},
            KeyKind.USER_ID,
            RUN,
            True,
        ),
        # Whose it is, and no session: two conversations of one user are one, and he has it with his credential only.
        ({}, {"metadata": {"user_id": RUN}}, KeyKind.USER_ID, RUN, False),
        ({}, {"metadata": claude()}, KeyKind.USER_ID, claude()["user_id"], False),
        ({}, {"metadata": {"user_id": "{"}}, KeyKind.USER_ID, "{", False),
        ({"session-id": RUN, "thread-id": THREAD}, {}, KeyKind.AGENT, RUN, True),
        ({"session_id": RUN}, {}, KeyKind.AGENT, RUN, True),
        ({"x-claude-code-session-id": RUN}, {}, KeyKind.AGENT, RUN, True),
    ],
)
def test_the_first_that_says_something_counts(
    headers: dict[str, str], body: dict[str, Any], kind: KeyKind, value: str, alone: bool
) -> None:
    assert key(headers, **body) == SessionKey(kind, value.encode(), alone)


@pytest.mark.parametrize(
    "body",
    [
        {"prompt_cache_key": ""},
        {"prompt_cache_key": None},
        {"prompt_cache_key": 7},
        {"prompt_cache_key": "x" * 5_000},
        {"metadata": None},
        {"metadata": {"user_id": None}},
        {"metadata": [1]},
        {"metadata": {"user_id": "", "more": "x" * 5_000}},
    ],
)
def test_what_says_nothing_is_no_key(body: dict[str, Any]) -> None:
    assert key({"x-session-id": " "}, **body, messages=[user("Hi")]) == key(messages=[user("Hi")])


@pytest.mark.parametrize("said", [RUN, RUN.upper(), THREAD])
def test_what_was_drawn_by_chance(said: str) -> None:
    assert is_drawn(said)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "1",
        "test",
        "user@example.com",
        "00000000-0000-4000-8000-000000000000",
        "00000000-0000-7000-8000-000000000008",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8",  # by the clock
        "5df41881-3aed-3515-88a7-2f4a814cf09e",  # by a name
        "cfbff0d1-9375-5685-968c-48ce8b15ae17",  # by a name, as today
        # What anybody can reckon from a text looks like these.
        "9b74c9897bac770ffc029102a200c5de",
        DEVICE,
        "rT9x0Qm3ZkW7pLs2Vb8nYc4Hd6Jf1Gq5",
        RUN.replace("-", ""),
        f"session:{RUN}",
        f"{RUN}-1",
        f"{{{RUN}}}",
    ],
)
def test_what_can_be_guessed_or_may_be(said: str) -> None:
    assert not is_drawn(said)


SYSTEM = {"role": "system", "content": "You keep a light."}
FIRST = [SYSTEM, user("Tell me about lighthouses.")]
ANSWERED = {"role": "assistant", "content": "They shine."}


class TestTheBeginning:
    def test_later_turns_do_not_change_it(self) -> None:
        assert key(messages=FIRST) == key(messages=[*FIRST, ANSWERED, user("Why?")])
        assert key(messages=FIRST).kind is KeyKind.BEGINNING
        assert not key(messages=FIRST).is_unguessable

    @pytest.mark.parametrize(
        "other",
        [
            [user("Tell me about lighthouses.")],
            [SYSTEM, user("Tell me about lighthouses")],
            [{**SYSTEM, "content": "You keep a ship."}, FIRST[1]],
            [FIRST[1], SYSTEM],
        ],
    )
    def test_another_one_is_another(self, other: list[Any]) -> None:
        assert key(messages=FIRST) != key(messages=other)

    def test_marks_beside_the_texts_do_not_count(self) -> None:
        """Clients move them from turn to turn."""
        marked = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}
        bare = {"type": "text", "text": "Hi"}
        system = [{"type": "text", "text": "Be brief."}]
        one = key(system=system, messages=[{"role": "user", "content": [marked]}])
        assert one == key(system="Be brief.", messages=[{"content": [bare], "role": "user"}])
        assert one == key(system="Be brief.", messages=[{"role": "user", "content": "Hi"}])

    def test_the_wires_say_the_same(self) -> None:
        assert key(instructions="Be brief.", input="Hi") == key(system="Be brief.", messages=[user("Hi")])
        assert key(input=[{"role": "developer", "content": "Be brief."}, user("Hi")]) == key(
            messages=[{"role": "system", "content": "Be brief."}, user("Hi")]
        )

    def test_a_long_system_prompt_hides_nothing_behind_it(self) -> None:
        long = {"role": "system", "content": 'You "keep" a light,\n and ships pass. ' * 4_000}
        assert key(messages=[long, user("One")]) == key(messages=[long, user("One"), ANSWERED])
        assert key(messages=[long, user("One")]) != key(messages=[long, user("Two")])
        assert key(system=long["content"], messages=[user("One")]) != key(messages=[user("One")])

    def test_what_is_odd_has_a_beginning_as_well(self) -> None:
        odd: list[dict[str, Any]] = [
            {"messages": None},
            {"messages": []},
            {"messages": 7},
            {"messages": [[], 1]},
            {"messages": [{"role": ["user"]}]},
            {"messages": [{"role": "user", "content": 7}]},
            {"messages": [json.loads("[" * 400 + "]" * 400)]},
            {"messages": [[0] * 30_000, user("Hi")]},
            {"messages": [SYSTEM] * 1_000},
            {"system": 7, "messages": [user("Hi")]},
        ]
        for body in odd:
            assert len(key(**body).value) == 32

    def test_however_deep_or_large_it_is_looked_at_a_little(self) -> None:
        deep = b'{"messages":' + b"[" * 200_000
        assert len(key_of((), read_marks(deep)).value) == 32
        large = b'{"messages":[{"role":"user","content":"' + b"a" * 3_000_000 + b'"}]}'
        calls = 0

        def count(*_: object) -> None:
            nonlocal calls
            calls += 1

        sys.setprofile(count)
        key_of((), read_marks(large))
        sys.setprofile(None)
        assert calls < 500


_TEXTS = st.one_of(
    st.text(max_size=60), st.sampled_from(("user", "system", "{", '{"session_id":7}', "\ud800", RUN))
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=12,
)
_TURNS = st.lists(
    st.fixed_dictionaries({"role": _TEXTS | _VALUES, "content": _TEXTS | _VALUES}) | _VALUES, max_size=4
)
_FIELDS = ("prompt_cache_key", "metadata", "system", "instructions", "messages", "input", "tools", "store")


@given(
    st.dictionaries(st.sampled_from(_FIELDS), _TURNS | _VALUES | st.fixed_dictionaries({"user_id": _TEXTS})),
    st.binary(max_size=40),
    st.booleans(),
)
def test_whatever_is_said_there_is_a_key(body: dict[str, Any], header: bytes, is_ascii: bool) -> None:
    raw = json.dumps({"model": "m", **body}, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    for said in (raw, raw[:-1], raw.replace(b"user", b"us\xffr")):
        found = key_of(((b"x-session-id", header),), read_marks(said))
        assert found.value
        assert len(found.own_id(KEY, ANN)) == len(found.shared_id(KEY, "")) == 32
        routed = read_routing(said)
        assert key_of((), getattr(routed, "marks", read_marks(said))) == key_of((), read_marks(said))


class TestNames:
    def test_a_session_that_its_key_names_is_everybodys_who_has_it(self) -> None:
        one = key({"session-id": RUN})
        assert one.shared_id(KEY, "") == key({"session-id": THREAD}, prompt_cache_key=RUN).shared_id(KEY, "")
        assert one.shared_id(KEY, "") != one.shared_id(KEY, "door")
        assert one.shared_id(KEY, "") != one.shared_id(b"o" * 32, "")
        assert RUN not in one.shared_id(KEY, "")

    def test_any_other_is_one_credentials(self) -> None:
        one = key({"x-session-id": "1"})
        assert one.own_id(KEY, ANN) == one.own_id(KEY, ANN)
        assert one.own_id(KEY, ANN) != one.own_id(KEY, BEN)
        assert one.own_id(KEY, ANN) != key(prompt_cache_key="1").own_id(KEY, ANN)
        assert one.own_id(KEY, ANN) != one.shared_id(KEY, ANN)
