"""Query of an organization's free balance as its customers see it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from billing.ledger.queries.facts import billing_facts
from metrics.queries.periods import current_period
from orgs.models import Organization


@dataclass(frozen=True, slots=True)
class FreeBalance:
    """The free balance of the open period; nothing is available outside a trial."""

    available: Decimal
    used: Decimal  # by the open period
    starts_at: datetime  # of the open period
    ends_at: datetime | None  # the trial's end, if it is known

    @property
    def remaining(self) -> Decimal:
        return self.available - self.used


def get_free_balance(organization: Organization) -> FreeBalance:
    """Return the free balance of an organization; two statements."""
    facts = billing_facts([organization.id])[organization.id]
    period = current_period(organization.id)
    available = facts.usable_free_balance
    return FreeBalance(
        available=available,
        used=min(available, period.cost.cost),
        starts_at=period.starts_at,
        ends_at=facts.trial_ends_at if facts.is_in_trial else None,
    )
