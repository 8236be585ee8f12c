"""The address of a client: the only module that reads forwarded headers.

Each proxy appends the address that it saw to `X-Forwarded-For`. The last
`TRUSTED_PROXY_COUNT` entries are therefore written by our own proxies, and the first of
them is the client; what stands before it was sent by the client, and may be forged.
"""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from orgs.errors import DomainError

UNKNOWN = "unknown"  # of a request by a Unix socket that names no client
_FOR, _PROTO = "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO"
_SCHEMES = frozenset({"http", "https"})
_LARGEST_PORT = 65_535
_IPV6_PREFIX = 64  # bits that a provider assigns; the rest is the subscriber's choice


class ForwardedHeaderInvalid(DomainError):
    """A forwarded header whose trusted entry is not an address or scheme."""

    code = "invalid_forwarded_header"


def client_address(request: HttpRequest | Mapping[str, Any]) -> str:
    """Return the client's address, without port, brackets, or zone.

    Takes a request or a WSGI environment. An IPv4 address that is written as IPv6 is
    returned as IPv4. Raises `ForwardedHeaderInvalid` if the entry of
    `X-Forwarded-For` that a trusted proxy wrote is no address. A request without the
    header came to us directly.
    """
    environ = request.META if isinstance(request, HttpRequest) else request
    sent = str(environ.get(_FOR, "")) if settings.TRUSTED_PROXIES else ""
    if sent.strip():
        return _forwarded_address(_trusted_entry(sent))
    direct = str(environ.get("REMOTE_ADDR") or "")
    address = _parse_address(direct)
    return str(address) if address else direct or UNKNOWN


def forwarded_scheme(environ: Mapping[str, Any]) -> str:
    """Return `http` or `https` as the trusted proxy reports it, or an empty string.

    Raises `ForwardedHeaderInvalid` for anything else.
    """
    sent = str(environ.get(_PROTO, "")) if settings.TRUSTED_PROXIES else ""
    scheme = _trusted_entry(sent).lower() if sent.strip() else ""
    if sent.strip() and scheme not in _SCHEMES:
        raise ForwardedHeaderInvalid(
            "X-Forwarded-Proto must be http or https.", fields=("X-Forwarded-Proto",)
        )
    return scheme


def address_block(address: str) -> str:
    """Return the block of addresses that one client can choose from.

    An IPv4 address stands for itself, an IPv6 address for its network of 64 bits.
    """
    parsed = _parse_address(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, _IPV6_PREFIX), strict=False))
    return str(parsed) if parsed else address


def _trusted_entry(header: str) -> str:
    """Return the entry that our outermost proxy wrote.

    A request that passed fewer proxies has fewer entries; all of them are trusted.
    """
    return header.split(",")[-settings.TRUSTED_PROXIES :][0].strip()


def _forwarded_address(entry: str) -> str:
    address = _parse_address(entry)
    if address is None:
        raise ForwardedHeaderInvalid(
            "X-Forwarded-For must list IP addresses.", fields=("X-Forwarded-For",)
        )
    return str(address)


def _parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Parse `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]`, `[::1]:80`, and zones."""
    host = _without_port(text.strip())
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _without_port(text: str) -> str:
    """Return the host of a text, or an empty string if its port is no port."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        is_valid = bool(bracket) and ":" in host and (not rest or _is_port(rest))
        return host if is_valid else ""
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host if _is_port(f":{port}") else ""
    return text


def _is_port(text: str) -> bool:
    digits = text.removeprefix(":")
    is_number = digits != text and digits.isascii() and digits.isdecimal()
    return is_number and len(digits) <= 5 and int(digits) <= _LARGEST_PORT  # noqa: PLR2004
