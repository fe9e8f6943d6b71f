"""
The wires: one frozen table, one row a wire.

A new wire is a folder in `trooper.wire` and a row here. The row says what the
configuration knows of it, how its clients are spoken with, how its targets are
asked, and who looks after them. Nobody else names a wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import Factory, field, frozen

from trooper.config import DefaultTarget, Wire
from trooper.config.wires import LOCAL_SETTINGS
from trooper.core.headers import Headers
from trooper.targets.credentials import BEARER, Credential
from trooper.targets.standby import NewStandby, embedded, ollama_chat
from trooper.wire import anthropic_messages, openai_chat, openai_error, openai_responses
from trooper.wire.client_side import ClientSide
from trooper.wire.routing import read_routing
from trooper.wire.target_side import TargetSide


@frozen
class Row:
    """
    One wire: all that is known of it.

    Attributes:
        wire: what the configuration knows of it.
        client: how its clients are spoken with; `None` if no client speaks it.
        target: how providers that speak it are asked; `None` for a local
            wire, whose standby knows that.
        credential: the header that a key of ours is sent in.
        standby: makes who looks after a target; `None` for providers, which
            nobody has to look after.
        kin: the wire of the same provider whose target gets what is asked on
            this wire's other paths, where no target speaks this one.
    """

    wire: Wire
    client: ClientSide | None = None
    target: TargetSide | None = None
    credential: Credential = BEARER
    standby: NewStandby | None = None
    kin: str = ""


def _by_name(wires: Wires) -> Mapping[str, Row]:
    return {row.wire.name: row for row in wires.rows}


def _by_path(wires: Wires) -> Mapping[str, Row]:
    return {row.client.path: row for row in wires.rows if row.client is not None}


@frozen
class Wires:
    """
    The table. The first row that clients speak is the one of all paths that nobody owns.

    Args:
        rows: one for each wire, no two of one name or path.
    """

    rows: tuple[Row, ...]
    _by_name: Mapping[str, Row] = field(
        default=Factory(_by_name, takes_self=True), init=False, repr=False, eq=False
    )
    _by_path: Mapping[str, Row] = field(
        default=Factory(_by_path, takes_self=True), init=False, repr=False, eq=False
    )

    @property
    def known(self) -> tuple[Wire, ...]:
        """What the configuration knows of each wire, in the order of the table."""
        return tuple(row.wire for row in self.rows)

    @property
    def paths(self) -> tuple[str, ...]:
        """Where requests for answers come in."""
        return tuple(self._by_path)

    @property
    def credential_headers(self) -> tuple[bytes, ...]:
        """The headers that a client's own key may be in, each once."""
        return tuple(dict.fromkeys(row.credential.header for row in self.rows))

    @property
    def default(self) -> Row:
        """The wire of a client that does not say which one it speaks; there is always one that clients speak."""
        return next(row for row in self.rows if row.client is not None)

    def at(self, path: str) -> Row | None:
        """The wire whose requests for answers come in at `path`, if it is such a path."""
        return self._by_path.get(path)

    def of(self, wire: Wire) -> Row:
        """The row of `wire`; `KeyError` if the table has none."""
        return self._by_name[wire.name]

    def owner(self, path: str, headers: Headers) -> Row:
        """Whose client asks for `path`: providers share paths like `/v1/models` and `/v1/files`."""
        owners = (row for row in self.rows if row.client is not None and row.client.owns(path, headers))
        return self.at(path) or next(owners, self.default)

    def client_side(self, wire: Wire) -> ClientSide:
        """How clients of `wire` are spoken with; `LookupError` if no client speaks it."""
        side = self.of(wire).client
        if side is None:
            raise LookupError(wire.name)
        return side

    def target_side(self, wire: Wire) -> TargetSide:
        """How providers that speak `wire` are asked; `LookupError` for a local wire."""
        side = self.of(wire).target
        if side is None:
            raise LookupError(wire.name)
        return side

    def asking_side(self, path: str, headers: Headers) -> ClientSide:
        """How whoever asks for `path` is spoken with: in which shape he reads a refusal."""
        return self.client_side(self.owner(path, headers).wire)


_OPENAI_URL: Final = "https://api.openai.com/v1"

