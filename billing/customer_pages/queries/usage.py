"""What the customer page shows, read by the queries of the pages of staff.

Only what an organization may know about itself: no notes, discrepancies, benchmark
prices, or ids of rows.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.utils import timezone

from billing.forecast.queries.estimated_invoices import get_estimate
from billing.forecast.queries.estimates import EstimatedInvoice
from billing.ledger.queries.reconciliation import Reconciliation, reconcile_period
from billing.models import BillingPeriod, Invoice
from billing.stripe.queries.invoices import list_invoices
from metrics.catalog import METERS, Unit
from metrics.charts.costs import cost_chart
from metrics.periods import DayRange
from metrics.queries.daily_metrics import contract_start
from metrics.queries.fleet import RecentCost, recent_costs
from metrics.queries.items import CostItem, cost_items
from metrics.queries.periods import current_period
from metrics.queries.series import SeriesFilters, series
from orgs.days import ONE_DAY, day_of
from orgs.models import Organization
from orgs.web.charts import Chart

_DAYS = 30
_MAX_ITEMS = 50
_MAX_BILLS = 24
_UNITS = {
    Unit.TOKENS: "tokens",
    Unit.COUNT: "count",
    Unit.SECONDS: "seconds",
    Unit.BYTES: "bytes",
    Unit.BYTE_DAYS: "bytes",
}
# The steps that a customer follows; the others compare our own records.
_STEPS = {
    "Period": "Usage of the period",
    "After free balance": "After free balance",
    "Charged for usage": "Charged for usage",
    "After credits": "To pay",
}
_CAUSES = {
    "FREE_BALANCE": "Paid by free balance",
    "ROUNDING": "Rounded to the smallest amount that can be charged",
    "CREDIT": "Paid by credit",
}


@dataclass(frozen=True, slots=True)
class UsageRow:
    """The usage of a product by one meter, and its cost."""

    product: str
    meter: str
    quantity: Decimal | int
    unit: str
    note: str
    cost: Decimal
    has_no_price: bool


@dataclass(frozen=True, slots=True)
class BillStep:
    """A sum of a bill, and why it differs from the one before."""

    label: str
    amount: Decimal | None
    difference: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class Bill:
    """How the bill of a closed period adds up, by step and by product."""

    period: BillingPeriod
    steps: tuple[BillStep, ...]
    products: tuple[tuple[str, Decimal, Decimal | None], ...]


@dataclass(frozen=True, slots=True)
class CustomerUsage:
    """All that the page of an organization shows."""

    organization: Organization
    estimate: EstimatedInvoice
    recent: RecentCost
    chart: Chart | None
    usage: tuple[UsageRow, ...]
    has_more_usage: bool
    invoices: tuple[Invoice, ...]
    bills: tuple[BillingPeriod, ...]
    bill: Bill | None
    today: date


def read_customer_usage(
    organization: Organization, *, period: str = ""
) -> CustomerUsage:
    """Return what the page shows; `period` is the number of the bill to explain.

    A number that is not one of the listed bills chooses the last one. About twenty-five
    statements, however much the organization has used.
    """
    today = day_of(timezone.now(), organization.white_label.zone)
    days = DayRange(today - timedelta(days=_DAYS - 1), today + ONE_DAY)
    items = cost_items(organization.id, days)
    bills = _list_bills(organization)
    chosen = next((row for row in bills if str(row.number) == period), None)
    chosen = chosen or next(iter(bills), None)
    return CustomerUsage(
        organization=organization,
        estimate=get_estimate(organization, period=current_period(organization.id)),
        recent=recent_costs([organization.id], today=today)[organization.id],
        chart=_chart(organization, days, today),
        usage=tuple(_usage_row(item) for item in items[:_MAX_ITEMS]),
        has_more_usage=len(items) > _MAX_ITEMS,
        invoices=_list_issued(organization),
        bills=tuple(bills),
        bill=_explain(organization, chosen) if chosen else None,
        today=today,
    )


def _chart(organization: Organization, days: DayRange, today: date) -> Chart | None:
    return cost_chart(
        series(organization.id, SeriesFilters(days)),
        currency=organization.white_label.currency,
        today=today,
        started_on=contract_start(organization),
    )


def _usage_row(item: CostItem) -> UsageRow:
    meter = METERS.get(item.meter)
    unit = meter.unit if meter else Unit.COUNT
    return UsageRow(
        product=item.product,
        meter=meter.label if meter else item.meter,
        quantity=item.amounts.quantity,
        unit=_UNITS[unit],
        note="days" if unit is Unit.BYTE_DAYS else "",
        cost=item.amounts.cost,
        has_no_price=item.amounts.has_no_price,
    )


def _list_issued(organization: Organization) -> tuple[Invoice, ...]:
    """Return the latest invoices; a draft may still change and is not shown."""
    rows = list_invoices(organization.id)
    return tuple(row for row in rows if row.status != Invoice.Status.DRAFT)


def _list_bills(organization: Organization) -> list[BillingPeriod]:
    """Return the last closed periods that were charged."""
    rows = BillingPeriod.objects.filter(
        organization=organization, ends_at__isnull=False, closed_by=""
    )
    return list(rows.exclude(cost=None).order_by("-number")[:_MAX_BILLS])


def _explain(organization: Organization, period: BillingPeriod) -> Bill:
    reconciliation = reconcile_period(organization, period.number)
    return Bill(period, _steps(reconciliation), _products(reconciliation))


def _steps(reconciliation: Reconciliation) -> tuple[BillStep, ...]:
    """Return the steps from the usage of the period to what was charged for it."""
    steps = [step for step in reconciliation.steps if step.label in _STEPS]
    return tuple(
        BillStep(
            _STEPS[step.label],
            step.amount,
            step.difference if place else Decimal(0),
            _reason(step.reasons[0].cause.name) if place and step.reasons else "",
        )
        for place, step in enumerate(steps)
    )


def _reason(cause: str) -> str:
    return _CAUSES.get(cause, "Adjustment")


def _products(
    reconciliation: Reconciliation,
) -> tuple[tuple[str, Decimal, Decimal | None], ...]:
    rows = [
        (row.product or "Credit", row.daily, row.charged) for row in reconciliation.rows
    ]
    return tuple(row for row in rows if row[1] or row[2])
