"""
The wires as the world speaks them: streams, whole answers and refusals of real
providers and servers, each with the source of its shape.

A dialect is a folder: `dialect.toml`, and one file for each body. The bytes are
what the provider sends, or what its types, its code or its documents say that it
sends. The words in them are our own.
"""

from __future__ import annotations

from collections.abc import Mapping

from trooper.testing.dialects.table import FOLDER, Dialect, Golden, Refusal, Then, read_dialect

#: Name → dialect, in the order of the alphabet.
DIALECTS: Mapping[str, Dialect] = {
    file.parent.name: read_dialect(file.parent) for file in sorted(FOLDER.glob("*/dialect.toml"))
}

__all__ = ["DIALECTS", "Dialect", "Golden", "Refusal", "Then"]
