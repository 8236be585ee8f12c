"""Checking and dividing URLs that users enter."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Literal, cast
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from orgs.errors import UrlNotAllowed
from orgs.networks import Address, is_allowed, is_public
from orgs.outbound.names import NameNotResolved, resolve
from orgs.outbound.slots import outbound_slot

MAX_LENGTH = 2_000
_MAX_PORT = 65_535
_RESOLVE_SECONDS = 3.0
# Visible ASCII without the backslash, which some parsers read as a slash.
_PLAIN = re.compile(r"[!-\[\]-~]+")
_HOST_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
# If the last label is a number, resolvers read the whole name as an IP address.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PRIVATE_NAMES = frozenset(
    {"localhost", "local", "localdomain", "localdomain4", "localdomain6"}
    | {"internal", "intranet", "private", "home", "lan", "corp", "svc", "arpa"}
)
_PORTS = {"https": 443, "http": 80}
_NOT_PUBLIC = "The host resolves to an address that is not public."
_PRIVATE_ONLY = "The host must be public, or in a network that is allowed."


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL that may be contacted if its addresses may.

    `literal` is the address if the host is one. `path` includes the query. If not
    `is_public_form`, only addresses in the allowed networks may be contacted.
    """

    scheme: Literal["https", "http"]
    host: str
    port: int
    path: str
    literal: Address | None
    is_public_form: bool
    refusal: str

    @property
    def authority(self) -> str:
        """Return the value of the header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_default = self.port == _PORTS[self.scheme]
        return host if is_default else f"{host}:{self.port}"

    def admits(self, address: Address) -> bool:
        """Return whether this address may be contacted by this URL."""
        return is_allowed(address) or (self.is_public_form and is_public(address))


def check_url(text: str) -> str:
    """Return the URL unchanged; raise `UrlNotAllowed` with the reason.

    Public hosts are checked by form only. What is allowed only in the networks of
    `OUTBOUND_ALLOWED_NETWORKS` (`http://`, another port, a private name) is resolved,
    for up to three seconds: do not call it in a transaction. Raises `OutboundBusy` if
    another request waits at the same time.
    """
    endpoint = read_url(text)
    if endpoint.is_public_form:
        return text
    try:
        with outbound_slot():
            find_addresses(endpoint, seconds=_RESOLVE_SECONDS)
    except NameNotResolved as error:
        raise UrlNotAllowed(f"{endpoint.refusal} {error}") from None
    return text


def is_same_origin(first: str, second: str) -> bool:
    """Return whether two URLs have the same scheme, host, and port.

    A stored credential may follow its URL within an origin only. False if one of the
    URLs is not of a valid form.
    """
    try:
        ends = [read_url(first), read_url(second)]
    except UrlNotAllowed:
        return False
    return len({(end.scheme, end.host.lower(), end.port) for end in ends}) == 1


def find_addresses(endpoint: Endpoint, *, seconds: float) -> Sequence[Address]:
    """Return the addresses of a URL, if every single one may be contacted.

    Resolves the name once, in up to these seconds. Raises `UrlNotAllowed`, or
    `NameNotResolved`.
    """
    if not (endpoint.is_public_form or settings.OUTBOUND_ALLOWED_NETWORKS):
        raise UrlNotAllowed(endpoint.refusal)
    addresses = find_any_addresses(endpoint, seconds=seconds)
    if not all(map(endpoint.admits, addresses)):
        raise UrlNotAllowed(endpoint.refusal or _NOT_PUBLIC)
    return addresses


def find_any_addresses(endpoint: Endpoint, *, seconds: float) -> Sequence[Address]:
    """Return the addresses of a URL, private ones too: only for URLs of settings.

    Raises `NameNotResolved`.
    """
    if endpoint.literal:
        return [endpoint.literal]
    return resolve(endpoint.host, endpoint.port, seconds=seconds)


def read_url(text: str) -> Endpoint:
    """Return the parts of a URL; raise `UrlNotAllowed` for one of no valid form."""
    parts, port = _split(text)
    scheme = cast('Literal["https", "http"]', parts.scheme)
    host = (parts.hostname or "").removesuffix(".")
    literal = _read_literal(host)
    is_bracketed = parts.netloc.startswith("[")
    if literal is None and (is_bracketed or not _is_name(host)):
        raise UrlNotAllowed(_PRIVATE_ONLY)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    refusal = _find_refusal(scheme, host, port, literal)
    return Endpoint(scheme, host, port, path, literal, not refusal, refusal)


def _split(text: str) -> tuple[SplitResult, int]:
    if len(text) > MAX_LENGTH or not _PLAIN.fullmatch(text):
        raise UrlNotAllowed(
            "The URL must be ASCII, without spaces, and at most 2,000 characters."
        )
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise UrlNotAllowed("The URL is not valid.") from None
    if parts.scheme not in _PORTS:
        raise UrlNotAllowed("The URL must begin with https://.")
    if "@" in parts.netloc or parts.fragment:
        raise UrlNotAllowed("The URL must not contain a user, password, or fragment.")
    if port is None:
        port = _PORTS[parts.scheme]
    if not 0 < port <= _MAX_PORT:
        raise UrlNotAllowed(f"Port {port} is not allowed.")
    return parts, port


def _find_refusal(scheme: str, host: str, port: int, literal: Address | None) -> str:
    """Return why the URL may not be contacted at public addresses; empty if it may."""
    if scheme != "https":
        return "The URL must begin with https://."
    if port not in settings.INTEGRATION_PORTS:
        allowed = ", ".join(map(str, sorted(settings.INTEGRATION_PORTS)))
        return f"Port {port} is not allowed. Use one of {allowed}."
    is_host_public = is_public(literal) if literal else _is_public_name(host)
    return "" if is_host_public or (literal and is_allowed(literal)) else _PRIVATE_ONLY


def _is_name(host: str) -> bool:
    labels = host.split(".")
    return all(map(_HOST_LABEL.fullmatch, labels)) and not _NUMBER.fullmatch(labels[-1])


def _is_public_name(host: str) -> bool:
    *labels, last = host.split(".")
    return bool(labels) and last not in _PRIVATE_NAMES


def _read_literal(host: str) -> Address | None:
    """Return the IP address that the host is, written in full; else null.

    Short forms such as `127.1` and `0x7f.1` are neither addresses nor names.
    """
    try:
        return IPv6Address(host) if ":" in host else IPv4Address(host)
    except AddressValueError:
        return None
