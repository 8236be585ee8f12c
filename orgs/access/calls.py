"""What an API door asks first: may they, which one, and not too often."""

from django.http import HttpRequest

from orgs.access.gate import get_billed_organization, get_organization, visible
from orgs.access.limits import count_call
from orgs.access.principals import Principal
from orgs.catalog import Scope
from orgs.errors import Forbidden, OrganizationNotFound
from orgs.models import Organization, WhiteLabel


def principal(request: HttpRequest) -> Principal:
    """Who was authenticated for this call; the API's credentials put it there."""
    found = getattr(request, "auth", None)
    return found if isinstance(found, Principal) else Principal(name="nobody")


def caller(request: HttpRequest, scope: Scope) -> Principal:
    """Who calls something that names no organization; counted against the key."""
    found = principal(request)
    found.require(scope)
    count_call(found)
    return found


def called_organization(
    request: HttpRequest,
    id_: int | str,
    scope: Scope,
    *,
    include_deleted: bool = False,
) -> Organization:
    """The organization a call names; counted against its own limit."""
    found = principal(request)
    found.require(scope)
    organization = get_organization(found, id_, include_deleted=include_deleted)
    count_call(found, organization)
    return organization


def billed_organization(
    request: HttpRequest, id_: str, *, limit_code: str = ""
) -> Organization:
    """The same in the words of contract C, read only."""
    found = principal(request)
    found.require(Scope.BILLING_READ)
    organization = get_billed_organization(found, id_)
    count_call(found, organization, code=limit_code)
    return organization


def own_organization(request: HttpRequest, scope: Scope) -> Organization:
    """The organization a key is of; a white label's key acts for the owner."""
    found = principal(request)
    found.require(scope)
    if found.organization_id is not None:
        organization = get_organization(found, found.organization_id)
    elif found.white_label_id is not None:
        owners = visible(found).present().select_related("white_label", "standing")
        owned = owners.filter(owned_white_labels=found.white_label_id).first()
        if owned is None:
            raise OrganizationNotFound
        organization = owned
    else:
        raise Forbidden("This needs a key, or an account, of one white label.")
    count_call(found, organization)
    return organization


def called_white_label(
    request: HttpRequest, owner_id: int | str, scope: Scope
) -> WhiteLabel:
    """The white label that an organization owns, as contract A names it.

    Only for those who reach all of it: a key of one organization does not.
    """
    found = principal(request)
    found.require(scope)
    if found.organization_id is not None:
        raise Forbidden("This needs a key of the white label.")
    owner = get_organization(found, owner_id)
    white_label = WhiteLabel.objects.filter(owner=owner).first()
    if white_label is None:
        raise OrganizationNotFound
    count_call(found, owner)
    return white_label
