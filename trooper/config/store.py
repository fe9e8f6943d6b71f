"""
`[store]`: what is kept beyond a request, where, and how much of it.
"""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from trooper.config import limits
from trooper.config.documented import documented
from trooper.config.server import MIB

#: The `data_dir` of who wants nothing on disk.
MEMORY: Final = ":memory:"


@frozen
class Store:
    """What is kept beyond a request, where, and how much of it: `[store]`."""

    data_dir: str = field(
        default=MEMORY,
        validator=limits.folder,
        metadata=documented(
            "The folder that sessions, ids and what was learned are kept in, with the key by which owners are told"
            ' apart; relative to this file. `":memory:"`: in none.',
            "Nobody loses what he has by a restart, and several workers share it. What is in it only its owner can"
            " read, and no word of a conversation.",
            default="the user's own data folder",
        ),
    )
    content: str = field(
        default="memory",
        validator=limits.choice("memory", "disk"),
        metadata=documented(
            'Where requests and answers are kept, for clients that come back to one by its id: `"memory"` (as much as'
            ' `remember_bytes` of `[server]` allows), or `"disk"` as well.',
            "What was said lies on no disk unless you say so.",
        ),
    )
    seal_key: str = field(
        default="",
        repr=False,
        metadata=documented(
            "The environment variable with a password that what was said is encrypted with on disk; it needs the"
            " extra `sealed`.",
            "Who copies the folder cannot read it. Without the password nobody can, you neither.",
            default="not encrypted",
        ),
    )
    keep_s: float = field(
        default=86_400.0,
        validator=limits.long_seconds,
        metadata=documented(
            "How long a session or an answer is kept after its last use.",
            "A day's work is there the next morning; of last week's nobody wants to go on.",
        ),
    )
    sessions_max: int = field(
        default=10_000,
        validator=limits.whole(1, 1_000_000),
        metadata=documented(
            "How many sessions are kept; beyond it, who has most kept loses his oldest.",
            "A team's week.",
        ),
    )
    metadata_bytes: int = field(
        default=64 * MIB,
        validator=limits.size,
        metadata=documented(
            "How much is kept of sessions with their turns, and as much again of what is known of answers, without a"
            " word of what was said.",
            "A turn is half a kilobyte.",
        ),
    )
    content_bytes: int = field(
        default=256 * MIB,
        validator=limits.size,
        metadata=documented(
            "How much of what was said is kept on disk; beyond it, who has most kept loses his oldest.",
            "An agent's request has a megabyte at its end.",
        ),
    )
