"""Links to customer pages: by token, and those of an organization."""

from collections.abc import Sequence

from django.db.models import QuerySet
from django.utils import timezone

from billing.models import CustomerLink
from orgs.crypto import hash_key
from orgs.models import Member, Organization

_SHOWN = 100
_SUGGESTED = 20


def find_open_link(token: str) -> CustomerLink | None:
    """Return the link of a token, with its organization; None if it opens nothing.

    A wrong, expired, or revoked token and a deleted organization are the same, in one
    statement.
    """
    rows = CustomerLink.objects.select_related("organization__white_label")
    return rows.filter(
        token_hash=hash_key(token),
        revoked_at=None,
        expires_at__gt=timezone.now(),
        organization__deleted_at=None,
    ).first()


def list_links(organization: Organization) -> Sequence[CustomerLink]:
    """Return the newest links of an organization, ended ones included."""
    rows = CustomerLink.objects.filter(organization=organization)
    return list(rows.select_related("email").order_by("-id")[:_SHOWN])


def list_contacts(organization: Organization) -> list[str]:
    """Return some addresses that a link may go to, the billing email first."""
    members = _members(organization).order_by("name", "id")[:_SUGGESTED]
    addresses = [organization.billing_email, *members.values_list("email", flat=True)]
    return list(dict.fromkeys(filter(None, addresses)))


def find_contact(organization: Organization, address: str) -> str | None:
    """Return the address of a contact as it is stored; None if it is no contact."""
    if organization.billing_email.lower() == address.lower():
        return organization.billing_email
    emails = _members(organization).filter(email__iexact=address)
    return emails.values_list("email", flat=True).first()


def _members(organization: Organization) -> QuerySet[Member]:
    return Member.objects.filter(organization=organization, deleted_at=None).exclude(
        email=""
    )
