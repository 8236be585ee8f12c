"""The fleet in words: tiles with what they are compared to, reasons with their age."""

from datetime import date, datetime
from decimal import Decimal

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from billing.console.queries.badges import Badge, day_count
from billing.console.queries.needs_action import Concern, Kind, NeedsAction, Reason
from billing.console.queries.scope import FleetScope
from billing.forecast.templatetags.tiles import Tile
from billing.stripe.queries.sync_health import SyncHealth
from billing.stripe.templatetags.syncs import health_tile
from metrics.catalog import METERS, Unit
from metrics.queries.fleet import TopSpender
from metrics.queries.fleet_series import Comparison, FleetTotals
from orgs.days import day_of
from orgs.models import WhiteLabel
from orgs.web.templatetags.display import (
    change,
    compact,
    day,
    duration,
    exact,
    moment,
    money,
)

register = template.Library()

# Unit, label, how it is written; a fleet that does not use it has no such tile.
_UNITS = (
    (Unit.TOKENS, "Tokens", "compact", compact),
    (Unit.COUNT, "Requests", "compact", compact),
    (Unit.SECONDS, "Compute, CPU + GPU", "seconds", duration),
)
_METER_UNITS = {
    Unit.SECONDS: "seconds",
    Unit.BYTES: "bytes",
    Unit.BYTE_DAYS: "bytes",
}


@register.simple_tag
def fleet_lead(totals: FleetTotals, is_unused: bool) -> str:
    """Which days the tiles are of: complete ones only, or a change would mislead."""
    if is_unused:
        return ""
    days = f"{day(totals.range.start)} \N{EN DASH} {day(totals.last)}"
    return (
        f"{days} (complete days), compared with the previous {totals.range.days} days."
    )


@register.simple_tag
def fleet_tiles(
    totals: FleetTotals,
    found: NeedsAction,
    health: SyncHealth,
    *,
    currency: str,
    now: datetime,
    zone: str,
) -> list[Tile]:
    """Money first, then what is used, what is owed, and whether Stripe says so too."""
    cost = totals.cost
    tiles: list[Tile] = [
        {
            "label": "Cost, 30 days",
            "value": exact(cost.now, "money", currency),
            **_compared(cost, money(cost.before, currency)),
        }
    ]
    for unit, label, name, said in _UNITS:
        used = totals.quantity_in(unit)
        if used.now or used.before:
            value = exact(used.now, name)
            note = _compared(used, said(used.before))
            tiles.append({"label": label, "value": value, **note})
    synced = health_tile(health, now, zone, reverse("billing:stripe_sync"))
    return [*tiles, _overdue(found, currency, now), synced]


def _compared(sums: Comparison, before: str) -> Tile:
    if sums.growth is None:
        return {"note": "none in the previous 30 days"}
    return {"strong": change(sums.growth), "note": f"from {before}"}


def _overdue(found: NeedsAction, currency: str, now: datetime) -> Tile:
    overdue = found.overdue
    if not overdue.times or overdue.at is None:
        return {
            "label": "Overdue",
            "value": exact(Decimal(0), "money", currency),
            "note": "no overdue invoices",
        }
    more = "+" if found.is_overdue_capped else ""
    noun = "invoice" if overdue.times == 1 else "invoices"
    return {
        "label": "Overdue",
        "value": format_html("{}{}", owed(overdue, currency), more),
        "strong": f"{overdue.times - bool(more):,}{more} {noun},",
        "note": f"oldest {day_count((now - overdue.at).days)} overdue",
        "tone": "bad",
    }


@register.simple_tag
def owed(reason: Reason, currency: str) -> SafeString:
    """Each currency for itself, the fleet's first: they are never added up."""
    amounts = sorted(reason.owed.items(), key=lambda one: (one[0] != currency, one[0]))
    return format_html_join(
        " + ", "{}", ((exact(amount, "money", code),) for code, amount in amounts)
    )


_TONES = {Kind.PAUSED: "warn", Kind.TRIAL_LOST: "warn"}


@register.simple_tag
def reason_badge(reason: Reason, now: datetime) -> Badge:
    """Why, and for how long already where that is known."""
    days = max((now - reason.at).days, 0) if reason.at else 0
    label = {
        Kind.OVERDUE: _overdue_for(reason.times, days),
        Kind.UNPAID: "Subscription unpaid",
        Kind.PAST_DUE: "Payment past due",
        Kind.PAUSED: f"Paused for {day_count(days)}" if days else "Paused",
        Kind.TRIAL_OVER: f"Trial ended {_ended(days)}, not updated in Stripe",
        Kind.TRIAL_LOST: f"Trial ended {_ended(days)}, no subscription",
        Kind.TRIAL_ENDING: "Trial",
    }[reason.kind]
    return Badge(label, "warn" if reason.kind in _TONES else "bad")


def _ended(days: int) -> str:
    return f"{day_count(days)} ago" if days else "today"


def _overdue_for(times: int, days: int) -> str:
    since = f"{day_count(days)} overdue" if days else "overdue"
    if times == 1:
        return f"Invoice {since}"
    return f"{times} invoices, oldest {since}" if days else f"{times} invoices overdue"


@register.simple_tag
def white_label_of(scope: FleetScope, row: Concern | TopSpender) -> WhiteLabel:
    return scope.of(row.white_label_id)


@register.simple_tag
def meter_amount(slug: str, quantity: int) -> SafeString | str:
    unit = METERS[slug].unit if slug in METERS else Unit.COUNT
    return exact(quantity, _METER_UNITS.get(unit, "compact"))


@register.simple_tag
def clock(at: datetime, zone: str) -> SafeString | str:
    """`Nov 22, 00:07`, the zone on hover; UTC where white labels have several."""
    return moment(at, zone or "UTC")


@register.simple_tag
def ends_in(at: datetime, label: WhiteLabel, now: datetime) -> str:
    """Return `in 3 days, Nov 24` by the white label's calendar."""
    ends_on: date = day_of(at, label.zone)
    days = (ends_on - day_of(now, label.zone)).days
    when = {0: "today", 1: "tomorrow"}.get(days, f"in {day_count(days)}")
    return f"{when}, {day(ends_on)}"
