"""Commands that change spending limits."""

from decimal import Decimal

from django.db import transaction

from billing.ledger.queries.limits import read_limits
from billing.models import SpendingLimit
from billing.signals import terms_changed
from orgs.commands.organizations import touch_organization
from orgs.commands.proofs import ChangedMeanwhile, is_signed


def _lock_limits(organization_id: int) -> dict[str, str]:
    rows = SpendingLimit.objects.filter(organization_id=organization_id)
    list(rows.select_for_update().order_by("kind"))
    return read_limits(organization_id)


@transaction.atomic
def change_limit(
    organization_id: int, *, kind: str, amount: Decimal | None
) -> SpendingLimit:
    """Set an organization's soft or hard limit; None or 0 removes it.

    A new amount raises the limit's version, which re-arms its alerts. The row is locked
    so that two changes at once get two versions.
    """
    limit = _set_limit(organization_id, kind, amount)
    terms_changed.send(SpendingLimit, organization_ids=[organization_id])
    return limit


def _set_limit(
    organization_id: int, kind: str, amount: Decimal | None
) -> SpendingLimit:
    rows = SpendingLimit.objects.filter(organization_id=organization_id, kind=kind)
    is_new_limit = bool(amount) and not rows.exists()
    SpendingLimit.objects.bulk_create(
        [SpendingLimit(organization_id=organization_id, kind=kind, amount=amount)],
        ignore_conflicts=True,
    )
    limit = rows.select_for_update().get()
    is_changed = limit.amount != amount
    if is_changed:
        limit.amount = amount
        limit.version += 1
        limit.save(update_fields=["amount", "version"])
    if is_changed or is_new_limit:
        touch_organization(organization_id)
    return limit


@transaction.atomic
def change_limits(
    organization_id: int,
    *,
    soft: Decimal | None,
    hard: Decimal | None,
    proof: str | None = None,
) -> None:
    """Set both spending limits of an organization.

    Raises `ChangedMeanwhile` if a proof of `read_limits` is given and they are others
    by now. The hard limit goes first here and everywhere: writers that lock the two
    rows in one order cannot deadlock.
    """
    if proof is not None and not is_signed(proof, _lock_limits(organization_id)):
        raise ChangedMeanwhile
    _set_limit(organization_id, SpendingLimit.Kind.HARD, hard)
    _set_limit(organization_id, SpendingLimit.Kind.SOFT, soft)
    terms_changed.send(SpendingLimit, organization_ids=[organization_id])
