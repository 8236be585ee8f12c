"""Whose customer a customer is: by the account it is linked to, never by guessing."""

from collections.abc import Collection
from typing import NamedTuple

from django.db.models import F

from billing.models import BillingAccount


class Owner(NamedTuple):
    organization_id: int
    white_label_id: int


def owners_of(customer_ids: Collection[str]) -> dict[str, Owner]:
    """By customer; those that are nobody's are not in it."""
    accounts = BillingAccount.objects.filter(stripe_id__in=customer_ids)
    found = accounts.annotate(white_label_id=F("organization__white_label_id"))
    rows = found.values_list("stripe_id", "organization_id", "white_label_id")
    return {id_: Owner(*owner) for id_, *owner in rows if id_}
