"""All odd streams, of every kind and every wire."""

from __future__ import annotations

from typing import Final

import odd_streams_bodies
import odd_streams_chat
import odd_streams_chat_bytes
import odd_streams_chat_called
import odd_streams_chat_calls
import odd_streams_chat_choices
import odd_streams_chat_ends
import odd_streams_chat_failures
import odd_streams_chat_services
import odd_streams_messages
import odd_streams_messages_blocks
import odd_streams_messages_called
import odd_streams_messages_ends
import odd_streams_responses
import odd_streams_responses_called
import odd_streams_responses_ends
import odd_streams_responses_items
from odd_stream import Kind, Mirror, OddStream, Seen, seen

__all__ = ["ODD", "Kind", "Mirror", "OddStream", "Seen", "seen"]

ODD: Final[tuple[OddStream, ...]] = (
    *odd_streams_chat.ROWS,
    *odd_streams_chat_bytes.ROWS,
    *odd_streams_chat_choices.ROWS,
    *odd_streams_chat_ends.ROWS,
    *odd_streams_chat_failures.ROWS,
    *odd_streams_chat_services.ROWS,
    *odd_streams_chat_calls.ROWS,
    *odd_streams_messages.ROWS,
    *odd_streams_messages_blocks.ROWS,
    *odd_streams_messages_ends.ROWS,
    *odd_streams_responses.ROWS,
    *odd_streams_responses_items.ROWS,
    *odd_streams_responses_ends.ROWS,
    *odd_streams_chat_called.ROWS,
    *odd_streams_messages_called.ROWS,
    *odd_streams_responses_called.ROWS,
    *odd_streams_bodies.ROWS,
)
