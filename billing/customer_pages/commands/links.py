"""Make, revoke, and count the use of links to customer pages."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from billing.models import CustomerLink, CustomerLinkEmail
from orgs.commands.people import require_few_emails
from orgs.crypto import hash_key, make_key
from orgs.models import Organization, User
from orgs.security_log import Kind, record

_PREFIX = "page_"


def create_link(
    organization: Organization,
    by: User,
    *,
    name: str,
    days: int,
    frame_origins: Sequence[str] = (),
) -> tuple[CustomerLink, str]:
    """Make a link; return it with its token, of which only a hash is stored."""
    with transaction.atomic():
        link = _create(organization, by, name, days, frame_origins)
        token = renew_token(link)
        _record(Kind.CUSTOMER_LINK_CREATED, link)
    return link, token


def email_link(
    organization: Organization, by: User, *, name: str, days: int, address: str
) -> CustomerLinkEmail:
    """Make a link and write its email; the worker that sends it makes the token.

    So no row ever has the token, and the link opens nothing before it is sent. Raises
    `Conflict` after many emails of this person within an hour.
    """
    with transaction.atomic():
        require_few_emails(
            by.get_username(), count_others=partial(_count_recent, by), field="address"
        )
        link = _create(organization, by, name, days, ())
        email = CustomerLinkEmail.objects.create(link=link, address=address)
        _record(Kind.CUSTOMER_LINK_CREATED, link, address=address)
    return email


def renew_token(link: CustomerLink) -> str:
    """Give the link a new token and return it; one that it had opens nothing more."""
    token = make_key(_PREFIX)
    link.token_hash = hash_key(token)
    link.save(update_fields=["token_hash"])
    return token


def revoke_link(link: CustomerLink) -> None:
    """End a link at once; a second time changes nothing."""
    rows = CustomerLink.objects.filter(pk=link.pk, revoked_at=None)
    with transaction.atomic():
        if rows.update(revoked_at=timezone.now()):
            _record(Kind.CUSTOMER_LINK_REVOKED, link)


def count_open(link: CustomerLink) -> None:
    """Count that the page of the link was opened."""
    CustomerLink.objects.filter(pk=link.pk).update(
        opens=F("opens") + 1, last_opened_at=timezone.now()
    )


def _create(
    organization: Organization,
    by: User,
    name: str,
    days: int,
    frame_origins: Sequence[str],
) -> CustomerLink:
    now = timezone.now()
    return CustomerLink.objects.create(
        organization=organization,
        name=name,
        frame_origins=list(frame_origins),
        created_by=by,
        created_by_name=by.get_full_name() or by.get_username(),
        created_at=now,
        expires_at=now + timedelta(days=days),
    )


def _count_recent(by: User) -> int:
    """Return how many links a person has sent by email within the last hour."""
    since = timezone.now() - timedelta(hours=1)
    rows = CustomerLinkEmail.objects.filter(link__created_by=by, created_at__gt=since)
    return rows.count()


def _record(kind: Kind, link: CustomerLink, **details: str) -> None:
    details |= {"link": link.name, "expires_at": link.expires_at.isoformat()}
    record(kind, subject=link.organization, details=details)
