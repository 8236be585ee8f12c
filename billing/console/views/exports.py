"""Download of the organization list."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from django.http import HttpResponse

from billing.console.forms import read_filters
from billing.console.queries.organization_list import FleetFilters, FleetRow, fleet_page
from billing.console.schemas import organizations_csv
from orgs import access
from orgs.catalog import Scope
from orgs.models.organizations import OrganizationQuerySet
from orgs.web.http import OrgRequest

_MAX_ROWS = 10_000  # takes seconds; the file's name says that it holds a part
_BATCH = 500


def organization_csv(request: OrgRequest) -> HttpResponse:
    """Return the list as CSV, with the filters and sort of its page."""
    principal = access.principal_of(request.user)
    principal.require(Scope.ORGANIZATIONS_READ)
    filters = replace(read_filters(request.GET), cursor="")
    rows = _iterate_rows(access.visible(principal), filters, scope=principal.name)
    first_rows = list(islice(rows, _MAX_ROWS + 1))
    part = f"-first-{_MAX_ROWS}" if len(first_rows) > _MAX_ROWS else ""
    response = HttpResponse(
        organizations_csv(first_rows[:_MAX_ROWS]),
        content_type="text/csv; charset=utf-8",
    )
    name = f"organizations{part}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _iterate_rows(
    visible: OrganizationQuerySet, filters: FleetFilters, *, scope: str
) -> Iterator[FleetRow]:
    cursor: str | None = ""
    while cursor is not None:
        page_filters = replace(filters, cursor=cursor)
        page = fleet_page(visible, page_filters, scope=scope, size=_BATCH)
        yield from page.rows
        cursor = page.next_cursor
