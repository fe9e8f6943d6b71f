"""
`[server]`: the front door and the limits of every request.
"""

from __future__ import annotations

from attrs import field, frozen

from trooper.config import limits
from trooper.config.documented import documented
from trooper.core.repair import Repair

KIB = 1024
MIB = 1024 * KIB


@frozen
class Server:
    """The front door and the limits of every request: `[server]`."""

    host: str = field(
        default="127.0.0.1",
        validator=limits.host,
        metadata=documented(
            "The address that `trooper serve` listens on.",
            "Trooper spends your key and your processor: nobody else reaches it unless you say so.",
        ),
    )
    port: int = field(
        default=8642,
        validator=limits.whole(0, 65535),
        metadata=documented("The port; `0` takes a free one.", "No well-known service uses it."),
    )
    allowed_hosts: tuple[str, ...] = field(
        default=(),
        validator=limits.host_names,
        metadata=documented(
            "`Host` values to accept beside the loopback names; beside a key of yours they need client keys.",
            "A web page that rebinds its name to 127.0.0.1 sends its own `Host`; a server in front asks for others.",
        ),
    )
    allowed_origins: tuple[str, ...] = field(
        default=(),
        validator=limits.origins,
        metadata=documented(
            "`Origin` values to accept, for example `https://chat.example`.",
            "SDKs send no `Origin`; a request with one comes from a web page.",
        ),
    )
    client_keys: tuple[str, ...] = field(
        default=(),
        repr=False,
        validator=limits.keys,
        metadata=documented(
            "The environment variable with the keys that clients must send, separated by commas.",
            "With a configured key and an address beyond loopback they are required.",
            default="no key needed",
        ),
    )
    max_request_bytes: int = field(
        default=64 * MIB,
        validator=limits.size,
        metadata=documented("The largest request body.", "A chat with several photographs is about 20 MiB."),
    )
    body_timeout_s: float = field(
        default=3600.0,
        validator=limits.seconds,
        metadata=documented(
            "How long a request's body may take in all.",
            "64 MiB come in an hour at 150 kbit/s. A pause or a drip ends it much sooner: `drain_timeout_s`.",
        ),
    )
    max_total_bytes: int = field(
        default=256 * MIB,
        validator=limits.size,
        metadata=documented(
            "The request bodies of all clients together, compressed ones as they came and unpacked; beyond it: 503,"
            " but for one that is alone.",
            "Four of the largest at once. What is read of a body costs up to three times its size more.",
        ),
    )
    max_request_ratio: int = field(
        default=100,
        validator=limits.whole(1, 1_000_000),
        metadata=documented(
            "How many times larger than it came a compressed request may be; the first 4 MiB are not counted.",
            "Conversations shrink to a tenth, full of repetitions to a fiftieth; beyond it is an attack.",
        ),
    )
    max_answer_bytes: int = field(
        default=32 * MIB,
        validator=limits.size,
        metadata=documented(
            "The largest whole (not streamed) answer.", "It must be held before it can be judged."
        ),
    )
    max_answer_ratio: int = field(
        default=100,
        validator=limits.whole(1, 1_000_000),
        metadata=documented(
            "How many times larger than it came a compressed answer may be; the first 4 MiB are not counted.",
            "Trooper asks for none, and who sends one all the same shrinks it to a tenth.",
        ),
    )
    max_event_bytes: int = field(
        default=1 * MIB,
        validator=limits.size,
        metadata=documented(
            "How much of one event is kept; a longer one passes in pieces, and nobody can go on behind it.",
            "Images and fetched pages come in one event; nothing that has to be read is that long.",
        ),
    )
    transcript_bytes: int = field(
        default=1 * MIB,
        validator=limits.size,
        metadata=documented(
            "How much of an answer is remembered; beyond it the stream goes on without a net.",
            "No model says more at once: 128,000 tokens are half of it.",
        ),
    )
    channel_bytes: int = field(
        default=256 * KIB,
        validator=limits.size,
        metadata=documented(
            "How far a provider may run ahead of a slow client.",
            "It bounds what a client that stops reading costs.",
        ),
    )
    hold_bytes: int = field(
        default=256 * KIB,
        validator=limits.size,
        metadata=documented(
            "How many bytes may wait for the end of a word; past it everything goes out.",
            "Events that say nothing wait behind a word, and a provider can send them without end.",
        ),
    )
    max_tool_calls: int = field(
        default=256,
        validator=limits.whole(1, 10_000),
        metadata=documented(
            "How many tool calls of one streamed answer are followed; one with more goes on without a net.",
            "An agent that makes a few dozen at once is a busy one.",
        ),
    )
    hold_call_bytes: int = field(
        default=4 * MIB,
        validator=limits.size,
        metadata=documented(
            "The longest tool call or structured answer that waits until it is whole; past it its pieces go out.",
            "Large enough for a file that an agent writes in one call.",
        ),
    )
    hold_call_s: float = field(
        default=20.0,
        validator=limits.seconds,
        metadata=documented(
            "How long a tool call waits until it is whole; after that its pieces go out.",
            "Agents give a stream up that shows them nothing for a minute or more, and a call can take five.",
        ),
    )
    hold_chars: int = field(
        default=32,
        validator=limits.whole(1, 4096),
        metadata=documented(
            "The longest word that waits for its end before it goes out.",
            "Longer than nearly every word; beyond it is base64 or a long URL.",
        ),
    )
    gate: bool = field(
        default=True,
        metadata=documented(
            "Whether the last word waits for its end.",
            "Without the wait a visible seam is about ten times as likely.",
        ),
    )
    preamble_hold_s: float = field(
        default=1.0,
        validator=limits.seconds,
        metadata=documented(
            "How long the role chunk waits for content.",
            "Until then another target can still begin cleanly.",
        ),
    )
    commit_after_s: float = field(
        default=10.0,
        validator=limits.seconds,
        metadata=documented(
            "When the 200 is sent although there is no content yet.",
            "Clients and proxies give up on a silent connection; after it a failure is told in-band.",
        ),
    )
    keepalive_s: float = field(
        default=10.0,
        validator=limits.seconds,
        metadata=documented(
            "The pause after which a keep-alive comment is sent, or a sign of work.",
            "Shorter than the idle limits of common proxies.",
        ),
    )
    drain_timeout_s: float = field(
        default=30.0,
        validator=limits.seconds,
        metadata=documented(
            "How long a client may not read before it is dropped.",
            "It holds a provider connection and its memory.",
        ),
    )
    grace_s: float = field(
        default=60.0,
        validator=limits.seconds,
        metadata=documented(
            "How long running streams may go on at shutdown.", "Most answers end within a minute."
        ),
    )
    seam_comment: bool = field(
        default=True,
        metadata=documented(
            "Whether an SSE comment marks the seam.",
            "Clients ignore comments, and whoever looks can see the switch.",
        ),
    )
    seam_key: bool = field(
        default=True,
        metadata=documented(
            "Whether the finishing chunk says which target said what.",
            "SDKs ignore the extra key `trooper`.",
        ),
    )
    report: str = field(
        default="rules",
        validator=limits.report,
        metadata=documented(
            'What stands for the turns of a long history that a local model\'s window cannot hold. `"rules"`: a'
            " situation report of at most a quarter of the window, which quotes what may matter later: goals,"
            ' decisions, files and commands with their outcomes, errors, names and numbers. `"model"`: one that the'
            " local model writes ahead of time, in idle moments, where it holds against that of the rules."
            ' `"module:function"`: one by [a function of your own](reports.md). `"none"`: the note alone.',
            "What is left out decides whether the model can go on with the work.",
        ),
    )
    seam_repairs: tuple[str, ...] = field(
        default=tuple(repair.value for repair in Repair),
        validator=limits.some_of(*(repair.value for repair in Repair)),
        metadata=documented(
            'What is put right of a model that goes on badly. `"anew"`: it says all of the half answer, or of its'
            ' open code block, once more. `"repetition"`: its last sentences or words. `"fence"`: it opens a code'
            ' block inside the open one. `"announcement"`: it announces that it goes on ("Sure, continuing:"). `"blank"`:'
            " it brings no blank where one was held back. `[]`: none of it.",
            "Each leaves alone what an honest answer may say; [what each cuts at most](seam.md#what-is-put-right).",
            default="all of them",
        ),
    )
    omission_note: str = field(
        default="[Earlier messages of this conversation are left out here.]",
        metadata=documented(
            "What a local model is told where turns of a long history had to be left out and no report stands for"
            " them; may be empty. `{count}` in it is how many messages are missing.",
            "A model that is told about the gap does not take it for a change of subject. The number would be another"
            " one in each turn, and a server reads a prompt anew from where it has changed.",
        ),
    )
    continue_instruction: str = field(
        default="Your last message was cut off in the middle. Write only the rest of it: begin with the very"
        " next character, repeat nothing, and say nothing about the interruption.",
        metadata=documented(
            "What a cloud is told that has no other way to go on from a half answer; empty: it is not asked.",
            "Most seams made in this way can be seen, but a visible seam beats a lost answer.",
        ),
    )
    foreign_tools: str = field(
        default="drop",
        validator=limits.choice("unfit", "drop"),
        metadata=documented(
            'Tools that only the client\'s own provider can run: web search and the like. `"drop"`: others are'
            " asked without those tools, where nobody forces one; what was left out is told in the log and"
            ' under the key `trooper`. `"unfit"`: no target of another wire takes such a request over.',
            "Codex and others offer such tools with every request, and use them in few. A search that is not"
            " made costs less than the turn.",
        ),
    )
    tool_calls: str = field(
        default="hold",
        validator=limits.choice("hold", "stream"),
        metadata=documented(
            'Tool calls: `"hold"` keeps a call until it is whole; `"stream"` sends its pieces as they come,'
            " and a cut inside a call ends in an error.",
            "Half a shell command is another command; a held call that is cut has never been seen.",
        ),
    )
    structured: str = field(
        default="continue",
        validator=limits.choice("continue", "hold"),
        metadata=documented(
            'Structured answers (JSON): `"continue"` sends them as they come, and the joined document is'
            ' checked before the finish; `"hold"` keeps the document until it is whole.',
            "Held, a cut cannot be seen, but the client waits for the whole document.",
        ),
    )
    fallback_block: bool = field(
        default=False,
        metadata=documented(
            "Whether Anthropic clients get the API's own `fallback` content block at the seam.",
            "It closes the text block there, so the text of one answer comes in two blocks.",
        ),
    )
    remember_bytes: int = field(
        default=32 * MIB,
        validator=limits.size,
        metadata=documented(
            "How much of past Responses answers is kept for `previous_response_id`; beyond it, who has most kept loses"
            " his oldest.",
            "What a client asks to go on from, a local model has to be told in full.",
        ),
    )
    memory: bool = field(
        default=True,
        metadata=documented(
            "Whether a target that asked to be left alone is not asked for that long.",
            "Who is asked all the same wears out its patience with all who share the key;"
            " `TROOPER_BREAKER=off` turns it off.",
        ),
    )
