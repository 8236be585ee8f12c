"""Owners of customers: the organizations whose billing account links them.

An owner is never guessed from names, emails or metadata.
"""

from collections.abc import Collection
from typing import NamedTuple

from django.db.models import F

from billing.models import BillingAccount


class Owner(NamedTuple):
    """Organization that a customer is linked to."""

    organization_id: int
    white_label_id: int


def find_owners(customer_ids: Collection[str]) -> dict[str, Owner]:
    """Return the owners by customer; unlinked customers are left out."""
    accounts = BillingAccount.objects.filter(stripe_id__in=customer_ids).annotate(
        white_label_id=F("organization__white_label_id")
    )
    rows = accounts.values_list("stripe_id", "organization_id", "white_label_id")
    return {id_: Owner(*owner) for id_, *owner in rows if id_}


def is_in_scope(owner: Owner | None, white_label_id: int | None) -> bool:
    """Return whether there is an owner in the white label; null means in any."""
    return owner is not None and white_label_id in (None, owner.white_label_id)
