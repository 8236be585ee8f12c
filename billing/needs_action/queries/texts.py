"""Sentences of reasons for action: one text for pages, the API and the CSV file."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from django.urls import reverse

from billing.alerts.kinds import ALERT_KINDS
from billing.alerts.measures import ENTITLEMENTS
from billing.models import Discrepancy, ReasonSnooze
from billing.needs_action.kinds import DEFINITIONS, ReasonKind
from billing.needs_action.queries.reasons import Reason
from metrics.queries.integrations import KIND_LABELS
from orgs.days import day_of, days_until
from orgs.models import WhiteLabel
from orgs.web.templatetags.display import day_year, days_left, money, percent

_K = ReasonKind
_MAX_NAMED = 2  # subjects that a text names; of more it says how many


def reason_text(reason: Reason, label: WhiteLabel, now: datetime) -> str:
    """Return a reason with its age and figures: `2 invoices, oldest 21 days overdue`.

    Days and amounts are those of the white label.
    """
    write = _TEXTS.get(reason.kind)
    return write(reason, label, now) if write else DEFINITIONS[reason.kind].label


def reason_url(kind: ReasonKind, organization_id: int) -> str:
    """Return the page where a reason is solved."""
    return reverse(DEFINITIONS[kind].route, args=[organization_id])


def day_count(number: int) -> str:
    """Return `1 day`, `2 days`."""
    return f"{number} day{'' if number == 1 else 's'}"


def snooze_text(snooze: ReasonSnooze, label: WhiteLabel) -> str:
    """Return the end of a snooze, the person and the note."""
    until = day_year(day_of(snooze.until, label.zone))
    return f"Snoozed until {until} by {snooze.by}: {snooze.note}"


def _age(reason: Reason, now: datetime) -> int:
    return max((now - reason.at).days, 0) if reason.at else 0


def _hard_limit(reason: Reason, label: WhiteLabel, now: datetime) -> str:
    return f"Hard limit {money(reason.base, label.currency)} reached"


def _soft_limit(reason: Reason, label: WhiteLabel, now: datetime) -> str:
    return (
        f"Soft limit {money(reason.base, label.currency)} reached"
        f" ({money(reason.value, label.currency)} used)"
    )


def _limit_forecast(reason: Reason, label: WhiteLabel, now: datetime) -> str:
    limit = f"{reason.subjects[0]} limit {money(reason.base, label.currency)}"
    on = f" on {day_year(reason.day)}" if reason.day else ""
    return f"Forecast to reach the {limit}{on}"


def _entitlement_name(reason: Reason) -> str:
    subject = reason.subjects[0]
    name = ENTITLEMENTS[subject].label if subject in ENTITLEMENTS else subject
    return f"{name[:1].upper()}{name[1:]}"


def _entitlement_use(reason: Reason) -> str:
    return f"{_entitlement_name(reason)}: {percent(reason.used)} of entitlement used"


def _other_entitlements(reason: Reason) -> str:
    """Return a sentence's end for the entitlements beside the fullest one."""
    others = reason.count - 1
    if others < 1:
        return ""
    return f"; {others} other entitlement{'s' if others > 1 else ''} too"


def _entitlement(reason: Reason, label: WhiteLabel, now: datetime) -> str:
    return f"{_entitlement_use(reason)}{_other_entitlements(reason)}"


def _entitlement_forecast(reason: Reason, label: WhiteLabel, now: datetime) -> str:
    on = f", all of it by {day_year(reason.day)}" if reason.day else ""
    return f"{_entitlement_use(reason)}{on}{_other_entitlements(reason)}"


def _overdue(reason: Reason, label: WhiteLabel, now: datetime) -> str:
    days = _age(reason, now)
    age = f"{day_count(days)} overdue" if days else "overdue"
    if reason.count == 1:
        return f"Invoice {age}"
    return f"{reason.count} invoices, oldest {age}"


def _disputed(reason: Reason, label: WhiteLabel, now: datetime) -> str:
    """Return how much time is left to respond; None is no limit."""
    if reason.at is None or reason.at < now:
        return "Payment disputed"
    until = days_until(reason.at, now, label.zone)
    return f"Payment disputed, respond {days_left(until)}"


def _since(text: str) -> Callable[[Reason, WhiteLabel, datetime], str]:
    def write(reason: Reason, label: WhiteLabel, now: datetime) -> str:
        days = _age(reason, now)
        return f"{text} for {day_count(days)}" if days else text

    return write


