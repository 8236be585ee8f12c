"""What the overview shows of the organizations that need action."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.needs_action.kinds import ReasonKind, Severity
from billing.needs_action.queries.pages import needs_page
from billing.needs_action.queries.reasons import (
    Count,
    Needs,
    OrganizationInNeed,
    Reason,
    find_of_kinds,
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
    """Return the organizations that need action; four statements."""
    page = needs_page(white_label_ids, size=MAX_SHOWN, now=now)
    kinds = (ReasonKind.TRIAL_ENDING, ReasonKind.OVERDUE)
    dated = find_of_kinds(white_label_ids, kinds, now=now)
    trials = _ending_trials(dated)
    return NeedsAction(
        organizations=page.organizations,
        count=page.counts.total,
        severities=page.counts.severities,
        trials=trials[:MAX_SHOWN],
        trial_count=Count.of(
            len(trials), is_capped=ReasonKind.TRIAL_ENDING in dated.capped
        ),
        overdue=_sum_overdue(dated),
        is_overdue_capped=ReasonKind.OVERDUE in dated.capped,
    )


def list_ending_trials(
    white_label_ids: Sequence[int], *, now: datetime
) -> list[tuple[OrganizationInNeed, Reason]]:
    """Return all trials that end soon, the soonest first; one statement."""
    kinds = (ReasonKind.TRIAL_ENDING,)
    return _ending_trials(find_of_kinds(white_label_ids, kinds, now=now, cap=None))


def _ending_trials(needs: Needs) -> list[tuple[OrganizationInNeed, Reason]]:
    rows = [
        (row, reason, reason.at)
        for row in needs.organizations
        for reason in row.reasons
        if reason.kind is ReasonKind.TRIAL_ENDING and reason.at
    ]
    rows.sort(key=lambda entry: (entry[2], entry[0].organization_id))
    return [(row, reason) for row, reason, _ in rows]


def _sum_overdue(needs: Needs) -> Reason:
    """Add up the overdue invoices of all organizations, snoozed ones included."""
    total = Reason(ReasonKind.OVERDUE)
    for row in needs.organizations:
        for reason in row.reasons:
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
