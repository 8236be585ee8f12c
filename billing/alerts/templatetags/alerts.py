"""Badges, names and figures of alerts for templates."""

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django import template
from django.utils import timezone
from django.utils.safestring import SafeString

from billing.alerts.emails.context import alert_context
from billing.alerts.emails.figures import AMOUNT_FORMATS
from billing.alerts.kinds import ALERT_KINDS
from billing.alerts.measures import ENTITLEMENTS, Measure, Unit, unit_of
from billing.alerts.queries.measurements import Measurement
from billing.alerts.queries.statuses import AlertStatus, Status
from billing.models import Alert, AlertEmailRecipient
from orgs.days import days_until
from orgs.web.templatetags import display
from orgs.web.templatetags.components import badge

register = template.Library()

_ALERT_BADGES = {
    Alert.State.PENDING: ("pending", ""),
    Alert.State.SENDING: ("sending", ""),
    Alert.State.SENT: ("sent", "good"),
    Alert.State.FAILED: ("failed", "bad"),
    Alert.State.NO_RECIPIENT: ("no recipients", "warn"),
    Alert.State.SUPPRESSED: ("not sent", ""),
}
_RECIPIENT_BADGES = {
    AlertEmailRecipient.State.PENDING: ("pending", ""),
    AlertEmailRecipient.State.SENT: ("accepted", "good"),
    AlertEmailRecipient.State.REFUSED: ("rejected", "bad"),
    AlertEmailRecipient.State.FAILED: ("failed", "bad"),
    AlertEmailRecipient.State.SUPPRESSED: ("unsubscribed", ""),
    AlertEmailRecipient.State.DIGESTED: ("combined email", "good"),
}
_STATUS_BADGES = {
    Status.NOT_APPLICABLE: ("not applicable", ""),
    Status.TRIGGERED: ("triggered", "good"),
    Status.INSUFFICIENT_DATA: ("insufficient data", "warn"),
    Status.NOT_REACHED: ("not reached", ""),
    Status.COVERED: ("covered", ""),
    Status.SNOOZED: ("snoozed", "warn"),
    Status.NO_RECIPIENTS: ("no recipients", "warn"),
    Status.WILL_BE_SENT: ("will be sent", "warn"),
}
_PERIODS = {"contract_year": "contract year", "billing_period": "billing period"}


@register.filter
def alert_badge(alert: Alert) -> SafeString:
    """Return the badge of an alert's state."""
    return badge(*_ALERT_BADGES[Alert.State(alert.state)])


@register.filter
def recipient_badge(row: AlertEmailRecipient) -> SafeString:
    """Return the badge of a recipient's state."""
    return badge(*_RECIPIENT_BADGES[AlertEmailRecipient.State(row.state)])


@register.filter
def status_badge(status: AlertStatus) -> SafeString:
    """Return the badge of the status of a kind of alert."""
    return badge(*_STATUS_BADGES[status.status])


@register.filter
def subject_label(subject: str) -> str:
    """Return the name of an entitlement or period; "" for a Stripe id."""
    if subject in ENTITLEMENTS:
        return ENTITLEMENTS[subject].label
    if subject in _PERIODS:
        return _PERIODS[subject]
    return "" if subject.startswith("sub_") else subject


@register.filter
def kind_label(slug: str) -> str:
    """Return the label of a kind of alert, or the slug of one that no longer exists."""
    return ALERT_KINDS[slug].label if slug in ALERT_KINDS else slug


@register.filter
def title(alert: Alert) -> str:
    """Return the heading of the alert's email."""
    return str(alert_context(alert)["title"])


@register.filter
def figures(alert: Alert) -> list[tuple[str, str]]:
    """Return label and text of the figures of the alert's email."""
    lines: list[tuple[str, str]] = alert_context(alert)["figures"]
    return lines


@register.simple_tag
def current_value(status: AlertStatus, currency: str, zone: str) -> SafeString | str:
    """Return the current value and its base, such as `$12.50 of $20.00`.

    Empty for measures that are not amounts, such as a failed payment.
    """
    measurement = status.measurement
    if measurement is None:
        return ""
    unit = unit_of(measurement.measure, measurement.subject)
    if unit is Unit.MONEY:
        return _money(measurement, currency)
    if unit is Unit.DAYS:
        return _days(measurement, zone)
    if unit is Unit.NONE:
        return ""
    if measurement.measure is Measure.ENTITLEMENT:
        return _entitlement(measurement, unit)
    amount = AMOUNT_FORMATS[unit]
    return f"{amount(measurement.value)} of {amount(measurement.base)}"


def _days(measurement: Measurement, zone: str) -> str:
    """Return the days left of a trial, as all pages count them; or without usage."""
    if measurement.measure is not Measure.TRIAL:
        return f"{display.count(round(Decimal(measurement.value), 1))} days"
    ends_at = datetime.fromisoformat(measurement.context["trial_ends_at"])
    days = days_until(ends_at, timezone.now(), ZoneInfo(zone))
    number, id_ = "organization.trial_days_left", measurement.organization_id
    text = f"ends {display.days_left(days)}"
    return display.defined(text, days, "days", number=number, of=id_)


def _entitlement(measurement: Measurement, unit: Unit) -> SafeString:
    """Return the used part of an entitlement, as the overview shows it."""
    name, id_ = f"entitlement.{measurement.subject}", measurement.organization_id
    used, limit = (
        display.exact(value, unit.value, number=f"{name}.{part}", of=id_)
        for value, part in ((measurement.value, "used"), (measurement.base, "limit"))
    )
    return SafeString(f"{used} of {limit}")


def _money(measurement: Measurement, currency: str) -> SafeString:
    """Return the value, and the base if that is a limit or a balance."""
    measure, id_ = measurement.measure, measurement.organization_id
    is_payable = measure in (Measure.SOFT, Measure.HARD)
    number = "organization.payable_cost" if is_payable else f"alert.{measure}.value"
    value = display.exact(measurement.value, "money", currency, number=number, of=id_)
    if not measure.definition.is_limit_amount:
        return SafeString(value)
    number = f"alert.{measure}.base"
    base = display.exact(measurement.base, "money", currency, number=number, of=id_)
    return SafeString(f"{value} of {base}")
