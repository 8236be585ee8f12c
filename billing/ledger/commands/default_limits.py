"""The spending limits that new organizations get from their white label."""

from collections.abc import Sequence

from django.db.models import Q

from billing.models import SpendingLimit
from orgs.models import Organization

_HARD, _SOFT = "white_label__default_hard_limit", "white_label__default_soft_limit"


def set_default_limits(organization_ids: Sequence[int]) -> None:
    """Give new organizations the default limits of their white labels.

    A later change of the defaults changes no organization. A limit that one has already
    stays.
    """
    new = Organization.objects.filter(
        Q(**{f"{_HARD}__isnull": False}) | Q(**{f"{_SOFT}__isnull": False}),
        pk__in=organization_ids,
    )
    limits = [
        SpendingLimit(organization_id=id_, kind=kind, amount=amount)
        for id_, hard, soft in new.order_by("pk").values_list("pk", _HARD, _SOFT)
        for kind, amount in (
            (SpendingLimit.Kind.HARD, hard),
            (SpendingLimit.Kind.SOFT, soft),
        )
        if amount is not None
    ]
    SpendingLimit.objects.bulk_create(limits, ignore_conflicts=True)
