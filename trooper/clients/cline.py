"""
Cline: its settings panel. The file behind it has the keys in it, too, is
written anew by Cline itself while it runs, and one that Cline cannot read is
taken for none: nobody else should write there.

Some of its versions add `/v1` to Anthropic's address and others do not; Trooper
takes it once or twice.
"""

from __future__ import annotations

from typing import Final

from trooper.clients.client import ByHand


def _block(url: str) -> str:
    return (
        f"API Provider: Anthropic          Use custom base URL: {url}/v1\n"
        f"API Provider: OpenAI Compatible  Base URL: {url}/v1\n"
    )


CLINE: Final = ByHand(
    name="cline",
    title="Cline",
    block=_block,
    where="Cline's own settings (the gear in its panel): one of these providers, its address, your own key"
    " and model",
    no_file="Cline keeps its settings, and your keys with them, in ~/.cline/data/settings/providers.json, which"
    " it writes anew itself while it runs. There is no file to write: set it in Cline's settings",
)