def _ended(text: str) -> Callable[[Reason, WhiteLabel, datetime], str]:
    def write(reason: Reason, label: WhiteLabel, now: datetime) -> str:
        days = _age(reason, now)
        when = f"{day_count(days)} ago" if days else "today"
        return f"Trial ended {when}, {text}"

    return write


def _trial_ending(reason: Reason, label: WhiteLabel, now: datetime) -> str:
    if reason.at is None:
        return "Trial ending"
    return f"Trial ends {days_left(days_until(reason.at, now, label.zone))}"


def _named(what: str) -> Callable[[Reason, WhiteLabel, datetime], str]:
    def write(reason: Reason, label: WhiteLabel, now: datetime) -> str:
        named = ", ".join(reason.subjects[:_MAX_NAMED])
        more = reason.count - _MAX_NAMED
        return f"{what}: {named}" + (f" and {more} more" if more > 0 else "")

    return write


def _discrepancy(reason: Reason, label: WhiteLabel, now: datetime) -> str:
    if reason.count > 1:
        return f"{reason.count} values differ from Stripe"
    kind = reason.note if reason.note in Discrepancy.Kind.values else ""
    what = Discrepancy.Kind(kind).label if kind else "value"
    return f"Differs from Stripe: {what.lower()}"


def _spike(reason: Reason, label: WhiteLabel, now: datetime) -> str:
    on = f" on {day_year(reason.day)}" if reason.day else ""
    cost, usual = (money(x, label.currency) for x in (reason.value, reason.base))
    return f"Spend spike{on}: {cost}, usually {usual}"


def _no_usage(reason: Reason, label: WhiteLabel, now: datetime) -> str:
    since = f" since {day_year(reason.day)}" if reason.day else ""
    return f"No usage received{since}"


def _emails(what: str) -> Callable[[Reason, WhiteLabel, datetime], str]:
    def write(reason: Reason, label: WhiteLabel, now: datetime) -> str:
        if reason.count > 1:
            return f"{reason.count} alerts {what}"
        kind = ALERT_KINDS.get(reason.subjects[0])
        return f"Alert {what}: {kind.label}" if kind else f"Alert {what}"

    return write


def _integration(reason: Reason, label: WhiteLabel, now: datetime) -> str:
    names = " and ".join(KIND_LABELS.get(kind, kind) for kind in reason.subjects)
    return _since(f"Pushes to {names} failing")(reason, label, now)


def _webhook(reason: Reason, label: WhiteLabel, now: datetime) -> str:
    names = " and ".join(reason.subjects)
    return _since(f"Webhook endpoint {names} disabled")(reason, label, now)


_TEXTS: dict[ReasonKind, Callable[[Reason, WhiteLabel, datetime], str]] = {
    _K.HARD_LIMIT: _hard_limit,
    _K.SOFT_LIMIT: _soft_limit,
    _K.LIMIT_FORECAST: _limit_forecast,
    _K.ENTITLEMENT: _entitlement,
    _K.ENTITLEMENT_FORECAST: _entitlement_forecast,
    _K.OVERDUE: _overdue,
    _K.DISPUTED: _disputed,
    _K.UNPAID: _since("Subscription unpaid"),
    _K.PAST_DUE: _since("Payment past due"),
    _K.SEATS_UNPAID: _since("Seats subscription unpaid"),
    _K.PAUSED: _since("Subscription paused"),
    _K.SEATS_PAUSED: _since("Seats subscription paused"),
    _K.INACTIVE: _since("Inactive"),
    _K.TRIAL_OVER: _ended("not updated in Stripe"),
    _K.TRIAL_LOST: _ended("no subscription"),
    _K.FORMER_TRIAL: _ended("no subscription"),
    _K.TRIAL_ENDING: _trial_ending,
    _K.UNPRICED: _named("No price"),
    _K.DISCREPANCY: _discrepancy,
    _K.SPIKE: _spike,
    _K.NO_USAGE: _no_usage,
    _K.EMAIL_FAILED: _emails("failed"),
    _K.INTEGRATION_FAILING: _integration,
    _K.WEBHOOK_DISABLED: _webhook,
    _K.NO_RECIPIENT: _emails("without recipients"),
}


def owed_amounts(reason: Reason) -> dict[str, Decimal]:
    """Return the amounts of a reason by currency: owed, or missing on invoices."""
    return reason.owed or reason.differences
