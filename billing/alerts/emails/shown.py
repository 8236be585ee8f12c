"""The context of an alert email, made from the facts that its alert recorded.

Nothing is read from the database again: an email that is resent has the figures, names
and limits of the first one.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from billing.alerts.kinds import ALERT_KINDS, AlertKind, Measure
from billing.models import Alert
from orgs.web.templatetags import display

Shown = dict[str, Any]
_AMOUNTS = (
    *("value", "base", "cost", "payable", "free_balance", "soft", "hard"),
    "pace_per_day",
)
_DATES = ("today", "projected_on", "day", "last_used_on", "contract_year")
_INSTANTS = ("starts_at", "ends_at", "trial_ends_at")
# By subject: the name of the limit, and the function that formats its amounts.
_ENTITLEMENTS = {
    "compute_seconds": ("compute time limit", display.duration),
    "gpu_seconds": ("GPU time limit", display.duration),
    "storage_bytes": ("storage limit", display.byte_size),
    "projects": ("project limit", display.count),
    "users": ("user limit", display.count),
}

_DAYS = 14  # bars in the chart of an email
_FULL = 100  # percent of an entitlement: nothing is left
_PARTS = 50  # alerts listed in a digest: email clients cut off longer messages
_OF_COSTS = (Measure.SOFT, Measure.HARD, Measure.PACE, Measure.BALANCE, Measure.SPIKE)


def shown(alert: Alert) -> Shown:
    """Return the template context of an alert; facts it did not record are None."""
    return of_facts(
        ALERT_KINDS[alert.kind],
        alert.facts,
        subject=alert.subject,
        reached_at=alert.reached_at,
        zone=alert.organization.white_label.time_zone,
    )


def of_facts(
    kind: AlertKind,
    facts: Mapping[str, Any],
    *,
    subject: str,
    reached_at: datetime,
    zone: str,
) -> Shown:
    """Return the context for facts as `billing.alerts.commands.facts` makes them."""
    named, read = facts["organization"], _read(facts)
    limit_name, format_amount = _ENTITLEMENTS.get(subject, ("", display.count))
    context = {
        **facts,
        **read,
        "kind": kind,
        "title": _title(kind, subject, limit_name),
        "subject": subject,
        "entitlement_limit": limit_name,
        "reached_at": reached_at,
        "zone": zone,
        "organization": named["name"],
        "organization_id": named["id"],
        "external_id": named["external_id"],
        "white_label": named["white_label"],
        "limit": read["base"],
        "ratio": _ratio(read["value"], read["base"]),
        "share": _share(read["value"], read["base"]),
        "days": _days((facts.get("days") or ())[-_DAYS:]),
        **_local_dates(read, zone),
    }
    if kind.measure is Measure.ENTITLEMENT:
        context["used_words"] = format_amount(read["value"])
        context["limit_words"] = format_amount(read["base"])
        context["left_words"] = format_amount(_left(read["value"], read["base"]))
    if kind.measure is Measure.SPIKE:
        context["times"] = _times(read["value"], read["base"])
    if kind.measure not in _OF_COSTS:
        context["days"] = []
    return context | {"numbers": _numbers(kind, context)}


def digest_shown(alerts: Sequence[Alert]) -> Shown:
    """Return the context of a digest: title, organization and figures of each alert."""
    return digest_facts([shown(alert) for alert in alerts])


def digest_facts(parts: Sequence[Shown]) -> Shown:
    """Return the context of a digest of alerts whose contexts are `parts`."""
    newest = max(parts, key=lambda part: part["reached_at"])
    return {
        "parts": parts[:_PARTS],
        "count": len(parts),
        "more": max(0, len(parts) - _PARTS),
        "white_label": newest["white_label"],
        "organizations": len({part["organization_id"] for part in parts}),
        "reached_at": newest["reached_at"],
        "zone": newest["zone"],
    }


def _title(kind: AlertKind, subject: str, limit_name: str) -> str:
    """Return the heading of an email, which is also the alert's name on pages."""
    if kind.measure is Measure.RESET:
        name = "contract year" if subject == "contract_year" else "billing period"
        return f"New {name} started"
    if not limit_name:
        return kind.label
    if kind.threshold == _FULL:
        return f"{limit_name[0].upper()}{limit_name[1:]} reached"
    return f"{kind.threshold}% of {limit_name} used"


def _local_dates(read: Shown, zone: str) -> dict[str, str]:
    """Return the period and the trial's end as dates in the white label's time zone."""
    start, end, trial_end = (
        value.astimezone(ZoneInfo(zone)) if value is not None else None
        for value in (read[name] for name in _INSTANTS)
    )
    days = [display.day(instant) for instant in (start, end) if instant is not None]
    return {
        "period_range": " \N{EN DASH} ".join(days) if len(days) == 2 else "",  # noqa: PLR2004
        "period_end": display.day(end) if end is not None else "",
        "trial_end": display.day_year(trial_end) if trial_end is not None else "",
    }


def _read(facts: Mapping[str, Any]) -> Shown:
    """Parse the amounts, dates and instants of the facts, which are stored as text."""

    def of(names: Sequence[str], reader: Any) -> Shown:
        return {n: reader(facts[n]) if facts.get(n) else None for n in names}

    amounts = {
        name: Decimal(str(facts[name])) if facts.get(name) is not None else None
        for name in _AMOUNTS
    }
    dates, instants = date.fromisoformat, datetime.fromisoformat
    return amounts | of(_DATES, dates) | of(_INSTANTS, instants)


