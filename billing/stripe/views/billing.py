"""An organization's billing tab: subscriptions, invoices, credits and activity."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.utils import timezone

from billing import gateway
from billing.forecast.queries.estimated_invoices import get_estimate
from billing.ledger.queries.charges import ChargeFacts, list_charges
from billing.ledger.views.credits import credits_card_context
from billing.models import Price
from billing.staff import StaffContext, require_billing_read
from billing.stripe.queries.actions import ActionContext, action_context
from billing.stripe.queries.adjustments import list_adjustments, sum_adjustments
from billing.stripe.queries.discrepancies import list_organization_discrepancies
from billing.stripe.queries.invoices import list_invoices
from billing.stripe.queries.sync_runs import SyncProgress, list_syncs
from billing.stripe.queries.timeline import MAX_ENTRIES, latest_changes
from billing.stripe.tasks import request_previews
from metrics.queries.periods import current_period
from orgs import access
from orgs.models import Organization
from orgs.web.http import OrgRequest, page_or_fragment, wants_fragment
from orgs.web.templatetags.display import instant

PAGE, _PANEL = "billing/stripe/billing.html", "billing/stripe/_billing_panel.html"
_STALE_AFTER = timedelta(hours=25)  # syncs are scheduled every night
_RECENT_RUNS = 5
_MAX_ADJUSTMENTS = 50  # that are shown; sums count all


def billing(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Show an organization's billing tab."""
    staff = require_billing_read(request)
    organization = access.get_organization(
        staff.principal, organization_id, include_deleted=True
    )
    context = tab_context(staff, organization, action_context(organization))
    context["is_fragment"] = wants_fragment(request)
    return page_or_fragment(request, PAGE, _PANEL, context)


def tab_context(
    staff: StaffContext, organization: Organization, context: ActionContext
) -> dict[str, Any]:
    """Return the template context of the billing tab.

    The tab is also shown below the form and the progress of an action.
    """
    period = current_period(organization.id)
    estimate = get_estimate(organization, period=period)
    request_previews(organization, estimate)
    charges = _charges(organization.id)
    invoices = list_invoices(organization.id)
    adjustments = list_adjustments(organization.id)
    sums = sum_adjustments(invoices, adjustments)
    return {
        "organization": organization,
        "zone": organization.white_label.time_zone,
        "tab": "billing",
        "nav_key": "organizations",
        "staff": staff,
        "currency": organization.white_label.currency,
        "action_context": context,
        "prices": _prices(context),
        "invoices": [
            {
                "row": row,
                "charges": charges[row.period.number] if row.period else [],
                "adjustments": sums[row.stripe_id],
            }
            for row in invoices
        ],
        "adjustments": adjustments[:_MAX_ADJUSTMENTS],
        "now": timezone.now(),
        "period": period,
        "forecast": estimate.forecast,
        "estimate": estimate,
        "discrepancies": list_organization_discrepancies(organization.id),
        "timeline": latest_changes(organization),
        "timeline_limit": MAX_ENTRIES,
        "sync_warning": _sync_warning(organization),
        **credits_card_context(
            organization, estimate.forecast.facts, open_cost=period.cost.cost
        ),
    }


def _prices(context: ActionContext) -> dict[str, Price]:
    """Return the known prices of the organization's subscriptions by Stripe ID."""
    subscriptions = (*context.subscriptions, *context.ended)
    ids = [subscription.stripe_price_id for subscription in subscriptions]
    return {row.stripe_id: row for row in Price.objects.filter(stripe_id__in=ids)}


def _charges(organization_id: int) -> dict[int, list[ChargeFacts]]:
    """Return the organization's charges by the number of their billing period."""
    charges: dict[int, list[ChargeFacts]] = defaultdict(list)
    for charge in list_charges(organization_id):
        charges[charge.period].append(charge)
    return charges


def _sync_warning(organization: Organization) -> str:
    """Return why the data from Stripe may be out of date; empty if it is current.

    Without a Stripe account the buttons give the reason already.
    """
    if not gateway.is_on():
        return ""
    runs = list_syncs([organization.white_label], limit=_RECENT_RUNS)
    ended = [run for run in runs if not run.is_unfinished]
    return _warning_of(ended, timezone.now(), organization.white_label.zone)


def _warning_of(ended: list[SyncProgress], now: datetime, zone: ZoneInfo) -> str:
    """Return the warning that follows from the last ended runs, newest first."""
    synced_at = next((run.finished_at for run in ended if run.state == "done"), None)
    if ended and ended[0].state == "failed":
        last = "The last sync with Stripe failed."
        if synced_at is None:
            return last
        return f"{last} The last successful sync was on {instant(synced_at, zone)}."
    if synced_at is None:
        return "Not synced with Stripe yet. This page shows webhook data only."
    if now - synced_at > _STALE_AFTER:
        return f"The last sync with Stripe was on {instant(synced_at, zone)}."
    return ""
