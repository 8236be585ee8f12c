"""Checks of which organizations a principal may see.

Pages, API, admin, tasks and exports all fetch organizations through this module. It
fails closed: a principal without a white label, an organization or access to all of
them sees none.
"""

from orgs.access.principals import Principal
from orgs.errors import Forbidden, NotFound, OrganizationNotFound
from orgs.models import Organization, WhiteLabel
from orgs.models.organizations import OrganizationQuerySet
from orgs.queries.key_lookup import find_organization

_MAX_ID = 2**63 - 1


def visible(principal: Principal) -> OrganizationQuerySet:
    """Return every organization the principal may see, deleted ones included."""
    organizations = Organization.objects.all()
    if principal.organization_id is not None:
        return organizations.filter(
            id=principal.organization_id, white_label_id=principal.white_label_id
        )
    if principal.white_label_id is not None:
        return organizations.filter(white_label_id=principal.white_label_id)
    return organizations if principal.sees_all else organizations.none()


def visible_white_labels(principal: Principal) -> list[WhiteLabel]:
    """Return the white labels the principal may see, ordered by name."""
    white_labels = WhiteLabel.objects.order_by("name", "id")
    if principal.sees_all:
        return list(white_labels)
    return list(white_labels.filter(pk=principal.white_label_id or 0))


def get_white_label(principal: Principal, id_: int) -> WhiteLabel:
    """Return a white label the principal may see; another one is not found."""
    label = next(
        (row for row in visible_white_labels(principal) if row.pk == id_), None
    )
    if label is None:
        raise NotFound("White label not found.")
    return label


def get_organization(
    principal: Principal,
    id_: int | str,
    *,
    include_deleted: bool = False,
    row: Organization | None = None,
) -> Organization:
    """Return an organization the principal may see, with its white label.

    Raises the same `OrganizationNotFound` for an id without access, an unknown one and
    a malformed one, so that nothing is disclosed. `row` is the organization if it was
    read already.
    """
    organization = row or find_organization(row_id(id_))
    if organization is None or not principal.reaches(organization):
        raise OrganizationNotFound
    if organization.deleted_at is not None and not include_deleted:
        raise OrganizationNotFound
    return organization


def get_billed_organization(
    principal: Principal,
    id_: str,
    *,
    include_deleted: bool = False,
    row: Organization | None = None,
) -> Organization:
    """Return an organization as `get_organization` does, with contract C's errors.

    Contract C answers `organization.invalid_access` (403) for an organization that
    exists but that the principal may not see.
    """
    organization = row or find_organization(row_id(id_))
    if organization is None:
        raise OrganizationNotFound
    if organization.deleted_at is not None and not include_deleted:
        raise OrganizationNotFound
    if not principal.reaches(organization):
        raise Forbidden("This API key has no access to that organization.")
    return organization


def row_id(id_: int | str) -> int:
    """Return an id as a number; 0, which no row has, if it is not a valid id."""
    text = str(id_)
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(_MAX_ID)):
        return 0
    number = int(text)
    return number if number <= _MAX_ID else 0
