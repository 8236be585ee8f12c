"""What leaves a page as a file."""

from collections.abc import Iterator
from dataclasses import replace

from django.http import HttpResponse

from billing.console.forms import read_filters
from billing.console.queries.organization_list import FleetFilters, FleetRow, fleet_page
from billing.console.schemas import organizations_csv
from orgs import access
from orgs.catalog import Scope
from orgs.models.organizations import OrganizationQuerySet
from orgs.web.http import OrgRequest

_MOST = 10_000  # rows: some seconds; of more, the file's name says that it is a part
_AT_ONCE = 500


def organization_csv(request: OrgRequest) -> HttpResponse:
    """The list as it is searched, narrowed and sorted, from its first row on."""
    principal = access.principal_of(request.user)
    principal.require(Scope.ORGANIZATIONS_READ)
    filters = replace(read_filters(request.GET), cursor="")
    rows = _walked(access.visible(principal), filters, scope=principal.name)
    found = [row for row, _ in zip(rows, range(_MOST + 1), strict=False)]
    part = f"-first-{_MOST}" if len(found) > _MOST else ""
    response = HttpResponse(
        organizations_csv(found[:_MOST]), content_type="text/csv; charset=utf-8"
    )
    name = f"organizations{part}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _walked(
    visible: OrganizationQuerySet, filters: FleetFilters, *, scope: str
) -> Iterator[FleetRow]:
    cursor: str | None = ""
    while cursor is not None:
        at = replace(filters, cursor=cursor)
        page = fleet_page(visible, at, scope=scope, size=_AT_ONCE)
        yield from page.rows
        cursor = page.next_cursor
