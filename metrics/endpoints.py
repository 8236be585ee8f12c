"""Which addresses an organization's data may be pushed to. Pure: nothing is looked up.

What a name resolves to is another question, asked whenever it is contacted, with
`is_public`. Here only the form is judged, so that a mistake is told when it is made.
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
# Visible ASCII but for the backslash, which some parsers read as a slash.
_PLAIN = re.compile(r"[!-\[\]-~]+")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
# Resolvers read a last label like this as a number, and the whole as an address.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PRIVATE_NAMES = frozenset({"localhost", "local", "internal", "home", "lan", "corp"})
# Addresses that carry another one: IPv4-mapped, NAT64, Teredo, 6to4. What they carry
# may be private, and Python calls some of them global.
_CARRIERS = tuple(
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
    """The endpoint as it was given; raises `EndpointNotAllowed` with the reason."""
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
        and all(_LABEL.fullmatch(label) for label in (*labels, last))
        and not _NUMBER.fullmatch(last)
        and last not in _PRIVATE_NAMES
    )


def _is_public_literal(host: str) -> bool:
    """Only an address written in full; `127.1` and `0x7f.1` are nobody's habit."""
    try:
        return is_public(IPv6Address(host) if ":" in host else IPv4Address(host))
    except AddressValueError:
        return False


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether the whole internet reaches it, and no address hides inside."""
    if isinstance(address, IPv6Address) and (
        address.scope_id or any(address in network for network in _CARRIERS)
    ):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved
