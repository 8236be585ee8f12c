"""Signal receivers of the ledger."""

from typing import Any

from billing.ledger.commands import periods
from orgs.signals import organizations_created


def connect() -> None:
    """Connect the receiver that opens the first period of each new organization."""
    organizations_created.connect(_open_periods, weak=False)


def _open_periods(*, organization_ids: list[int], **_: Any) -> None:
    periods.open_first_periods(organization_ids)
