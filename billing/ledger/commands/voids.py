"""Command that voids usage of the open period and credits usage of closed ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from django.db import transaction
from django.db.models import Sum

from billing.errors import PeriodInvoiced
from billing.ledger.commands.credits import refund_as_credit
from billing.ledger.queries.voids import credit_owed
from billing.models import CreditEntry
from billing.money import ZERO, exactly
from metrics.commands import voids
from metrics.commands.corrections import begin_correction
from metrics.commands.recompute import CorrectionSpec, finish_correction
from metrics.commands.voids import BEFORE_FIRST, EventCursor, VoidedBatch, credit_usage
from metrics.queries.corrections import correction_cost, count_voided
from metrics.queries.voids import UsageRange, has_closed_usage
from orgs.errors import AlreadyDone
from orgs.models import Organization
from orgs.models.fields import new_key


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
    refuses_repeat: bool = False,
    progress: Callable[[int], object] = lambda _: None,
) -> VoidResult:
    """Void the usage of a range; with `as_credit`, credit the part of closed periods.

    Works in batches, each in a transaction: after a crash the same call goes on, and no
    event is voided or credited twice. A correction under a key that has finished is not
    done again: its result is returned, or with `refuses_repeat` `AlreadyDone` is raised
    if it changed anything. `progress` is called with the number of events of each
    batch. Without `as_credit`, raises `PeriodInvoiced` if there are events in closed
    periods: before any change, or afterwards if a period closed meanwhile.
    """
    organization = usage_range.organization
    with transaction.atomic():  # a refusal leaves no row
        correction, is_finished = begin_correction(
            organization.white_label, correction, _arguments(usage_range, as_credit)
        )
        if not is_finished and not as_credit:
            _refuse_invoiced(usage_range)
    if is_finished:
        result = _result_of(organization.pk, correction.id)
        is_repeated = result.voided or result.credited
        if is_repeated and refuses_repeat:
            raise AlreadyDone(
                f"The same usage was voided on {correction.started_at:%F %H:%M} UTC"
                f" by {correction.by}."
            )
        if is_repeated or not refuses_repeat:
            return result
    return _void(usage_range, correction, progress, as_credit=as_credit)


def _arguments(usage_range: UsageRange, as_credit: bool) -> tuple[object, ...]:
    return (
        usage_range.organization.pk,
        usage_range.start.timestamp(),
        usage_range.end.timestamp(),
        usage_range.product,
        usage_range.event_id,
        as_credit,
    )


def _result_of(organization_id: int, correction_id: UUID) -> VoidResult:
    """Return the result of a correction that has finished."""
    voided, credited = count_voided(organization_id, correction_id)
    cost = correction_cost(correction_id)
    entries = CreditEntry.objects.filter(
        organization_id=organization_id,
        idempotency_key__startswith=f"void-{correction_id}-",
    )
    credit = entries.aggregate(sum=Sum("amount"))["sum"] or ZERO
    return VoidResult(voided, -cost, credited, credit)


def _void(
    usage_range: UsageRange,
    correction: CorrectionSpec,
    progress: Callable[[int], object],
    *,
    as_credit: bool,
) -> VoidResult:
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
    if correction.key:  # an earlier run, which was killed, may have done a part
        return _result_of(usage_range.organization.pk, correction.id)
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
    # An event is credited once, so the last of a batch names the batch.
    last = sha256("\0".join(batch.last).encode()).hexdigest()
    _grant(
        usage_range.organization,
        batch.costs,
        amount,
        note=correction.note,
        by=correction.by,
        key=f"void-{correction.id}-{last}",
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
    amount = credit_owed(organization, costs)
    _grant(organization, costs, amount, note=note, by=by, key=new_key())


def _grant(
    organization: Organization,
    costs: Mapping[int, Decimal],
    amount: Decimal,
    *,
    note: str,
    by: str,
    key: str,
) -> None:
    if amount:
        periods = ", ".join(
            str(number) for number, cost in sorted(costs.items()) if cost
        )
        refund_as_credit(
            organization.pk,
            amount=amount,
            note=f"{note} (usage of period {periods})",
            by=by,
            key=key,
        )
