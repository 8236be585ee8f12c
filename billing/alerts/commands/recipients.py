"""Changing who is told of an organization's alerts, and who would rather not be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core import signing
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from billing.alerts.kinds import ALERT_KINDS
from billing.errors import NotARecipient, UnknownOptOut
from billing.models import AlertOptOut, AlertRecipient, AlertSettings
from orgs.models import Member

_SALT = "alert opt-out"


# --- what people set ----------------------------------------------------------------


@transaction.atomic
def set_recipients(
    organization_id: int,
    *,
    notifies_billing_email: bool,
    member_ids: Sequence[int],
    addresses: Sequence[str],
) -> None:
    """Replace all of them; raises `NotARecipient` for a stranger or no address."""
    _check_members(organization_id, member_ids)
    _check_addresses(addresses)
    AlertSettings.objects.update_or_create(
        organization_id=organization_id,
        defaults={"notifies_billing_email": notifies_billing_email},
    )
    wanted = {(id_, "") for id_ in member_ids} | {(None, one) for one in addresses}
    rows = AlertRecipient.objects.filter(organization_id=organization_id)
    found = {(row.member_id, row.address): row for row in rows}
    for key in found.keys() - wanted:
        found[key].delete()
    AlertRecipient.objects.bulk_create(
        AlertRecipient(organization_id=organization_id, member_id=id_, address=address)
        for id_, address in sorted(wanted - found.keys(), key=str)
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
    """Tell nobody until then: what is crossed meanwhile is recorded, and not sent."""
    AlertSettings.objects.update_or_create(
        organization_id=organization_id, defaults={"snoozed_until": until}
    )


# --- opting out ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OptOut:
    """What a link in a letter says."""

    organization_id: int
    address: str
    kind: str


def opt_out_token(organization_id: int, address: str, kind: str) -> str:
    """For the letter's link; it does not expire, and opts out of nothing else."""
    return _signer().sign_object([organization_id, address.lower(), kind])


def _signer() -> signing.Signer:
    """Without the time: a letter that is sent again has the link it had."""
    return signing.Signer(salt=_SALT)


def read_opt_out(token: str) -> OptOut:
    """Raises `UnknownOptOut` for a token that we did not sign."""
    try:
        return OptOut(*_signer().unsign_object(token))
    except signing.BadSignature:
        raise UnknownOptOut("This link is not valid.") from None


def opt_out(token: str) -> OptOut:
    """Once is enough, more change nothing; raises `UnknownOptOut`, also of a duty."""
    found = read_opt_out(token)
    kind = ALERT_KINDS.get(found.kind)
    if kind is None or kind.is_mandatory:
        raise UnknownOptOut("You can't unsubscribe from service and payment notices.")
    row = AlertOptOut(
        organization_id=found.organization_id, address=found.address, kind=found.kind
    )
    AlertOptOut.objects.bulk_create([row], ignore_conflicts=True)
    return found


def opt_in(organization_id: int, address: str, kind: str) -> None:
    """Take an opt-out back."""
    AlertOptOut.objects.filter(
        organization_id=organization_id, address=address.lower(), kind=kind
    ).delete()
