from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from billing.ledger.queries.facts import billing_facts
from metrics.queries.periods import current_period
from orgs.models import Organization


@dataclass(frozen=True, slots=True)
class Balance:
    """What pays before money does: the free balance, while in the trial only."""

    available: Decimal
    used: Decimal  # by the open period
    starts_at: datetime
    ends_at: datetime | None  # the trial's end, where one is known

    @property
    def remaining(self) -> Decimal:
        return self.available - self.used


def balance(organization: Organization) -> Balance:
    """Two statements of one organization."""
    facts = billing_facts([organization.id])[organization.id]
    period = current_period(organization.id)
    available = facts.paying_balance
    return Balance(
        available=available,
        used=min(available, period.cost.cost),
        starts_at=period.starts_at,
        ends_at=facts.trial_ends_at if facts.is_in_trial else None,
    )
