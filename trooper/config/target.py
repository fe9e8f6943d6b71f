"""
`[[targets]]`: a place that can answer, and whose credentials it gets.

The class refuses bad values itself, also when it is built in Python.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from types import MappingProxyType
from typing import Literal

from attrs import Attribute, field, frozen

from trooper.config import limits
from trooper.config.documented import documented
from trooper.config.wires import Wire
from trooper.core.continuing import CloudWay
from trooper.errors import ConfigError

MIB = 1024 * 1024


@frozen
class Key:
    """
    Whose credentials a target gets: the client's own, none, or `value`,
    which was read from the environment and is never shown.
    """

    kind: Literal["client", "none", "value"]
    value: str = field(default="", repr=False)


def _frozen_map(models: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(models))


@frozen
class Target:
    """A place that can answer: `[[targets]]`, one table for each."""

    name: str = field(
        validator=limits.name,
        metadata=documented(
            "What logs, headers and chains call the target.",
            "It goes into HTTP headers, so it is kept to letters, digits, `.`, `_` and `-`.",
        ),
    )
    wire: Wire = field(
        metadata=documented(
            "How the target speaks: <clouds> (clouds), <locals> (local models).",
            "The wire cannot be guessed safely from a URL.",
        )
    )
    base_url: str = field(
        metadata=documented(
            "Where the target is. `/v1` is added to a cloud's URL that names no version.",
            "Only the targets of zero configuration have a default: a missing URL must never"
            " send one provider's key to another.",
            default="<default URLs>",
        ),
    )
    model: str | None = field(
        default=None,
        validator=limits.optional_text,
        metadata=documented(
            "The model for every name that `models` does not list.",
            "Without it a cloud gets the client's own name, where the client speaks its wire; asked on"
            " another wire it cannot take over. A local model is chosen by rule.",
        ),
    )
    models: Mapping[str, str] = field(
        factory=dict,
        converter=_frozen_map,
        validator=limits.text_map,
        # A mapping has no hash; leaving it out keeps equal targets equal in hash.
        hash=False,
        metadata=documented(
            "The client's model name → this target's model.",
            "Two providers seldom call the same model by the same name.",
            default="empty",
        ),
    )
    key: Key = field(
        default=Key("none"),
        metadata=documented(
            '`"client"` (the client\'s own), `"none"`, or `{ env = "NAME" }` (or `key_env = "NAME"`).',
            "A cloud has no default: whose key goes where is said, not assumed.",
            default='required for a cloud; `"none"` for a local target; an Ollama takes none',
            is_selective=True,
        ),
    )
    connect_timeout_s: float = field(
        default=10.0,
        validator=limits.seconds,
        metadata=documented(
            "How long DNS, TCP and TLS may take together.",
            "A healthy provider connects in well under a second; ten survive one lost SYN.",
        ),
    )
    ttft_timeout_s: float | None = field(
        default=None,
        validator=limits.optional_seconds,
        metadata=documented(
            "How long until the first content of a stream, if nothing else comes.",
            "Long prompts are slow everywhere; a local one counts from the grant of its slot, and from each word"
            " of a `llama-server` about how far it has read. By default a local model gets a second more for every"
            " 25 tokens of the prompt, more where it was seen to read slower than that: a machine without a graphics"
            " card reads a coding agent's first prompt for six minutes. A number of your own counts as it is.",
            default="`60`; `120` for a local target, and the time to read the prompt",
        ),
    )
    stall_timeout_s: float = field(
        validator=limits.seconds,
        metadata=documented(
            "How long nothing at all may come of an answer that has begun.",
            "A healthy provider says something, if only a keep-alive, at least every 15 s.",
            default="`20`; `30` for a local target",
        ),
    )
    alive_timeout_s: float | None = field(
        default=None,
        validator=limits.optional_seconds,
        metadata=documented(
            "How long only signs of life may come: keep-alives, pings, blank lines, empty deltas.",
            "Inside one tool call, 50 to 330 s of pings were measured at healthy providers; in text"
            " nobody pauses for so long. Never shorter than `stall_timeout_s`, or than `ttft_timeout_s`"
            " before the first content.",
            default="`120` before content and in text, `400` inside a tool call or thinking",
        ),
    )
    whole_timeout_s: float = field(
        default=300.0,
        validator=limits.seconds,
        metadata=documented(
            "How long an answer in one piece (`stream: false`) may take.",
            "Nothing of it comes before all of it, so neither first content nor silence says anything."
            " Clients give up after 300 s or 600 s without a byte.",
        ),
    )
    total_timeout_s: float | None = field(
        default=None,
        validator=limits.optional_seconds,
        metadata=documented(
            "How long a whole leg may take.",
            "None: a long answer that flows is not a failure.",
            default="no limit",
        ),
    )
    load_timeout_s: float = field(
        default=300.0,
        validator=limits.seconds,
        metadata=documented(
            "How long the model may take to load.",
            "Ollama's own limit is five minutes.",
            is_selective=True,
        ),
    )
    terminator_timeout_s: float = field(
        default=5.0,
        validator=limits.seconds,
        metadata=documented(
            "How long to wait for the terminator after the finish reason, and after each event behind it.",
            "Token counts may come late, and some providers say a finish and go on.",
        ),
    )
    proxy: str | None = field(
        default=None,
        repr=False,
        validator=limits.proxy,
        metadata=documented(
            "An HTTP proxy for this target: `http://host:port`.",
            "A local target never uses one: it would not be local then.",
            default="the environment's, except for this machine's own addresses",
            is_selective=True,
        ),
    )
    ca_file: str | None = field(
        default=None,
        validator=limits.optional_text,
        metadata=documented(
            "A PEM file with the authorities to trust, relative to the TOML file.",
            "Company proxies and private servers sign with their own authority.",
            default="the public authorities",
        ),
    )
    slots: int = field(
        default=1,
        validator=limits.whole(1, 1024),
        metadata=documented(
            "How many requests the local server takes at once (`OLLAMA_NUM_PARALLEL`, `--parallel`).",
            "A request beyond the slots waits inside the server in silence, which looks like a stall.",
            is_selective=True,
        ),
    )
    num_ctx: int | None = field(
        default=None,
        validator=limits.optional_whole(1, 16 * MIB),
        metadata=documented(
            'The context window to load the model with: a number of tokens, or `"auto"`. Somebody else\'s'
            " `llama-server` keeps its own.",
            "A stock server's window holds no coding agent's prompt. `auto` begins with the server's own, and loads the"
            " model anew with a larger one when a conversation needs it, where the server is on this machine and"
            " has the memory. A number stays as it is.",
            default='`"auto"`; `4096` with `gguf`',
            is_selective=True,
        ),
    )
    window_max_tokens: int = field(
        default=65_536,
        validator=limits.whole(2048, 16 * MIB),
        metadata=documented(
            'How large the window may grow with `num_ctx = "auto"`.',
            "Beyond it a prompt takes minutes on most machines; memory and the model's training bound it as well.",
            is_selective=True,
        ),
    )
    keep_alive: str = field(
        default="30m",
        converter=limits.duration_of_number,
        validator=limits.duration,
        metadata=documented(
            'How long the model stays loaded: text with units (`"30m"`), or seconds; negative is for ever.',
            "A cold load takes longer than a client waits; Ollama's own five minutes forget too soon.",
            is_selective=True,
        ),
    )
    allow_remote: bool = field(
        default=False,
        metadata=documented(
            "Whether models that run elsewhere (`…-cloud`) may be used.",
            "Local means local unless you say otherwise.",
            is_selective=True,
        ),
    )

    continues: str | None = field(
        default=None,
        validator=limits.optional_choice(*(way.value for way in CloudWay)),
        metadata=documented(
            'How the target goes on from a half answer: `"prefill"` (a trailing assistant turn), `"prefix"`'
            ' (Mistral, DeepSeek), `"continue_final_message"` (vLLM), `"instruction"`, or `"none"`.',
            "Nobody can ask a cloud for it. A wrong belief is noticed when the answer starts anew, and"
            " then the next way is tried.",
            default="known from its address and model, else `instruction`",
            is_selective=True,
        ),
    )
    gguf: str | None = field(
        default=None,
        validator=limits.optional_text,
        metadata=documented(
            "A model file, relative to the TOML file. Trooper then runs the llama.cpp server itself,"
            " and there is no `base_url`.",
            "For a machine without any model server. It needs the extra `embedded`, and starts when no"
            " other local target is ready.",
            default="none: the server is somebody else's",
            is_selective=True,
        ),
    )

    @base_url.validator
    def _base_url(self, attribute: Attribute[str], value: str) -> None:
        if self.gguf is None:
            limits.base_url(self, attribute, value)
        elif value:
            raise ConfigError("base_url", "`gguf` is there too", "Keep one of the two")

    @stall_timeout_s.default
    def _stall_timeout_s(self) -> float:
        return 30.0 if self.is_local else 20.0

    @property
    def alive_s(self) -> tuple[float, float]:
        """How long signs of life suffice, in seconds: before content and in text; inside a call or a thought."""
        given = self.alive_timeout_s
        return (120.0, 400.0) if given is None else (given, given)

    @property
    def first_content_s(self) -> float:
        """How long until the first content of a stream, in seconds; see `reads_long`."""
        given = self.ttft_timeout_s
        return (120.0 if self.is_local else 60.0) if given is None else given

    @property
    def reads_long(self) -> bool:
        """Whether it may take longer for a long prompt."""
        return self.is_local and self.ttft_timeout_s is None

    @property
    def is_local(self) -> bool:
        """Whether the target is a local model."""
        return self.wire.is_local

    @property
    def place(self) -> str:
        """Where the target is, in words for people; credentials in a URL are not allowed."""
        return self.base_url if self.gguf is None else f"run by Trooper: {PurePath(self.gguf).name}"

    def knows_model_for(self, asked: str, wire: Wire) -> bool:
        """
        Whether anything says which of its models is meant when a client of
        `wire` asks for `asked`: a provider of another wire does not know that name.
        """
        return self.is_local or self.wire == wire or self.model is not None or asked in self.models

    def model_for(self, asked: str) -> str | None:
        """This target's model for the client's `asked`; `None`: choose a local one by rule."""
        return self.models.get(asked) or self.model or (None if self.is_local else asked)
