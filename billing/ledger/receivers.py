"""Signal receivers of the ledger."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from billing.ledger import tasks
from billing.ledger.commands import periods
from billing.ledger.commands.default_limits import set_default_limits
from billing.ledger.commands.voids import credit_lowered_usage
from billing.ledger.queries.settlement import list_settled
from billing.signals import charges_ready, charges_waiting
from metrics.signals import closed_usage_lowered, late_usage_reported
from orgs.models import Organization
from orgs.queue.enqueue import enqueue
from orgs.signals import organizations_created


def connect() -> None:
    """Connect what follows from new organizations, usage and new charges.

    Charges are enqueued as soon as they are written, whatever closed their period: a
    draft is finalized an hour after Stripe made it.
    """
    organizations_created.connect(_open_periods, weak=False)
    closed_usage_lowered.connect(_credit_lowered_usage, weak=False)
    late_usage_reported.connect(_list_settled, weak=False)
    charges_ready.connect(_enqueue_charges, weak=False)
    charges_waiting.connect(_enqueue_usage_invoices, weak=False)


def _open_periods(*, organization_ids: list[int], **_: Any) -> None:
    """Open the first periods; the limits come first for the forecasts that follow."""
    periods.open_first_periods(organization_ids)
    set_default_limits(organization_ids)


def _credit_lowered_usage(
    *,
    organization: Organization,
    costs: Mapping[int, Decimal],
    by: str,
    note: str,
    **_: Any,
) -> None:
    credit_lowered_usage(organization, costs, by=by, note=note)


def _enqueue_charges(*, period_ids: list[int], **_: Any) -> None:
    for period_id in period_ids:
        enqueue(tasks.send_charges, period_id)


def _enqueue_usage_invoices(*, organization_ids: list[int], **_: Any) -> None:
    for organization_id in organization_ids:
        enqueue(tasks.make_usage_invoice, organization_id)


def _list_settled(*, organization_ids: list[int], **_: Any) -> list[int]:
    return list_settled(organization_ids)
