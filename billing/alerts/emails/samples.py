"""Previews of emails with the sample facts that each measure declares."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from billing.alerts.emails.context import Context, combine_contexts, facts_context
from billing.alerts.kinds import ALERT_KINDS, AlertKind

_REACHED_AT = datetime(2026, 11, 21, 14, 5, tzinfo=UTC)
_ORGANIZATION = {
    "organization": {
        "id": 417,
        "external_id": "org-417",
        "name": "Helvetia Robotics",
        "white_label": "Acme Cloud",
    },
    "currency": "usd",
    "today": "2026-11-21",
}
_IN_DIGEST = ("hard_limit", "usage_90", "spike")
_EXCESS = 1_800  # of the threshold, in the unit of the base
SAMPLES = (*ALERT_KINDS, "digest")  # folders that can be previewed


def sample_context(folder: str) -> Context:
    """Return the context of the preview of one of `SAMPLES`."""
    if folder == "digest":
        return combine_contexts([_context(ALERT_KINDS[slug]) for slug in _IN_DIGEST])
    kind = ALERT_KINDS[folder]
    return _context(kind.at(kind.threshold) if kind.label_at else kind)


def _context(kind: AlertKind) -> Context:
    sample = kind.definition.sample
    return facts_context(
        kind,
        {**_ORGANIZATION, **sample.facts, **_at_threshold(kind, sample.facts)},
        subject=sample.subject,
        reached_at=_REACHED_AT,
        zone="Europe/Zurich",
    )


def _at_threshold(kind: AlertKind, facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the facts that depend on the threshold of the kind."""
    if kind.counts_down:
        ends_at = _REACHED_AT + timedelta(days=kind.threshold)
        return {"trial_ends_at": ends_at.isoformat()}
    if "value" in facts and not kind.label_at:
        return {}
    value = str(int(facts["base"]) * kind.threshold // 100 + _EXCESS)
    return {"value": value} | ({"payable": value} if "payable" in facts else {})
