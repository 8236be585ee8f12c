"""The history of an organization and of all that a user may see, as pages."""

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponse

from orgs import access
from orgs.access import Principal
from orgs.catalog import Scope
from orgs.models import Organization
from orgs.queries.history import MAX_CHANGES, history_page
from orgs.web.history import entries, kinds
from orgs.web.history_filters import HistoryForm, HistoryReader, read_history_form
from orgs.web.http import OrgRequest, page_or_fragment

_PAGE = "orgs/history.html"


def history(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Show the changes of an organization and its records, a page at a time."""
    principal, organization = _enter(request, organization_id)
    context = {"organization": organization, "tab": "history"}
    return _page(
        request, principal, organization, context | {"nav_key": "organizations"}
    )


def fleet_history(request: OrgRequest) -> HttpResponse:
    """Show the changes of everything that the user may see, a page at a time."""
    principal, _ = _enter(request, None)
    return _page(request, principal, None, {"nav_key": "history"})


def _enter(
    request: OrgRequest, organization_id: int | None
) -> tuple[Principal, Organization | None]:
    principal = access.principal_of(request.user)
    principal.require(Scope.ORGANIZATIONS_READ)
    if organization_id is None:
        return principal, None
    return principal, access.get_organization(
        principal, organization_id, include_deleted=True
    )


def _page(
    request: OrgRequest,
    principal: Principal,
    organization: Organization | None,
    context: dict[str, Any],
) -> HttpResponse:
    form = read_history_form(request.GET)
    filters = _reader(request, principal, organization).filters(form)
    scope = f"{principal.name}:{organization.pk if organization else 0}:{form.query()}"
    page = history_page(
        filters, size=MAX_CHANGES, scope=scope, cursor=request.GET.get("cursor", "")
    )
    lines = entries(page.changes, with_noise=form.noise)
    context |= {
        "entries": lines,
        "form": form,
        "zone": _zone(principal, organization, request),
        "kinds": [(slug, _kind_label(slug)) for slug in kinds()],
        "is_filtered": form != HistoryForm(noise=form.noise),
        "noise_url": replace(form, noise=not form.noise).query(),
        "first_url": form.query() if request.GET.get("cursor") else "",
        "next_url": form.query(cursor=page.next_cursor) if page.next_cursor else "",
    }
    return page_or_fragment(request, _PAGE, _PAGE, context)


def _kind_label(slug: str) -> str:
    return "API keys" if slug == "api_keys" else slug.replace("_", " ").capitalize()


def _zone(
    principal: Principal, organization: Organization | None, request: OrgRequest
) -> str:
    """Return the zone of the dates that filter: the organization's, or the user's."""
    if organization is not None:
        return organization.white_label.time_zone
    label = request.user.white_label
    return label.time_zone if label else "UTC"


def _reader(
    request: OrgRequest, principal: Principal, organization: Organization | None
) -> HistoryReader:
    return HistoryReader(
        organization_id=organization.pk if organization else None,
        white_label_id=None if principal.sees_all else principal.white_label_id or 0,
        scopes=principal.scopes,
        permissions=request.user.get_all_permissions(),
        zone=ZoneInfo(_zone(principal, organization, request)),
    )
