"""
The errors Trooper raises. A provider that fails is not one of them: that is a
value, `trooper.core.outcome.Failed`.
"""


class TrooperError(Exception):
    """Base of all errors that Trooper raises on purpose."""


class ConfigError(TrooperError):
    """
    The configuration cannot be used.

    The message names the key, the bad value (never a secret) and the fix.
    """

    def __init__(self, key: str, problem: str, fix: str) -> None:
        super().__init__(f"{key}: {problem}. {fix}")
        self.key = key
        self.problem = problem
        self.fix = fix


class RequestRejected(TrooperError):
    """
    The client's request stops at the front door; nobody upstream was asked.

    Carries the HTTP status, a stable `code`, a sentence for the person who
    reads it, and headers that belong to the status. Never raised once a
    response has started.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers
