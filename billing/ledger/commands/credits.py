"""Commands that add entries to the ledger of credits and free balance.

Staff add and remove amounts, closing periods use them. An entry and the balance that it
changes are written in one transaction; entries are never edited.
"""

from decimal import Decimal

from django.db import transaction

from billing.errors import BalanceTooLow, InvalidAmount
from billing.ledger.queries.credits import credit_balance
from billing.models import BillingAccount, BillingPeriod, CreditEntry
from billing.models.accounts import MONEY_DIGITS, MONEY_PLACES
from billing.money import exactly
from billing.signals import terms_changed
from orgs.errors import DomainError

_MAX_BY_LENGTH = 200
_AMOUNT_LIMIT = Decimal(10) ** (MONEY_DIGITS - MONEY_PLACES)  # exclusive
_SYSTEM = "Orgdesk"  # the author of entries that no person made


def grant_credit(
    organization_id: int, *, kind: str, amount: Decimal, note: str, by: str
) -> CreditEntry:
    """Add credit or free balance, exact, in the white label's currency.

    Raises `InvalidAmount`, and `DomainError` without a note.
    """
    _check_amount(amount)
    return _change(organization_id, kind=kind, amount=amount, note=note, by=by)


def take_back_credit(
    organization_id: int, *, kind: str, amount: Decimal, note: str, by: str
) -> CreditEntry:
    """Remove credit or free balance.

    Raises `BalanceTooLow` for more than is left, `InvalidAmount`, and `DomainError`
    without a note.
    """
    _check_amount(amount)
    return _change(organization_id, kind=kind, amount=-amount, note=note, by=by)


@transaction.atomic
def set_free_balance(
    organization_id: int, amount: Decimal, *, note: str, by: str
) -> CreditEntry | None:
    """Set the free balance to `amount` by an entry of the difference; None if equal."""
    account = lock_account(organization_id)
    with exactly():
        difference = amount - account.free_balance
    if not difference:
        return None
    kind = CreditEntry.Kind.FREE_BALANCE
    _check_new_balance(account, kind, difference)
    return _append(account, kind=kind, amount=difference, note=note, by=by)


@transaction.atomic
def _change(
    organization_id: int, *, kind: str, amount: Decimal, note: str, by: str
) -> CreditEntry:
    if kind not in CreditEntry.Kind.values:
        raise DomainError("Unknown credit type.", fields=("kind",))
    if not note.strip():
        raise DomainError("A note is required.", fields=("note",))
    account = lock_account(organization_id)
    _check_new_balance(account, kind, amount)
    return _append(account, kind=kind, amount=amount, note=note.strip(), by=by)


def _check_amount(amount: Decimal) -> None:
    if not amount.is_finite() or not 0 < amount < _AMOUNT_LIMIT:
        raise InvalidAmount("The amount must be above 0 and below 10^12.")
    with exactly():
        if amount != round(amount, MONEY_PLACES):
            raise InvalidAmount(
                f"The amount can have at most {MONEY_PLACES} decimal places."
            )


def _check_new_balance(account: BillingAccount, kind: str, amount: Decimal) -> None:
    with exactly():
        new_balance = _balance(account, kind) + amount
    if new_balance < 0:
        raise BalanceTooLow(
            "The amount is higher than the remaining balance.", fields=("amount",)
        )
    if new_balance >= _AMOUNT_LIMIT:
        raise InvalidAmount("The balance must stay below 10^12.")


def _balance(account: BillingAccount, kind: str) -> Decimal:
    if kind == CreditEntry.Kind.FREE_BALANCE:
        return account.free_balance
    return credit_balance(account.organization_id)


def _append(
    account: BillingAccount,
    *,
    kind: str,
    amount: Decimal,
    note: str,
    by: str,
    period: BillingPeriod | None = None,
) -> CreditEntry:
    if kind == CreditEntry.Kind.FREE_BALANCE:
        with exactly():
            account.free_balance += amount
        account.save(update_fields=["free_balance"])
        ids = [account.organization_id]
        terms_changed.send(BillingAccount, organization_ids=ids)
    return CreditEntry.objects.create(
        organization_id=account.organization_id,
        kind=kind,
        amount=amount,
        period=period,
        note=note,
        by=by.strip()[:_MAX_BY_LENGTH] or _SYSTEM,
    )


def lock_account(organization_id: int) -> BillingAccount:
    """Lock an organization's billing account and return it; create a missing one.

    Every change of a balance holds this row lock until its transaction ends, so that
    two of them cannot both spend what is left.
    """
    BillingAccount.objects.bulk_create(
        [BillingAccount(organization_id=organization_id)], ignore_conflicts=True
    )
    rows = BillingAccount.objects.select_for_update()
    return rows.get(organization_id=organization_id)


def use_balances(account: BillingAccount, period: BillingPeriod) -> None:
    """Subtract from the balances what a closed period used of each.

    The caller holds the lock of the account and has set the amounts of the period.
    """
    used = {
        CreditEntry.Kind.FREE_BALANCE: period.free_balance_used,
        CreditEntry.Kind.CREDIT: period.credit_used,
    }
    note = f"Used by period {period.number}."
    for kind, amount in used.items():
        if amount:
            _append(
                account,
                kind=kind,
                amount=-amount,
                note=note,
                by=_SYSTEM,
                period=period,
            )
