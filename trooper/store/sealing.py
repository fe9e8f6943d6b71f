"""
Contents that only Trooper can read, on disk: AES-GCM, by a key from the environment.

The key is made from what the variable says and from the folder's own key, by
scrypt, so that a passphrase that people can remember costs whoever guesses it
a twentieth of a second for each try. Each text has a number of its own, and is bound to
where it stands: moved to another row, it cannot be opened.
"""

from __future__ import annotations

import hashlib
import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from attrs import define, field

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

#: What brings it.
EXTRA: Final = ".venv/bin/pip install -e '.[sealed]', in the clone of Trooper"
_NONCE_BYTES: Final = 12
_MEMORY_BYTES: Final = 32 * 1024 * 1024


@define(eq=False)
class Seal:
    """Closes and opens texts; from any thread."""

    _cipher: AESGCM = field(repr=False)

    def close(self, text: bytes, name: bytes) -> bytes:
        """`text` as it may lie on the disk, bound to `name`."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text, name)

    def open(self, sealed: bytes, name: bytes) -> bytes | None:
        """The text; `None` where another key has closed it, or somebody has changed it."""
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name)
        except (InvalidTag, ValueError):
            return None


def name_of(owner: str, answer_id: str, what: str) -> bytes:
    """What a text is bound to. No two lists of words have the same one."""
    return b"\0".join(
        len(word.encode()).to_bytes(4, "big") + word.encode() for word in (owner, answer_id, what)
    )


def can_seal() -> bool:
    """Whether the extra `sealed` is installed."""
    return find_spec("cryptography") is not None


def seal_of(said: str, folder_key: bytes) -> Seal:
    """
    The seal of what the user says, among those who have the folder.

    Raises:
        ImportError: the extra is not installed. Nothing is written in the clear that was to be sealed.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key = hashlib.scrypt(
        said.encode(), salt=folder_key, n=2**14, r=8, p=1, maxmem=2 * _MEMORY_BYTES, dklen=32
    )
    return Seal(AESGCM(key))
