"""What the memory network cannot show of `trooper.targets.upstream`: TLS and proxies."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi
import pytest
import trio
from attrs import evolve

from scenes import configured
from trooper.core.outcome import Failed, FailureKind
from trooper.targets import upstream
from trooper.testing import MemoryNetwork


def test_a_ca_of_ones_own_is_the_only_one_trusted(tmp_path: Path) -> None:
    one = Path(certifi.where()).read_text(encoding="utf-8").split("-----END CERTIFICATE-----")[0]
    file = tmp_path / "ca.pem"
    file.write_text(one + "-----END CERTIFICATE-----\n", encoding="utf-8")
    context = upstream._tls(str(file))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert len(context.get_ca_certs()) == 1
    assert len(upstream._tls(None).get_ca_certs()) > 1


def test_the_environments_proxy_is_for_clouds_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    config = configured()
    cloud = evolve(config.target("openai"), base_url="https://api.openai.com/v1")
    assert upstream._environment_proxy(cloud) == "http://proxy.example:3128"
    assert upstream._environment_proxy(evolve(cloud, base_url="https://127.0.0.1:1/v1")) is None
    assert upstream._environment_proxy(evolve(cloud, base_url="https://localhost:1/v1")) is None
    assert upstream._environment_proxy(evolve(cloud, base_url="https://[::ffff:127.0.0.1]:1/v1")) is None
    assert upstream._environment_proxy(config.target("ollama")) is None
    monkeypatch.setenv("NO_PROXY", "api.openai.com")
    assert upstream._environment_proxy(cloud) is None


async def test_a_target_that_is_closed_already_is_not_there() -> None:
    """A request waits for a slot of a server of our own, and the server ends meanwhile."""
    async with trio.open_nursery() as nursery:
        network = MemoryNetwork(nursery)
        async with upstream.open_upstream(configured().target("ollama"), network) as closed:
            pass
        found = await closed.fetch(upstream.Call("GET", "/"), 9)

    assert found == Failed(FailureKind.CONNECT)
