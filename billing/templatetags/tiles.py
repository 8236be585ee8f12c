"""The first row of an organization's page: a number, and what it means."""

from typing import TypedDict

from django import template

from billing.queries import LimitOutlook, Outlook
from metrics.periods import day_of
from metrics.queries import RecentCost
from orgs.models import Organization
from orgs.templatetags.display import UNKNOWN, change, day, exact, instant, money

register = template.Library()


class Tile(TypedDict, total=False):
    label: str
    value: str
    note: str
    strong: str
    tone: str


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
            "label": "Saved against benchmark",
            "value": exact(outlook.cost.saved, "money", currency),
            "note": "this period, at benchmark prices",
        },
        _synced(organization, outlook),
    ]


def _period(organization: Organization, outlook: Outlook, currency: str) -> Tile:
    since = day_of(outlook.starts_at, organization.white_label.zone)
    tile: Tile = {
        "label": "Cost this period",
        "value": exact(outlook.cost.cost, "money", currency),
        "note": f"since {day(since)}",
    }
    if outlook.free_balance:
        left = max(outlook.free_balance - outlook.cost.cost, outlook.free_balance * 0)
        tile["strong"] = f"{money(left, currency)} free balance left"
    return tile


def _recent(recent: RecentCost, currency: str) -> Tile:
    return {
        "label": "Last 30 days",
        "value": exact(recent.cost, "money", currency),
        "strong": change(recent.growth) if recent.growth is not None else "",
        "note": "against the 30 days before"
        if recent.growth is not None
        else "nothing in the 30 days before",
    }


def _projected(outlook: Outlook, currency: str) -> Tile:
    tile: Tile = {
        "label": f"Projected to {day(outlook.ends_on)}"
        if outlook.ends_on
        else "Pace a day",
        "value": exact(
            outlook.pace_per_day if outlook.projected is None else outlook.projected,
            "money",
            currency,
        ),
        "note": "at the pace of the last 7 days",
    }
    if limit := outlook.next_limit:
        tile |= _limit(limit, currency)
    return tile


def _limit(limit: LimitOutlook, currency: str) -> Tile:
    name = f"{limit.label} {money(limit.amount, currency)}"
    if limit.is_crossed:
        return {"note": f"{name} is crossed", "tone": "bad", "strong": ""}
    if limit.crosses_on is None:
        return {"note": f"{name} is not reached"}
    return {
        "strong": f"{day(limit.crosses_on)}:",
        "note": f"{name} is crossed",
        "tone": "warn",
    }


def _synced(organization: Organization, outlook: Outlook) -> Tile:
    zone = organization.white_label.zone
    if outlook.last_invoice_at is None:
        return {"label": "Last invoice", "value": UNKNOWN, "note": "none yet"}
    return {
        "label": "Last invoice",
        "value": day(day_of(outlook.last_invoice_at, zone)),
        "note": instant(outlook.last_invoice_at, zone),
    }
