"""
Past answers that a client comes back to by their id: requests that go on from
one, and questions about one.

The provider of that answer remembers the conversation; nobody else does. So an
answer that is remembered here is written out in full: the input it answered,
then what it said, then the new input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from trooper.wire.client_side import PastAnswers, PastQuestion
from trooper.wire.decoding import field_of, may_have, top_level, with_field
from trooper.wire.openai_responses.read_request import kind_of
from trooper.wire.weight import is_dense, is_light


def goes_on_from(body: bytes) -> str:
    """The id of the answer that a request goes on from; empty for most."""
    if not may_have(body, b"previous_response_id"):
        return ""
    answer_id = field_of(body, "previous_response_id")
    return answer_id if isinstance(answer_id, str) else ""


def written_out(body: bytes, request: bytes, response: bytes) -> bytes:
    """
    The same request with the earlier conversation in it.

    Args:
        body: the request that names the answer.
        request: what that answer answered, itself written out.
        response: the answer.
    """
    value = {name: field for name, field in top_level(body).items() if name != "previous_response_id"}
    said = field_of(response, "output")
    items = [*input_items(request), *(said if isinstance(said, list) else ()), *input_items(body)]
    # `instructions` are not carried over by the API either.
    return msgspec.json.encode({**value, "input": items})


def named_parts(body: bytes) -> Sequence[str]:
    """The ids of the items that a request only names."""
    if not may_have(body, b"id"):
        return ()
    items = [item for item in input_items(body) if isinstance(item, dict)]
    return [str(item.get("id")) for item in items if kind_of(item) == "item_reference"]


def with_references(body: bytes, item_of: Callable[[str], Mapping[str, object] | None]) -> bytes:
    """
    The same request with the items that it only names, as far as `item_of` knows them.

    A client whose provider stores its answers sends `item_reference` in place
    of what it was given (Vercel's AI SDK does, call by call).
    """
    given = input_items(body)
    if not any(isinstance(item, dict) and kind_of(item) == "item_reference" for item in given):
        return body
    items: list[object] = []
    for item in given:
        named = isinstance(item, dict) and kind_of(item) == "item_reference"
        found = item_of(str(item.get("id"))) if isinstance(item, dict) and named else None
        items.append(item if found is None else found)
    return with_field(body, "input", items)


def output_item(response: bytes, item_id: str) -> Mapping[str, object] | None:
    """One of an answer's items."""
    said = field_of(response, "output")
    items = said if isinstance(said, list) else []
    return next((item for item in items if isinstance(item, dict) and item.get("id") == item_id), None)


def part_ids(answer: Mapping[str, object]) -> tuple[str, ...]:
    """The ids of an answer's items."""
    said = answer.get("output")
    items = said if isinstance(said, list) else []
    ids = [item.get("id") for item in items if isinstance(item, dict)]
    return tuple([item_id for item_id in ids if isinstance(item_id, str)])


def reply(question: PastQuestion) -> bytes | None:
    """What `GET` and `DELETE` get about an answer; `None` where it is neither."""
    match question.method, question.below:
        case "GET", "":
            return question.response
        case "GET", "input_items" if is_light(question.request):
            return msgspec.json.encode(listed_items(question.request))
        case "DELETE", "":
            deleted = {"id": question.answer_id, "object": "response", "deleted": True}
            return msgspec.json.encode(deleted)
        case _:
            return None


def input_items(body: bytes) -> Sequence[object]:
    """A request's input as items; a text is one message of the user's."""
    told = field_of(body, "input")
    if isinstance(told, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": told}]}]
    return told if isinstance(told, list) else []


def is_to_be_kept(body: bytes) -> bool:
    """Whether a client may come back to the answer: `store` is true where nothing is said."""
    if is_dense(body):
        return False
    return not may_have(body, b"store") or field_of(body, "store") is not False


def listed_items(request: bytes) -> Mapping[str, object]:
    """What `GET /v1/responses/{id}/input_items` answers, newest first as the API does."""
    items = [
        item if not isinstance(item, dict) or "id" in item else {"id": f"msg_trooper_input_{number}", **item}
        for number, item in enumerate(input_items(request))
    ][::-1]
    ids = [item.get("id") for item in items if isinstance(item, dict)]
    return {
        "object": "list",
        "data": items,
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
        "has_more": False,
    }


PAST_ANSWERS: Final = PastAnswers(
    under="/v1/responses/",
    goes_on_from=goes_on_from,
    written_out=written_out,
    named_parts=named_parts,
    with_references=with_references,
    part=output_item,
    part_ids=part_ids,
    is_to_be_kept=is_to_be_kept,
    reply=reply,
)
