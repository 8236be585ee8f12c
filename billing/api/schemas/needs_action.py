"""Schemas of the organizations that need action."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ninja import Schema
from pydantic import AwareDatetime, Field

from billing.needs_action.kinds import ReasonGroup, ReasonKind, Severity
from billing.needs_action.queries.pages import NeedsPage
from billing.needs_action.queries.reasons import Count, OrganizationInNeed, Reason
from billing.needs_action.queries.texts import owed_amounts, reason_text, reason_url
from orgs.models import WhiteLabel
from orgs.schemas.numbers import PlainBool, PlainInt

MAX_LIMIT = 100
_NAMES = ", ".join(f"`{name}`" for name in (*ReasonGroup, *ReasonKind))
_SEVERITIES = ", ".join(f"`{severity}`" for severity in Severity)


class NeedsActionIn(Schema):
    """Filters of the organizations that need action; one reason has to match all."""

    white_label: str | None = Field(
        None,
        max_length=63,
        description="Only organizations of the white label with this slug.",
    )
    reason: str = Field(
        "",
        max_length=500,
        description="Only organizations with one of these groups or kinds of reasons,"
        f" separated by commas: {_NAMES}.",
    )
    severity: str = Field(
        "",
        max_length=20,
        description=f"Only reasons of this severity: {_SEVERITIES}.",
    )
    snoozed: PlainBool = Field(
        False, description="Whether organizations with snoozed reasons are listed."
    )
    limit: PlainInt = Field(
        50,
        ge=1,
        le=MAX_LIMIT,
        description="The number of organizations per page, from 1 to 100.",
    )
    cursor: str | None = Field(
        None,
        max_length=2_000,
        description="The `next_cursor` of the previous page, to read the next one.",
    )


class SnoozeOut(Schema):
    """A snooze: the time until which a reason is hidden, and the note."""

    until: AwareDatetime = Field(description="When it is shown again at the latest.")
    note: str = Field(description="The note of the person.")
    by: str = Field(description="Who snoozed it.")


class ReasonOut(Schema):
    """A reason why an organization needs action."""

    kind: str = Field(description="The kind; new kinds may be added.")
    severity: str = Field(description=f"One of {_SEVERITIES}.")
    points: int = Field(description="What it adds to the score; 0 if snoozed.")
    message: str = Field(description="The reason, as a text for people.")
    since: AwareDatetime | None = Field(
        description="The earliest time of the reason: since when it applies, or of a"
        " trial or dispute, when it ends; null if that is not known."
    )
    count: int = Field(description="How many invoices, products or emails it concerns.")
    amounts: dict[str, float] = Field(
        description="The amounts owed, or missing on invoices, by currency."
    )
    url: str = Field(description="The path of the page where it is solved.")
    snooze: SnoozeOut | None = Field(description="Null unless the reason is snoozed.")


class NeedOut(Schema):
    """An organization that needs action."""

    id: int = Field(description="The ID in Orgdesk.")
    external_id: str = Field(description="Your ID of the organization.")
    name: str = Field(description="The display name.")
    white_label: str = Field(description="The slug of the white label.")
    score: int = Field(description="The sum of the points of its reasons.")
    severity: str = Field(description="The most urgent severity of its reasons.")
    reasons: list[ReasonOut] = Field(
        description="The heaviest first; snoozed ones last."
    )


class CountOut(Schema):
    """A number of organizations."""

    count: int = Field(description="At most 1,000.")
    is_capped: bool = Field(description="Whether there are more.")


class NeedsActionOut(Schema):
    """A page of the organizations that need action."""

    organizations: list[NeedOut] = Field(description="The highest score first.")
    total: CountOut = Field(description="All with an open reason, without filters.")
    groups: dict[str, CountOut] = Field(description="Those of each group of reasons.")
    next_cursor: str | None = Field(
        description="The cursor of the next page; null on the last one."
    )


def needs_action_out(
    page: NeedsPage, labels: Mapping[int, WhiteLabel], now: datetime
) -> dict[str, Any]:
    """Return a page as `NeedsActionOut`."""
    return {
        "organizations": [
            _need_out(row, labels[row.white_label_id], now)
            for row in page.organizations
        ],
        "total": _count_out(page.counts.total),
        "groups": {
            group.value: _count_out(count)
            for group, count in page.counts.groups.items()
        },
        "next_cursor": page.next_cursor,
    }


def _count_out(count: Count) -> dict[str, Any]:
    return {"count": count.number, "is_capped": count.is_capped}


def _need_out(
    row: OrganizationInNeed, label: WhiteLabel, now: datetime
) -> dict[str, Any]:
    return {
        "id": row.organization_id,
        "external_id": row.external_id,
        "name": row.name,
        "white_label": label.slug,
        "score": row.score,
        "severity": row.severity,
        "reasons": [
            _reason_out(reason, row, label, now)
            for reason in (*row.reasons, *row.snoozed)
        ],
    }


def _reason_out(
    reason: Reason, row: OrganizationInNeed, label: WhiteLabel, now: datetime
) -> dict[str, Any]:
    snooze = reason.snooze
    return {
        "kind": reason.kind,
        "severity": reason.severity,
        "points": 0 if snooze else reason.points(now),
        "message": reason_text(reason, label, now),
        "since": reason.at,
        "count": reason.count,
        "amounts": owed_amounts(reason),
        "url": reason_url(reason.kind, row.organization_id),
        "snooze": snooze
        and {"until": snooze.until, "note": snooze.note, "by": snooze.by},
    }
