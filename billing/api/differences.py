"""API endpoints that explain the difference of an organization's costs."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from billing.api.schemas.differences import (
    DifferenceIn,
    DifferenceOut,
    difference_body,
)
from billing.ledger.queries.cost_differences import CostDifference, explain_costs
from billing.ledger.schemas import DIFFERENCE_COLUMNS, difference_rows
from orgs import access
from orgs.catalog import Scope
from orgs.schemas.csv import csv_text
from orgs.schemas.errors import ErrorsOut
from orgs.schemas.exports import CsvIn, csv_answer

router = Router(tags=["costs"])
_READS: dict[int, Any] = dict.fromkeys((400, 401, 403, 404, 429, 500), ErrorsOut)
_PATH = "/organizations/{organization_id}/costs/difference"
_CSV_EXAMPLE = (
    ",".join(DIFFERENCE_COLUMNS)
    + "\r\nusage,gpt-4o,prompt_tokens,301,Chat,71120000,50160000,193.1,125.4,67.7,"
    "52.4,15.3,0,0,0,0,0,usd\r\n"
)


@router.get(
    _PATH,
    response={200: DifferenceOut, **_READS},
    summary="Explain the difference of costs between two ranges",
    auth=access.needs(Scope.BILLING_READ),
    operation_id="get_cost_difference",
    by_alias=True,
)
def read_difference(
    request: HttpRequest, organization_id: str, query: Query[DifferenceIn]
) -> HttpResponse:
    """Return why the costs of two ranges or billing periods differ.

    The terms add up exactly to the difference of the totals. Volume is the change of
    the quantity at the old average price, price the change of the average price at the
    new quantity, and mix what changed because the shares of a product's meters did.
    Whole closed periods add what was billed beside usage. Usage without a price is in
    no amount and listed as `unpriced`.
    """
    difference = _explain(request, organization_id, query)
    return HttpResponse(difference_body(difference), content_type="application/json")


@router.get(
    _PATH + ".csv",
    response={200: None, **_READS},
    summary="Export the difference of costs between two ranges as CSV",
    auth=access.needs(Scope.BILLING_READ),
    openapi_extra=csv_answer(_CSV_EXAMPLE),
    operation_id="export_cost_difference",
)
def export_difference(
    request: HttpRequest,
    organization_id: str,
    query: Query[DifferenceIn],
    file: Query[CsvIn],
) -> HttpResponse:
    """Return a row for each product, meter, and project with its terms.

    Whole closed periods add a row for each term of their invoices. The columns `cost`,
    `compare_cost`, and `difference` add up to the totals and their difference.
    """
    difference = _explain(request, organization_id, query)
    rows = difference_rows(difference)
    text = csv_text(DIFFERENCE_COLUMNS, rows, for_excel=file.is_for_excel)
    response = HttpResponse(text, content_type="text/csv; charset=utf-8")
    name = f"cost-difference-{difference.organization.pk}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _explain(
    request: HttpRequest, organization_id: str, query: DifferenceIn
) -> CostDifference:
    organization = access.called_organization(
        request, organization_id, Scope.BILLING_READ
    )
    return explain_costs(organization, query.choice(organization.white_label))
