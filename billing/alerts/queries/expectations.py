"""What organizations are expected to use by the end of their period.

The forecast is that of pages, lists and the API. It is computed before the statement
that measures, so that the evaluation lock is not held meanwhile.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from billing.forecast.queries.estimated_invoices import list_estimates
from billing.forecast.queries.estimates import EstimatedInvoice
from billing.forecast.queries.forecasts import Supposition, list_forecasts
from billing.models.accounts import LimitKind
from billing.money import ZERO, exactly
from orgs.days import day_of
from orgs.models import Organization

HORIZON_DAYS = 30  # of the forecast, when the end of the period is not known


@dataclass(frozen=True, slots=True)
class Scenario:
    """Supposed spending or limits; None keeps the current value, limit 0 removes it."""

    spend: Decimal | None = None  # the open period's cost, before free balance
    soft: Decimal | None = None
    hard: Decimal | None = None

    @property
    def supposition(self) -> Supposition:
        """What the forecast supposes."""
        return Supposition(self.spend, self.soft, self.hard)

    @property
    def parameters(self) -> dict[str, object]:
        """The parameters of the statements that measure."""
        return {
            "spend": self.spend,
            "soft": self.soft,
            "soft_given": self.soft is not None,
            "hard": self.hard,
            "hard_given": self.hard is not None,
        }


@dataclass(frozen=True, slots=True)
class Expectation:
    """The expected usage of an organization with a soft limit, after free balance."""

    organization_id: int
    value: Decimal
    per_day: Decimal
    history_days: int
    projected_on: date | None
    estimated_invoice: Decimal | None  # in the white label's currency; None without one
    estimated_invoice_on: date | None


def expect_usage(
    organization_ids: Iterable[int],
    *,
    now: datetime,
    scenario: Scenario | None = None,
) -> list[Expectation]:
    """Return what the organizations with a soft limit are expected to use, by id.

    Seven statements for any number of organizations.
    """
    supposed = (scenario or Scenario()).supposition
    rows = Organization.objects.filter(pk__in=organization_ids, deleted_at=None)
    organizations = list(rows.select_related("white_label"))
    zones = {row.pk: row.white_label.zone for row in organizations}
    forecasts = list_forecasts(organizations, now=now, supposed=supposed)
    limited = {
        id_: forecast
        for id_, forecast in sorted(forecasts.items())
        if forecast.facts.soft is not None
    }
    estimates = list_estimates(organizations, limited)
    return [
        _expectation(id_, estimates[id_], day_of(now, zones[id_])) for id_ in limited
    ]


def _expectation(id_: int, estimate: EstimatedInvoice, today: date) -> Expectation:
    forecast = estimate.forecast
    [soft] = (limit for limit in forecast.limits if limit.kind == LimitKind.SOFT)
    end = forecast.ends_on or today + timedelta(days=HORIZON_DAYS)
    with exactly():
        spent = forecast.cost.cost - forecast.free_balance
        value = max(spent + forecast.rest_until(end), ZERO)
    return Expectation(
        id_,
        value,
        forecast.daily_average,
        forecast.usage.history_days,
        soft.projected_on,
        estimate.total.amount if estimate.total and estimate.is_complete else None,
        estimate.on,
    )


def expectation_parameters(expected: Sequence[Expectation]) -> dict[str, object]:
    """Return the parameters of the statements that evaluate complete days."""
    return {
        "expected_ids": [row.organization_id for row in expected],
        "expected_values": [row.value for row in expected],
        "expected_per_day": [row.per_day for row in expected],
        "expected_history": [row.history_days for row in expected],
        "expected_on": [row.projected_on for row in expected],
        "estimated_invoices": [row.estimated_invoice for row in expected],
        "estimated_on": [row.estimated_invoice_on for row in expected],
    }
