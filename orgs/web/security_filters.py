"""The filters of the security log as an address has them."""

from dataclasses import dataclass
from datetime import date, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.http import QueryDict

from orgs.days import first_instant
from orgs.errors import DomainError
from orgs.queries.security_log import SecurityFilters
from orgs.security_log import Kind, Outcome

_NAMES = ("kind", "outcome", "person", "key", "address", "from", "to")
_LARGEST_ID = 2**63


@dataclass(frozen=True, slots=True)
class SecurityForm:
    """The texts of the filters; empty ones are not set."""

    kind: str = ""
    outcome: str = ""
    person: str = ""
    key: str = ""
    address: str = ""
    since: str = ""
    until: str = ""

    def query(self, **more: str) -> str:
        """Return the filters that are set as a query string, with a `?`."""
        texts = (
            *(self.kind, self.outcome, self.person, self.key),
            *(self.address, self.since, self.until),
        )
        values = dict(zip(_NAMES, texts, strict=True)) | more
        return f"?{urlencode({name: text for name, text in values.items() if text})}"

    def filters(self, white_label_id: int | None, zone: ZoneInfo) -> SecurityFilters:
        """Return which events are listed; raises `DomainError` for a bad filter."""
        since, until = _day(self.since, "from"), _day(self.until, "to")
        if since and until and until < since:
            raise DomainError("`to` is before `from`.", fields=("from", "to"))
        next_day = until + timedelta(days=1) if until else None
        return SecurityFilters(
            white_label_id=white_label_id,
            kind=self.kind,
            outcome=self.outcome,
            person=self.person,
            key_id=_key(self.key),
            network=_network(self.address),
            since=first_instant(since, zone) if since else None,
            until=first_instant(next_day, zone) if next_day else None,
        )


def read_security_form(query: QueryDict) -> SecurityForm:
    """Return the filters of an address; raises `DomainError` for an unknown choice."""
    texts = [query.get(name, "").strip()[:200] for name in _NAMES]
    for name, text in zip(_NAMES, texts, strict=True):
        if "\x00" in text:
            message = "Parameters must not contain NUL characters."
            raise DomainError(message, fields=(name,))
    form = SecurityForm(*texts)
    _require_choice("kind", form.kind, [kind.value for kind in Kind])
    _require_choice("outcome", form.outcome, [outcome.value for outcome in Outcome])
    return form


def _require_choice(name: str, text: str, allowed: list[str]) -> None:
    if text and text not in allowed:
        message = f"Unknown {name}. Use one of: {', '.join(allowed)}."
        raise DomainError(message, fields=(name,))


def _day(text: str, name: str) -> date | None:
    try:
        day = date.fromisoformat(text) if text else None
    except ValueError:
        day = date.min
    if day is not None and not date(2000, 1, 1) <= day < date(2200, 1, 1):
        message = f"`{name}` must be a date such as 2026-11-30."
        raise DomainError(message, code="invalid_date_range", fields=(name,))
    return day


def _key(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text[:19]) < _LARGEST_ID):
        raise DomainError("`key` must be the ID of an API key.", fields=("key",))
    return int(text[:19])


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False) if text else None
    except ValueError:
        message = "`address` must be an IP address or a network such as 192.0.2.0/24."
        raise DomainError(message, fields=("address",)) from None
