"""Command that voids usage of the open period and credits usage of closed ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction

from billing.errors import PeriodInvoiced
from billing.ledger.commands.credits import grant_credit
from billing.ledger.queries.voids import credit_owed
from billing.models import CreditEntry
from billing.money import ZERO, exactly
from metrics.commands import voids
from metrics.commands.recompute import CorrectionSpec, finish_correction
from metrics.commands.voids import BEFORE_FIRST, EventCursor, VoidedBatch, credit_usage
from metrics.queries.voids import UsageRange, has_closed_usage
from orgs.models import Organization


@dataclass(slots=True)
class VoidResult:
    """Numbers of events that were voided and credited, and their amounts."""

    voided: int = 0
    cost: Decimal = ZERO  # of the voided events, removed from the open period
    credited: int = 0
    credit: Decimal = ZERO  # granted for the credited events


def void_usage(
    usage_range: UsageRange,
    *,
    correction: CorrectionSpec,
    as_credit: bool = False,
    progress: Callable[[int], object] = lambda _: None,
) -> VoidResult:
    """Void the usage of a range; with `as_credit`, credit the part of closed periods.

    Works in batches, each in a transaction: after a crash the same call goes on, and no
    event is voided or credited twice. `progress` is called with the number of events of
    each batch. Without `as_credit`, raises `PeriodInvoiced` if there are events in
    closed periods: before any change, or afterwards if a period closed meanwhile.
    """
    if not as_credit:
        _refuse_invoiced(usage_range)
    result = VoidResult()
    for batch in voids.void_usage(usage_range, correction=correction):
        result.voided += batch.events
        with exactly():
            result.cost += batch.cost
        progress(batch.events)
    if as_credit:
        _credit_closed_usage(usage_range, correction, result, progress)
    else:
        _refuse_invoiced(usage_range)
    finish_correction(correction)
    return result


def _refuse_invoiced(usage_range: UsageRange) -> None:
    if has_closed_usage(usage_range):
        raise PeriodInvoiced(
            "Some of this usage is in closed periods and stays billed. Refund it as"
            " credit instead."
        )


def _credit_closed_usage(
    usage_range: UsageRange,
    correction: CorrectionSpec,
    result: VoidResult,
    progress: Callable[[int], object],
) -> None:
    after = BEFORE_FIRST
    while True:
        with transaction.atomic():
            credited = _credit_batch(usage_range, correction, after)
        if credited is None:
            return
        batch, amount = credited
        after = batch.last
        result.credited += batch.events
        with exactly():
            result.credit += amount
        progress(batch.events)


def _credit_batch(
    usage_range: UsageRange, correction: CorrectionSpec, after: EventCursor
) -> tuple[VoidedBatch, Decimal] | None:
    batch = credit_usage(usage_range, correction=correction, after=after)
    if batch is None:
        return None
    amount = credit_owed(usage_range.organization, batch.costs, is_recorded=True)
    _grant(
        usage_range.organization,
        batch.costs,
        amount,
        note=correction.note,
        by=correction.by,
    )
    return batch, amount


def credit_lowered_usage(
    organization: Organization, costs: Mapping[int, Decimal], *, by: str, note: str
) -> None:
    """Credit usage of closed periods that turned out to be lower than was billed.

    `costs` are the excess costs by number of the period. Call it inside the transaction
    that lowers the recorded usage, so that both are written or neither. Nothing is
    granted where nothing was invoiced.
    """
    _grant(organization, costs, credit_owed(organization, costs), note=note, by=by)


def _grant(
    organization: Organization,
    costs: Mapping[int, Decimal],
    amount: Decimal,
    *,
    note: str,
    by: str,
) -> None:
    if amount:
        periods = ", ".join(map(str, sorted(costs)))
        grant_credit(
            organization.pk,
            kind=CreditEntry.Kind.CREDIT,
            amount=amount,
            note=f"{note} (usage of period {periods})",
            by=by,
        )
