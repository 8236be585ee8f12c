"""Commands that add entries to the ledger of credits and free balance.

Staff add and remove amounts, closing periods use them. An entry and the balance that it
changes are written in one transaction; entries are never edited. Each entry has an
idempotency key that is unique in its organization: a change that is requested again
under its key finds the entry, however often.
"""

from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction

from billing.errors import BalanceTooLow, InvalidAmount
from billing.ledger.queries.credits import credit_balance
from billing.models import BillingAccount, BillingPeriod, CreditEntry
from billing.money import exactly, minor_unit
from billing.notes import require_note
from billing.signals import terms_changed
from orgs.catalog import MONEY_DIGITS, MONEY_PLACES
from orgs.errors import AlreadyDone, DomainError, KeyReused
from orgs.models import Organization
from orgs.models.fields import new_key

_MAX_BY_LENGTH = 200
_AMOUNT_LIMIT = Decimal(10) ** (MONEY_DIGITS - MONEY_PLACES)  # exclusive
_SYSTEM = "Orgdesk"  # the author of entries that no person made


@dataclass(frozen=True, slots=True)
class OnceOnly:
    """The idempotency key of a change, and what finding the key means.

    The same change is found and returned. With `is_refused`, `AlreadyDone` is raised
    instead: the key was made of the arguments, and a person must confirm a second one.
    """

    key: str
    is_refused: bool = False


def grant_credit(
    organization_id: int,
    *,
    kind: str,
    amount: Decimal,
    note: str,
    by: str,
    once: OnceOnly | None = None,
) -> CreditEntry:
    """Add credit or free balance in the white label's currency; return the entry.

    Raises `InvalidAmount`, also for an amount that the currency's minor unit does not
    divide, `DomainError` without a note, and `KeyReused`.
    """
    check_amount(organization_id, amount)
    return _change(
        organization_id, kind=kind, amount=amount, note=note, by=by, once=once
    )


def take_back_credit(
    organization_id: int,
    *,
    kind: str,
    amount: Decimal,
    note: str,
    by: str,
    once: OnceOnly | None = None,
) -> CreditEntry:
    """Remove credit or free balance; return the entry.

    Raises `BalanceTooLow` for more than is left, and what `grant_credit` raises.
    """
    check_amount(organization_id, amount)
    return _change(
        organization_id, kind=kind, amount=-amount, note=note, by=by, once=once
    )


def refund_as_credit(
    organization_id: int, *, amount: Decimal, note: str, by: str, key: str
) -> CreditEntry:
    """Add the exact amount that Orgdesk owes as credit, once per key."""
    _check_range(amount)
    kind = CreditEntry.Kind.CREDIT
    return _change(
        organization_id, kind=kind, amount=amount, note=note, by=by, once=OnceOnly(key)
    )


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
    organization_id: int,
    *,
    kind: str,
    amount: Decimal,
    note: str,
    by: str,
    once: OnceOnly | None,
) -> CreditEntry:
    if kind not in CreditEntry.Kind.values:
        raise DomainError("Unknown credit type.", fields=("kind",))
    require_note(note)
    account = lock_account(organization_id)
    # Under the account's lock: of two requests with one key the second finds the entry.
    if once and (entry := _find(organization_id, kind, amount, once)):
        return entry
    _check_new_balance(account, kind, amount)
    key = once.key if once else ""
    return _append(account, kind=kind, amount=amount, note=note.strip(), by=by, key=key)


def _find(
    organization_id: int, kind: str, amount: Decimal, once: OnceOnly
) -> CreditEntry | None:
    entries = CreditEntry.objects.filter(organization_id=organization_id)
    entry = entries.filter(idempotency_key=once.key).first()
    if entry is None:
        return None
    if (entry.kind, entry.amount) != (kind, amount):
        raise KeyReused
    if once.is_refused:
        raise AlreadyDone(
            f"The same change was made on {entry.created_at:%F %H:%M} UTC by"
            f" {entry.by}."
        )
    return entry


def check_amount(organization_id: int, amount: Decimal) -> None:
    """Raise `InvalidAmount` for an amount that a person cannot have meant.

    It is above 0, below the largest amount of the ledger, and a multiple of the
    currency's minor unit: what is finer could not be charged.
    """
    _check_range(amount)
    organizations = Organization.objects.filter(pk=organization_id)
    currency = organizations.values_list("white_label__currency", flat=True).get()
    unit = minor_unit(currency)
    with exactly():
        if amount % unit:
            raise InvalidAmount(f"The smallest amount in {currency} is {unit}.")


def _check_range(amount: Decimal) -> None:
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
    key: str = "",
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
        idempotency_key=key or new_key(),
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


def use_credit(
    account: BillingAccount, period: BillingPeriod, amount: Decimal, *, key: str
) -> None:
    """Subtract credit that pays for a charge that is made again, once per key.

    The caller holds the lock of the account.
    """
    _append(
        account,
        kind=CreditEntry.Kind.CREDIT,
        amount=-amount,
        note=f"Used by a charge of period {period.number} that is made again.",
        by=_SYSTEM,
        period=period,
        key=key,
    )


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
                key=f"period-{period.pk}-{kind}",
            )
