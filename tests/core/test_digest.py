"""Who somebody is: the same in every process that has the key, and nothing of how he proves it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from trooper.core.digest import owner

KEY = b"k" * 32
CREDENTIALS = (b"Bearer sk-secret", b"", b"door-key")
PROGRAM = f"from trooper.core.digest import owner; print(owner({KEY!r}, {CREDENTIALS!r}))"


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_same_in_another_process(seed: str) -> None:
    environ = os.environ | {"PYTHONHASHSEED": seed}
    out = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=environ
    )

    assert out.stdout.strip() == owner(KEY, CREDENTIALS)


def test_no_credential_is_in_it() -> None:
    name = owner(KEY, CREDENTIALS)

    assert len(name) == 32
    assert int(name, 16) >= 0


@pytest.mark.parametrize(
    ("key", "credentials"),
    [
        (b"another", CREDENTIALS),
        (KEY, (b"Bearer sk-other", b"", b"door-key")),
        (KEY, (b"", b"Bearer sk-secret", b"door-key")),
        (KEY, (b"Bearer sk-secret", b"door-key")),
        (KEY, (b"Bearer sk-secretdoor-key", b"", b"")),
        (KEY, (b"", b"", b"")),
    ],
)
def test_somebody_else_has_another_name(key: bytes, credentials: tuple[bytes, ...]) -> None:
    assert owner(key, credentials) != owner(KEY, CREDENTIALS)
