"""The rules for endpoints that an organization's data may be pushed to.

Only the form of a URL is checked here, so that a mistake is reported when it is made;
no name is resolved. Before a request is sent, the addresses that the name resolves to
must be checked with `is_public`.
"""

import re
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv6Address,
    IPv6Network,
)
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from metrics.errors import EndpointNotAllowed

MAX_LENGTH = 2_000
# Visible ASCII without the backslash, which some parsers read as a slash.
_PLAIN = re.compile(r"[!-\[\]-~]+")
_HOST_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
# If the last label is a number, resolvers read the whole name as an IP address.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PRIVATE_NAMES = frozenset({"localhost", "local", "internal", "home", "lan", "corp"})
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


def check_endpoint(text: str) -> str:
    """Return the endpoint unchanged; raise `EndpointNotAllowed` with the reason."""
    if len(text) > MAX_LENGTH or not _PLAIN.fullmatch(text):
        raise EndpointNotAllowed(
            "`endpoint` must be ASCII, without spaces, and at most 2,000 characters."
        )
    try:
        parts = urlsplit(text)
        port = 443 if parts.port is None else parts.port
    except ValueError:
        raise EndpointNotAllowed("`endpoint` is not a valid URL.") from None
    if parts.scheme != "https":
        raise EndpointNotAllowed("`endpoint` must begin with https://.")
    if "@" in parts.netloc or parts.fragment:
        raise EndpointNotAllowed(
            "`endpoint` must not contain a user, password, or fragment."
        )
    if port not in settings.INTEGRATION_PORTS:
        allowed = ", ".join(map(str, sorted(settings.INTEGRATION_PORTS)))
        raise EndpointNotAllowed(f"Port {port} is not allowed. Use one of {allowed}.")
    _check_host(parts)
    return text


def _check_host(parts: SplitResult) -> None:
    host = (parts.hostname or "").removesuffix(".")
    is_name = not parts.netloc.startswith("[") and _is_public_name(host)
    if not is_name and not _is_public_literal(host):
        raise EndpointNotAllowed("The host of `endpoint` must be public.")


def _is_public_name(host: str) -> bool:
    *labels, last = host.split(".")
    return (
        bool(labels)
        and all(_HOST_LABEL.fullmatch(label) for label in (*labels, last))
        and not _NUMBER.fullmatch(last)
        and last not in _PRIVATE_NAMES
    )


def _is_public_literal(host: str) -> bool:
    """Return whether the host is a public IP address, written in full.

    Short forms such as `127.1` and `0x7f.1` are not accepted.
    """
    try:
        return is_public(IPv6Address(host) if ":" in host else IPv4Address(host))
    except AddressValueError:
        return False


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address is globally reachable and embeds no other address."""
    if isinstance(address, IPv6Address) and (
        address.scope_id or any(address in network for network in _EMBEDDING_NETWORKS)
    ):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved
