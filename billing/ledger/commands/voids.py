"""Usage voided while its period is open, and made good by a credit afterwards."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction

from billing.errors import PeriodInvoiced
from billing.ledger.commands.credits import grant_credit
from billing.ledger.queries.voids import credit_for
from billing.models import CreditEntry
from billing.money import ZERO, exactly
from metrics.commands import voids
from metrics.commands.recompute import CorrectionSpec, finish_correction
from metrics.commands.voids import FIRST, Key, Voided, credit_usage
from metrics.queries.voids import UsageRange, has_closed_usage


@dataclass(slots=True)
class Corrected:
    """Events voided, and what they cost; events made good, and the credit for them."""

    voided: int = 0
    cost: Decimal = ZERO
    credited: int = 0
    credit: Decimal = ZERO


def void_usage(
    chosen: UsageRange,
    *,
    correction: CorrectionSpec,
    as_credit: bool = False,
    progress: Callable[[int], object] = lambda _: None,
) -> Corrected:
    """Void the range's usage; with `as_credit` what was invoiced of it is credited.

    Batch by batch: killed, it is gone on with by asking again, and nothing is voided or
    credited twice. `progress` is told the events of each batch. Without `as_credit`,
    raises `PeriodInvoiced` before anything happens where events are in closed periods;
    or after, where a period closed meanwhile.
    """
    if not as_credit:
        _refuse_invoiced(chosen)
    result = Corrected()
    for batch in voids.void_usage(chosen, correction=correction):
        result.voided += batch.events
        with exactly():
            result.cost += batch.cost
        progress(batch.events)
    if as_credit:
        _credit(chosen, correction, result, progress)
    else:
        _refuse_invoiced(chosen)
    finish_correction(correction)
    return result


def _refuse_invoiced(chosen: UsageRange) -> None:
    if has_closed_usage(chosen):
        raise PeriodInvoiced(
            "Some of this usage is in closed periods and stays billed. Refund it as"
            " credit instead."
        )


def _credit(
    chosen: UsageRange,
    correction: CorrectionSpec,
    result: Corrected,
    progress: Callable[[int], object],
) -> None:
    after = FIRST
    while True:
        with transaction.atomic():
            credit = _credit_some(chosen, correction, after)
        if credit is None:
            return
        batch, amount = credit
        after = batch.last
        result.credited += batch.events
        with exactly():
            result.credit += amount
        progress(batch.events)


def _credit_some(
    chosen: UsageRange, correction: CorrectionSpec, after: Key
) -> tuple[Voided, Decimal] | None:
    batch = credit_usage(chosen, correction=correction, after=after)
    if batch is None:
        return None
    amount = credit_for(chosen.organization, batch.costs, is_marked=True)
    if amount:
        periods = ", ".join(map(str, sorted(batch.costs)))
        grant_credit(
            chosen.organization.pk,
            kind=CreditEntry.Kind.CREDIT,
            amount=amount,
            note=f"{correction.note} (usage of period {periods})",
            by=correction.by,
        )
    return batch, amount
