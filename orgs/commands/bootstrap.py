"""Organizations and projects made together with the key that will use them."""

from collections.abc import Sequence
from uuid import uuid4

from django.db import transaction

from orgs.catalog import Scope
from orgs.commands.editing import add_member, add_project, create_organization
from orgs.commands.keys import create_api_key
from orgs.errors import DomainError
from orgs.models import Member, Organization, Project, WhiteLabel


@transaction.atomic
def create_with_admin(
    white_label: WhiteLabel,
    *,
    name: str,
    scopes: Sequence[Scope],
    admin_id: int | None = None,
    admin_email: str = "",
    created_by: str = "",
) -> tuple[Organization, str]:
    """An organization with an id of our own making, its admin and its key's text.

    `admin_id` names a user of any organization of the white label.
    """
    organization = create_organization(
        white_label, external_id=uuid4().hex, name=name, created_by=created_by[:200]
    )
    known = _known(white_label, admin_id, admin_email)
    if known is not None or admin_email:
        add_member(
            organization,
            external_id=known.external_id if known else admin_email,
            values={
                "email": known.email if known else admin_email,
                "name": known.name if known else "",
                "role": Member.Role.ADMIN,
            },
        )
    _, text = create_api_key(
        white_label, name="Admin", scopes=scopes, organization=organization
    )
    return organization, text


def _known(white_label: WhiteLabel, id_: int | None, email: str) -> Member | None:
    members = Member.objects.filter(
        organization__white_label=white_label, deleted_at=None
    )
    if id_ is None:
        return members.filter(email__iexact=email).first() if email else None
    found = members.filter(pk=id_).first()
    if found is None:
        raise DomainError(
            "`adminId` is not a user of this white label.", fields=("adminId",)
        )
    return found


@transaction.atomic
def create_with_key(
    organization: Organization,
    *,
    name: str,
    is_public: bool,
    scopes: Sequence[Scope],
) -> tuple[Project, str]:
    """A project and, unless there are no scopes, a key of its organization."""
    values = {"name": name, "is_public": is_public}
    project = add_project(organization, external_id=uuid4().hex, values=values)
    if not scopes:
        return project, ""
    _, text = create_api_key(
        organization.white_label, name=name, scopes=scopes, organization=organization
    )
    return project, text
