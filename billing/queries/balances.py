from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from billing.models import Subscription
from billing.models.mirrors import LIVE
from billing.queries.accounts import get_billing_account
from metrics.queries import list_open_periods, open_period_costs
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
    """Four queries of one organization."""
    live = Subscription.objects.filter(
        organization=organization, kind=Subscription.Kind.PLATFORM, status__in=LIVE
    )
    trial = next((one for one in live if one.is_in_trial), None)
    available = get_billing_account(organization).free_balance if trial else Decimal(0)
    cost = open_period_costs([organization.id])[organization.id].cost
    return Balance(
        available=available,
        used=min(available, cost),
        starts_at=list_open_periods([organization.id])[0].starts_at,
        ends_at=trial.trial_ends_at if trial else None,
    )
