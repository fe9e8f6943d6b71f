"""Whether a document is what was asked for; what could not be found out counts as wrong."""

from __future__ import annotations

from typing import Any

import pytest

from at_once import at_once
from relay_parts import services_of
from trooper.aside.work import Aside
from trooper.core.structured import Document
from trooper.core.unfit import Unfit
from trooper.relay.checking import fault_of

SCHEMA = {"type": "object", "required": ["a"]}


async def nobody() -> Any:
    raise OSError


@pytest.mark.parametrize(
    ("question", "fault"),
    [
        (Document('{"a": 1}', SCHEMA), None),
        (Document('{"b": 1}', SCHEMA), Unfit.SCHEMA),
        (Document('{"a": "\ud83d"}', SCHEMA), Unfit.SCHEMA),
        (Document("{}", None), None),
        (Document("[]", None), Unfit.SCHEMA),
        (Document("[]", None, ("no JSON", "{}")), None),
        (Document("[]", None, ("no JSON", "1")), Unfit.SCHEMA),
    ],
)
async def test_what_is_wrong_with_it(question: Document, fault: Unfit | None) -> None:
    services = services_of()
    services.aside = Aside(at_once)
    assert await fault_of(services, "me", question) is fault


async def test_nobody_to_find_out() -> None:
    services = services_of()
    services.aside = Aside(nobody)
    assert await fault_of(services, "me", Document('{"a": 1}', SCHEMA)) is Unfit.UNCHECKED
