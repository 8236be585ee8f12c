"""Filters of the history as an address has them, and who reads it."""

from collections.abc import Set
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.http import QueryDict

from orgs.catalog import Scope
from orgs.days import first_instant
from orgs.errors import DomainError
from orgs.queries.history import HistoryFilters
from orgs.web.history import DESCRIPTIONS, kinds, noise, resolve_actor


@dataclass(frozen=True, slots=True)
class HistoryForm:
    """The filters of the history as its address has them."""

    by: str = ""
    kind: str = ""
    since: str = ""
    until: str = ""
    noise: bool = False

    def query(self, **more: str) -> str:
        """Return the filters that are set as a query string, with a `?`."""
        values = {
            "by": self.by,
            "kind": self.kind,
            "from": self.since,
            "to": self.until,
            "noise": "1" if self.noise else "",
            **more,
        }
        given = {name: value for name, value in values.items() if value}
        return f"?{urlencode(given)}" if given else "?"


def read_history_form(query: QueryDict) -> HistoryForm:
    """Return the filters of the address; raises `DomainError` for a bad one."""
    for name in ("by", "kind", "from", "to", "cursor"):
        if "\x00" in query.get(name, ""):
            raise DomainError(
                "Parameters must not contain NUL characters.", fields=(name,)
            )
    kind = query.get("kind", "")
    if kind and kind not in kinds():
        allowed = ", ".join(kinds())
        raise DomainError(f"Unknown kind. Use one of: {allowed}.", fields=("kind",))
    if query.get("noise", "") not in {"", "0", "1"}:
        raise DomainError("`noise` must be 0 or 1.", fields=("noise",))
    return HistoryForm(
        query.get("by", "").strip()[:200],
        kind,
        query.get("from", ""),
        query.get("to", ""),
        query.get("noise") == "1",
    )


def _day(text: str, field: str) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not date(2000, 1, 1) <= day < date(2200, 1, 1):
        message = f"`{field}` must be a date such as 2026-11-30."
        raise DomainError(message, code="invalid_date_range", fields=(field,))
    return day


@dataclass(frozen=True, slots=True)
class HistoryReader:
    """Who reads the history: of which organization or white label, and what of it.

    `white_label_id` is None if all are visible. `zone` is that of the days.
    """

    organization_id: int | None
    white_label_id: int | None
    scopes: Set[Scope]
    permissions: Set[str]
    zone: ZoneInfo

    def filters(self, form: HistoryForm) -> HistoryFilters:
        """Return which changes are listed; raises `DomainError` for a bad range."""
        since, until = _day(form.since, "from"), _day(form.until, "to")
        if since and until and until < since:
            raise DomainError("`to` is before `from`.", fields=("from", "to"))
        next_day = until + timedelta(days=1) if until else None
        return HistoryFilters(
            organization_id=self.organization_id,
            white_label_id=None if self.organization_id else self.white_label_id,
            labels=self._labels(form.kind),
            actor=resolve_actor(form.by),
            since=first_instant(since, self.zone) if since else None,
            until=first_instant(next_day, self.zone) if next_day else None,
            noise={} if form.noise else noise(),
        )

    def _labels(self, kind: str) -> set[str]:
        """Return the models of a kind of which the reader may read the changes."""
        return {
            label
            for label, description in DESCRIPTIONS.items()
            if description.scope in self.scopes
            and (not kind or description.kind == kind)
            and (
                not description.permission or description.permission in self.permissions
            )
        }
