"""Accounts of staff with what they may do, and how they log in."""

from collections.abc import Sequence
from dataclasses import dataclass

from allauth.mfa.models import Authenticator
from django.db.models import Exists, OuterRef

from orgs.models import User
from orgs.queries.accounts import FACTOR_TYPES

STAFF_ON_A_PAGE = 100


@dataclass(frozen=True, slots=True)
class StaffPage:
    """Some accounts; the following page begins after the name `next_after`."""

    accounts: Sequence[User]
    next_after: str


def list_staff(*, text: str = "", after: str = "") -> StaffPage:
    """Return staff accounts by username, with roles, white label, and `has_factor`.

    Three statements. The text is compared with names and addresses.
    """
    factors = Authenticator.objects.filter(user=OuterRef("pk"), type__in=FACTOR_TYPES)
    rows = User.objects.filter(is_staff=True, username__gt=after)
    for word in text.split():
        rows = rows.filter(username__icontains=word) | rows.filter(
            email__icontains=word
        )
    rows = rows.annotate(has_factor=Exists(factors)).select_related("white_label")
    ordered = rows.prefetch_related("groups").order_by("username")
    fetched = list(ordered[: STAFF_ON_A_PAGE + 1])
    shown = fetched[:STAFF_ON_A_PAGE]
    has_more = len(fetched) > STAFF_ON_A_PAGE
    return StaffPage(shown, shown[-1].username if has_more else "")
