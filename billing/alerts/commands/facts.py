"""What an alert remembers: the numbers of its moment, for its letter and for people.

    {"organization": {"id", "external_id", "name", "white_label"},
     "currency": "usd", "measure": "soft", "unit": "money", "value": "12.5",
     "base": "10", "per_cent": "125",
     "cost", "payable", "free_balance", "soft", "hard": amounts as text or null,
     "starts_at", "ends_at": of the open period, ISO 8601 or null,
     "status", "trial_ends_at", "contract_year", "today",
     "days": [{"day": "2026-11-20", "cost": "1.5"}, …], the 30 up to today,
     "recipients": ["a@example.com", …]}

The value is held against `base`: a limit, a balance, a median. `unit` is money,
seconds, bytes, count, days or nothing. Of `pace` there are also `pace_per_day`,
`days_left` and `projected_on`; of `spike` its `day`; of `stale_data` `last_used_on`.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from billing.alerts.kinds import Measure
from billing.alerts.queries.measuring import Crossing, Measured, plain
from metrics.queries.fleet import RecentCost, recent_costs_by_day
from orgs.models import Organization

Facts = dict[str, Any]
_UNITS = {
    **dict.fromkeys(
        (Measure.SOFT, Measure.HARD, Measure.BALANCE, Measure.PACE, Measure.SPIKE),
        "money",
    ),
    Measure.TRIAL: "days",
    Measure.SILENCE: "days",
}
_SUBJECT_UNITS = {
    "compute_seconds": "seconds",
    "gpu_seconds": "seconds",
    "storage_bytes": "bytes",
    "projects": "count",
    "users": "count",
}
_AMOUNTS = ("cost", "payable", "free_balance", "soft", "hard", "pace_per_day")


def freeze(crossings: Sequence[Crossing]) -> list[Facts]:
    """In the order of the crossings; two statements however many there are."""
    todays = {
        one.measured.organization_id: date.fromisoformat(one.measured.more["today"])
        for one in crossings
    }
    rows = Organization.objects.filter(pk__in=todays).select_related("white_label")
    organizations = {row.pk: row for row in rows}
    costs = recent_costs_by_day(todays)
    return [
        {
            **_organization(organizations[one.measured.organization_id]),
            **measured_facts(one.measured),
            "days": _days(
                costs[one.measured.organization_id],
                todays[one.measured.organization_id],
            ),
        }
        for one in crossings
    ]


def measured_facts(measured: Measured) -> Facts:
    """The part that is measured."""
    more = dict(measured.more)
    amounts = {name: plain(more[name]) for name in _AMOUNTS if more.get(name)}
    share = 100 * measured.value / measured.base if measured.base else None
    return {
        **more,
        **amounts,
        "measure": measured.measure,
        "unit": _SUBJECT_UNITS.get(measured.subject, _UNITS.get(measured.measure, "")),
        "value": plain(measured.value),
        "base": plain(measured.base),
        "per_cent": None if share is None else plain(round(share, 1)),
    }


def _organization(organization: Organization) -> Facts:
    return {
        "organization": {
            "id": organization.pk,
            "external_id": organization.external_id,
            "name": organization.name,
            "white_label": organization.white_label.name,
        }
    }


def _days(recent: RecentCost, today: date) -> list[dict[str, str]]:
    first = today - timedelta(days=len(recent.by_day) - 1)
    return [
        {"day": (first + timedelta(days=at)).isoformat(), "cost": plain(cost)}
        for at, cost in enumerate(recent.by_day)
    ]
