"""The first row of an organization's page: a number, and what it means."""

from datetime import date, datetime, timedelta
from typing import TypedDict

from django import template
from django.utils import timezone

from billing.forecast.queries.forecasts import LimitOutlook, Outlook
from metrics.queries.fleet import RecentCost
from orgs.days import day_of
from orgs.models import Organization
from orgs.web.templatetags.display import UNKNOWN, change, day, exact, money

register = template.Library()


class Tile(TypedDict, total=False):
    label: str
    value: str
    note: str
    strong: str
    tone: str
    url: str


@register.simple_tag
def outlook_tiles(
    organization: Organization, outlook: Outlook, recent: RecentCost
) -> list[Tile]:
    currency = organization.white_label.currency
    return [
        _period(organization, outlook, currency),
        _recent(recent, currency),
        _projected(outlook, currency),
        {
            "label": "Savings vs. benchmark",
            "value": exact(outlook.cost.saved, "money", currency),
            "note": "this period",
        },
        _synced(organization, outlook),
    ]


def _period(organization: Organization, outlook: Outlook, currency: str) -> Tile:
    since = day_of(outlook.starts_at, organization.white_label.zone)
    tile: Tile = {
        "label": "Cost this period",
        "value": exact(outlook.cost.cost, "money", currency),
        "note": _span(since, outlook.ends_on),
    }
    if outlook.free_balance:
        left = max(outlook.free_balance - outlook.cost.cost, outlook.free_balance * 0)
        tile["strong"] = f"{money(left, currency)} free balance left"
    return tile


def _span(since: date, ends_on: date | None) -> str:
    """Both ends of the period; one whose end is not known only began."""
    if ends_on is None:
        return f"since {day(since)}"
    return f"{day(since)} \N{EN DASH} {day(ends_on - timedelta(days=1))}"


def _recent(recent: RecentCost, currency: str) -> Tile:
    return {
        "label": "Last 30 days",
        "value": exact(recent.cost, "money", currency),
        "strong": change(recent.growth) if recent.growth is not None else "",
        "note": "vs. previous 30 days"
        if recent.growth is not None
        else "none in the previous 30 days",
    }


def _projected(outlook: Outlook, currency: str) -> Tile:
    tile: Tile = {
        "label": f"Projected usage by {day(outlook.ends_on)}"
        if outlook.ends_on
        else "Daily average",
        "value": exact(
            outlook.pace_per_day if outlook.projected is None else outlook.projected,
            "money",
            currency,
        ),
        "note": "7-day average, plan fee not included"
        if outlook.ends_on
        else "last 7 days",
    }
    if limit := outlook.next_limit:
        tile |= _limit(limit, currency)
    return tile


def _limit(limit: LimitOutlook, currency: str) -> Tile:
    name = f"{limit.label} ({money(limit.amount, currency)})"
    if limit.is_crossed:
        tone = "bad" if limit.kind == "hard" else "warn"
        return {"strong": f"{name.capitalize()} reached", "note": "", "tone": tone}
    if limit.crosses_on is None:
        return {"note": f"not projected to reach the {name}"}
    return {
        "strong": f"Projected to reach the {name} on {day(limit.crosses_on)}",
        "note": "at the 7-day average",
        "tone": "warn",
    }


def _synced(organization: Organization, outlook: Outlook) -> Tile:
    zone = organization.white_label.zone
    if outlook.facts.last_invoice_at is None:
        return {"label": "Last invoice", "value": UNKNOWN, "note": "none yet"}
    local = outlook.facts.last_invoice_at.astimezone(zone)
    return {
        "label": "Last invoice",
        "value": day(local.date()),
        "note": f"{_ago(local)}, {local:%H:%M %Z}",
    }


def _ago(at: datetime) -> str:
    days = (timezone.now() - at).days
    return f"{days} day{'' if days == 1 else 's'} ago" if days > 0 else "today"