def _ratio(value: Decimal | None, base: Decimal | None) -> Decimal | None:
    return value / base if value is not None and base else None


def _share(value: Decimal | None, base: Decimal | None) -> int:
    """Return the length of the progress bar in percent, at most 100."""
    ratio = _ratio(value, base)
    return max(0, min(int(ratio * 100), 100)) if ratio is not None else 0


def _left(value: Decimal | None, base: Decimal | None) -> Decimal:
    return max((base or Decimal(0)) - (value or Decimal(0)), Decimal(0))


def _times(value: Decimal | None, base: Decimal | None) -> str:
    ratio = _ratio(value, base)
    return display.count(round(ratio, 1)) if ratio is not None else ""


def _days(days: Sequence[Mapping[str, str]]) -> list[Shown]:
    """Return each day's cost and the length of its bar, in percent of the longest."""
    read = [(date.fromisoformat(one["day"]), Decimal(one["cost"])) for one in days]
    most = max((cost for _, cost in read), default=Decimal(0))
    return [
        {"day": day, "cost": cost, "share": int(cost * 100 / most) if most else 0}
        for day, cost in read
    ]


# --- the figures of an email, line by line -------------------------------------------


def _numbers(kind: AlertKind, context: Shown) -> list[tuple[str, str]]:
    """Return label and value of each known figure, the most important first."""
    lines = _LINES.get(kind.measure, _reset)(context)
    return [(label, text) for label, text in lines if text not in ("", display.UNKNOWN)]


def _money(context: Shown, name: str) -> str:
    return display.money(context[name], context["currency"])


def _day(context: Shown, name: str) -> str:
    return display.day_year(context[name])


def _instant(context: Shown, name: str) -> str:
    return display.instant(context[name], context["zone"])


def _limits(context: Shown) -> list[tuple[str, str]]:
    return [
        (f"{name.title()} limit", _money(context, name) if context[name] else "")
        for name in ("soft", "hard")
    ]


def _spending(context: Shown) -> list[tuple[str, str]]:
    paid = context["free_balance"]
    after = " after free balance" if paid else ""
    limits = _limits(context)
    return [
        (f"Cost this period{after}", _money(context, "payable")),
        *(limits[::-1] if context["kind"].measure is Measure.HARD else limits),
        ("Free balance (applied first)", _money(context, "free_balance") * bool(paid)),
        ("Period start", _instant(context, "starts_at")),
        ("Period end", _instant(context, "ends_at")),
    ]


def _pace(context: Shown) -> list[tuple[str, str]]:
    pace = _money(context, "pace_per_day")
    return [
        ("Projected to reach soft limit", _day(context, "projected_on")),
        ("Daily average, last 7 days", pace),
        ("Projected total at period end", _money(context, "value")),
        *_spending(context),
    ]


def _entitlement(context: Shown) -> list[tuple[str, str]]:
    ratio = context["ratio"]
    return [
        ("Used", context["used_words"]),
        ("Limit", context["limit_words"]),
        ("Share used", display.percent(ratio)),
        ("Contract year start", _day(context, "contract_year")),
    ]


def _balance(context: Shown) -> list[tuple[str, str]]:
    return [
        ("Cost this period", _money(context, "cost")),
        ("Free balance", _money(context, "base")),
        ("Trial ends", _instant(context, "trial_ends_at")),
    ]


def _spike(context: Shown) -> list[tuple[str, str]]:
    return [
        ("Day", _day(context, "day")),
        ("Cost that day", _money(context, "value")),
        ("Typical daily cost", _money(context, "base")),
        ("Compared with typical", _times_sign(context["times"])),
    ]


def _times_sign(times: str) -> str:
    return f"{times}\N{MULTIPLICATION SIGN}" if times else ""


def _silence(context: Shown) -> list[tuple[str, str]]:
    return [
        ("Last day with usage", _day(context, "last_used_on")),
        ("Full days without usage", display.count(context["value"])),
    ]


def _trial(context: Shown) -> list[tuple[str, str]]:
    return [
        ("Trial ends", _instant(context, "trial_ends_at")),
        ("Cost this period", _money(context, "cost")),
        (
            "Free balance",
            _money(context, "free_balance") if context["free_balance"] else "",
        ),
    ]


def _payment(context: Shown) -> list[tuple[str, str]]:
    return [
        ("Subscription status", str(context.get("status") or "").replace("_", " ")),
        ("Cost this period", _money(context, "payable")),
    ]


def _reset(context: Shown) -> list[tuple[str, str]]:
    if context["subject"] == "contract_year":
        return [("Contract year start", _day(context, "contract_year"))]
    return [
        ("Period start", _instant(context, "starts_at")),
        *_limits(context),
    ]


_LINES = {
    Measure.SOFT: _spending,
    Measure.HARD: _spending,
    Measure.PACE: _pace,
    Measure.ENTITLEMENT: _entitlement,
    Measure.BALANCE: _balance,
    Measure.SPIKE: _spike,
    Measure.SILENCE: _silence,
    Measure.TRIAL: _trial,
    Measure.PAYMENT: _payment,
    Measure.RESET: _reset,
}
