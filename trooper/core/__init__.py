"""
The decisions. Nothing in this package waits, reads a clock, opens a socket or
logs: bytes, events and `now` go in, values come out.

`framing` cuts bytes into whole events, `gate` says which of them may go out,
`transcript` remembers what did, `seam` and `fitting` prepare the continuation,
`plan` picks the next step. The rest are the values they speak in.
"""
