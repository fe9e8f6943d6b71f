"""
What holds for every test: an environment that says nothing, and chance that
is the same on every machine.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator

import hypothesis
import pytest
import structlog

from sweep_share import EVERY

# Whoever runs the tests may use Trooper, Ollama and a proxy themselves. At
# import, before any fixture or module of ours can look.
for _name in list(os.environ):
    if _name.upper().startswith(("TROOPER_", "OLLAMA_", "OPENAI_")) and _name != "TROOPER_HYPOTHESIS":
        del os.environ[_name]
for _name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
    os.environ.pop(_name, None)
    os.environ.pop(_name.lower(), None)

# Nor what they were started by: a shell has Ctrl-C ignored in what it puts in the background, `nohup` what a closed
# terminal sends, and every program that a test starts and presses Ctrl-C for would inherit that.
for _name in ("SIGINT", "SIGQUIT", "SIGHUP"):
    _number = getattr(signal, _name, None)
    if _number is not None and signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _name == "SIGINT" else signal.SIG_DFL)

# A model that somebody has fetched is no part of the tests.
os.environ["TROOPER_CACHE"] = os.devnull

# No test writes into the data of who runs it. The second one is for processes that are told no
# variable of ours, and for who asks the system where a user's data is.
os.environ["TROOPER_DATA_DIR"] = ":memory:"
os.environ["XDG_DATA_HOME"] = f"{tempfile.gettempdir()}/trooper-tests-{os.getpid()}"
atexit.register(shutil.rmtree, os.environ["XDG_DATA_HOME"], ignore_errors=True)

# A deadline would be a timed assert. The fast suite draws the same examples on
# every run; `deep` (nox -s sweep) draws new ones, and more.
hypothesis.settings.register_profile("fast", deadline=None, derandomize=True, max_examples=40, database=None)
hypothesis.settings.register_profile("deep", deadline=None, max_examples=1000 // EVERY, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("TROOPER_HYPOTHESIS", "fast"))


@pytest.fixture(autouse=True)
def _logging_is_nobodys() -> Iterator[None]:
    """Who sets up logging writes to the stream of his own test, which is closed when that is over."""
    yield
    structlog.reset_defaults()
