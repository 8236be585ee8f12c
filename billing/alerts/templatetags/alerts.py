"""Badges, names and figures of alerts for templates."""

from decimal import Decimal

from django import template
from django.utils.safestring import SafeString

from billing.alerts.emails import shown
from billing.alerts.kinds import ALERT_KINDS, Measure
from billing.alerts.queries.explaining import Explanation, Verdict
from billing.models import Alert, AlertEmailRecipient
from orgs.web.templatetags import display
from orgs.web.templatetags.components import badge

register = template.Library()

_STATES = {
    "pending": ("pending", ""),
    "sending": ("sending", ""),
    "sent": ("sent", "good"),
    "failed": ("failed", "bad"),
    "no_recipient": ("no recipients", "warn"),
    "suppressed": ("not sent", ""),
}
_SETTLED = {
    "pending": ("pending", ""),
    "sent": ("accepted", "good"),
    "refused": ("rejected", "bad"),
    "failed": ("failed", "bad"),
    "suppressed": ("unsubscribed", ""),
    "digested": ("combined email", "good"),
}
_VERDICTS = {
    Verdict.NOTHING: ("not applicable", ""),
    Verdict.RECORDED: ("triggered", "good"),
    Verdict.INCONCLUSIVE: ("insufficient data", "warn"),
    Verdict.BELOW: ("not reached", ""),
    Verdict.BEYOND: ("covered", ""),
    Verdict.SNOOZED: ("snoozed", "warn"),
    Verdict.NOBODY: ("no recipients", "warn"),
    Verdict.FIRES: ("will be sent", "warn"),
}
_UNITS = {
    "compute_seconds": display.duration,
    "gpu_seconds": display.duration,
    "storage_bytes": display.byte_size,
    "projects": display.count,
    "users": display.count,
}
_SUBJECTS = {
    "compute_seconds": "compute time",
    "gpu_seconds": "GPU time",
    "storage_bytes": "storage",
    "contract_year": "contract year",
    "billing_period": "billing period",
}
_OF_MONEY = {
    *(Measure.SOFT, Measure.HARD, Measure.BALANCE, Measure.PACE, Measure.SPIKE),
}


@register.filter
def alert_badge(alert: Alert) -> SafeString:
    return badge(*_STATES[alert.state])


@register.filter
def recipient_badge(row: AlertEmailRecipient) -> SafeString:
    return badge(*_SETTLED[row.state])


@register.filter
def verdict_badge(found: Explanation) -> SafeString:
    return badge(*_VERDICTS[found.verdict])


@register.filter
def about(subject: str) -> str:
    """Return the name of an entitlement or period; "" for a Stripe id."""
    if subject in _SUBJECTS:
        return _SUBJECTS[subject]
    return "" if subject.startswith("sub_") else subject


@register.filter
def kind_label(slug: str) -> str:
    """Return the label of a kind of alert, or the slug of one that no longer exists."""
    return ALERT_KINDS[slug].label if slug in ALERT_KINDS else slug


@register.filter
def title(alert: Alert) -> str:
    """Return the heading of the alert's email."""
    return str(shown.shown(alert)["title"])


@register.filter
def moment_numbers(alert: Alert) -> list[tuple[str, str]]:
    """Return label and value of the figures of its email."""
    numbers: list[tuple[str, str]] = shown.shown(alert)["numbers"]
    return numbers


@register.simple_tag
def held_against(found: Explanation, currency: str) -> str:
    """Return the current value and its base, such as `$12.50 of $20.00`."""
    one = found.measured
    if one is None:
        return ""
    if one.measure in _OF_MONEY:
        value, base = (display.money(n, currency) for n in (one.value, one.base))
        return f"{value} of {base}" if one.measure is not Measure.SPIKE else value
    if one.measure is Measure.ENTITLEMENT:
        written = _UNITS.get(one.subject, display.count)
        return f"{written(one.value)} of {written(one.base)}"
    if one.measure in (Measure.TRIAL, Measure.SILENCE):
        return f"{display.count(round(Decimal(one.value), 1))} days"
    return ""
