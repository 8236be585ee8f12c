"""Create an organization or project together with its API key."""

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
    """Create an organization with an admin, and return it with the text of its API key.

    The external ID is generated. `admin_id` is a user of any organization of the white
    label. Raises `DomainError` for any other id.
    """
    organization = create_organization(
        white_label, external_id=uuid4().hex, name=name, created_by=created_by[:200]
    )
    user = find_user(white_label, admin_id, admin_email, field="adminId")
    if user is not None or admin_email:
        add_member(
            organization,
            external_id=user.external_id if user else admin_email,
            values={
                "email": user.email if user else admin_email,
                "name": user.name if user else "",
                "role": Member.Role.ADMIN,
            },
        )
    _, text = create_api_key(
        white_label, name="Admin", scopes=scopes, organization=organization
    )
    return organization, text


def find_user(
    white_label: WhiteLabel, id_: int | None, email: str, *, field: str
) -> Member | None:
    """Return the member of this id, or the first with this email address, if any.

    Raises `DomainError` for an unknown id, with the name of its field.
    """
    members = Member.objects.filter(
        organization__white_label=white_label,
        organization__deleted_at=None,
        deleted_at=None,
    ).select_related("organization__white_label")
    if id_ is None:
        matching = members.filter(email__iexact=email).order_by("pk")
        return matching.first() if email else None
    member = members.filter(pk=id_).first()
    if member is None:
        message = f"`{field}` is not a user of this white label."
        raise DomainError(message, fields=(field,))
    return member


@transaction.atomic
def create_with_key(
    organization: Organization,
    *,
    name: str,
    is_public: bool,
    scopes: Sequence[Scope],
) -> tuple[Project, str]:
    """Create a project and an API key; return the project and the text of the key.

    Without scopes no key is created, and the text is empty.
    """
    values = {"name": name, "is_public": is_public}
    project = add_project(organization, external_id=uuid4().hex, values=values)
    if not scopes:
        return project, ""
    _, text = create_api_key(
        organization.white_label, name=name, scopes=scopes, organization=organization
    )
    return project, text
