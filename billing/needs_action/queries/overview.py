"""What the overview shows of the organizations that need action."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.needs_action.kinds import ReasonKind, Severity
from billing.needs_action.queries.reasons import (
    Count,
    Needs,
    OrganizationInNeed,
    Reason,
    complete,
    find_needs,
)
from orgs.models import Organization, WhiteLabel

MAX_SHOWN = 50  # organizations; the page links to the complete list


@dataclass(frozen=True, slots=True)
class NeedsAction:
    """The organizations of some white labels that need action.

    The lists hold at most `MAX_SHOWN`.
    """

    organizations: Sequence[OrganizationInNeed]  # most urgent first
    count: Count
    severities: dict[Severity, Count]
    trials: Sequence[tuple[OrganizationInNeed, Reason]]  # ending soon, soonest first
    trial_count: Count
    overdue: Reason  # of all organizations together
    is_overdue_capped: bool


def needs_action(white_label_ids: Sequence[int], *, now: datetime) -> NeedsAction:
    """Return the organizations that need action; two statements, or four."""
    needs = find_needs(white_label_ids, now=now)
    shown = [row for row in needs.organizations if row.reasons][:MAX_SHOWN]
    overdue = _sum_overdue(needs)
    trials = _ending_trials(needs)
    complete(needs, shown, now)
    return NeedsAction(
        organizations=shown,
        count=needs.total,
        severities={severity: needs.count_severity(severity) for severity in Severity},
        trials=trials[:MAX_SHOWN],
        trial_count=Count.of(
            len(trials), is_capped=ReasonKind.TRIAL_ENDING in needs.capped
        ),
        overdue=overdue,
        is_overdue_capped=ReasonKind.OVERDUE in needs.capped,
    )


def _ending_trials(needs: Needs) -> list[tuple[OrganizationInNeed, Reason]]:
    rows = [
        (row, reason, reason.at)
        for row in needs.organizations
        for reason in (*row.reasons, *row.snoozed)
        if reason.kind is ReasonKind.TRIAL_ENDING and reason.at
    ]
    rows.sort(key=lambda entry: (entry[2], entry[0].organization_id))
    return [(row, reason) for row, reason, _ in rows]


def _sum_overdue(needs: Needs) -> Reason:
    """Add up the overdue invoices of all organizations, snoozed ones included."""
    total = Reason(ReasonKind.OVERDUE)
    for row in needs.organizations:
        for reason in (*row.reasons, *row.snoozed):
            if reason.kind is ReasonKind.OVERDUE:
                total.count += reason.count
                total.at = min(filter(None, (total.at, reason.at)), default=None)
                for currency, amount in reason.owed.items():
                    total.owed[currency] = total.owed.get(currency, 0) + amount
    return total


def has_customers(white_labels: Sequence[WhiteLabel]) -> bool:
    """Return whether any organization exists besides the owners of the white labels."""
    active = Organization.objects.active().filter(white_label__in=white_labels)
    owners = [label.owner_id for label in white_labels]
    return active.exclude(pk__in=[id_ for id_ in owners if id_]).exists()
