"""An organization's billing tab: what it subscribed to, what it owes and paid."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.utils import timezone

from billing import gateway
from billing.forecast.queries.forecasts import forecast
from billing.ledger.queries.charges import ChargeFacts, list_charges
from billing.ledger.views.credits import credits_card_context
from billing.models import Price
from billing.staff import StaffContext, require_billing_read
from billing.stripe.queries.actions import ActionContext, action_context
from billing.stripe.queries.discrepancies import list_organization_discrepancies
from billing.stripe.queries.invoices import list_invoices
from billing.stripe.queries.sync_runs import SyncProgress, list_syncs
from billing.stripe.queries.timeline import SHOWN, timeline
from metrics.queries.periods import current_period
from orgs import access
from orgs.days import day_of
from orgs.models import Organization
from orgs.web.http import OrgRequest, page_or_fragment, wants_fragment
from orgs.web.templatetags.display import instant

PAGE, _PANEL = "billing/stripe/billing.html", "billing/stripe/_billing_panel.html"
_STALE = timedelta(hours=25)  # a nightly sync that did not come
_RUNS_LOOKED_AT = 5


def billing(request: OrgRequest, organization_id: int) -> HttpResponse:
    """Subscriptions and what may be done with them, invoices, what happened."""
    staff = require_billing_read(request)
    organization = access.get_organization(
        staff.principal, organization_id, include_deleted=True
    )
    context = tab(staff, organization, action_context(organization))
    context["is_part"] = wants_fragment(request)
    return page_or_fragment(request, PAGE, _PANEL, context)


def tab(
    staff: StaffContext, organization: Organization, now: ActionContext
) -> dict[str, Any]:
    """All that the tab shows; the same beneath the form of an action."""
    today = day_of(timezone.now(), organization.white_label.zone)
    period = current_period(organization.id)
    ahead = forecast(organization, today=today, period=period)
    charges = _charges(organization.id)
    invoices = list_invoices(organization.id)
    return {
        "organization": organization,
        "zone": organization.white_label.time_zone,
        "tab": "billing",
        "nav_key": "organizations",
        "staff": staff,
        "currency": organization.white_label.currency,
        "action_context": now,
        "prices": _prices(now),
        "invoices": [
            {"row": one, "charges": charges[one.period.number] if one.period else []}
            for one in invoices
        ],
        "now": timezone.now(),
        "period": period,
        "forecast": ahead,
        "discrepancy": list_organization_discrepancies(organization.id),
        "moments": timeline(organization.id, invoices=invoices),
        "moments_shown": SHOWN,
        "stale": _stale(organization),
        **credits_card_context(organization, ahead.facts),
    }


def _prices(now: ActionContext) -> dict[str, Price]:
    """What its subscriptions cost, by Stripe's id; unknown ones are not in it."""
    ids = [one.stripe_price_id for one in (*now.subscriptions, *now.ended)]
    return {row.stripe_id: row for row in Price.objects.filter(stripe_id__in=ids)}


def _charges(organization_id: int) -> dict[int, list[ChargeFacts]]:
    """By the number of the period."""
    found: dict[int, list[ChargeFacts]] = defaultdict(list)
    for charge in list_charges(organization_id):
        found[charge.period].append(charge)
    return found


# --- how old it is ------------------------------------------------------------------


def _stale(organization: Organization) -> str:
    """What is wrong with the mirrors' age; empty: nothing."""
    if not gateway.is_on():
        return ""  # the buttons say so
    runs = list_syncs([organization.white_label], limit=_RUNS_LOOKED_AT)
    ended = [run for run in runs if not run.is_unfinished]
    return _said_of(ended, timezone.now(), organization.white_label.zone)


def _said_of(ended: list[SyncProgress], now: datetime, zone: ZoneInfo) -> str:
    good = next((run.finished_at for run in ended if run.state == "done"), None)
    if ended and ended[0].state == "failed":
        since = (
            f" The last successful sync was on {instant(good, zone)}." if good else ""
        )
        return f"The last sync with Stripe failed.{since}"
    if good is None:
        return "Not synced with Stripe yet. This page shows webhook data only."
    if now - good > _STALE:
        return f"The last sync with Stripe was on {instant(good, zone)}."
    return ""
