"""
How a leg ended, as a value.

Expected failures are never exceptions here: a provider that drops a stream is
what this program is for. The names are those of the failure table in
`docs/failures.md`; they appear unchanged in logs, headers and comments, so
they are an enumeration and never carry upstream text.
"""

from __future__ import annotations

import enum
from typing import TypeAlias

from attrs import field, frozen

from trooper.core.told import Told
from trooper.core.unfit import Unfit


class FailureKind(enum.Enum):
    """What went wrong, whichever target and wire it went wrong on."""

    RATE_LIMIT = "rate_limit"
    QUOTA = "quota"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    CONNECT = "connect"
    TIMEOUT_CONNECT = "timeout_connect"
    TIMEOUT_TTFT = "timeout_ttft"
    TIMEOUT_WHOLE = "timeout_whole"
    TIMEOUT_TOTAL = "timeout_total"
    TIMEOUT_LOAD = "timeout_load"
    STALL = "stall"
    CONN_RESET = "conn_reset"
    CONN_TRUNCATED = "conn_truncated"
    EOF_EARLY = "eof_early"
    IN_BAND_ERROR = "in_band_error"
    BAD_FRAME = "bad_frame"
    EMPTY_200 = "empty_200"
    AUTH = "auth"
    NOT_FOUND = "not_found"
    CONTEXT_LENGTH = "context_length"
    INVALID_REQUEST = "invalid_request"
    CONTENT_FILTER = "content_filter"
    UNFIT = "unfit"


class Unreached(Told):
    """
    Why there is no connection, as the word that is logged; `meaning` is for people, behind "could not be reached:".
    """

    NAME_NOT_FOUND = "name_not_found", "its name is not known (DNS)"
    NAME_UNSURE = "name_unsure", "nobody answers for its name (DNS)"
    REFUSED = "refused", "the connection was refused"
    UNREACHABLE = "unreachable", "the network does not lead there"
    HUNG_UP = "hung_up", "it hung up before the connection stood"
    NOT_TLS = "not_tls", "what answers there does not speak TLS"
    TLS_UNTRUSTED = "tls_untrusted", "its certificate is of nobody who is trusted here"
    TLS_EXPIRED = "tls_expired", "its certificate is not valid today"
    TLS_WRONG_NAME = "tls_wrong_name", "its certificate is for another name"
    TLS_FAILED = "tls_failed", "no TLS could be agreed on"
    PROXY_UNREACHABLE = "proxy_unreachable", "the proxy in front of it could not be reached"
    PROXY_REFUSED = "proxy_refused", "the proxy in front of it refused"
    NO_SOCKETS = "no_sockets", "this machine has no socket left"


#: Another target would answer the same, or must not answer at all: the client
#: gets the provider's own words ("passed on" in `docs/failures.md`).
PASSING: frozenset[FailureKind] = frozenset(
    {
        FailureKind.AUTH,
        FailureKind.NOT_FOUND,
        FailureKind.CONTEXT_LENGTH,
        FailureKind.INVALID_REQUEST,
        FailureKind.CONTENT_FILTER,
    }
)


class Phase(enum.Enum):
    """How far the client's stream has got; P1 to P5 of the failure table. P0, nothing sent, counts as `PREAMBLE`."""

    PREAMBLE = "preamble"
    TEXT = "text"
    TOOL_CALL = "tool_call"
    REASONING = "reasoning"
    FINISHED = "finished"


@frozen
class Answer:
    """
    A provider's own HTTP answer, kept so that it can be passed on unchanged.

    One that `is_foreign` is in another wire than the client's: its status is
    true, and its body is of no use to the client.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    is_foreign: bool = False


@frozen
class Failed:
    """
    A leg did not complete.

    Attributes:
        kind: the class of failure.
        answer: the provider's own HTTP answer, when there was one.
        raw: the in-band error event as it came, when there was one. It is
            shown to the client only where the kind is in `PASSING` or
            failover is off.
        retry_after_s: seconds the provider asked us to stay away, if it did.
        unfit_reason: for `UNFIT`, what ruled the target out.
        prompt_tokens, window_tokens: for `CONTEXT_LENGTH`, the two numbers
            when the target names them.
        unreached: for `CONNECT`, why, where that is known.
        not_this_way: the target does not take a request to go on that is put in
            this form, and there is another one, in which it is asked next.
        has_ended: for `EMPTY_200`, the target said that this was the end: to
            an answer that is whole it had nothing to add.
    """

    kind: FailureKind
    answer: Answer | None = None
    raw: bytes = b""
    retry_after_s: float | None = None
    unfit_reason: Unfit | None = None
    prompt_tokens: int | None = field(default=None, kw_only=True)
    window_tokens: int | None = field(default=None, kw_only=True)
    # With these, too, it is still the same failure.
    unreached: Unreached | None = field(default=None, kw_only=True, eq=False)
    not_this_way: bool = field(default=False, kw_only=True, eq=False)
    has_ended: bool = field(default=False, kw_only=True, eq=False)

    @property
    def word(self) -> str:
        """What logs and clients are told."""
        return self.kind.value


@frozen
class Completed:
    """A leg said all it had to say, and said so; its terminator may be missing."""

    @property
    def word(self) -> str:
        """What logs and clients are told."""
        return "completed"


Outcome: TypeAlias = Completed | Failed
