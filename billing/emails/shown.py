"""What a letter shows, made of the numbers that its alert froze.

Nothing is read anew: a letter that is sent again says what it said.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from billing.catalog import ALERT_KINDS, AlertKind, Measure
from billing.models import Alert
from orgs.templatetags import display

Shown = dict[str, Any]
_AMOUNTS = (
    *("value", "base", "cost", "payable", "free_balance", "soft", "hard"),
    "pace_per_day",
)
_DATES = ("today", "crosses_on", "day", "last_used_on", "contract_year")
_INSTANTS = ("starts_at", "ends_at", "trial_ends_at")
# Of each entitlement: its name, and how its numbers are written.
_ENTITLEMENTS = {
    "compute_seconds": ("compute time", display.duration),
    "gpu_seconds": ("GPU time", display.duration),
    "storage_bytes": ("storage", display.byte_size),
    "projects": ("projects", display.count),
    "users": ("users", display.count),
}

_DAYS = 14  # that a letter draws
_PARTS = 50  # that a digest names: mail programs cut what is longer
_OF_COSTS = (Measure.SOFT, Measure.HARD, Measure.PACE, Measure.BALANCE, Measure.SPIKE)


def shown(alert: Alert) -> Shown:
    """The context of a letter's templates; what was not frozen is None."""
    return of_facts(
        ALERT_KINDS[alert.kind],
        alert.facts,
        subject=alert.subject,
        crossed_at=alert.crossed_at,
        zone=alert.organization.white_label.time_zone,
    )


def of_facts(
    kind: AlertKind,
    facts: Mapping[str, Any],
    *,
    subject: str,
    crossed_at: datetime,
    zone: str,
) -> Shown:
    """`facts` as `billing.commands.alerts.facts` freezes them."""
    named, read = facts["organization"], _read(facts)
    name, written = _ENTITLEMENTS.get(subject, ("", display.count))
    context = {
        **facts,
        **read,
        "kind": kind,
        "title": f"{kind.threshold}% of {name} used" if name else kind.label,
        "subject": subject,
        "entitlement": name,
        "crossed_at": crossed_at,
        "zone": zone,
        "organization": named["name"],
        "organization_id": named["id"],
        "external_id": named["external_id"],
        "white_label": named["white_label"],
        "limit": read["base"],
        "ratio": _ratio(read["value"], read["base"]),
        "share": _share(read["value"], read["base"]),
        "days": _days((facts.get("days") or ())[-_DAYS:]),
    }
    if kind.measure is Measure.ENTITLEMENT:
        context["used_words"] = written(read["value"])
        context["limit_words"] = written(read["base"])
        context["left_words"] = written(_left(read["value"], read["base"]))
    if kind.measure is Measure.SPIKE:
        context["times"] = _times(read["value"], read["base"])
    if kind.measure not in _OF_COSTS:
        context["days"] = []
    return context | {"numbers": _numbers(kind, context)}


def digest_shown(alerts: Sequence[Alert]) -> Shown:
    """Of several letters to one address: label, organization and numbers of each."""
    return digest_facts([shown(alert) for alert in alerts])


def digest_facts(parts: Sequence[Shown]) -> Shown:
    newest = max(parts, key=lambda part: part["crossed_at"])
    return {
        "parts": parts[:_PARTS],
        "count": len(parts),
        "more": max(0, len(parts) - _PARTS),
        "white_label": newest["white_label"],
        "organizations": len({part["organization_id"] for part in parts}),
        "crossed_at": newest["crossed_at"],
        "zone": newest["zone"],
    }


def _read(facts: Mapping[str, Any]) -> Shown:
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
    """Of a bar, in per cent."""
    ratio = _ratio(value, base)
    return max(0, min(int(ratio * 100), 100)) if ratio is not None else 0


def _left(value: Decimal | None, base: Decimal | None) -> Decimal:
    return max((base or Decimal(0)) - (value or Decimal(0)), Decimal(0))


def _times(value: Decimal | None, base: Decimal | None) -> str:
    ratio = _ratio(value, base)
    return display.count(round(ratio, 1)) if ratio is not None else ""


def _days(days: Sequence[Mapping[str, str]]) -> list[Shown]:
    """Each with its cost and how long its bar is, in per cent of the longest."""
    read = [(date.fromisoformat(one["day"]), Decimal(one["cost"])) for one in days]
    most = max((cost for _, cost in read), default=Decimal(0))
    return [
        {"day": day, "cost": cost, "share": int(cost * 100 / most) if most else 0}
        for day, cost in read
    ]


# --- the numbers of that moment, line by line ---------------------------------------


def _numbers(kind: AlertKind, context: Shown) -> list[tuple[str, str]]:
    """Label and value of each line that is known, the most telling first."""
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
        (f"Cost of this period{after}", _money(context, "payable")),
        *(limits[::-1] if context["kind"].measure is Measure.HARD else limits),
        ("Free balance that pays first", _money(context, "free_balance") * bool(paid)),
        ("Period began", _instant(context, "starts_at")),
        ("Invoice due", _instant(context, "ends_at")),
    ]


def _pace(context: Shown) -> list[tuple[str, str]]:
    pace = _money(context, "pace_per_day")
    return [
        ("Soft limit falls on", _day(context, "crosses_on")),
        ("Cost per day, last 7 days", pace),
        ("At the period's end, at this pace", _money(context, "value")),
        *_spending(context),
    ]


def _entitlement(context: Shown) -> list[tuple[str, str]]:
    ratio = context["ratio"]
    return [
        ("Used", context["used_words"]),
        ("Entitled to", context["limit_words"]),
        ("Part", display.percent(ratio)),
        ("Contract year began", _day(context, "contract_year")),
    ]


def _balance(context: Shown) -> list[tuple[str, str]]:
    return [
        ("Cost of this period", _money(context, "cost")),
        ("Free balance", _money(context, "base")),
        ("Trial ends", _instant(context, "trial_ends_at")),
    ]


def _spike(context: Shown) -> list[tuple[str, str]]:
    return [
        ("Day", _day(context, "day")),
        ("Cost of that day", _money(context, "value")),
        ("Usual cost of a day", _money(context, "base")),
        ("Times the usual", context["times"]),
    ]


def _silence(context: Shown) -> list[tuple[str, str]]:
    return [
        ("Last day with usage", _day(context, "last_used_on")),
        ("Complete days without", display.count(context["value"])),
    ]


def _trial(context: Shown) -> list[tuple[str, str]]:
    return [
        ("Trial ends", _instant(context, "trial_ends_at")),
        ("Cost of this period", _money(context, "cost")),
        (
            "Free balance",
            _money(context, "free_balance") if context["free_balance"] else "",
        ),
    ]


def _payment(context: Shown) -> list[tuple[str, str]]:
    return [
        ("Subscription", str(context.get("status") or "").replace("_", " ")),
        ("Cost of the open period", _money(context, "payable")),
    ]


def _reset(context: Shown) -> list[tuple[str, str]]:
    if context["subject"] == "contract_year":
        return [("Contract year began", _day(context, "contract_year"))]
    return [
        ("Period began", _instant(context, "starts_at")),
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
