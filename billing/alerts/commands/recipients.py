"""Changing the recipients of an organization's alerts, and snoozing them."""

from collections.abc import Sequence
from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from billing.alerts.queries.recipients import endpoints_of, read_chosen
from billing.errors import NotARecipient
from billing.models import AlertRecipient, AlertSettings
from orgs.commands.proofs import ChangedMeanwhile, is_signed
from orgs.models import Member, Organization

_Key = tuple[int | None, str, int | None]  # member, address, endpoint


@transaction.atomic
def set_recipients(
    organization_id: int,
    *,
    notifies_billing_email: bool,
    member_ids: Sequence[int],
    addresses: Sequence[str],
    endpoint_ids: Sequence[int] = (),
    proof: str | None = None,
) -> None:
    """Replace all recipients of an organization.

    Raises `ChangedMeanwhile` if a proof of `read_chosen` is given and others are chosen
    by now.

    Raises `NotARecipient` for a member of another organization, an invalid address, or
    a webhook endpoint that does not get events of the organization. Unchanged rows stay
    as they are, so that the history shows only real changes.
    """
    _check_members(organization_id, member_ids)
    _check_addresses(addresses)
    _check_endpoints(organization_id, endpoint_ids)
    list(AlertSettings.objects.select_for_update().filter(pk=organization_id))
    if proof is not None and not is_signed(proof, read_chosen(organization_id)):
        raise ChangedMeanwhile
    AlertSettings.objects.update_or_create(
        organization_id=organization_id,
        defaults={"notifies_billing_email": notifies_billing_email},
    )
    new_keys: set[_Key] = {(id_, "", None) for id_ in member_ids}
    new_keys |= {(None, address, None) for address in addresses}
    new_keys |= {(None, "", id_) for id_ in endpoint_ids}
    rows = AlertRecipient.objects.filter(organization_id=organization_id)
    current = {(row.member_id, row.address, row.endpoint_id): row for row in rows}
    for key in current.keys() - new_keys:
        current[key].delete()
    added = sorted(new_keys - current.keys(), key=str)
    AlertRecipient.objects.bulk_create(
        AlertRecipient(
            organization_id=organization_id,
            member_id=member_id,
            address=address,
            endpoint_id=endpoint_id,
        )
        for member_id, address, endpoint_id in added
    )


def _check_members(organization_id: int, ids: Sequence[int]) -> None:
    members = Member.objects.filter(organization_id=organization_id, deleted_at=None)
    if members.filter(pk__in=ids).count() != len(set(ids)):
        raise NotARecipient("Recipients must be members of this organization.")


def _check_endpoints(organization_id: int, ids: Sequence[int]) -> None:
    organization = Organization.objects.get(pk=organization_id)
    rows = endpoints_of(organization).filter(pk__in=ids)
    if rows.count() != len(set(ids)):
        raise NotARecipient("This webhook endpoint gets events of others only.")


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
