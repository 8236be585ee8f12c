"""Changing the recipients of an organization's alerts, and snoozing them."""

from collections.abc import Sequence
from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from billing.errors import NotARecipient
from billing.models import AlertRecipient, AlertSettings
from orgs.models import Member


@transaction.atomic
def set_recipients(
    organization_id: int,
    *,
    notifies_billing_email: bool,
    member_ids: Sequence[int],
    addresses: Sequence[str],
) -> None:
    """Replace all recipients of an organization.

    Raises `NotARecipient` for a member of another organization or an invalid address.
    Unchanged rows stay as they are, so that the history shows only real changes.
    """
    _check_members(organization_id, member_ids)
    _check_addresses(addresses)
    AlertSettings.objects.update_or_create(
        organization_id=organization_id,
        defaults={"notifies_billing_email": notifies_billing_email},
    )
    new_keys = {(id_, "") for id_ in member_ids} | {(None, a) for a in addresses}
    rows = AlertRecipient.objects.filter(organization_id=organization_id)
    current = {(row.member_id, row.address): row for row in rows}
    for key in current.keys() - new_keys:
        current[key].delete()
    AlertRecipient.objects.bulk_create(
        AlertRecipient(organization_id=organization_id, member_id=id_, address=address)
        for id_, address in sorted(new_keys - current.keys(), key=str)
    )


def _check_members(organization_id: int, ids: Sequence[int]) -> None:
    members = Member.objects.filter(organization_id=organization_id, deleted_at=None)
    if members.filter(pk__in=ids).count() != len(set(ids)):
        raise NotARecipient("Recipients must be members of this organization.")


def _check_addresses(addresses: Sequence[str]) -> None:
    for address in addresses:
        try:
            validate_email(address)
        except ValidationError:
            raise NotARecipient(f"{address!r} is not a valid email address.") from None


def snooze(organization_id: int, *, until: datetime | None) -> None:
    """Send no alert emails until an instant; None resumes them.

    Alerts that are triggered meanwhile are recorded; their emails are never sent.
    """
    AlertSettings.objects.update_or_create(
        organization_id=organization_id, defaults={"snoozed_until": until}
    )