OPENAI_CHAT: Final = Row(
    wire=Wire(
        "openai-chat",
        default_url=_OPENAI_URL,
        default_target=DefaultTarget("openai", "TROOPER_OPENAI_BASE_URL", "TROOPER_OPENAI_API_KEY"),
        clients="OpenAI chat",
    ),
    client=ClientSide(
        path="/v1/chat/completions",
        read_routing=read_routing,
        read_conversation=openai_chat.read_request.read_conversation,
        new_voice=openai_chat.new_voice.new_voice,
        error_body=openai_error.error_body,
        refusal_body=openai_error.refusal_body,
    ),
    target=TargetSide(
        path="/chat/completions",
        unfit=openai_chat.ask.unfit,
        ask=openai_chat.ask.ask,
        reader=openai_chat.reader.ChatReader,
        read_whole=openai_chat.whole.read_whole,
        documented_way=openai_chat.ways.documented_way,
    ),
)

OPENAI_RESPONSES: Final = Row(
    wire=Wire(
        "openai-responses",
        default_url=_OPENAI_URL,
        default_target=DefaultTarget("openai-responses", "TROOPER_OPENAI_BASE_URL", "TROOPER_OPENAI_API_KEY"),
        clients="OpenAI Responses",
    ),
    client=ClientSide(
        path="/v1/responses",
        read_routing=read_routing,
        read_conversation=openai_responses.read_request.read_conversation,
        new_voice=openai_responses.new_voice.new_voice,
        error_body=openai_error.error_body,
        refusal_body=openai_error.refusal_body,
        owns=openai_responses.other_paths.owns,
        cleaned=openai_responses.foreign_turns.cleaned,
        sanitised=openai_responses.foreign_turns.sanitised,
        past=openai_responses.past_answers.PAST_ANSWERS,
    ),
    target=TargetSide(
        path="/responses",
        unfit=openai_responses.ask.unfit,
        ask=openai_responses.ask.ask,
        reader=openai_responses.reader.new_reader,
        read_whole=openai_responses.whole.read_whole,
    ),
    kin=OPENAI_CHAT.wire.name,
)

ANTHROPIC_MESSAGES: Final = Row(
    wire=Wire(
        "anthropic-messages",
        default_url="https://api.anthropic.com/v1",
        default_target=DefaultTarget("anthropic", "TROOPER_ANTHROPIC_BASE_URL", "TROOPER_ANTHROPIC_API_KEY"),
        clients="Claude",
    ),
    client=ClientSide(
        path="/v1/messages",
        read_routing=read_routing,
        read_conversation=anthropic_messages.read_request.read_conversation,
        new_voice=anthropic_messages.new_voice.new_voice,
        error_body=anthropic_messages.error.error_body,
        refusal_body=anthropic_messages.error.refusal_body,
        id_header=b"request-id",
        owns=anthropic_messages.other_paths.owns,
        cleaned=anthropic_messages.foreign_turns.cleaned,
        sanitised=anthropic_messages.foreign_turns.sanitised,
        answered_for=anthropic_messages.other_paths.answered_for,
    ),
    target=TargetSide(
        path="/messages",
        unfit=anthropic_messages.ask.unfit,
        ask=anthropic_messages.ask.ask,
        reader=anthropic_messages.reader.new_reader,
        read_whole=anthropic_messages.whole.read_whole,
        headers=((b"anthropic-version", b"2023-06-01"),),
        documented_way=anthropic_messages.ways.documented_way,
        trims_prefill=True,
    ),
    credential=Credential(b"x-api-key"),
)

OLLAMA_CHAT: Final = Row(
    wire=Wire(
        "ollama-chat",
        is_local=True,
        default_url="http://127.0.0.1:11434",
        settings=LOCAL_SETTINGS | {"keep_alive", "allow_remote"},
        default_target=DefaultTarget("ollama", "TROOPER_OLLAMA_URL", model_variable="TROOPER_LOCAL_MODEL"),
        host_variable="OLLAMA_HOST",
        software="Ollama",
        remote_domain="ollama.com",
    ),
    standby=ollama_chat.new_standby,
)

LLAMA_SERVER: Final = Row(
    wire=Wire(
        "llama-server",
        is_local=True,
        default_url="http://127.0.0.1:8080",
        settings=LOCAL_SETTINGS | {"key", "gguf"},
        software="llama-server",
    ),
    standby=embedded.new_standby,
)

WIRES: Final = Wires((OPENAI_CHAT, OPENAI_RESPONSES, ANTHROPIC_MESSAGES, OLLAMA_CHAT, LLAMA_SERVER))
