"""Template tags of reasons for action: badges that link to where they are solved."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from html import escape

from django import template
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from billing.models import ReasonSnooze
from billing.needs_action.kinds import TONES, ReasonKind
from billing.needs_action.queries import texts
from billing.needs_action.queries.reasons import Reason
from orgs.days import days_until
from orgs.models import WhiteLabel
from orgs.web.templatetags.components import badge
from orgs.web.templatetags.display import defined, exact

register = template.Library()


@register.simple_tag
def reason_link(
    reason: Reason, organization_id: int, label: WhiteLabel, now: datetime
) -> SafeString:
    """Render a reason as a badge that links to the page where it is solved."""
    url = texts.reason_url(reason.kind, organization_id)
    text = texts.reason_text(reason, label, now)
    if reason.kind is ReasonKind.TRIAL_ENDING and reason.at is not None:
        days = days_until(reason.at, now, label.zone)
        number, id_ = "organization.trial_days_left", organization_id
        text = defined(text, days, "days", number=number, of=id_)
    points = reason.points(now)
    return SafeString(
        f'<a class="reason" href="{escape(url)}" data-reason="{reason.kind}"'
        f' data-severity="{reason.severity}" data-points="{points}">'
        f"{badge(text, TONES[reason.severity])}</a>"
    )


@register.simple_tag
def reason_points(reason: Reason, now: datetime) -> int:
    """Return what a reason adds to the score."""
    return reason.points(now)


@register.simple_tag
def snooze_note(snooze: ReasonSnooze, label: WhiteLabel) -> str:
    """Return the end of a snooze, the person and the note."""
    return texts.snooze_text(snooze, label)


@register.simple_tag
def owed(reason: Reason, currency: str) -> SafeString:
    """Return the amounts due by currency, the given one first; they are not summed."""
    return _join(reason.owed, currency)


@register.simple_tag
def differences(reason: Reason, currency: str) -> SafeString:
    """Return the differences of invoices by currency, the given one first."""
    return _join(reason.differences, currency)


def _join(amounts: Mapping[str, Decimal], currency: str) -> SafeString:
    ordered = sorted(
        amounts.items(), key=lambda amount: (amount[0] != currency, amount[0])
    )
    parts = (
        (exact(amount, "money", code, number="reason.amount"),)
        for code, amount in ordered
    )
    return format_html_join(" + ", "{}", parts)
