"""Template tag of the rows of the organization list.

They are formatted in Python: the template engine takes several times as long for fifty.
"""

from collections.abc import Iterable
from datetime import UTC
from html import escape

from django import template
from django.urls import reverse
from django.utils.safestring import SafeString

from billing.console.queries.organization_list import FleetRow
from billing.forecast.queries.estimates import EstimatedInvoice
from billing.forecast.queries.forecasts import LimitForecast
from metrics.queries.fleet import RecentCost
from orgs.web.charts import sparkline as points_of
from orgs.web.templatetags.components import badges, sparkline
from orgs.web.templatetags.display import UNKNOWN, change, day, day_year, exact, money

register = template.Library()


@register.simple_tag
def organization_rows(
    rows: Iterable[FleetRow], *, shows_white_label: bool
) -> SafeString:
    """Return the rows as HTML; names and external IDs are escaped.

    The URL of the page is resolved once and filled in for each organization.
    """
    before, _, after = reverse("billing:overview", args=[0]).rpartition("0")
    rendered = []
    for row in rows:
        organization = row.organization
        url, name = f"{before}{organization.pk}{after}", escape(organization.name)
        subtitle = escape(organization.external_id)
        if shows_white_label:
            subtitle = f"{subtitle} · {escape(organization.white_label.name)}"
        rendered.append(
            f'<tr><th scope="row"><a href="{url}">{name}'
            f'</a><span class="table__sub">{subtitle}</span></th>{_cells(row)}</tr>'
        )
    return SafeString("\n".join(rendered))


def _cells(row: FleetRow) -> str:
    currency = row.organization.white_label.currency
    recent, created_at = row.recent, row.organization.created_at
    trend = ""
    if recent.cost:
        trend = sparkline(points_of(recent.by_day), "Daily cost, last 30 days")
    return (
        f'<td class="fleet__state"><div class="badges">{badges(row.badges)}</div></td>'
        f'<td class="number fleet__cost">{_cost(recent, currency)}</td>'
        f'<td class="number fleet__change">{change(recent.growth)}</td>'
        f'<td class="fleet__trend">{trend}</td>'
        '<td class="number fleet__period">'
        f"{exact(row.period.cost, 'money', currency)}</td>"
        f"{_estimate_cell(row.estimate)}"
        f"{_limit_cell(row.limit, currency)}"
        f'<td class="fleet__created">{day_year(created_at.astimezone(UTC))}</td>'
    )


def _cost(recent: RecentCost, currency: str) -> str:
    if recent.has_no_price:
        return "<span data-no-price>no price</span>"
    return exact(recent.cost, "money", currency)


def _estimate_cell(estimate: EstimatedInvoice | None) -> str:
    """Return the estimated invoice, a total for each currency, with its day below."""
    if estimate is None or not estimate.totals or estimate.on is None:
        none = "fleet__estimate fleet__estimate--none"
        return f'<td class="number {none}">{UNKNOWN}</td>'
    totals = " + ".join(
        exact(total.amount, "money", total.currency) for total in estimate.totals
    )
    more = "" if estimate.is_complete else " or more"
    return (
        f'<td class="number fleet__estimate" data-estimate="{estimate.state}">'
        f'{totals}{more}<span class="table__sub">on {day(estimate.on)}</span></td>'
    )


def _limit_cell(limit: LimitForecast | None, currency: str) -> str:
    """Return the day a limit was or will be reached, with its kind and amount below."""
    if limit is None:
        return f'<td class="fleet__limit fleet__limit--none">{UNKNOWN}</td>'
    state = "reached" if limit.is_reached else "projected"
    when = f"{state.capitalize()} {day_year(limit.day) if limit.day else ''}".rstrip()
    label = limit.label.capitalize()
    return (
        f'<td class="fleet__limit" data-limit="{limit.kind}" data-{state}="'
        f'{limit.day or ""}"><span class="fleet__day">{when}</span>'
        f'<span class="table__sub">{label} {money(limit.amount, currency)}</span></td>'
    )
