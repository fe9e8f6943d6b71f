"""
What the configuration has to know of a wire; the table of wires gives it.

Nothing here knows which wires there are: whoever loads a configuration says so.
"""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from trooper.core.agents import Agent

#: The selective settings that targets of a provider's wire have.
CLOUD_SETTINGS: Final = frozenset({"key", "proxy", "continues"})
#: The ones that targets of every local wire have.
LOCAL_SETTINGS: Final = frozenset({"load_timeout_s", "slots", "num_ctx"})


@frozen
class DefaultTarget:
    """
    The target that a wire has without a file, and the variables that change it.

    Several wires of one provider share their variables. A cloud's target gets
    the client's own key as long as the variable of the key is not set.

    Attributes:
        name: what the target is called.
        url_variable: sets `base_url`.
        key_variable: sets `key`; empty where there is none to set.
        model_variable: sets `model`; empty where the client's name is used.
    """

    name: str
    url_variable: str
    key_variable: str = ""
    model_variable: str = ""


@frozen
class Wire:
    """
    A wire format that a target can speak. Two of the same name are the same wire.

    Attributes:
        name: what it is called in files, logs and on `/readyz`.
        is_local: its targets are models on the machine, which go on when a
            cloud dies. The URLs of all others end in a version, `/v1` if no
            other is written.
        default_url: where its targets are, if nobody says so: any local one,
            and the default target of a cloud.
        settings: which of the selective settings its targets have. A cloud
            without `key` does not exist; a local wire without it takes none.
        default_target: the target that is there without a file, if any.
        host_variable: a variable of the server's own that says where it is,
            as `OLLAMA_HOST` does: scheme, host and port may each be missing.
        software: what people call the server of a local wire.
        clients: what people call the clients that speak it.
        agent: the coding agent that most people use on it.
        remote_domain: where the makers of a local server run its models
            themselves, under tags that end in `cloud`; only with `allow_remote`.
    """

    name: str
    is_local: bool = field(default=False, repr=False, eq=False)
    default_url: str = field(default="", repr=False, eq=False)
    agent: Agent | None = field(default=None, repr=False, eq=False)
    settings: frozenset[str] = field(default=CLOUD_SETTINGS, repr=False, eq=False)
    default_target: DefaultTarget | None = field(default=None, repr=False, eq=False)
    host_variable: str = field(default="", repr=False, eq=False)
    software: str = field(default="", repr=False, eq=False)
    clients: str = field(default="", repr=False, eq=False)
    remote_domain: str = field(default="", repr=False, eq=False)

    @property
    def takes_key(self) -> bool:
        """Whether its targets may have a key; a cloud's must say whose."""
        return "key" in self.settings

    @property
    def a_server(self) -> str:
        """One server of it, in words: `an Ollama`."""
        return f"{'an' if self.software[:1] in 'AEIOU' else 'a'} {self.software}"
