"""
What decoding text that is no JSON raises. It is data from outside: never a bug.
"""

from __future__ import annotations

from typing import Final

import msgspec

#: For `except NOT_JSON`, around a decoder. No JSON or of another type (msgspec's own), no UTF-8 or
#: half a surrogate pair, nested deeper than the stack is.
NOT_JSON: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
