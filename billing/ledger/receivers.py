"""Signal receivers of the ledger."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from billing.ledger.commands import periods
from billing.ledger.commands.voids import credit_lowered_usage
from metrics.signals import closed_usage_lowered
from orgs.models import Organization
from orgs.signals import organizations_created


def connect() -> None:
    """Open the first period of new organizations, and refund usage that was lowered."""
    organizations_created.connect(_open_periods, weak=False)
    closed_usage_lowered.connect(_credit_lowered_usage, weak=False)


def _open_periods(*, organization_ids: list[int], **_: Any) -> None:
    periods.open_first_periods(organization_ids)


def _credit_lowered_usage(
    *,
    organization: Organization,
    costs: Mapping[int, Decimal],
    by: str,
    note: str,
    **_: Any,
) -> None:
    credit_lowered_usage(organization, costs, by=by, note=note)
