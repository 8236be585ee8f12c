"""Template filters that write the figures of an estimated invoice."""

from django import template
from django.utils.safestring import SafeString

from billing.forecast.backtests import COVERAGE, TOLERANCE, HitRate
from billing.forecast.queries.estimates import EstimatedInvoice, Total
from billing.forecast.queries.forecasts import LimitForecast
from orgs.web.templatetags.display import day_year, defined, exact, money

register = template.Library()


@register.filter
def format_totals(estimate: EstimatedInvoice, organization_id: int) -> SafeString:
    """Return the totals, one for each currency, joined by a plus sign."""
    totals = (
        exact(
            row.amount,
            "money",
            row.currency,
            number="estimate.total",
            of=organization_id,
        )
        for row in estimate.totals
    )
    more = "" if estimate.is_complete else " or more"
    return SafeString(" + ".join(totals) + more)


@register.simple_tag
def limit_day(limit: LimitForecast, organization_id: int) -> SafeString | str:
    """Return the day when a limit was or will be reached; empty if it is not known."""
    if limit.day is None:
        return ""
    number = f"limit.{limit.kind}.day"
    text = day_year(limit.day)
    return defined(text, limit.day, "date", number=number, of=organization_id)


def format_range(total: Total) -> str:
    """Return the range of a total; empty if it is not known or has no width."""
    if total.low is None or total.high is None or total.low == total.high:
        return ""
    low, high = (money(amount, total.currency) for amount in (total.low, total.high))
    return _range(low, high)


@register.filter
def mark_range(total: Total, organization_id: int) -> SafeString:
    """Return the text of `format_range`, its ends with their definitions."""
    if not format_range(total):
        return SafeString("")
    low, high = (
        exact(
            getattr(total, end),
            "money",
            total.currency,
            number=f"estimate.{end}",
            of=organization_id,
        )
        for end in ("low", "high")
    )
    return SafeString(_range(low, high))


def _range(low: str, high: str) -> str:
    return f"{low} to {high} ({COVERAGE:.0%} range)"


@register.filter
def format_hit_rate(rate: HitRate) -> str:
    """Return how often the forecast was right, as a sentence."""
    unit = "billing period" if rate.are_billing_periods else "period of this length"
    many = "billing periods" if rate.are_billing_periods else "periods of this length"
    past = f"last {rate.periods} {many}" if rate.periods > 1 else f"last {unit}"
    return (
        f"At this point, the usage forecast was within {TOLERANCE:.0%} in"
        f" {rate.hits} of the {past} (mean error {rate.mean_error:.1%})."
    )
