"""Download of the organization list."""

from django.http import StreamingHttpResponse

from billing.console.forms import read_filters
from billing.console.queries.organization_list import iterate_rows, list_ids
from billing.console.schemas import organizations_csv
from orgs import access
from orgs.catalog import Scope
from orgs.schemas.exports import read_is_for_excel
from orgs.web.http import OrgRequest


def organization_csv(request: OrgRequest) -> StreamingHttpResponse:
    """Return the whole list as CSV, with the filters and sort of its page.

    The rows are read while they are sent. Which they are, and their order, is read
    first: a list that is sorted by a changing number would repeat some and miss others.
    """
    principal = access.principal_of(request.user)
    principal.require(Scope.ORGANIZATIONS_READ)
    for_excel = read_is_for_excel(request.GET.get("for", ""))
    visible = access.visible(principal)
    ids = list_ids(visible, read_filters(request.GET))
    response = StreamingHttpResponse(
        organizations_csv(iterate_rows(visible, ids), for_excel=for_excel),
        content_type="text/csv; charset=utf-8",
    )
    response["Content-Disposition"] = 'attachment; filename="organizations.csv"'
    return response
