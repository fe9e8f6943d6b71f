"""How a cloud goes on: the configuration's word, then its provider's, then an instruction."""

from __future__ import annotations

import pytest

from trooper.config import Target
from trooper.core.continuing import CloudWay
from trooper.targets.ways import cloud_way
from trooper.wire.target_side import KnownWay
from trooper.wires import ANTHROPIC_MESSAGES, OPENAI_CHAT, OPENAI_RESPONSES, WIRES, Row

GO_ON = "Go on."


def way(row: Row, url: str, model: str = "m", *, continues: str | None = None, say: str = GO_ON) -> KnownWay:
    target = Target("t", row.wire, url, continues=continues)
    return cloud_way(target, WIRES.target_side(row.wire), model, say)


@pytest.mark.parametrize(
    ("row", "url", "model", "expected"),
    [
        (OPENAI_CHAT, "https://api.mistral.ai/v1", "m", CloudWay.PREFIX),
        (OPENAI_CHAT, "https://api.deepseek.com/beta/v1", "m", CloudWay.PREFIX),
        (OPENAI_CHAT, "https://api.deepseek.com/v1", "m", CloudWay.INSTRUCTION),
        (OPENAI_CHAT, "https://api.openai.com/v1", "claude-3-opus", CloudWay.INSTRUCTION),
        (OPENAI_RESPONSES, "https://api.mistral.ai/v1", "m", CloudWay.INSTRUCTION),
        (ANTHROPIC_MESSAGES, "https://api.anthropic.com/v1", "claude-sonnet-4-5", CloudWay.PREFILL),
        (ANTHROPIC_MESSAGES, "https://proxy.example/v1", "claude-3-5-haiku-latest", CloudWay.PREFILL),
        (ANTHROPIC_MESSAGES, "https://api.anthropic.com/v1", "claude-opus-4-6", CloudWay.INSTRUCTION),
    ],
)
def test_what_is_documented(row: Row, url: str, model: str, expected: CloudWay) -> None:
    assert way(row, url, model).way is expected


def test_the_configuration_is_believed_first() -> None:
    known = way(OPENAI_CHAT, "https://api.mistral.ai/v1", continues="none")
    assert known == KnownWay(CloudWay.NONE, "as configured")


@pytest.mark.parametrize("continues", [None, "instruction"])
def test_nothing_to_say_is_no_way(continues: str | None) -> None:
    known = way(OPENAI_RESPONSES, "https://api.openai.com/v1", continues=continues, say="")
    assert known == KnownWay(CloudWay.NONE, "continue_instruction is empty")
