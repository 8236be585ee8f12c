"""Invented facts for previews of emails, in the shape that alerts record."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from billing.alerts.emails.shown import Shown, digest_facts, of_facts
from billing.alerts.kinds import ALERT_KINDS, AlertKind, Measure

_AT = datetime(2026, 11, 21, 14, 5, tzinfo=UTC)
_COSTS = (
    "212.40 198.10 240.75 251 219.30 118.20 96.55 231.90 246.35 262.80 258.15 271.60"
)
_FIRST_DAY = date(2026, 11, 9)
_NAMED = {
    "organization": {
        "id": 417,
        "external_id": "org-417",
        "name": "Helvetia Robotics",
        "white_label": "Acme Cloud",
    },
    "currency": "usd",
    "today": "2026-11-21",
}
_SPENDING = {
    "cost": "13114.86",
    "payable": "13114.86",
    "free_balance": "0",
    "soft": "13000",
    "hard": "18000",
    "starts_at": "2026-11-01T00:00:00+01:00",
    "ends_at": "2026-12-01T00:00:00+01:00",
    "days": [
        {"day": (_FIRST_DAY + timedelta(days=number)).isoformat(), "cost": cost}
        for number, cost in enumerate(_COSTS.split())
    ],
}
_OF_MEASURE: dict[Measure, tuple[str, dict[str, Any]]] = {
    Measure.SOFT: ("", _SPENDING | {"value": "13114.86", "base": "13000"}),
    Measure.HARD: (
        "",
        _SPENDING | {"value": "18020.11", "payable": "18020.11", "base": "18000"},
    ),
    Measure.PACE: (
        "",
        _SPENDING
        | {"payable": "9980.40", "value": "14760.20", "base": "13000"}
        | {"pace_per_day": "531.09", "days_left": 9, "projected_on": "2026-11-27"},
    ),
    Measure.BALANCE: (
        "",
        {"value": "512.60", "cost": "512.60", "base": "500", "soft": "2000"}
        | {"trial_ends_at": "2026-11-28T09:00:00+00:00"},
    ),
    Measure.PAYMENT: (
        "sub_sample",
        {"value": "1", "base": "1", "status": "past_due", "payable": "842.17"},
    ),
    Measure.RESET: (
        "billing_period",
        {"value": "1", "base": "1", "soft": "13000", "hard": "18000"}
        | {"starts_at": "2026-11-21T00:00:00+01:00"},
    ),
    Measure.TRIAL: (
        "sub_sample",
        {"value": "1", "base": "0", "cost": "310.25", "free_balance": "500"},
    ),
    Measure.SPIKE: (
        "2026-11-20",
        {"value": "1284.10", "base": "231.90", "day": "2026-11-20"}
        | {"days": [*_SPENDING["days"][:-1], {"day": "2026-11-20", "cost": "1284.10"}]},
    ),
    Measure.SILENCE: (
        "",
        {"value": "2", "base": "1", "last_used_on": "2026-11-18"},
    ),
}
SAMPLES = (*ALERT_KINDS, "digest")  # folders that can be previewed


def sample(folder: str) -> Shown:
    """Return the context of the preview of one of `SAMPLES`."""
    if folder == "digest":
        kinds = [ALERT_KINDS[slug] for slug in ("hard_limit", "usage_90", "spike")]
        return digest_facts([_shown(kind) for kind in kinds])
    return _shown(ALERT_KINDS[folder])


def _shown(kind: AlertKind) -> Shown:
    if kind.measure is Measure.ENTITLEMENT:
        used, limit = kind.threshold * 36_000, 3_600_000
        facts: dict[str, Any] = {"value": str(used + 1_800), "base": str(limit)}
        facts["contract_year"] = "2026-03-01"
        subject = "compute_seconds"
    else:
        subject, facts = _OF_MEASURE[kind.measure]
    if kind.measure is Measure.TRIAL:
        trial_ends_at = _AT + timedelta(days=kind.threshold)
        facts = facts | {"trial_ends_at": trial_ends_at.isoformat()}
    return of_facts(
        kind, _NAMED | facts, subject=subject, reached_at=_AT, zone="Europe/Zurich"
    )
