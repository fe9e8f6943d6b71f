"""
A model for machines that have none: a small one, and the process that runs it.

`model` knows the packaged model and where it is kept, `fetch` brings it,
`child` is the process. `trooper/targets/standby/embedded.py` supervises it.
"""
