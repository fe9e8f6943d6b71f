"""
What clients of OpenAI ask of responses beside new ones.
"""

from __future__ import annotations

from trooper.core.headers import Headers


def owns(path: str, _headers: Headers) -> bool:
    """Whether it is about a response: what is below its id, and what cancels or compacts it."""
    return path.startswith("/v1/responses/")
