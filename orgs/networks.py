"""Which addresses are local, and which may be contacted: public and named ones."""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from django.conf import settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# Networks whose addresses embed an IPv4 address: IPv4-mapped, NAT64, Teredo, 6to4. The
# embedded address may be private, although Python calls some of these global.
_EMBEDDING_NETWORKS = tuple(
    map(
        IPv6Network,
        (
            "::/96",
            "::ffff:0:0/96",
            "64:ff9b::/96",
            "64:ff9b:1::/48",
            "2001::/32",
            "2002::/16",
        ),
    )
)
MOST_RANGES = 50  # of addresses, for one API key
_MAPPED_PREFIX = 96  # bits before an IPv4 address that is written as IPv6
# All public IPv6 addresses are in it; Python calls some others global, fec0::/10 too.
_PUBLIC_IPV6 = IPv6Network("2000::/3")
# Not public although Python calls some of their addresses global: the special addresses
# of 192.0.0.0/24, where Oracle's cloud has its metadata, relays of 6to4, and the host
# of each virtual machine of Azure.
_SPECIAL_IPV4 = tuple(
    map(IPv4Network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32"))
)


def read_networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a comma-separated text; raise `ValueError`.

    An address without a length is a network of one address. Host bits must be 0.
    """
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def all_loopback(hosts: Iterable[str]) -> bool:
    """Return whether every host name or address is this machine's own."""
    return all(map(is_loopback, hosts))


def is_loopback(host: str) -> bool:
    """Return whether a host name, or an address with or without brackets, is local."""
    name = host.strip().strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def read_address_ranges(text: str) -> list[str]:
    """Return the networks of a text in their usual form, each once, in order.

    They are separated by commas, spaces, or lines; an address is a network of one. IPv4
    that is written as IPv6 becomes IPv4, as in the addresses of clients. Raises
    `ValueError` with what is wrong and accepted.
    """
    parts = text.replace(",", " ").split()
    if len(parts) > MOST_RANGES:
        raise ValueError(f"Enter at most {MOST_RANGES} ranges.")
    return list(dict.fromkeys(map(_read_range, parts)))


def _read_range(part: str) -> str:
    try:
        network = ip_network(part)
    except ValueError:
        raise ValueError(
            f"{part[:60]} is not an address or network, such as 203.0.113.7 or"
            " 203.0.113.0/24, whose bits after the prefix are 0."
        ) from None
    mapped = isinstance(network, IPv6Network) and network.network_address.ipv4_mapped
    if mapped and network.prefixlen >= _MAPPED_PREFIX:
        network = IPv4Network((mapped, network.prefixlen - _MAPPED_PREFIX))
    if not network.prefixlen:
        raise ValueError(f"{part} contains every address; leave the field empty.")
    return str(network)


def is_public(address: Address) -> bool:
    """Return whether an address is globally reachable and embeds no other address."""
    if isinstance(address, IPv6Address):
        if address.scope_id or address not in _PUBLIC_IPV6:
            return False
        special: tuple[Network, ...] = _EMBEDDING_NETWORKS
    else:
        special = _SPECIAL_IPV4
    if any(address in network for network in special):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def is_allowed(address: Address) -> bool:
    """Return whether `OUTBOUND_ALLOWED_NETWORKS` contains the address.

    An address with a zone is never in a network: the zone chooses an interface.
    """
    if isinstance(address, IPv6Address) and address.scope_id:
        return False
    return any(address in network for network in settings.OUTBOUND_ALLOWED_NETWORKS)
