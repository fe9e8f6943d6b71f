"""
The error object of both wires of OpenAI; its SDKs read one shape.
"""

from __future__ import annotations

from trooper.wire.client_side import Trouble


def error_value(code: str, message: str, kind: str = "trooper_error") -> dict[str, object]:
    """The error object alone; `code` is what programs should look at."""
    return {"message": message, "type": kind, "param": None, "code": code}


def error_body(trouble: Trouble) -> dict[str, object]:
    """A failure as these APIs answer it."""
    return {"error": error_value(trouble.kind.value, trouble.message)}


def refusal_body(status: int, code: str, message: str) -> dict[str, object]:
    """A refusal of ours as these APIs answer it."""
    kind = "invalid_request_error" if status < 500 or status == 508 else "server_error"
    return {"error": error_value(code, message, kind)}
