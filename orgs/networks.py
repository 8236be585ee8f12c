"""Which addresses may be contacted: public ones, and networks that a setting names."""

from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
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


def read_networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a comma-separated text; raise `ValueError`.

    An address without a length is a network of one address. Host bits must be 0.
    """
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def is_public(address: Address) -> bool:
    """Return whether an address is globally reachable and embeds no other address."""
    if isinstance(address, IPv6Address) and (
        address.scope_id or any(address in network for network in _EMBEDDING_NETWORKS)
    ):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def is_allowed(address: Address) -> bool:
    """Return whether `OUTBOUND_ALLOWED_NETWORKS` contains the address.

    An address with a zone is never in a network: the zone chooses an interface.
    """
    if isinstance(address, IPv6Address) and address.scope_id:
        return False
    return any(address in network for network in settings.OUTBOUND_ALLOWED_NETWORKS)
