"""
Who somebody is, without knowing how he proves it: a keyed digest of credentials.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

#: 128 bits: two clients never meet by accident.
_DIGEST_BYTES = 16


def owner(key: bytes, credentials: Sequence[bytes]) -> str:
    """
    A name for whoever has `credentials`: 32 hexadecimal digits.

    The same key and the same credentials give the same name in every process.
    Without the key neither can be found from the name.

    Args:
        key: up to 64 bytes that nobody else knows.
        credentials: in an order that is always the same; what is missing is empty.
    """
    digest = hashlib.blake2b(key=key, digest_size=_DIGEST_BYTES)
    for credential in credentials:
        # The length first, so that no two lists run into one text.
        digest.update(len(credential).to_bytes(4, "big") + credential)
    return digest.hexdigest()
