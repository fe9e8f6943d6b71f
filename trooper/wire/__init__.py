"""
The wire formats, a folder each: it reads and writes requests, reads events,
and speaks as a voice. `client_side` and `target_side` are what all have in common.

Like `trooper.core` nothing here waits, reads a clock, opens a socket or logs.
A wire knows its own field names and no other wire.
"""
