"""The template context of an alert email, made from the facts of its alert.

Nothing is read from the database again: an email that is resent has the figures, names
and limits of the first one.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from billing.alerts.emails.figures import AMOUNT_FORMATS, format_figures
from billing.alerts.kinds import AlertKind, kind_at
from billing.alerts.measures import ENTITLEMENTS, Entitlement, Measure
from billing.models import Alert
from orgs.days import days_until
from orgs.web.templatetags import display
from orgs.web.templatetags.display import days_left

Context = dict[str, Any]
_AMOUNTS = (
    *("value", "base", "cost", "payable", "free_balance", "soft", "hard"),
    *("run_rate_per_day", "estimated_invoice"),
)
_DATES = (
    *("today", "projected_on", "day", "last_used_on", "contract_year"),
    "estimated_invoice_on",
)
_INSTANTS = ("starts_at", "ends_at", "trial_ends_at")
_CHART_DAYS = 14
_ALL_USED = 100  # percent of an entitlement
_MAX_PARTS = 50  # alerts listed in a digest: email clients cut off longer messages


def alert_context(alert: Alert) -> Context:
    """Return the template context of an alert; facts it did not record are None."""
    return facts_context(
        kind_at(alert.kind, alert.threshold),
        alert.facts,
        subject=alert.subject,
        reached_at=alert.reached_at,
        zone=alert.organization.white_label.time_zone,
    )


def facts_context(
    kind: AlertKind,
    facts: Mapping[str, Any],
    *,
    subject: str,
    reached_at: datetime,
    zone: str,
) -> Context:
    """Return the context of facts as `billing.alerts.commands.facts` builds them."""
    organization, parsed = facts["organization"], _parse(facts)
    value, base = parsed["value"], parsed["base"]
    entitlement = ENTITLEMENTS.get(subject)
    days = (facts.get("days") or ()) if kind.definition.has_cost_chart else ()
    context = {
        **facts,
        **parsed,
        "kind": kind,
        "title": _title(kind, subject, entitlement),
        "subject": subject,
        "status": facts.get("status"),
        "reached_at": reached_at,
        "zone": zone,
        "organization": organization["name"],
        "organization_id": organization["id"],
        "external_id": organization["external_id"],
        "white_label": organization["white_label"],
        "limit": base,
        "ratio": _ratio(value, base),
        "share": _share(value, base),
        "days": _bars(days[-_CHART_DAYS:]),
        **_local_dates(parsed, zone),
        "trial_when": _trial_when(parsed["trial_ends_at"], reached_at, zone),
        **_entitlement(entitlement, value, base),
    }
    if kind.measure is Measure.UNPRICED:
        context["product"], context["meter"] = subject.rsplit(" ", 1)
    if kind.measure is Measure.SPIKE:
        context["times"] = _times(value, base)
    figures = format_figures(kind.definition.figures, context)
    return context | {"figures": figures}


def digest_context(alerts: Sequence[Alert]) -> Context:
    """Return the context of a digest: title, organization and figures of each alert."""
    return combine_contexts([alert_context(alert) for alert in alerts])


def combine_contexts(parts: Sequence[Context]) -> Context:
    """Return the context of a digest of alerts whose contexts are `parts`."""
    newest = max(parts, key=lambda part: part["reached_at"])
    return {
        "parts": parts[:_MAX_PARTS],
        "count": len(parts),
        "more": max(0, len(parts) - _MAX_PARTS),
        "white_label": newest["white_label"],
        "organizations": len({part["organization_id"] for part in parts}),
        "reached_at": newest["reached_at"],
        "zone": newest["zone"],
    }


def _title(kind: AlertKind, subject: str, entitlement: Entitlement | None) -> str:
    """Return the heading of an email, which is also the alert's name on pages."""
    if kind.measure is Measure.RESET:
        name = "contract year" if subject == "contract_year" else "billing period"
        return f"New {name} started"
    if entitlement is None:
        return kind.label
    name = entitlement.limit_label
    if kind.threshold == _ALL_USED:
        return f"{name[0].upper()}{name[1:]} reached"
    return f"{kind.threshold}% of {name} used"


def _entitlement(
    entitlement: Entitlement | None, value: Decimal | None, base: Decimal | None
) -> Context:
    """Return the limit's name and the amounts as text; nothing for other measures."""
    if entitlement is None:
        return {}
    format_amount = AMOUNT_FORMATS[entitlement.unit]
    return {
        "entitlement_limit": entitlement.limit_label,
        "is_yearly": entitlement.is_yearly,
        "used_text": format_amount(value),
        "limit_text": format_amount(base),
        "remaining_text": format_amount(_remaining(value, base)),
    }


def _local_dates(parsed: Context, zone: str) -> dict[str, str]:
    """Return the period and the trial's end as dates in the white label's time zone."""
    start, end, trial_end = (
        value.astimezone(ZoneInfo(zone)) if value is not None else None
        for value in (parsed[name] for name in _INSTANTS)
    )
    has_period = start is not None and end is not None
    period = f"{display.day(start)} \N{EN DASH} {display.day(end)}"
    return {
        "period_range": period if has_period else "",
        "period_end": display.day(end) if end is not None else "",
        "trial_end": display.day_year(trial_end) if trial_end is not None else "",
    }


def _trial_when(ends_at: datetime | None, now: datetime, zone: str) -> str:
    """Return `in 7 days`, counted as pages count; empty without an end."""
    return days_left(days_until(ends_at, now, ZoneInfo(zone))) if ends_at else ""


def _parse(facts: Mapping[str, Any]) -> Context:
    """Parse the amounts, dates and instants of the facts, which are stored as text."""

    def parse(names: Sequence[str], parser: Any) -> Context:
        return {n: parser(facts[n]) if facts.get(n) else None for n in names}

    amounts = {
        name: Decimal(str(facts[name])) if facts.get(name) is not None else None
        for name in _AMOUNTS
    }
    dates = parse(_DATES, date.fromisoformat)
    return amounts | dates | parse(_INSTANTS, datetime.fromisoformat)


def _ratio(value: Decimal | None, base: Decimal | None) -> Decimal | None:
    return value / base if value is not None and base else None


def _share(value: Decimal | None, base: Decimal | None) -> int:
    """Return the length of the progress bar in percent, at most 100."""
    ratio = _ratio(value, base)
    return max(0, min(int(ratio * 100), 100)) if ratio is not None else 0


def _remaining(value: Decimal | None, base: Decimal | None) -> Decimal:
    return max((base or Decimal(0)) - (value or Decimal(0)), Decimal(0))


def _times(value: Decimal | None, base: Decimal | None) -> str:
    ratio = _ratio(value, base)
    return display.count(round(ratio, 1)) if ratio is not None else ""


def _bars(days: Sequence[Mapping[str, str | None]]) -> list[Context]:
    """Return each day's cost and the length of its bar, in percent of the longest.

    The cost is None if no usage was recorded.
    """
    costs = [
        (date.fromisoformat(day["day"] or ""), Decimal(day["cost"]))
        if day["cost"] is not None
        else (date.fromisoformat(day["day"] or ""), None)
        for day in days
    ]
    most = max((cost for _, cost in costs if cost is not None), default=Decimal(0))
    return [
        {"day": day, "cost": cost, "share": int(cost * 100 / most) if cost else 0}
        for day, cost in costs
    ]
