"""The facts of an alert: the figures at its time, for its emails and for pages.

    {"organization": {"id", "external_id", "name", "white_label"},
     "currency": "usd", "measure": "soft", "unit": "money", "value": "12.5",
     "base": "10", "per_cent": "125",
     "cost", "payable", "free_balance", "soft", "hard": amounts as text or null,
     "starts_at", "ends_at": of the open period, ISO 8601 or null,
     "status", "trial_ends_at", "contract_year", "today",
     "days": [{"day": "2026-11-20", "cost": "1.5"}, …], the 30 up to today; the cost
        is null if no usage was recorded,
     "recipients": ["a@example.com", …]}

The value is compared with `base`: a limit, a balance or a median. `unit` is one of
`billing.alerts.measures.Unit`. The kind `pace` adds `run_rate_per_day`, `projected_on`,
`estimated_invoice` and `estimated_invoice_on`; `spike` adds its `day`; `stale_data`
adds `last_used_on`. `pace` and `spike` have the three main `causes` in words,
`causes_compared`, the days they are compared with, and both ranges as `causes_days`.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from billing.alerts.measures import unit_of
from billing.alerts.queries.causes import find_causes
from billing.alerts.queries.measurements import Measurement, ReachedThreshold
from metrics.queries.fleet import RecentCost, recent_costs_by_day
from orgs.decimals import plain
from orgs.models import Organization

Facts = dict[str, Any]
_AMOUNTS = (
    *("cost", "payable", "free_balance", "soft", "hard"),
    *("run_rate_per_day", "estimated_invoice"),
)


def build_facts(thresholds: Sequence[ReachedThreshold]) -> list[Facts]:
    """Return the facts of each threshold, in their order.

    Costs two statements, however many thresholds there are, and those of the causes of
    spikes and forecasts.
    """
    measurements = [threshold.measurement for threshold in thresholds]
    todays = {
        measurement.organization_id: date.fromisoformat(measurement.context["today"])
        for measurement in measurements
    }
    rows = Organization.objects.filter(pk__in=todays).select_related("white_label")
    organizations = {row.pk: row for row in rows}
    costs = recent_costs_by_day(todays)
    causes = find_causes(
        measurements, organizations, {id_: row.costs for id_, row in costs.items()}
    )
    return [
        {
            **_organization(organizations[measurement.organization_id]),
            **measurement_facts(measurement),
            "days": _days(
                costs[measurement.organization_id], todays[measurement.organization_id]
            ),
            **causes_of_one,
        }
        for measurement, causes_of_one in zip(measurements, causes, strict=True)
    ]


def measurement_facts(measurement: Measurement) -> Facts:
    """Return the facts that come from the measurement."""
    context = dict(measurement.context)
    amounts = {
        name: plain(Decimal(context[name])) for name in _AMOUNTS if context.get(name)
    }
    value, base = measurement.value, measurement.base
    percent = 100 * value / base if base else None
    return {
        **context,
        **amounts,
        "measure": measurement.measure,
        "unit": unit_of(measurement.measure, measurement.subject),
        "value": plain(value),
        "base": plain(base),
        "per_cent": None if percent is None else plain(round(percent, 1)),
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


def _days(recent: RecentCost, today: date) -> list[dict[str, str | None]]:
    first = today - timedelta(days=len(recent.by_day) - 1)
    days = [first + timedelta(days=number) for number in range(len(recent.by_day))]
    return [
        {
            "day": day.isoformat(),
            "cost": plain(recent.costs[day]) if day in recent.costs else None,
        }
        for day in days
    ]
