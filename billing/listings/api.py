"""API endpoints that list what was billed, in pages: of all organizations, and of one.

Each list has the rows of the table of the same name: page, CSV file, and JSON come from
one declaration in `billing.exports`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router, Schema

from billing.alerts.queries.statuses import list_statuses
from billing.exports.forms import caller_by, select
from billing.exports.queries import billing_tables, people_tables
from billing.exports.queries.model_tables import ModelTable
from billing.ledger.queries.reconciliation import reconcile_period
from billing.listings.queries import list_rows
from billing.listings.schemas import alerts, invoices, page_body, periods
from billing.listings.schemas.bodies import (
    DeletedIn,
    FleetIn,
    PageIn,
    RangeIn,
    json_body,
)
from billing.models import BillingPeriod
from orgs import access
from orgs.catalog import Scope
from orgs.errors import NotFound
from orgs.schemas.errors import ErrorsOut

router = Router(tags=["billing"])
_READS: dict[int, Any] = dict.fromkeys((400, 401, 403, 404, 429, 500), ErrorsOut)
_ORGANIZATION = "/organizations/{organization_id}"
_JSON = "application/json"


@dataclass(frozen=True)
class Listing:
    """A list: the declaration of its rows, its names, and its schemas."""

    name: str  # of the rows in the body; in paths with hyphens
    title: str  # of the rows in summaries
    table: ModelTable
    page: type[Schema]
    filters: type[Schema]
    text: str  # the description of the operations

    @property
    def path(self) -> str:
        return self.name.replace("_", "-")


_LISTINGS = (
    Listing(
        "billing_periods",
        "billing periods",
        billing_tables.PERIODS,
        periods.PeriodPageOut,
        RangeIn,
        "Closed periods have the cost that was invoiced, the open one that to date.",
    ),
    Listing(
        "invoices",
        "invoices",
        billing_tables.INVOICES,
        invoices.InvoicePageOut,
        invoices.InvoicesIn,
        "They are as Stripe has them, with what is owed and the period they closed.",
    ),
    Listing(
        "adjustments",
        "credit notes, refunds, and disputes",
        billing_tables.ADJUSTMENTS,
        invoices.AdjustmentPageOut,
        RangeIn,
        "They are as Stripe has them.",
    ),
    Listing(
        "charges",
        "charges",
        billing_tables.CHARGES,
        invoices.ChargePageOut,
        invoices.ChargesIn,
        "A closed period has one for each product, and one for the credit it used.",
    ),
    Listing(
        "charge_decisions",
        "decisions about charges",
        billing_tables.CHARGE_DECISIONS,
        invoices.ChargeDecisionPageOut,
        invoices.ChargeDecisionsIn,
        "Each is about an amount of a charge that its invoice does not have.",
    ),
    Listing(
        "credits",
        "entries of the credit ledger",
        billing_tables.CREDITS,
        invoices.CreditPageOut,
        RangeIn,
        "A balance is the sum of its entries; none is ever changed.",
    ),
    Listing(
        "subscriptions",
        "subscriptions",
        billing_tables.SUBSCRIPTIONS,
        invoices.SubscriptionPageOut,
        invoices.SubscriptionsIn,
        "They are as Stripe has them, ended ones included.",
    ),
    Listing(
        "limits",
        "spending limits",
        billing_tables.SPENDING_LIMITS,
        alerts.LimitPageOut,
        alerts.LimitsIn,
        "Each has the cost that is compared with it: that of the open billing period"
        " after free balance.",
    ),
    Listing(
        "alerts",
        "alerts",
        people_tables.ALERTS,
        alerts.AlertPageOut,
        alerts.AlertsIn,
        "An alert is recorded once per period and version of its limit.",
    ),
    Listing(
        "alert_emails",
        "alert emails by address",
        people_tables.ALERT_EMAILS,
        alerts.AlertEmailPageOut,
        alerts.AlertEmailsIn,
        "Each address of an email is a row, with the answer of its mail host.",
    ),
    Listing(
        "discrepancies",
        "discrepancies between Orgdesk and Stripe",
        billing_tables.DISCREPANCIES,
        alerts.DiscrepancyPageOut,
        alerts.DiscrepanciesIn,
        "Open and resolved ones; a discrepancy is open until a comparison no longer"
        " finds it.",
    ),
)


def _add(listing: Listing, path: str, view: Callable[..., Any], whose: str) -> None:
    """Add an operation; the parameters of a list are those of its table."""
    view.__annotations__["filters"] = Query[listing.filters]  # type: ignore[misc, name-defined]
    router.get(
        path,
        response={200: listing.page, **_READS},
        operation_id=f"list{whose.replace(' ', '_')}_{listing.name}",
        summary=f"List {listing.title} of {_WHOSE[whose]}",
        description=f"Return {listing.title}, the newest first. {listing.text}",
        auth=access.needs(listing.table.scope),
    )(view)


_WHOSE = {"": "all organizations", " organization": "an organization"}


def _add_of_fleet(listing: Listing) -> None:
    def list_of_fleet(
        request: HttpRequest, filters: Any, fleet: Query[FleetIn], page: Query[PageIn]
    ) -> HttpResponse:
        caller = access.caller(request, listing.table.scope)
        return _send(request, listing, caller.organization_id, page)

    _add(listing, f"/{listing.path}", list_of_fleet, "")


def _add_of_organization(listing: Listing) -> None:
    def list_of_organization(
        request: HttpRequest,
        organization_id: str,
        filters: Any,
        deleted: Query[DeletedIn],
        page: Query[PageIn],
    ) -> HttpResponse:
        organization = access.called_organization(
            request, organization_id, listing.table.scope
        )
        return _send(request, listing, organization.pk, page)

    path = f"{_ORGANIZATION}/{listing.path}"
    _add(listing, path, list_of_organization, " organization")


def _send(
    request: HttpRequest, listing: Listing, organization_id: int | None, page: PageIn
) -> HttpResponse:
    caller = caller_by(access.principal(request))
    selection = select(caller, organization_id, request.GET, timezone.now())
    rows = list_rows(listing.table, selection, size=page.limit, cursor=page.cursor)
    return HttpResponse(page_body(listing.name, rows), content_type=_JSON)


for _listing in _LISTINGS:
    _add_of_fleet(_listing)
    _add_of_organization(_listing)


@router.get(
    _ORGANIZATION + "/alert-status",
    response={200: alerts.AlertStatusesOut, **_READS},
    operation_id="list_organization_alert_status",
    summary="List what the alerts of an organization measure",
    auth=access.needs(Scope.BILLING_READ),
)
def read_alert_status(
    request: HttpRequest, organization_id: str, deleted: Query[DeletedIn]
) -> HttpResponse:
    """Return the value and threshold of each alert, and why its email is not sent.

    Spending limits, entitlements, trials, and payments are measured now, as on the
    Alerts tab.
    """
    organization = access.called_organization(
        request, organization_id, Scope.BILLING_READ
    )
    statuses = list_statuses(organization.pk, now=timezone.now())
    body = json_body(alerts.alert_statuses_out(statuses))
    return HttpResponse(body, content_type=_JSON)


@router.get(
    _ORGANIZATION + "/billing-periods/{number}",
    response={200: periods.ReconciliationOut, **_READS},
    operation_id="reconcile_billing_period",
    summary="Reconcile a billing period",
    auth=access.needs(Scope.BILLING_READ),
)
def read_period(
    request: HttpRequest, organization_id: str, number: str, deleted: Query[DeletedIn]
) -> HttpResponse:
    """Return the sums of a period from its events to its invoice.

    Each step has the causes of its difference from the step before it, each product and
    meter its own. The page *Reconciliation* shows the same.
    """
    organization = access.called_organization(
        request, organization_id, Scope.BILLING_READ
    )
    try:
        result = reconcile_period(organization, min(access.row_id(number), _MAX_NUMBER))
    except BillingPeriod.DoesNotExist:
        raise NotFound("Billing period not found.") from None
    body = json_body(periods.reconciliation_out(result))
    return HttpResponse(body, content_type=_JSON)


_MAX_NUMBER = 2**31 - 1
