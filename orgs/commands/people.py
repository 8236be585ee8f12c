"""Changes of members and projects by staff; each keeps a reason."""

from collections.abc import Callable, Sequence
from typing import Any

import pghistory
from django.db import transaction

from orgs.commands.account_emails import (
    count_recent_member_emails,
    write_member_email,
)
from orgs.commands.editing import add_member, add_project, change_person
from orgs.commands.proofs import ChangedMeanwhile, Values, is_signed
from orgs.errors import Conflict
from orgs.models import Member, Organization, Project, User

EMAILS_AN_HOUR = 20  # of one person: the product is no relay for messages


@transaction.atomic
def invite_member(
    organization: Organization,
    external_id: str,
    values: Values,
    *,
    invited_by: str,
    sends_email: bool,
) -> Member:
    """Add a member, or restore a removed one; a worker sends them an email if asked.

    Raises `Conflict` for an active member, and after many emails of one person.
    """
    if sends_email:
        require_few_emails(invited_by)
    member = add_member(organization, external_id=external_id, values=values)
    if sends_email and member.email:
        write_member_email(member, organization, invited_by=invited_by)
    return member


def require_few_emails(
    sender: str,
    *,
    count_others: Callable[[], int] = lambda: 0,
    field: str = "sends_email",
) -> None:
    """Raise `Conflict` after many emails of a person to people outside.

    `count_others` counts those of another kind. Other requests of the person wait until
    the end of the transaction.
    """
    list(User.objects.select_for_update(no_key=True).filter(username=sender))
    if count_recent_member_emails(sender) + count_others() >= EMAILS_AN_HOUR:
        raise Conflict(
            f"You have sent {EMAILS_AN_HOUR} of these emails within an hour. Go on"
            " without one, or wait.",
            fields=(field,),
        )


@transaction.atomic
def add_members(
    organization: Organization, members: Sequence[tuple[str, Values]]
) -> int:
    """Add members, given by external ID and values; all or none. Return their number.

    Raises `Conflict` if one of them was added meanwhile.
    """
    for external_id, values in members:
        add_member(organization, external_id=external_id, values=values)
    return len(members)


@transaction.atomic
def edit_person(
    row: Member | Project, values: Values, *, reason: str, proof: str
) -> None:
    """Change a member or project; raise `ChangedMeanwhile` if it has other values."""
    current = type(row)._default_manager.select_for_update().get(pk=row.pk)
    if not is_signed(proof, {name: getattr(current, name) for name in values}):
        raise ChangedMeanwhile
    with pghistory.context(note=reason):
        change_person(current, values)


def restore(row: Any, organization: Organization) -> None:
    """Restore a removed member or project; no effect on an active one."""
    if row.deleted_at is None:
        return
    add = add_member if isinstance(row, Member) else add_project
    add(organization, external_id=row.external_id)
