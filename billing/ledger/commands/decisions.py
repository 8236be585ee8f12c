"""Commands that decide about amounts that a charge's invoice lost.

Charged again, the amount becomes a new charge, which waits for the next draft; credit
pays for it as it does when a period closes. Written
off, it is not paid. Returned, it becomes credit: the credit that a void invoice used,
or what an invoice has too much of.
"""

from collections.abc import Iterable
from decimal import Decimal

from django.db import transaction
from django.db.models import Max

from billing.errors import NothingMissing
from billing.ledger.commands.credits import (
    lock_account,
    refund_as_credit,
    use_credit,
)
from billing.ledger.commands.invoicing import NO_DRAFT
from billing.ledger.queries.credits import credit_balance
from billing.ledger.queries.differences import (
    ChargeDifference,
    find_difference,
    list_invoice_differences,
)
from billing.models import Charge, ChargeDecision, Invoice
from billing.money import ZERO, round_down
from billing.notes import require_note
from billing.signals import charges_waiting
from orgs.errors import KeyReused

_MAX_BY_LENGTH = 200
_SYSTEM = "Orgdesk"
_Kind = ChargeDecision.Kind


@transaction.atomic
def decide(
    charge_id: int, kind: str, *, note: str, by: str, key: str
) -> ChargeDecision:
    """Decide about all of a charge's difference, once per key; return the decision.

    Raises `NothingMissing` if there is no difference, or none that allows this kind:
    only missing usage is charged again, only missing credit and what is charged too
    often is returned. Raises `DomainError` without a note, and `KeyReused`.
    """
    require_note(note)
    # The lock makes two decisions about a charge take turns.
    charge = Charge.objects.select_for_update(of=("self",)).get(pk=charge_id)
    if decision := charge.decisions.filter(idempotency_key=key).first():
        if decision.kind != kind:
            raise KeyReused
        return decision
    difference = find_difference(charge_id)
    if difference is None or kind not in possible_decisions(difference):
        raise NothingMissing("Nothing of this charge is missing on its invoice.")
    return _decide(charge, difference, kind, note=note.strip(), by=by, key=key)


def possible_decisions(difference: ChargeDifference) -> tuple[str, ...]:
    """Return the kinds of decisions that a difference allows."""
    if not difference.open_amount:
        return ()
    if difference.open_amount < 0:
        return _Kind.RETURN, _Kind.WRITE_OFF
    if difference.kind == Charge.Kind.USAGE:
        return _Kind.CHARGE_AGAIN, _Kind.WRITE_OFF
    # An invoice that gives too much credit owes the customer nothing.
    return (_Kind.WRITE_OFF,)


def _decide(
    charge: Charge,
    difference: ChargeDifference,
    kind: str,
    *,
    note: str,
    by: str,
    key: str,
) -> ChargeDecision:
    amount, author = difference.open_amount, by.strip()[:_MAX_BY_LENGTH] or _SYSTEM
    is_again = kind == _Kind.CHARGE_AGAIN
    if kind == _Kind.RETURN:
        refund_as_credit(
            difference.organization_id,
            amount=-amount,
            note=note,
            by=author,
            key=f"charge-{charge.pk}-{key}",
        )
    decision = ChargeDecision.objects.create(
        charge=charge,
        kind=kind,
        amount=amount,
        new_charge=_replace(charge, difference) if is_again else None,
        note=note,
        by=author,
        idempotency_key=key,
    )
    if is_again:
        _pay_with_credit(charge, difference, decision)
        ids = [difference.organization_id]
        charges_waiting.send(Charge, organization_ids=ids)
    return decision


def _replace(charge: Charge, difference: ChargeDifference) -> Charge:
    """Insert the charge of a lost amount; it waits for the next draft."""
    amount = difference.open_amount
    return _create(charge, charge.kind, charge.product, cost=amount, amount=amount)


def _create(
    charge: Charge, kind: str, product: str, *, cost: Decimal, amount: Decimal
) -> Charge:
    """Insert a further charge of the same period, without a draft."""
    same = Charge.objects.filter(period=charge.period_id, kind=kind, product=product)
    latest: int = same.aggregate(number=Max("attempt_number"))["number"] or 1
    return Charge.objects.create(
        period_id=charge.period_id,
        kind=kind,
        product=product,
        cost=cost,
        amount=amount,
        currency=charge.currency,
        attempt_number=latest + 1,
        error_code=NO_DRAFT,
        error="Waits for the next draft invoice.",
    )


def _pay_with_credit(
    charge: Charge, difference: ChargeDifference, decision: ChargeDecision
) -> None:
    """Charge credit beside an amount that is charged again, as far as there is any.

    The credit that the lost invoice used has returned to its ledger, and pays again.
    """
    account = lock_account(difference.organization_id)
    available = round_down(credit_balance(account.organization_id), charge.currency)
    amount = min(available, difference.open_amount)
    if amount > 0:
        use_credit(account, charge.period, amount, key=f"decision-{decision.pk}")
        _create(charge, Charge.Kind.CREDIT, "", cost=ZERO, amount=-amount)


def return_lost_credits(invoice_ids: Iterable[str]) -> None:
    """Return the credit that void or deleted invoices used to its ledger.

    Call it after the lines of these invoices were recorded, in that transaction. A
    credit that is on the invoice that replaces a void one is not lost.
    """
    for difference in list_invoice_differences(invoice_ids):
        is_gone = difference.invoice_status in (Invoice.Status.VOID, "")
        is_credit = difference.kind == Charge.Kind.CREDIT
        if is_credit and is_gone and difference.is_lost:
            decide(
                difference.charge_id,
                _Kind.RETURN,
                note=f"{difference.cause}: {difference.invoice_stripe_id}.",
                by=_SYSTEM,
                key=f"lost-{difference.decided}",
            )
