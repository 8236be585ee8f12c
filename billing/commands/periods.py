"""Opening and closing billing periods, always together with the one metrics keeps."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from billing.errors import PeriodClosed
from billing.models import BillingPeriod
from metrics import commands as usage
from metrics.queries import list_open_periods, period_cost


@transaction.atomic
def open_first_periods(organization_ids: Sequence[int]) -> None:
    """Open period 1 of new organizations, from their contract start."""
    usage.open_first_periods(organization_ids)
    periods = [
        BillingPeriod(
            organization_id=period.organization_id,
            number=period.number,
            starts_at=period.starts_at,
        )
        for period in list_open_periods(organization_ids)
    ]
    BillingPeriod.objects.bulk_create(periods, ignore_conflicts=True)


@transaction.atomic
def close_period(organization_id: int, *, ends_at: datetime) -> BillingPeriod:
    """Close the open period at `ends_at`, sum it, open the next; answers the closed.

    Waits for recordings in flight; usage that arrives after belongs to the next period
    whatever its instant. Raises `PeriodClosed` when the period does not reach that far.
    """
    number = usage.advance_period(organization_id, starts_at=ends_at).number
    period = BillingPeriod.objects.select_for_update().get(
        organization_id=organization_id, number=number
    )
    if ends_at <= period.starts_at:
        raise PeriodClosed("The open period starts at or after that instant.")
    period.ends_at = ends_at
    period.closed_at = timezone.now()
    period.cost = period_cost(organization_id, number=number).cost
    period.save()
    BillingPeriod.objects.create(
        organization_id=organization_id, number=number + 1, starts_at=ends_at
    )
    return period
