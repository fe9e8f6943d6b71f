"""
The request, free of any wire.

Built from a client's request only when a leg, a question of fit or a prompt
needs it; the healthy path forwards the client's bytes and never comes here.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import msgspec
from attrs import Factory, evolve, frozen

from trooper.core.unfit import Unfit

#: What `Conversation.unsaid` calls tools that only their provider can offer.
FOREIGN_TOOLS: Final = frozenset({Unfit.SERVER_TOOLS, Unfit.WEB_SEARCH, Unfit.MCP_SERVERS, Unfit.CONTAINER})


class Role(enum.Enum):
    """Who speaks. `developer` is read as `SYSTEM`."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


# The parts are msgspec's, which writes and reads a whole conversation when it comes from
# another process, and needs to know which of the three one is.


class TextPart(msgspec.Struct, frozen=True, tag="text"):
    """Plain text."""

    text: str


class ImagePart(msgspec.Struct, frozen=True, tag="image"):
    """
    An image: `base64` data as it came, or a `url` that is never fetched by us.
    """

    media_type: str = ""
    base64: str = ""
    url: str = ""


class UnknownPart(msgspec.Struct, frozen=True, tag="unknown"):
    """A content part that cannot be said in another wire (audio, a file id)."""

    kind: str


Part: TypeAlias = TextPart | ImagePart | UnknownPart


@frozen
class ToolCall:
    """A call the assistant made; `arguments` is JSON text, as it came."""

    id: str
    name: str
    arguments: str


@frozen
class Message:
    """One turn. `tool_call_id` is set on tool results."""

    role: Role
    parts: tuple[Part, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether it is one text and nothing else; nearly all turns are."""
        return not self.tool_calls and len(self.parts) == 1 and isinstance(self.parts[0], TextPart)

    @property
    def text(self) -> str:
        """All text parts, joined without a separator."""
        parts = self.parts
        # Nearly always one, and asked for by all that counts and looks: `match` takes twice as long.
        if len(parts) == 1 and isinstance(only := parts[0], TextPart):
            return only.text
        return "".join([p.text for p in parts if isinstance(p, TextPart)])


@frozen
class Tool:
    """
    A function the model may call.

    Attributes:
        name: what models know it by.
        parameters: its JSON schema.
        is_freeform: to its client it takes a text and no JSON (`core.freeform`).
        namespace: its client calls it by two names, of which this is the first;
        own_name: and this the second one.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, object] = Factory(dict)
    strict: bool | None = None
    is_freeform: bool = False
    namespace: str = ""
    own_name: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether its client knows it as models do."""
        return not (self.is_freeform or self.namespace)


def leaves_out(choice: str, tools: Sequence[Tool]) -> bool:
    """Whether something has to be called that is not among `tools`."""
    named = choice.removeprefix("tool:")
    return (
        named not in {tool.name for tool in tools} if named != choice else choice == "required" and not tools
    )


@frozen
class Sampling:
    """How to sample. `None` means that the client did not say."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    stop: tuple[str, ...] = ()


@frozen
class Conversation:
    """
    A whole request.

    Attributes:
        json_schema: the bare schema for structured output, or `None`.
        json_strict: whether the answer must follow the schema to the letter.
        json_mode: any JSON object was asked for.
        tool_choice: `auto`, `none`, `required`, or a tool's name behind
            `tool:`.
        parallel_tool_calls: whether several calls may come in one turn; `None`
            where the client did not say.
        choices: how many answers were asked for (`n`).
        unsaid: features of the request that no other wire can say and that
            must not be dropped silently (`LOGPROBS`, `AUDIO`, …).
        continues_prefill: an assistant message at the end is the beginning of
            the answer, which the client does not get again. Where it is not
            known, some providers go on from it and others answer anew.
        left_out_tools: the kinds of the tools that are not among `tools`, since
            only their provider has them.
        forces_foreign: one of those has to be called, or nothing else could be.
        left_out: how many messages are missing in the middle: there were more
            than can be read here. Clouds get a conversation whole or not at all.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    sampling: Sampling = Sampling()
    json_mode: bool = False
    json_schema: Mapping[str, object] | None = None
    json_strict: bool = False
    parallel_tool_calls: bool | None = None
    choices: int = 1
    unsaid: tuple[Unfit, ...] = ()
    continues_prefill: bool = False
    left_out: int = 0
    left_out_tools: tuple[str, ...] = ()
    forces_foreign: bool = False

    def without_foreign_tools(self) -> Conversation:
        """The same request for a target that is not offered what only its provider has, where nobody forces that."""
        rest = tuple(reason for reason in self.unsaid if reason not in FOREIGN_TOOLS)
        return evolve(self, unsaid=(*rest, Unfit.FORCED_TOOL) if self.forces_foreign else rest)

    @property
    def is_structured(self) -> bool:
        """Whether the answer has to be JSON."""
        return self.json_mode or self.json_schema is not None
