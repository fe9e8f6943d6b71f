"""
Work that would hold the loop, or never end: done aside, in a process of its own that can be killed.

A client decides how long its schema takes and of how many parts its body is.
So neither is read where everybody waits for it. `Aside` is the way in;
`child` is the process, and imports nothing that it does not need.
"""
