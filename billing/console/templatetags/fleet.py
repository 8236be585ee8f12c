"""Template tags of the overview: tiles with comparisons, reasons with their age."""

from datetime import datetime
from decimal import Decimal
from urllib.parse import urlencode

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing.console.queries.scope import FleetScope
from billing.forecast.templatetags.tiles import Tile
from billing.needs_action.queries.overview import NeedsAction
from billing.needs_action.queries.reasons import OrganizationInNeed
from billing.needs_action.queries.texts import day_count
from billing.needs_action.templatetags.reasons import owed
from billing.stripe.queries.sync_health import SyncHealth
from billing.stripe.templatetags.syncs import health_tile
from metrics.catalog import METERS, Unit
from metrics.queries.fleet import TopSpender
from metrics.queries.fleet_series import Comparison, FleetTotals
from metrics.queries.unpriced import FleetUnpriced
from orgs.days import day_of, days_until
from orgs.models import WhiteLabel
from orgs.web.templatetags.display import (
    change,
    day,
    days_left,
    defined,
    exact,
    moment,
)

register = template.Library()

# Unit, label, and the format of its values; unused units get no tile.
_UNITS = (
    (Unit.TOKENS, "Tokens", "compact"),
    (Unit.COUNT, "Requests", "compact"),
    (Unit.SECONDS, "Compute, CPU + GPU", "seconds"),
)
_METER_UNITS = {
    Unit.SECONDS: "seconds",
    Unit.BYTES: "bytes",
    Unit.BYTE_DAYS: "bytes",
}


@register.simple_tag
def fleet_lead(totals: FleetTotals, is_unused: bool) -> str:
    """Return which days the tiles show: complete ones only, for a fair comparison."""
    if is_unused:
        return ""
    days = f"{day(totals.range.start)} \N{EN DASH} {day(totals.last)}"
    return (
        f"{days} (complete days), compared with the previous {totals.range.days} days."
    )


@register.simple_tag
def fleet_tiles(
    totals: FleetTotals,
    needs_action: NeedsAction,
    health: SyncHealth,
    *,
    currency: str,
    now: datetime,
    zone: str,
) -> list[Tile]:
    """Return the tiles of cost, usage, overdue invoices, and the sync with Stripe."""
    cost = totals.cost
    tiles: list[Tile] = [
        {
            "label": "Cost, 30 complete days",
            "value": exact(
                cost.now, "money", currency, number="fleet.cost_30_complete_days"
            ),
            **_comparison(cost, _before("cost", cost.before, "money", currency)),
        }
    ]
    for unit, label, value_format in _UNITS:
        used = totals.quantity_in(unit)
        if used.now or used.before:
            number = f"fleet.{unit.value}_30_complete_days"
            value = exact(used.now, value_format, number=number)
            before = _before(unit.value, used.before, value_format)
            note = _comparison(used, before)
            tiles.append({"label": label, "value": value, **note})
    sync_tile = health_tile(health, now, zone, reverse("billing:stripe_sync"))
    return [*tiles, _overdue_tile(needs_action, currency, now), sync_tile]


def _before(
    name: str, value: Decimal | int, unit: str, currency: str = "usd"
) -> SafeString:
    """Return the sum of the 30 days before, with its definition."""
    number = f"fleet.{name}_30_days_before"
    return SafeString(exact(value, unit, currency, number=number))


def _comparison(sums: Comparison, before: SafeString) -> Tile:
    if sums.growth is None:
        return {"note": "none in the previous 30 days"}
    return {"strong": change(sums.growth), "note": SafeString(f"from {before}")}


def _overdue_tile(needs_action: NeedsAction, currency: str, now: datetime) -> Tile:
    overdue = needs_action.overdue
    if not overdue.count or overdue.at is None:
        return {
            "label": "Overdue",
            "value": exact(Decimal(0), "money", currency, number="fleet.overdue"),
            "note": "no overdue invoices",
        }
    more = "+" if needs_action.is_overdue_capped else ""
    noun = "invoice" if overdue.count == 1 else "invoices"
    return {
        "label": "Overdue",
        "value": format_html("{}{}", owed(overdue, currency), more),
        "strong": f"{overdue.count - bool(more):,}{more} {noun},",
        "note": f"oldest {day_count((now - overdue.at).days)} overdue",
        "tone": "bad",
    }


@register.simple_tag
def unpriced_query(scope: FleetScope, line: FleetUnpriced) -> str:
    """Return the query string of the page of usage without a price."""
    return line_query(scope.get(line.white_label_id), line)


@register.simple_tag
def line_query(white_label: WhiteLabel, line: FleetUnpriced) -> str:
    """Return the query string that selects unpriced usage of a white label."""
    return urlencode(
        {"white_label": white_label.slug, "product": line.product, "meter": line.meter}
    )


@register.simple_tag
def white_label_of(
    scope: FleetScope, row: OrganizationInNeed | TopSpender
) -> WhiteLabel:
    """Return the white label of an organization's row."""
    return scope.get(row.white_label_id)


@register.simple_tag
def meter_amount(slug: str, quantity: int) -> SafeString | str:
    """Return a quantity in the unit of its meter."""
    unit = METERS[slug].unit if slug in METERS else Unit.COUNT
    number = f"meter.{slug}"
    return exact(quantity, _METER_UNITS.get(unit, "compact"), number=number)


@register.simple_tag
def unpriced_amount(line: FleetUnpriced) -> SafeString | str:
    """Return the quantity without a price in all open periods of a white label."""
    unit = METERS[line.meter].unit if line.meter in METERS else Unit.COUNT
    shown = _METER_UNITS.get(unit, "compact")
    number = f"unpriced.{line.meter}"
    return exact(line.quantity, shown, number=number, of=_owner_of(line))


@register.simple_tag
def unpriced_organizations(line: FleetUnpriced) -> SafeString | str:
    """Return how many organizations have used what has no price."""
    number = "unpriced.organizations"
    return exact(line.organizations, "count", number=number, of=_owner_of(line))


def _owner_of(line: FleetUnpriced) -> str:
    return f"{line.white_label_id} {line.product} {line.meter}"


@register.simple_tag
def clock(at: datetime, zone: str) -> SafeString | str:
    """Return `Nov 22, 00:07` with its time zone on hover; UTC if there are several."""
    return moment(at, zone or "UTC")


@register.simple_tag
def ends_in(
    at: datetime, label: WhiteLabel, now: datetime, organization_id: int
) -> SafeString:
    """Return `in 3 days, Nov 24` by the white label's calendar."""
    days = days_until(at, now, label.zone)
    number, id_ = "organization.trial_days_left", organization_id
    when = defined(days_left(days), days, "days", number=number, of=id_)
    return format_html("{}, {}", when, day(day_of(at, label.zone)))
