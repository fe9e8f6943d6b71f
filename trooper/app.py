"""
What `hypercorn trooper.app` serves, on hypercorn's asyncio worker and on its
Trio worker (`-k trio`) alike.

The configuration is read when this module is imported: an error must stop the
server before it listens.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

from trooper.commands.settings import settings
from trooper.config import Config
from trooper.errors import ConfigError
from trooper.relay.dispatch import answer
from trooper.services import open_services
from trooper.telemetry.log import set_up_logging
from trooper.telemetry.outlet import take_over_output
from trooper.web.asgi import Application
from trooper.web.patches import patch_hypercorn


def _load_or_exit() -> Config:
    """
    The configuration, or the end of the process.

    `SystemExit` and not the error itself: hypercorn prints no traceback for
    it, and a worker that leaves with a status other than 0 is not started
    again. Hypercorn itself then ends with 0 all the same, since it forgets the
    status of a worker that it has already collected (0.18; hypercorn#269);
    `trooper serve`, `trooper check` and `hypercorn --workers 0` keep it.
    """
    try:
        patch_hypercorn()
        return settings(os.environ, Path.cwd())
    except ConfigError as error:
        sys.stderr.write(f"trooper: configuration error: {error}\n")
        raise SystemExit(2) from None


take_over_output()
set_up_logging()
app = Application(_load_or_exit(), open_services, answer)
# Looking through all modules for circles takes 50 ms, in which no stream goes on; a few
# large requests bring it about. They are there for good.
gc.freeze()
