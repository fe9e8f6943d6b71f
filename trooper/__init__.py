"""
Trooper: one stream to the client, whatever happens to the provider.

The package is an ASGI application (`trooper.app`), a command (`trooper`) and
a set of public fakes (`trooper.testing`). Everything else is private.
"""

__version__ = "0.1.0"
