"""A good stream of the demo; shared by its tests."""

from __future__ import annotations

from trooper.testing import DEFAULT_ANSWER, chat_events

EVENTS = chat_events(DEFAULT_ANSWER)
SEAM = b": trooper seam from=cloud to=local reason=conn_reset phase=text\n\n"
GOOD = [*EVENTS[:20], SEAM, *EVENTS[20:]]
