"""Checks of an API call: its scope, the organization it names, and its rate limit."""

from django.http import HttpRequest

from orgs.access.limits import count_call
from orgs.access.parameters import includes_deleted
from orgs.access.permissions import get_billed_organization, get_organization, visible
from orgs.access.principals import Principal
from orgs.access.request_cache import cached, cached_organization
from orgs.catalog import Scope
from orgs.errors import Forbidden, OrganizationNotFound
from orgs.models import Organization, WhiteLabel


def principal(request: HttpRequest) -> Principal:
    """Return the principal that `api_auth` authenticated for this call."""
    auth = getattr(request, "auth", None)
    return auth if isinstance(auth, Principal) else Principal(name="anonymous")


def _count(
    request: HttpRequest,
    current: Principal,
    organization: Organization | None = None,
    *,
    code: str = "",
) -> None:
    """Count the call once per request, however many checks it passes."""
    key = "counted", organization.pk if organization else None
    cached(request, key, lambda: count_call(current, organization, code=code))


def caller(request: HttpRequest, scope: Scope) -> Principal:
    """Return the caller of a call that names no organization; count it per key."""
    current = principal(request)
    current.require(scope)
    _count(request, current)
    return current


def called_organization(
    request: HttpRequest,
    id_: int | str,
    scope: Scope,
    *,
    include_deleted: bool = False,
) -> Organization:
    """Return the organization a call names; count the call against its limit.

    A deleted one is returned with `include_deleted`, or if the call asks for it: an
    operation that does not take `includeDeleted` refuses the parameter. Raises
    `Forbidden`, `OrganizationNotFound` or `RateLimited`.
    """
    include_deleted = include_deleted or includes_deleted(request)
    current = principal(request)
    current.require(scope)
    organization = cached(
        request,
        ("organization", str(id_), include_deleted),
        lambda: get_organization(
            current,
            id_,
            include_deleted=include_deleted,
            row=cached_organization(request, id_),
        ),
    )
    _count(request, current, organization)
    return organization


def billed_organization(
    request: HttpRequest, id_: str, *, limit_code: str = ""
) -> Organization:
    """Return the organization a call of contract C names; count the call.

    Contract C only reads, and has error codes that the other contracts do not have. A
    deleted organization is returned if the call asks for it with `includeDeleted`.
    """
    current = principal(request)
    current.require(Scope.BILLING_READ)
    include_deleted = includes_deleted(request)
    organization = cached(
        request,
        ("billed", id_),
        lambda: get_billed_organization(
            current,
            id_,
            include_deleted=include_deleted,
            row=cached_organization(request, id_),
        ),
    )
    _count(request, current, organization, code=limit_code)
    return organization


def own_organization(request: HttpRequest, scope: Scope) -> Organization:
    """Return the organization that the key itself belongs to.

    A key of a white label acts for the organization that owns the white label.
    """
    current = principal(request)
    current.require(scope)
    if current.organization_id is not None:
        organization = get_organization(current, current.organization_id)
    elif current.white_label_id is not None:
        owners = visible(current).active().select_related("white_label")
        owned = owners.filter(owned_white_labels=current.white_label_id).first()
        if owned is None:
            raise OrganizationNotFound
        organization = owned
    else:
        raise Forbidden("Use an API key or account of a single white label.")
    _count(request, current, organization)
    return organization


def called_white_label(
    request: HttpRequest, owner_id: int | str, scope: Scope
) -> WhiteLabel:
    """Return the white label that an organization owns, as contract A names it.

    A key of one organization is refused, as it has no access to the others.
    """
    current = principal(request)
    current.require(scope)
    if current.organization_id is not None:
        raise Forbidden("Use an API key of the whole white label.")
    owner = cached(
        request,
        ("owner", str(owner_id)),
        lambda: get_organization(
            current, owner_id, row=cached_organization(request, owner_id)
        ),
    )
    white_label = cached(request, ("white label", owner.pk), lambda: owned_by(owner))
    if white_label is None:
        raise OrganizationNotFound
    _count(request, current, owner)
    return white_label


def owned_by(owner: Organization) -> WhiteLabel | None:
    """Return the white label an organization owns.

    Usually it is the one the organization belongs to, which takes no query.
    """
    if owner.white_label.owner_id == owner.pk:
        return owner.white_label
    return WhiteLabel.objects.filter(owner=owner).first()


def inner_organization(
    request: HttpRequest,
    owner_id: int | str,
    inner_id: int | str,
    scope: Scope,
    *,
    include_deleted: bool = False,
) -> Organization:
    """Return an organization of the white label that `owner_id` owns, or a 404."""
    white_label = called_white_label(request, owner_id, scope)
    organization = cached(
        request,
        ("inner", str(inner_id), include_deleted),
        lambda: get_organization(
            principal(request), inner_id, include_deleted=include_deleted
        ),
    )
    if organization.white_label_id != white_label.pk:
        raise OrganizationNotFound
    return organization
