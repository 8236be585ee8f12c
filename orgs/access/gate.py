"""The gate: nobody holds an organization they were not given.

Pages, API, admin, tasks and exports fetch organizations through here. It fails closed:
a principal without a white label, an organization or the right to all sees nothing.
"""

from orgs.access.principals import Principal
from orgs.errors import Forbidden, OrganizationNotFound
from orgs.models import Organization, WhiteLabel
from orgs.models.organizations import OrganizationQuerySet
from orgs.queries.reach import find_organization

_MAX_ID = 2**63 - 1


def visible(principal: Principal) -> OrganizationQuerySet:
    """Every organization the principal may see, deleted ones too."""
    organizations = Organization.objects.all()
    if principal.organization_id is not None:
        return organizations.filter(
            id=principal.organization_id, white_label_id=principal.white_label_id
        )
    if principal.white_label_id is not None:
        return organizations.filter(white_label_id=principal.white_label_id)
    return organizations if principal.sees_all else organizations.none()


def visible_white_labels(principal: Principal) -> list[WhiteLabel]:
    """The white labels the principal may choose between; few, by name."""
    white_labels = WhiteLabel.objects.order_by("name", "id")
    if principal.sees_all:
        return list(white_labels)
    return list(white_labels.filter(pk=principal.white_label_id or 0))


def get_organization(
    principal: Principal,
    id_: int | str,
    *,
    include_deleted: bool = False,
    found: Organization | None = None,
) -> Organization:
    """One the principal may see, with its white label; raises `OrganizationNotFound`.

    A stranger's, an unknown and a malformed id are one answer: nothing is learnt.
    `found` is its row, where it came with something else.
    """
    found = found or find_organization(row_id(id_))
    if found is None or not principal.reaches(found):
        raise OrganizationNotFound
    if found.deleted_at is not None and not include_deleted:
        raise OrganizationNotFound
    return found


def get_billed_organization(
    principal: Principal, id_: str, *, found: Organization | None = None
) -> Organization:
    """As `get_organization`, in the words of contract C.

    There an existing organization out of reach is `organization.invalid_access`, 403.
    """
    found = found or find_organization(row_id(id_))
    if found is None or found.deleted_at is not None:
        raise OrganizationNotFound
    if not principal.reaches(found):
        raise Forbidden("This key may not see that organization.")
    return found


def row_id(id_: int | str) -> int:
    """The id, or one that no row has."""
    text = str(id_)
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(_MAX_ID)):
        return 0
    number = int(text)
    return number if number <= _MAX_ID else 0
