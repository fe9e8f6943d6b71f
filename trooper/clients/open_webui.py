"""
Open WebUI: variables of a server, which are whoever starts it to set. After the
first start it has them in its database, where its own settings change them.
"""

from __future__ import annotations

from typing import Final

from trooper.clients.client import ByHand


def _block(url: str) -> str:
    return f"ENABLE_OPENAI_API=True\nOPENAI_API_BASE_URL={url}/v1\n"


OPEN_WEBUI: Final = ByHand(
    name="open-webui",
    title="Open WebUI",
    block=_block,
    where="the environment that Open WebUI is started with (`-e` or `--env-file` of docker, `environment:` of"
    " compose), beside OPENAI_API_KEY; after its first start: Admin Settings, Connections",
    no_file="Open WebUI has no file of its own: it is told by the environment that it is started with, and after"
    " its first start by its own settings (Admin Settings, Connections)",
)
