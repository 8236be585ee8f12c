"""The rows of the organizations that need action, as CSV files have them."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from billing.needs_action.queries.reasons import Needs, OrganizationInNeed
from billing.needs_action.queries.texts import (
    owed_amounts,
    reason_text,
    reason_url,
    snooze_text,
)
from orgs.models import WhiteLabel
from orgs.schemas.csv import Cell

NEEDS_COLUMNS = (
    "organization_id",
    "external_id",
    "name",
    "white_label",
    "score",
    "reason",
    "severity",
    "points",
    "since",
    "count",
    "text",
    "amounts",
    "snoozed_until",
    "snoozed_by",
    "snooze_note",
    "url",
)


def needs_rows(
    needs: Needs, labels: Mapping[int, WhiteLabel], now: datetime
) -> Iterator[list[Cell]]:
    """Yield a row for each reason; `labels` are the white labels by ID."""
    for row in needs.organizations:
        yield from _cells(row, labels[row.white_label_id], now)


def _cells(
    row: OrganizationInNeed, label: WhiteLabel, now: datetime
) -> Iterator[list[Cell]]:
    for reason in (*row.reasons, *row.snoozed):
        amounts = owed_amounts(reason).items()
        snooze = reason.snooze
        yield [
            row.organization_id,
            row.external_id,
            row.name,
            label.slug,
            row.score,
            reason.kind.value,
            reason.severity.value,
            0 if snooze else reason.points(now),
            reason.at,
            reason.count,
            reason_text(reason, label, now),
            "; ".join(f"{amount:f} {code}" for code, amount in sorted(amounts)),
            snooze.until if snooze else None,
            snooze.by if snooze else None,
            snooze_text(snooze, label) if snooze else None,
            reason_url(reason.kind, row.organization_id),
        ]
