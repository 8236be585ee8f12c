"""Template tag of the rows of the organization list.

They are formatted in Python: the template engine takes several times as long for fifty.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC
from decimal import Decimal
from html import escape

from django import template
from django.urls import reverse
from django.utils.safestring import SafeString

from billing.console.queries.organization_list import FleetRow
from billing.forecast.queries.estimates import EstimatedInvoice
from billing.forecast.templatetags.estimates import format_range, limit_day
from orgs.web.charts import sparkline as points_of
from orgs.web.templatetags.components import badges, sparkline
from orgs.web.templatetags.display import (
    UNKNOWN,
    change,
    day,
    day_year,
    exact,
    money,
)

register = template.Library()
_LARGE = 1_000


@register.simple_tag
def organization_rows(
    rows: Iterable[FleetRow],
    *,
    columns: Sequence[str],
    shows_white_label: bool,
    groups_currencies: bool,
) -> SafeString:
    """Return the rows as HTML; names and external IDs are escaped.

    The URL of the page is resolved once and filled in for each organization. If
    currencies are grouped, a row names each one before its organizations.
    """
    before, _, after = reverse("billing:overview", args=[0]).rpartition("0")
    rendered, currency = [], ""
    for row in rows:
        organization = row.organization
        label = organization.white_label
        if groups_currencies and label.currency != currency:
            currency = label.currency
            rendered.append(_currency_row(currency, len(columns) + 1))
        url, name = f"{before}{organization.pk}{after}", escape(organization.name)
        subtitle = escape(organization.external_id)
        if shows_white_label:
            subtitle = f"{subtitle} · {escape(label.name)}"
        cells = "".join(_CELLS[column](row, label.currency) for column in columns)
        rendered.append(
            f'<tr><th scope="row"><a href="{url}" data-row-link>{name}'
            f'</a><span class="table__sub">{subtitle}</span></th>{cells}</tr>'
        )
    return SafeString("\n".join(rendered))


def _currency_row(currency: str, width: int) -> str:
    return (
        f'<tr class="fleet__group" data-currency="{currency}">'
        f'<th scope="rowgroup" colspan="{width}">{currency.upper()}</th></tr>'
    )


def _status_cell(row: FleetRow, currency: str) -> str:
    return (
        f'<td class="fleet__state"><div class="badges">{badges(row.badges)}</div></td>'
    )


def _cost_cell(row: FleetRow, currency: str) -> str:
    return f'<td class="number fleet__cost">{_cost(row, currency)}</td>'


def _change_cell(row: FleetRow, currency: str) -> str:
    return f'<td class="number fleet__change">{change(row.recent.growth)}</td>'


def _trend_cell(row: FleetRow, currency: str) -> str:
    trend = ""
    if row.recent.cost:
        trend = sparkline(points_of(row.recent.by_day), "Daily cost, last 30 days")
    return f'<td class="fleet__trend">{trend}</td>'


def _period_cell(row: FleetRow, currency: str) -> str:
    number, id_ = "organization.cost_this_period", row.organization.pk
    cost = exact(row.period.cost, "money", currency, number=number, of=id_)
    return f'<td class="number fleet__period">{cost}</td>'


def _created_cell(row: FleetRow, currency: str) -> str:
    created_at = row.organization.created_at.astimezone(UTC)
    return f'<td class="fleet__created">{day_year(created_at)}</td>'


def _entitlement_cell(row: FleetRow, currency: str) -> str:
    use = row.entitlement_use
    number, id_ = "entitlement.most_used", row.organization.pk
    text = exact(use, "percent", number=number, of=id_)
    return f'<td class="number fleet__entitlement" data-use="{use or ""}">{text}</td>'


def _cost(row: FleetRow, currency: str) -> str:
    if row.recent.has_no_price:
        return "<span data-no-price>no price</span>"
    number, id_ = "organization.cost_30_days", row.organization.pk
    return exact(row.recent.cost, "money", currency, number=number, of=id_)


def _estimate_cell(row: FleetRow, currency: str) -> str:
    """Return the estimated invoice, a total for each currency, with its day below."""
    estimate = row.estimate
    if estimate is None or not estimate.totals or estimate.on is None:
        none = "fleet__estimate fleet__estimate--none"
        return f'<td class="number {none}">{UNKNOWN}</td>'
    totals = " + ".join(
        exact(
            total.amount,
            "money",
            total.currency,
            number="estimate.total",
            of=row.organization.pk,
        )
        for total in estimate.totals
    )
    more = "" if estimate.is_complete else " or more"
    return (
        f'<td class="number fleet__estimate" data-estimate="{estimate.state}">'
        f'{totals}{more}<span class="table__sub">on {day(estimate.on)}</span>'
        f"{_range(estimate)}</td>"
    )


def _range(estimate: EstimatedInvoice) -> str:
    """Return the range of the total; empty if it is not known or has no width."""
    total = estimate.total
    if total is None or total.low is None or total.low == total.high:
        return ""
    ends = (_short(end, total.currency) for end in (total.low, total.high) if end)
    title = escape(format_range(total))
    text = "\N{EN DASH}".join(ends)
    return f'<span class="table__sub" data-range title="{title}">{text}</span>'


def _short(amount: Decimal, currency: str) -> str:
    """Return an amount, a large one in whole units: the column is narrow."""
    if amount < _LARGE:
        return money(amount, currency)
    return money(round(amount), currency).partition(".")[0]


def _limit_cell(row: FleetRow, currency: str) -> str:
    """Return the day a limit was or will be reached, with its kind and amount below."""
    limit = row.limit
    if limit is None:
        return f'<td class="fleet__limit fleet__limit--none">{UNKNOWN}</td>'
    state = "reached" if limit.is_reached else "projected"
    when = f"{state.capitalize()} {limit_day(limit, row.organization.pk)}".rstrip()
    label = limit.label.capitalize()
    return (
        f'<td class="fleet__limit" data-limit="{limit.kind}" data-{state}="'
        f'{limit.day or ""}"><span class="fleet__day">{when}</span>'
        f'<span class="table__sub">{label} {money(limit.amount, currency)}</span></td>'
    )


_CELLS: dict[str, Callable[[FleetRow, str], str]] = {
    "status": _status_cell,
    "cost": _cost_cell,
    "change": _change_cell,
    "trend": _trend_cell,
    "period": _period_cell,
    "estimate": _estimate_cell,
    "entitlement": _entitlement_cell,
    "limit": _limit_cell,
    "created": _created_cell,
}
