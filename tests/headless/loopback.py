"""
Runs a command where only loopback is reachable: in a network namespace of its
own, which begins with its loopback down. `unshare -rn python loopback.py COMMAND …`.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys

_SIOCSIFFLAGS, _IFF_UP, _IFF_RUNNING = 0x8914, 0x1, 0x40

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
    request = struct.pack("16sH14x", b"lo", _IFF_UP | _IFF_RUNNING)
    fcntl.ioctl(control, _SIOCSIFFLAGS, request)
os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606  # the command is the caller's own
