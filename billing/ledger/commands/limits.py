"""Commands that change spending limits."""

from decimal import Decimal

from django.db import transaction

from billing.models import SpendingLimit
from billing.signals import terms_changed
from orgs.commands.organizations import touch_organization


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
    organization_id: int, *, soft: Decimal | None, hard: Decimal | None
) -> None:
    """Set both spending limits of an organization.

    The hard limit goes first here and everywhere: writers that lock the two rows in one
    order cannot deadlock.
    """
    _set_limit(organization_id, SpendingLimit.Kind.HARD, hard)
    _set_limit(organization_id, SpendingLimit.Kind.SOFT, soft)
    terms_changed.send(SpendingLimit, organization_ids=[organization_id])
