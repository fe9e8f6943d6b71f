"""
The list of models that clients are shown: the cloud's, and the local ones behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
import trio

from trooper.core import headers as http
from trooper.core.local_model import LocalModel
from trooper.core.outcome import Answer, Failed, FailureKind
from trooper.targets.standby import Standby
from trooper.targets.upstream import Call, Upstream
from trooper.wire.decoding import decoded_object
from trooper.wire.weight import is_heavy

#: Where clients ask for it.
MODELS: Final = "/v1/models"
_JSON: Final = (b"content-type", b"application/json")
_CLOUD_S: Final = 10.0
_MAX_LIST_BYTES: Final = 8_388_608


async def list_models(
    cloud: Upstream | None, headers: http.Headers, standbys: Iterable[Standby]
) -> tuple[int, http.Headers, bytes]:
    """
    Status, headers and body of the answer to `GET /v1/models`.

    Without a cloud, or while it does not answer, the local models alone. A
    cloud that refuses the client's key is quoted: an empty list would hide
    the wrong key.

    Args:
        headers: what the cloud is asked with, the credentials that it gets included.
    """
    listed: dict[str, object] = {"object": "list", "data": []}
    if cloud is not None:
        answer = await _asked(cloud, headers)
        if isinstance(answer, Answer) and answer.status in (401, 403):
            return answer.status, (*http.to_client(answer.headers), _JSON), answer.body
        if isinstance(answer, Answer) and answer.status < 300:
            if is_heavy(answer.body):
                # Reading it would hold up others: it passes as it came, without the local models.
                return 200, (_JSON,), answer.body
            listed = dict(decoded_object(answer.body)) or listed
    cloud_models = listed.get("data")
    local = [_entry(m, s) for s in standbys for m in s.models]
    listed["data"] = [*(cloud_models if isinstance(cloud_models, list) else []), *local]
    return 200, (_JSON,), msgspec.json.encode(listed)


async def _asked(cloud: Upstream, headers: http.Headers) -> Answer | Failed:
    """What the cloud says, its refusals included."""
    answer: Answer | Failed = Failed(FailureKind.TIMEOUT_TTFT)
    with trio.move_on_after(_CLOUD_S):
        answer = await cloud.fetch(Call("GET", "/models", headers), _MAX_LIST_BYTES)
    return answer.answer or answer if isinstance(answer, Failed) else answer


def _entry(model: LocalModel, standby: Standby) -> dict[str, object]:
    return {"id": model.name, "object": "model", "created": 0, "owned_by": f"trooper:{standby.target.name}"}
