"""
Whether what several have written is what the client asked for: found out aside,
since the client's schema decides how long that takes.
"""

from __future__ import annotations

from typing import Final

from trooper.aside.work import Job, Lost
from trooper.core.structured import Document, follows
from trooper.core.unfit import Unfit
from trooper.services import Services

#: Hundreds of times what an honest schema takes. No longer: while one is checked others wait for theirs.
_CHECK_S: Final = 1.0


async def fault_of(services: Services, owner: str, document: Document) -> Unfit | None:
    """
    What is wrong with a document; `None`: nothing.

    What could not be found out counts as wrong: nobody vouches for such an
    answer, and it would be a fake success.
    """
    for reading in (document.text, *document.others):
        # Half a surrogate pair is no JSON, which the other side sees.
        text = reading.encode(errors="surrogatepass")
        match await services.aside.ask(Job(follows, text, (document.schema,), bool, _CHECK_S), owner):
            case Lost():
                return Unfit.UNCHECKED
            case is_valid if is_valid:
                return None
    return Unfit.SCHEMA
