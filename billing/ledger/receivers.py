"""What the ledger does when other apps signal."""

from typing import Any

from billing.ledger.commands import periods
from orgs.signals import organizations_created


def connect() -> None:
    """Open the first billing period of every organization that is created."""
    organizations_created.connect(_open_periods, weak=False)


def _open_periods(*, organization_ids: list[int], **_: Any) -> None:
    periods.open_first_periods(organization_ids)
