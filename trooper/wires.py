"""
The wires: one frozen table, one row a wire.

A new wire is a folder in `trooper.wire` and a row here. The row says what the
configuration knows of it, how its clients are spoken with, how its targets are
asked, and who looks after them. Nobody else names a wire.

Whose client asks, and with it to whom a client's key belongs, is decided here
as well, once: by the path where that is one wire's own, else by the headers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from attrs import Factory, field, frozen

from trooper.config import Config, DefaultTarget, Target, Wire
from trooper.config.wires import LOCAL_SETTINGS
from trooper.core import secret
from trooper.core.agents import CLAUDE_CODE, CODEX, OPENCODE
from trooper.core.headers import Headers, to_target
from trooper.errors import RequestRejected
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
        credential: the header that a key of ours is sent in. A client's key
            in it tells whose client asks.
        also_in: other headers that only its clients have their keys in.
        standby: makes who looks after a target; `None` for providers, which
            nobody has to look after.
        kin: what it shares with the other wires of the same provider: one of
            their targets gets what is asked on this wire's other paths, where
            no target speaks this one. Empty where there are none.
    """

    wire: Wire
    client: ClientSide | None = None
    target: TargetSide | None = None
    credential: Credential = BEARER
    also_in: tuple[bytes, ...] = ()
    standby: NewStandby | None = None
    kin: str = ""

    @property
    def family(self) -> str:
        """What all wires of its provider have in common."""
        return self.kin or self.wire.name


@frozen
class Owner:
    """
    Whose client asks.

    Attributes:
        rows: its wire; those of several providers where it could be either's.
        is_told: something says so: else it is taken for the first row's.
        by_path: the path says so, which is this wire's own.
    """

    rows: tuple[Row, ...]
    is_told: bool = True
    by_path: bool = False


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

    def owner(self, path: str, headers: Headers) -> Owner:
        """
        Whose client asks for `path`: providers share paths like `/v1/models` and `/v1/files`.

        A header that names a provider counts more than one that holds a key:
        `Authorization` is everybody's, and Anthropic's clients may send theirs in it.
        """
        sides = [(row, row.client) for row in self.rows if row.client is not None]
        for row, side in sides:
            if f"{path}/".startswith(f"{side.path}/"):
                return Owner((row,), by_path=True)
        names = frozenset(name for name, value in headers if value.strip())
        named = _one_each(row for row, side in sides if any(map(side.is_named_by, names)))
        keyed = _one_each(row for row, _ in sides if names & {row.credential.header, *row.also_in})
        others = {family: row for family, row in keyed.items() if family not in named}
        if named and (BEARER.header in names or len(others) < len(keyed) or not keyed):
            return Owner(tuple(named.values()))
        rows = (*named.values(), *others.values())
        return Owner(rows) if rows else Owner((self.default,), is_told=False)

    def provider(self, config: Config, path: str, headers: Headers, query: bytes = b"") -> Target | None:
        """
        Who gets a request that is not for an answer; `None`: the configuration has nobody.

        Raises:
            RequestRejected: it could be meant for more than one, so that a key might get to a stranger.
        """
        owner = self.owner(path, headers)
        found = [targets for row in owner.rows if (targets := self._targets_of(config, row))]
        if not found:
            return None
        first = found[0][0]
        if len({targets[0].base_url for targets in found}) > 1:
            raise self._unclear()
        if first.key.kind != "client" or not self._carries_secret(headers, query):
            return first
        others = [t for t in config.targets if t.key.kind == "client" and t.base_url != first.base_url]
        if len(owner.rows) > len(found) or (others and not owner.is_told):
            raise self._unclear()
        rivals = [target.name for target in others if target in found[0]]
        if rivals and not (owner.by_path and first.wire == owner.rows[0].wire):
            raise unclear_provider(
                f"Both {first.name} and {rivals[0]} would take its key, and they are two places: in the"
                " configuration, give all but one of them a `key` of its own."
            )
        return first

    def _targets_of(self, config: Config, row: Row) -> list[Target]:
        """The first target of each wire of `row`'s provider, its own wire's before the others."""
        kin = [row, *(other for other in self.rows if other.family == row.family and other is not row)]
        found = (config.provider_of(each.wire) for each in kin)
        return [target for target in found if target is not None]

    def _carries_secret(self, headers: Headers, query: bytes) -> bool:
        sent = to_target(headers, key=None, client_secrets=True, via_name="")
        return bool(secret.of(sent, query, self.credential_headers))

    def _unclear(self) -> RequestRejected:
        names = dict.fromkeys(row.client.named_by.decode() for row in self.rows if row.client is not None)
        says = " or ".join(f"`{name}…`" for name in names if name)
        return unclear_provider(
            f"Send one provider's key only, and a header that says whose it is: one that begins with {says}."
        )

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
        return self.client_side(self.owner(path, headers).rows[0].wire)


