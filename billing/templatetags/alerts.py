"""Alerts in words: their states, their numbers, what stands in their way."""

from decimal import Decimal

from django import template
from django.utils.safestring import SafeString

from billing import emails
from billing.catalog import Measure
from billing.models import Alert, LetterRecipient
from billing.queries.alerts import Explanation, Verdict
from orgs.templatetags import display
from orgs.templatetags.components import badge

register = template.Library()

_STATES = {
    "pending": ("waits", ""),
    "sending": ("being sent", ""),
    "sent": ("sent", "good"),
    "failed": ("failed", "bad"),
    "no_recipient": ("nobody to tell", "warn"),
    "suppressed": ("not sent", ""),
}
_SETTLED = {
    "pending": ("waits", ""),
    "sent": ("taken", "good"),
    "refused": ("refused", "bad"),
    "failed": ("given up", "bad"),
    "suppressed": ("opted out", ""),
    "digested": ("in one letter with others", "good"),
}
_VERDICTS = {
    Verdict.NOTHING: ("nothing to measure", ""),
    Verdict.RECORDED: ("fired", "good"),
    Verdict.INCONCLUSIVE: ("inconclusive", "warn"),
    Verdict.BELOW: ("below", ""),
    Verdict.BEYOND: ("told by a later step", ""),
    Verdict.SNOOZED: ("snoozed", "warn"),
    Verdict.NOBODY: ("nobody to tell", "warn"),
    Verdict.FIRES: ("fires next", "warn"),
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
def recipient_badge(row: LetterRecipient) -> SafeString:
    return badge(*_SETTLED[row.state])


@register.filter
def verdict_badge(found: Explanation) -> SafeString:
    return badge(*_VERDICTS[found.verdict])


@register.filter
def about(subject: str) -> str:
    """An entitlement's or period's name; Stripe's ids say nothing to people."""
    if subject in _SUBJECTS:
        return _SUBJECTS[subject]
    return "" if subject.startswith("sub_") else subject


@register.filter
def title(alert: Alert) -> str:
    return str(emails.shown(alert)["title"])


@register.filter
def moment_numbers(alert: Alert) -> list[tuple[str, str]]:
    """The numbers of the moment, as its letter says them."""
    found: list[tuple[str, str]] = emails.shown(alert)["numbers"]
    return found


@register.simple_tag
def held_against(found: Explanation, currency: str) -> str:
    """`$12.50 of $20.00`: the value of now, and what it is held against."""
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
