"""Which hosts and addresses are this machine."""

from __future__ import annotations

import pytest

from trooper.config.addresses import is_loopback, leads_here, normalised
from trooper.wires import OPENAI_RESPONSES


@pytest.mark.parametrize(
    ("host", "address", "leads"),
    [
        ("127.0.0.1", True, True),
        ("127.8.8.8", True, True),
        ("::1", True, True),
        ("::ffff:127.0.0.1", True, True),
        ("::ffff:10.0.0.1", False, False),
        ("10.0.0.1", False, False),
        ("0.0.0.0", False, False),
        ("::", False, False),
        ("localhost", False, True),
        ("LocalHost", False, True),
        ("localhost.example", False, False),
        ("", False, False),
    ],
)
def test_a_loopback_address_and_a_name_that_leads_here(host: str, address: bool, leads: bool) -> None:
    """A name is no address: who listens on one, or connects from one, has an address."""
    assert is_loopback(host) is address
    assert leads_here(host) is leads


@pytest.mark.parametrize(
    ("url", "becomes"),
    [
        ("https://chatgpt.com/backend-api/codex/", "https://chatgpt.com/backend-api/codex"),
        ("https://api.openai.com", "https://api.openai.com/v1"),
    ],
)
def test_where_chatgpt_plans_are_asked_there_is_no_version(url: str, becomes: str) -> None:
    assert normalised(OPENAI_RESPONSES.wire, url) == becomes
