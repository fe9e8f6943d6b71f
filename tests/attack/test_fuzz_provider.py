"""
Providers that say anything by chance, in the cloud and on this machine: what a
client gets has one end, and is an answer of its wire wherever that is ours to say.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

from hypothesis import event, given

from attack_place import Answer, Place
from attack_provider import Asked
from fuzz_json import CHAT, MESSAGES, RESPONSES
from fuzz_streams import LocalSaid, Said, answers, local_answers
from fuzz_verdict import ends, strictly
from fuzzing import drawing
from test_fuzz_front import is_quiet
from trooper.testing import DEFAULT_ANSWER
from trooper.testing.provider import WIRES
