"""
Why a target cannot take a request, or cannot go on with its answer.

The words appear unchanged in logs and in what a client is told, so they are an
enumeration, and the table of them in `docs/failures.md` is made from it.
"""

from __future__ import annotations

from typing import Final

from trooper.core.told import Told


class Unfit(Told):
    """
    A reason, as the word that is logged; `meaning` is the sentence that the docs say of it.
    """

    # What only the client's own provider can do.
    LOGPROBS = "logprobs", "It asks for log probabilities."
    AUDIO = "audio", "It asks for a spoken answer."
    LOGIT_BIAS = "logit_bias", "It weighs single tokens of one model."
    FUNCTIONS = "functions", "It uses the `functions` of old, or has calls of that kind in its history."
    WEB_SEARCH = "web_search", 'It has `web_search_options`, and `foreign_tools` is `"unfit"`.'
    SERVER_TOOLS = (
        "server_tools",
        'It offers tools that only their provider can run, and `foreign_tools` is `"unfit"`.',
    )
    FORCED_TOOL = (
        "forced_tool",
        "It forces a tool that only its provider can run, or a call where no other tool is left.",
    )
    THREAD = "thread", "It goes on with a `thread` that the provider keeps."
    MCP_SERVERS = "mcp_servers", 'The provider is to ask `mcp_servers`, and `foreign_tools` is `"unfit"`.'
    CONTAINER = "container", 'It uses a `container` at the provider, and `foreign_tools` is `"unfit"`.'
    PREVIOUS_RESPONSE = "previous_response", "It goes on from an answer that Trooper does not remember."
    CONVERSATION = "conversation", "It goes on with a `conversation` that the provider keeps."
    PROMPT = "prompt", "It uses a `prompt` that the provider keeps."
    BACKGROUND = "background", "It is to be answered in the background."
    ITEM_REFERENCE = "item_reference", "It names an item that Trooper does not remember."

    # What one wire cannot say.
    STOP = "stop", "It has stop sequences, and the target's wire has none."
    JSON_MODE = "json_mode", "It wants any JSON object, and the target's wire needs a schema for that."
    CHOICES = "n", "It wants several answers (`n`), and the target gives one, or cannot go on with several."
    CONTENT_PART = "content_part", "It has a part that cannot be said in the target's wire: audio, a file."
    NO_MODEL = "no_model", "The target is of another wire, and nothing says which of its models to ask."

    # What one model cannot do.
    TOOL_CHOICE = "tool_choice", "It forces a tool call, which no local server does reliably."
    TOOLS = "tools", "It offers tools, and the local model cannot use any."
    VISION = "vision", "It has an image, and the local model does not see."
    IMAGE_URL = "image_url", "It names an image by its URL, which is never fetched."
    RUNS_ELSEWHERE = "runs_elsewhere", "The model is listed as local and runs in the cloud (`allow_remote`)."

    # Why it cannot go on from a half answer.
    NO_CONTINUATION = "no_continuation", "There is no way to make this cloud go on (`continues`)."
    JSON = "json", "Told to go on with a JSON document, models begin another one."
    CLOSES_TURN = "closes_turn", "The local model's template closes the turn that it should go on with."
    TOOLS_RAW = "tools_raw", "The model goes on only from a raw prompt, and that takes no tools."
    IMAGES_RAW = "images_raw", "The model goes on only from a raw prompt, and that takes no images."
    NO_RENDER = "no_render", "The local server does not say what its raw prompt would be."
    NO_GRAMMAR = (
        "no_grammar",
        "The client has a part of a tool call, and no grammar binds this target to the rest.",
    )
    NO_OTHER_WAY = "no_other_way", "One way to make the model go on has failed, and there is no second one."

    # What the leg has shown.
    STARTS_ANEW = "starts_anew", "The target was to go on, and began another answer."
    THINKS_ALOUD = "thinks_aloud", "The target was to go on, and its thoughts came as the answer."
    CONTENT = "content", "The target says something for which the client's wire has no words."
    CALL = "call", "Its tool call is none in the client's wire, or not the one that it began."
    SCHEMA = "schema", "The document, or the tool call, is not what its schema asks for."
    UNCHECKED = (
        "unchecked",
        "Whether it is what its schema asks for could not be found out within the limits.",
    )

    # The request itself, or nobody to ask.
    NOT_JSON = "not_json", "Its body is no JSON; only its own provider can say what is wrong."
    TOO_LARGE = (
        "too_large",
        "Its body has more parts, or is longer, than is read here; it is passed on as it came.",
    )
    SHORTENED = (
        "shortened",
        "Only the end of its conversation is read here, and a cloud gets one whole or not at all.",
    )
    UNEXPECTED_SHAPE = "unexpected_shape", "Its body has not the shape of such a request."
    COOLING_DOWN = "cooling_down", "The target said when it may be asked again, and that is not yet."
    NO_PROVIDER = (
        "no_provider",
        "Of the client's wire: no cloud of the chain speaks it, or knows which of its models is meant.",
    )
    NO_TARGET = "no_target", "No target in the configuration takes it."


#: What a leg has shown, whatever was asked of it: no request is to blame for that.
SHOWN: Final = frozenset(
    {Unfit.STARTS_ANEW, Unfit.THINKS_ALOUD, Unfit.CONTENT, Unfit.CALL, Unfit.SCHEMA, Unfit.UNCHECKED}
)