def unclear_provider(mend: str) -> RequestRejected:
    """The answer to a request whose key could belong to more than one provider."""
    problem = "This request could be meant for more than one provider, so nobody was asked."
    return RequestRejected(400, "provider_unclear", f"{problem} {mend}")


def _one_each(rows: Iterable[Row]) -> dict[str, Row]:
    """The first row of each provider."""
    found: dict[str, Row] = {}
    for row in rows:
        found.setdefault(row.family, row)
    return found


_OPENAI_URL: Final = "https://api.openai.com/v1"
#: The same API, as Microsoft hosts it.
_OPENAI_KEYS: Final = (b"api-key",)

OPENAI_CHAT: Final = Row(
    wire=Wire(
        "openai-chat",
        default_url=_OPENAI_URL,
        default_target=DefaultTarget("openai", "TROOPER_OPENAI_BASE_URL", "TROOPER_OPENAI_API_KEY"),
        clients="OpenAI chat",
        agent=OPENCODE,
    ),
    client=ClientSide(
        path="/v1/chat/completions",
        read_routing=read_routing,
        read_conversation=openai_chat.read_request.read_conversation,
        new_voice=openai_chat.new_voice.new_voice,
        error_body=openai_error.error_body,
        refusal_body=openai_error.refusal_body,
        named_by=b"openai-",
    ),
    target=TargetSide(
        path="/chat/completions",
        unfit=openai_chat.ask.unfit,
        ask=openai_chat.ask.ask,
        reader=openai_chat.reader.ChatReader,
        read_whole=openai_chat.whole.read_whole,
        documented_way=openai_chat.ways.documented_way,
    ),
    also_in=_OPENAI_KEYS,
    kin="openai",
)

OPENAI_RESPONSES: Final = Row(
    wire=Wire(
        "openai-responses",
        default_url=_OPENAI_URL,
        default_target=DefaultTarget("openai-responses", "TROOPER_OPENAI_BASE_URL", "TROOPER_OPENAI_API_KEY"),
        clients="OpenAI Responses",
        agent=CODEX,
    ),
    client=ClientSide(
        path="/v1/responses",
        read_routing=read_routing,
        read_conversation=openai_responses.read_request.read_conversation,
        new_voice=openai_responses.new_voice.new_voice,
        error_body=openai_error.error_body,
        refusal_body=openai_error.refusal_body,
        named_by=b"openai-",
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
    also_in=_OPENAI_KEYS,
    kin="openai",
)

ANTHROPIC_MESSAGES: Final = Row(
    wire=Wire(
        "anthropic-messages",
        default_url="https://api.anthropic.com/v1",
        default_target=DefaultTarget("anthropic", "TROOPER_ANTHROPIC_BASE_URL", "TROOPER_ANTHROPIC_API_KEY"),
        clients="Claude",
        agent=CLAUDE_CODE,
    ),
    client=ClientSide(
        path="/v1/messages",
        read_routing=read_routing,
        read_conversation=anthropic_messages.read_request.read_conversation,
        new_voice=anthropic_messages.new_voice.new_voice,
        error_body=anthropic_messages.error.error_body,
        refusal_body=anthropic_messages.error.refusal_body,
        id_header=b"request-id",
        named_by=b"anthropic-",
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
        settings=LOCAL_SETTINGS | {"window_max_tokens", "keep_alive", "allow_remote"},
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
