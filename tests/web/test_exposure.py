"""Who could spend a key of ours, and the signs that a request comes from another machine."""

from __future__ import annotations

from typing import Final

import pytest
from attrs import evolve

from scenes import configured
from trooper.config import Config, checked
from trooper.config.addresses import is_loopback, is_this_machines
from trooper.core.headers import Headers
from trooper.errors import ConfigError, RequestRejected
from trooper.web import exposure

KEYED: Final = configured({"TROOPER_OPENAI_API_KEY": "sk-operator"})
#: Addresses of others, as headers write them; those of containers and offices among them.
OTHERS: Final = (
    *(
        "203.0.113.9",
        "203.0.113.9:4711",
        "10.0.0.7",
        "172.17.0.1",
        "192.168.1.20",
        "100.64.0.1",
        "169.254.1.1",
    ),
    *("2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:4711", "fe80::1%eth0", "::ffff:10.0.0.1", "0.0.0.0"),
    *("127.0.0.1, 203.0.113.9", "203.0.113.9, 127.0.0.1", "unknown", "_hidden", "chat.example", "not a host"),
    *("localhost.attacker.example", "127.0.0.1.attacker.example", "1270.0.0.1", "\xff", "::"),
)
OWN: Final = (
    *("127.0.0.1", "127.0.0.1:4711", "127.8.8.8", "::1", "[::1]", "[::1]:4711", "::ffff:127.0.0.1"),
    *("localhost", "LocalHost:3000", "localhost.", "app.localhost:3000", "127.0.0.1, ::1", "", " , "),
)
SIGNS: Final = (
    *(b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"x-client-ip", b"true-client-ip"),
    *(b"cf-connecting-ip", b"x-original-forwarded-for", b"x-envoy-external-address"),
)


def is_refused(config: Config, headers: Headers = (), address: str | None = "127.0.0.1") -> bool:
    try:
        exposure.check(config, address, headers)
    except RequestRejected as rejected:
        assert (rejected.status, rejected.code) == (403, "client_keys_needed")
        assert "client_keys_env" in rejected.message
        return True
    return False


def with_keys(config: Config) -> Config:
    return evolve(config, server=evolve(config.server, client_keys=("first-key",)))


def test_a_configured_key_is_not_spent_for_strangers() -> None:
    assert is_refused(KEYED, address="192.168.1.5")
    # Client keys make it fine, and without a key of ours there is nothing to spend.
    assert not is_refused(with_keys(KEYED), address="192.168.1.5")
    assert not is_refused(configured(), address="192.168.1.5")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", None])
def test_loopback_and_a_unix_socket_are_fine(address: str | None) -> None:
    assert not is_refused(KEYED, address=address)


def test_a_mapped_address_is_judged_by_what_it_maps() -> None:
    assert not is_loopback("::ffff:10.0.0.1")
    assert not is_loopback("localhost")


@pytest.mark.parametrize("address", ["127.0.0.1", None])
@pytest.mark.parametrize("node", OTHERS)
def test_who_asks_for_another_machine_is_refused(node: str, address: str | None) -> None:
    """A server in front asks from here, by whatever name: nginx sends the address that it was told to ask."""
    value = node.encode("latin-1")
    quoted = (
        b'for="%s";proto=https' % value if b"," not in value else b"for=" + value.replace(b", ", b", for=")
    )
    hosted = b"by=127.0.0.1;host=%s;proto=https" % value.split(b", ")[-1]
    for name in SIGNS:
        assert is_refused(KEYED, ((name, value),), address), name
        assert not is_refused(with_keys(KEYED), ((name, value),), address)
        assert not is_refused(configured(), ((name, value),), address)
    assert is_refused(KEYED, ((b"forwarded", quoted),), address)
    assert is_refused(KEYED, ((b"forwarded", hosted),), address) is not is_this_machines(
        node.rsplit(", ", maxsplit=1)[-1]
    )
    # It may stand in the second of two.
    assert is_refused(KEYED, ((b"x-forwarded-for", b"127.0.0.1"), (b"x-forwarded-for", value)), address)


@pytest.mark.parametrize("node", OWN)
def test_who_asks_for_this_machine_is_served(node: str) -> None:
    """A developer's own server, in front of a page on the same machine, says for whom it asks, too."""
    value = node.encode()
    for name in SIGNS:
        assert not is_refused(KEYED, ((name, value),)), name
    assert not is_refused(
        KEYED, ((b"forwarded", b'For="%s";by=10.0.0.7;proto=http' % value.split(b", ")[0]),)
    )


def test_what_names_no_client_is_no_sign() -> None:
    others = ((b"x-forwarded-proto", b"https"), (b"x-forwarded-port", b"443"), (b"via", b"1.1 other"))
    assert not is_refused(KEYED, others)
    assert not is_refused(KEYED, ((b"forwarded", b"by=203.0.113.9;proto=https"),))


@pytest.mark.parametrize("name", ["llm.example", "llm.example:443", "192.168.1.5", "[2001:db8::1]:80", "box"])
def test_a_name_that_leads_here_from_elsewhere_is_a_server_in_front(name: str) -> None:
    """However it binds: nothing warned, and whoever reached that server spent the key."""
    exposed = evolve(KEYED, server=evolve(KEYED.server, allowed_hosts=("localhost", name)))
    assert is_refused(exposed)
    assert is_refused(exposed, address=None)
    with pytest.raises(
        ConfigError, match=r"^server\.allowed_hosts: .*Set client_keys_env .* take the name out"
    ):
        checked(exposed)
    assert not is_refused(with_keys(exposed))
    assert checked(with_keys(exposed))
    theirs = evolve(configured(), server=exposed.server)
    assert not is_refused(theirs)
    assert checked(theirs)


@pytest.mark.parametrize("name", ["localhost", "localhost:9000", "127.0.0.1:80", "[::1]:80", "a.localhost"])
def test_a_name_of_this_machine_is_none(name: str) -> None:
    own = evolve(KEYED, server=evolve(KEYED.server, allowed_hosts=(name,)))
    assert not is_refused(own)
    assert checked(own)
