"""CSV export of the organization list."""

from collections.abc import Collection

from billing.console.queries.organization_list import FleetRow
from billing.forecast.queries.estimates import EstimatedInvoice
from orgs.decimals import plain
from orgs.schemas.csv import Cell

ORGANIZATION_COLUMNS = (
    "id",
    "external_id",
    "name",
    "white_label",
    "state",
    "currency",
    "cost_30_days",
    "cost_30_days_before",
    "cost_this_period",
    "estimated_invoice",
    "estimated_invoice_in_other_currencies",
    "estimated_invoice_on",
    "estimated_invoice_state",
    "estimated_invoice_low",
    "estimated_invoice_high",
    "estimated_invoice_tax",
    "next_limit",
    "next_limit_amount",
    "next_limit_is_crossed",
    "next_limit_on",
    "created_at",
    "entitlement_use",
)


# The columns of the file for each column of the table; the others are always there.
_CHOSEN = {
    "status": ("state",),
    "cost": ("cost_30_days",),
    "change": ("cost_30_days_before",),
    "trend": (),
    "period": ("cost_this_period",),
    "estimate": (
        "estimated_invoice",
        "estimated_invoice_in_other_currencies",
        "estimated_invoice_on",
        "estimated_invoice_state",
        "estimated_invoice_low",
        "estimated_invoice_high",
        "estimated_invoice_tax",
    ),
    "entitlement": ("entitlement_use",),
    "limit": (
        "next_limit",
        "next_limit_amount",
        "next_limit_is_crossed",
        "next_limit_on",
    ),
    "created": ("created_at",),
}


def organization_columns(chosen: Collection[str]) -> tuple[str, ...]:
    """Return the columns of the file for chosen columns of the list, in their order."""
    left_out = {
        name for slug in _CHOSEN if slug not in chosen for name in _CHOSEN[slug]
    }
    return tuple(name for name in ORGANIZATION_COLUMNS if name not in left_out)


def organization_cells(row: FleetRow) -> list[Cell]:
    """Return the cells of an organization's row, in the order of the columns."""
    organization, limit = row.organization, row.limit
    return [
        organization.pk,
        organization.external_id,
        organization.name,
        organization.white_label.slug,
        "; ".join(badge.label for badge in row.badges),
        organization.white_label.currency,
        row.recent.cost,
        row.recent.cost_before,
        row.period.cost,
        *_estimate_cells(row.estimate),
        limit.label if limit else None,
        limit.amount if limit else None,
        str(limit.is_reached).lower() if limit else None,
        limit.day if limit else None,
        organization.created_at,
        row.entitlement_use,
    ]


def _estimate_cells(estimate: EstimatedInvoice | None) -> list[Cell]:
    """Return the total, totals in other currencies, day, state, range, and tax.

    The total is empty without an invoice, and if only Stripe knows a part of it.
    """
    if estimate is None:
        return [None] * 7
    total = estimate.total if estimate.is_complete else None
    others = (f"{plain(row.amount)} {row.currency}" for row in estimate.totals[1:])
    return [
        total.amount if total else None,
        "; ".join(others),
        estimate.on,
        estimate.state.value,
        total.low if total else None,
        total.high if total else None,
        estimate.tax.value if estimate.has_invoice else None,
    ]
