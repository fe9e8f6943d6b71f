"""
How providers of the chat wire document that a model goes on from a half answer.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from trooper.core.continuing import CloudWay
from trooper.wire.target_side import KnownWay


def documented_way(base_url: str, _model: str) -> KnownWay | None:
    """What the provider at `base_url` says of itself; it holds for all of its models."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if host.endswith("mistral.ai"):
        return KnownWay(CloudWay.PREFIX, "Mistral documents it")
    if host.endswith("deepseek.com") and "beta" in parts.path:
        return KnownWay(CloudWay.PREFIX, "DeepSeek documents it for its beta URL")
    return None
