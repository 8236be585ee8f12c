"""The client's address: whose word is taken, and how addresses are written."""

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from orgs.access.addresses import (
    UNKNOWN,
    ForwardedHeaderInvalid,
    address_block,
    client_address,
    forwarded_scheme,
)


def environ(direct: str = "10.0.0.9", **headers: str) -> dict[str, Any]:
    return {"REMOTE_ADDR": direct} | {f"HTTP_{k}": v for k, v in headers.items()}


@pytest.mark.parametrize(
    ("proxies", "sent", "address"),
    [
        (0, "6.6.6.6", "10.0.0.9"),
        (1, "", "10.0.0.9"),
        (1, "6.6.6.6, 203.0.113.7", "203.0.113.7"),
        (1, "nonsense, 203.0.113.7", "203.0.113.7"),
        (2, "6.6.6.6, 203.0.113.7, 10.1.1.1", "203.0.113.7"),
        (2, "203.0.113.7", "203.0.113.7"),
        (1, "203.0.113.7:4711", "203.0.113.7"),
        (1, "2001:DB8:0::1", "2001:db8::1"),
        (1, "[2001:db8::1]", "2001:db8::1"),
        (1, "[2001:db8::1]:443", "2001:db8::1"),
        (1, "fe80::1%eth0", "fe80::1"),
        (1, "::ffff:203.0.113.7", "203.0.113.7"),
    ],
)
def test_only_what_trusted_proxies_wrote_counts(
    settings: Settings, proxies: int, sent: str, address: str
) -> None:
    settings.TRUSTED_PROXIES = proxies
    assert client_address(environ(X_FORWARDED_FOR=sent)) == address


@pytest.mark.parametrize(
    "sent",
    ["unknown", "_hidden", "6.6.6.6, ", ",", "1.2.3", "1.2.3.4:x", "1.2.3.4:99999",
     "[1.2.3.4]", "[::1", "::1]", "[::1]x", "1.2.3.4 5.6.7.8", "a" * 9_000,
     "1.2.3.4\x00"],
)  # fmt: skip
def test_an_entry_that_is_no_address_is_refused(settings: Settings, sent: str) -> None:
    settings.TRUSTED_PROXIES = 1
    with pytest.raises(ForwardedHeaderInvalid):
        client_address(environ(X_FORWARDED_FOR=sent))


@pytest.mark.parametrize(
    ("direct", "address"),
    [("127.0.0.1:50123", "127.0.0.1"), ("[::1]:50123", "::1"), ("", UNKNOWN),
     ("unix:/run/web", "unix:/run/web")],
)  # fmt: skip
def test_a_direct_client_is_known_by_its_connection(direct: str, address: str) -> None:
    assert client_address(environ(direct)) == address


@pytest.mark.parametrize(
    ("proxies", "sent", "scheme"),
    [(0, "https", ""), (1, "", ""), (1, "HTTPS", "https"), (1, "https, http", "http"),
     (2, "https, http", "https")],
)  # fmt: skip
def test_the_scheme_is_what_the_trusted_proxy_saw(
    settings: Settings, proxies: int, sent: str, scheme: str
) -> None:
    settings.TRUSTED_PROXIES = proxies
    assert forwarded_scheme(environ(X_FORWARDED_PROTO=sent)) == scheme


@pytest.mark.parametrize(
    ("address", "block"),
    [("203.0.113.7", "203.0.113.7"), ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
     ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"), ("::ffff:1.2.3.4", "1.2.3.4"),
     ("unknown", "unknown")],
)  # fmt: skip
def test_an_ipv6_client_is_known_by_its_network(address: str, block: str) -> None:
    assert address_block(address) == block
