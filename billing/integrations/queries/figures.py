"""The figures that are pushed to Prometheus: those of the pages, by their queries.

The set is fixed and documented in `docs/integrations.md`. Amounts are in the currency
of the white label, seconds and bytes in these units.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal

from billing.access.decision import MESSAGES
from billing.access.queries.facts import list_refusals
from billing.forecast.queries.estimated_invoices import get_estimate
from billing.forecast.queries.estimates import EstimatedInvoice
from metrics.catalog import METERS
from metrics.push.sources import Figure, Labels
from metrics.queries.cost_differences import CostPart
from metrics.queries.cost_parts import list_period_cost_parts
from metrics.queries.daily_metrics import EntitlementUsage, entitlement_usage
from metrics.queries.periods import list_open_periods, total_cost
from orgs.days import day_of
from orgs.models import Organization

UsageKey = tuple[str, str]  # product and meter


def list_figures(organization: Organization, now: datetime) -> list[Figure]:
    """Return all figures of an organization, the most important first.

    Usage comes last, the most expensive first: if a limit cuts it, the least matters.
    About 15 statements.
    """
    zone = organization.white_label.zone
    use = entitlement_usage(organization, today=day_of(now, zone))
    return [
        *_access(organization, now),
        *_costs(get_estimate(organization), organization),
        *_entitlements(use),
        *_usage(organization),
    ]


def _access(organization: Organization, now: datetime) -> Iterator[Figure]:
    refused = {row.code for row in list_refusals(organization.pk, now=now)}
    yield Figure("orgdesk_access_allowed", int(not refused))
    for code in MESSAGES:
        yield Figure(
            "orgdesk_access_refused", int(code in refused), (("reason", code),)
        )


def _costs(estimate: EstimatedInvoice, organization: Organization) -> Iterator[Figure]:
    forecast, currency = estimate.forecast, (("currency", estimate.currency),)
    starts_at = int(forecast.starts_at.timestamp())
    yield Figure("orgdesk_period_start_timestamp_seconds", starts_at)
    yield Figure("orgdesk_period_cost", forecast.cost.cost, currency)
    yield Figure("orgdesk_period_payable_cost", forecast.payable, currency)
    yield Figure("orgdesk_cost_total", total_cost(organization.pk), currency)
    if forecast.projected is not None:
        yield Figure("orgdesk_forecast_period_cost", forecast.projected, currency)
    for total in estimate.totals:
        labels = (("currency", total.currency),)
        yield Figure("orgdesk_estimated_invoice_total", total.amount, labels)
    for limit in forecast.limits:
        kind = (*currency, ("limit", limit.kind))
        yield Figure("orgdesk_spending_limit", limit.amount, kind)


def _entitlements(use: EntitlementUsage) -> Iterator[Figure]:
    for measured in use.all:
        labels = (("entitlement", measured.slug),)
        yield Figure("orgdesk_entitlement_used", measured.used, labels)
        if measured.limit is not None:
            yield Figure("orgdesk_entitlement_limit", measured.limit, labels)


def _usage(organization: Organization) -> list[Figure]:
    [period] = list_open_periods([organization.pk])
    parts: dict[UsageKey, list[CostPart]] = defaultdict(list)
    by_project = list_period_cost_parts(organization.pk, [period.number])
    for key, part in by_project.items():
        parts[key.product, key.meter].append(part)
    sums = {key: _sum(rows) for key, rows in parts.items()}
    return usage_figures(sums, organization.white_label.currency)


def _sum(parts: Iterable[CostPart]) -> tuple[int, Decimal, int]:
    rows = list(parts)
    unpriced = sum(part.unpriced_quantity for part in rows)
    quantity = sum(part.quantity for part in rows) + unpriced
    return quantity, sum((part.cost for part in rows), Decimal(0)), unpriced


def usage_figures(
    sums: Mapping[UsageKey, tuple[int, Decimal, int]], currency: str
) -> list[Figure]:
    """Return the figures of usage from quantity, cost and unpriced quantity by key.

    Ordered by descending cost, and then by their names, so that the same series are
    left out each time.
    """
    figures: list[Figure] = []
    for key in sorted(sums, key=lambda key: (-sums[key][1], key)):
        quantity, cost, unpriced = sums[key]
        usage, unit = _usage_labels(key)
        figures.append(Figure("orgdesk_usage_quantity", quantity, (*usage, *unit)))
        figures.append(
            Figure("orgdesk_usage_cost", cost, (*usage, ("currency", currency)))
        )
        if unpriced:
            labels = (*usage, *unit)
            figures.append(Figure("orgdesk_usage_unpriced_quantity", unpriced, labels))
    return figures


def _usage_labels(key: UsageKey) -> tuple[Labels, Labels]:
    product, meter = key
    unit = METERS[meter].unit.value if meter in METERS else ""
    return (("product", product), ("meter", meter)), (("unit", unit),)
