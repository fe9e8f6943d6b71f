"""What real requests find out of ways to go on that the probes believed in."""

from __future__ import annotations

import pytest
from attrs import evolve

from trooper.core.conversation import Conversation, ImagePart, Message, Role, TextPart, Tool
from trooper.core.local_model import LocalModel, Way
from trooper.core.outcome import Answer, Failed, FailureKind
from trooper.core.refused_ways import BELIEVED_S, REFUSALS, RefusedWays, is_refusal, left

PLAIN = Conversation((Message(Role.USER, (TextPart("hi"),)),))
TOOLS = evolve(PLAIN, tools=(Tool("f", "", {}),))
IMAGE = Conversation((Message(Role.USER, (ImagePart("image/png", "AA=="),)),))
OPEN = LocalModel("m", "sha", way=Way.PREFILL, echoes=True)
NEWLINE = LocalModel("m", "sha", way=Way.RAW, way_with_tools=Way.PREFILL)
CLOSES = LocalModel("m", "sha", way=Way.RAW)


def refused(status: int = 500) -> Failed:
    return Failed(FailureKind.SERVER_ERROR, Answer(status))


def ways(model: LocalModel) -> tuple[Way, Way]:
    """Without tools and with them."""
    return model.way, model.way_with_tools or model.way


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422, 429, 500, 501, 502, 503, 504])
def test_which_statuses_refuse(status: int) -> None:
    """A busy server, or one that is gone, has said nothing of the request."""
    assert is_refusal(refused(status)) is (status in (400, 422, 500, 501)) is (status in REFUSALS)


def test_what_is_too_long_is_not_refused_for_its_form() -> None:
    assert not is_refusal(Failed(FailureKind.CONTEXT_LENGTH, Answer(400)))
    assert not is_refusal(Failed(FailureKind.CONN_RESET))


@pytest.mark.parametrize("status", sorted(REFUSALS))
def test_where_there_is_another_way_it_is_taken_from_then_on(status: int) -> None:
    found = RefusedWays()
    assert (found.is_empty, found.known(OPEN, 0)) == (True, OPEN)
    assert found.note(OPEN, PLAIN, Way.PREFILL, refused(status), 0)
    assert (found.is_empty,) == (False,)
    # With tools nobody has refused it.
    assert ways(found.known(OPEN, 1)) == (Way.RAW, Way.PREFILL)
    assert RefusedWays().note(NEWLINE, PLAIN, Way.RAW, refused(status), 0)


def test_the_other_way_is_refused_too() -> None:
    found = RefusedWays()
    found.note(NEWLINE, PLAIN, Way.RAW, refused(501), 0)
    second = found.known(NEWLINE, 1)
    assert ways(second) == (Way.PREFILL, Way.PREFILL)
    assert not found.note(second, PLAIN, Way.PREFILL, refused(501), 1)
    assert ways(found.known(NEWLINE, 1)) == (Way.NONE, Way.PREFILL)


@pytest.mark.parametrize("conversation", [TOOLS, IMAGE])
def test_with_tools_there_is_no_other_way(conversation: Conversation) -> None:
    """So a 500, which a dead runner says as well, is believed when it comes again; others say it once."""
    for status, times in ((500, 2), (501, 1), (400, 1), (422, 1)):
        found = RefusedWays()
        for time in range(times):
            assert ways(found.known(OPEN, time)) == (Way.PREFILL, Way.PREFILL)
            assert not found.note(OPEN, conversation, Way.PREFILL, refused(status), time)
        assert ways(found.known(OPEN, times)) == (Way.PREFILL, Way.RAW)


def test_one_that_goes_on_only_by_a_raw_prompt_has_nothing_else() -> None:
    found = RefusedWays()
    assert not found.note(CLOSES, PLAIN, Way.RAW, refused(501), 0)
    assert ways(found.known(CLOSES, 1)) == (Way.NONE, Way.RAW)


def test_it_holds_for_one_model_and_not_for_ever() -> None:
    found = RefusedWays()
    found.note(OPEN, PLAIN, Way.PREFILL, refused(), 100)
    for other in (evolve(OPEN, name="n"), evolve(OPEN, digest="other")):
        assert found.known(other, 101) == other
    assert ways(found.known(OPEN, 99 + BELIEVED_S))[0] is Way.RAW
    assert found.known(OPEN, 100 + BELIEVED_S) == OPEN


def test_a_second_accident_long_after_the_first_is_another_one() -> None:
    found = RefusedWays()
    for now in (0, BELIEVED_S, 2 * BELIEVED_S):
        found.note(OPEN, TOOLS, Way.PREFILL, refused(), now)
        assert found.known(OPEN, now) == OPEN


def test_what_is_known_of_the_probes_stays() -> None:
    found = left(OPEN, {(False, Way.PREFILL)})
    assert (found.echoes, found.way_with_tools) == (True, Way.PREFILL)
    assert left(OPEN, {(False, Way.RAW), (True, Way.RAW)}) == OPEN
    assert left(CLOSES, {(True, Way.PREFILL)}) == CLOSES
