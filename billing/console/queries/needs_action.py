"""Query of the organizations that need action: unpaid, unbilled, paused, trial over.

Each kind of reason is read by an index up to a cap, all in one statement. So a page
costs the same for a thousand organizations as for a million, and shows "50+" where the
query stopped.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from django.db import connection

from billing.models.adjustments import AWAITING_RESPONSE
from billing.models.discrepancies import DiscrepancyKind
from billing.models.mirrors import LIVE
from billing.models.mirrors import SubscriptionStatus as _Status
from orgs.models import Organization, WhiteLabel
from orgs.sql import sql_list

MAX_SHOWN = 50  # organizations; the page links to complete lists
_MAX_INVOICES = 1_000  # more overdue invoices are summed up as "more than"
_TRIAL_ENDING_WITHIN = timedelta(days=14)
_TRIAL_LOST_WITHIN = timedelta(days=30)


class ReasonKind(StrEnum):
    """Kinds of reasons why an organization needs action, most urgent first."""

    OVERDUE = "overdue"
    UNBILLED = "unbilled"  # charges that Stripe's invoices lack, or have twice
    DISPUTED = "disputed"  # a bank waits for evidence
    UNPAID = "unpaid"
    PAST_DUE = "past_due"
    TRIAL_OVER = "trial_over"  # the trial has ended, but not yet in Stripe
    PAUSED = "paused"
    TRIAL_LOST = "trial_lost"  # the trial has ended without a subscription
    TRIAL_ENDING = "trial_ending"


ZERO = Decimal(0)


@dataclass(slots=True)
class Reason:
    """A reason why an organization needs action, such as its overdue invoices.

    `at` is the earliest time among its rows (None where it is not known), `count` their
    number, and `owed` their unpaid amounts by currency. `differences` are the amounts
    by currency that invoices have too little of, below 0: too much.
    """

    kind: ReasonKind
    at: datetime | None = None
    note: str = ""
    count: int = 0
    owed: dict[str, Decimal] = field(default_factory=dict)
    differences: dict[str, Decimal] = field(default_factory=dict)

    def add(self, row: "_ReasonRow") -> None:
        """Count a row of the query into this reason."""
        self.count += 1
        self.at = min(filter(None, (self.at, row.at)), default=None)
        self.note = self.note or row.note
        is_difference = self.kind is ReasonKind.UNBILLED
        sums = self.differences if is_difference else self.owed
        if row.amount is not None:
            sums[row.currency] = sums.get(row.currency, ZERO) + row.amount


@dataclass(slots=True)
class OrganizationInNeed:
    """An organization that needs action, with its reasons, most urgent first."""

    organization_id: int
    name: str
    external_id: str
    white_label_id: int
    reasons: list[Reason] = field(default_factory=list)

    def add(self, row: "_ReasonRow") -> None:
        """Count a row into its reason; rows come in the order of their kinds."""
        kind = ReasonKind(row.kind)
        if not self.reasons or self.reasons[-1].kind is not kind:
            self.reasons.append(Reason(kind))
        self.reasons[-1].add(row)


@dataclass(frozen=True, slots=True)
class NeedsAction:
    """The organizations of some white labels that need action.

    The lists hold at most `MAX_SHOWN`; a flag is set if there are more than counted.
    """

    organizations: Sequence[OrganizationInNeed]  # most urgent first
    count: int  # of organizations; with `is_capped`, a lower bound
    is_capped: bool
    trials: Sequence[OrganizationInNeed]  # ending soon, soonest first
    are_trials_capped: bool
    overdue: Reason  # of all organizations together
    is_overdue_capped: bool


class _ReasonRow(NamedTuple):
    kind: str
    organization_id: int
    name: str
    external_id: str
    white_label_id: int
    at: datetime | None
    note: str
    amount: Decimal | None
    currency: str


def needs_action(white_label_ids: Sequence[int], *, now: datetime) -> NeedsAction:
    """Return the organizations that need action.

    One statement of nine parts, each of which stops at its cap in each white label.
    """
    rows: dict[str, list[_ReasonRow]] = {kind: [] for kind in ReasonKind}
    for row in _fetch_rows(white_label_ids, now):
        rows[row.kind].append(row)
    for rows_of_kind in rows.values():
        rows_of_kind.sort(key=_oldest_first)
    ending, overdue = rows.pop(ReasonKind.TRIAL_ENDING), rows[ReasonKind.OVERDUE]
    organizations = _group(row for group in rows.values() for row in group)
    is_capped = any(map(_is_capped, rows.values()))
    return NeedsAction(
        organizations=organizations[:MAX_SHOWN],
        count=min(len(organizations), MAX_SHOWN),
        is_capped=len(organizations) > MAX_SHOWN or is_capped,
        trials=_group(ending)[:MAX_SHOWN],
        are_trials_capped=len(ending) > MAX_SHOWN,
        overdue=_sum_overdue(overdue),
        is_overdue_capped=_is_capped(overdue),
    )


# A lateral join for each white label: PostgreSQL then walks the index of that white
# label in order and stops at the limit, instead of sorting the invoices of all.
_OVERDUE = """
select 'overdue', found.* from unnest(%(white_labels)s::bigint[]) as label (id)
cross join lateral (
    select o.id, o.name, o.external_id, o.white_label_id, i.overdue_from, '',
        i.amount_remaining, i.currency
    from billing_invoice i join orgs_organization o on o.id = i.organization_id
    where i.white_label_id = label.id and i.overdue_from <= %(now)s
        and o.deleted_at is null
    order by i.overdue_from limit %(invoices)s
) as found
"""
_SUBSCRIBED = """
select '{kind}', found.* from unnest(%(white_labels)s::bigint[]) as label (id)
cross join lateral (
    select o.id, o.name, o.external_id, o.white_label_id, {since}, s.pause_reason,
        null::numeric, ''
    from billing_subscription s join orgs_organization o on o.id = s.organization_id
    where s.white_label_id = label.id and o.deleted_at is null and {condition}
    {order} limit %(subscriptions)s
) as found
"""
_UNBILLED = f"""
select 'unbilled', found.* from unnest(%(white_labels)s::bigint[]) as label (id)
cross join lateral (
    select o.id, o.name, o.external_id, o.white_label_id, d.first_seen_at, '',
        d.amount, d.currency
    from billing_discrepancy d join orgs_organization o on o.id = d.organization_id
    where d.white_label_id = label.id and d.kind = '{DiscrepancyKind.CHARGES}'
        and d.resolved_at is null
    order by d.first_seen_at limit %(subscriptions)s
) as found
"""  # noqa: S608  ours
_DISPUTED = f"""
select 'disputed', found.* from unnest(%(white_labels)s::bigint[]) as label (id)
cross join lateral (
    select o.id, o.name, o.external_id, o.white_label_id, a.respond_by_at, '',
        null::numeric, ''
    from billing_invoiceadjustment a
    join orgs_organization o on o.id = a.organization_id
    where a.white_label_id = label.id and a.status in {AWAITING_RESPONSE}
        and o.deleted_at is null
    order by a.respond_by_at limit %(subscriptions)s
) as found
"""  # noqa: S608  ours
# One status in each part: the index is in order within a status, so that two in one
# part would have to be sorted whole.
_LOST = f"""s.status = '{{status}}'
        and s.trial_ends_at > %(lost_since)s and s.trial_ends_at <= %(now)s
        and not exists (select from billing_subscription live
            where live.organization_id = s.organization_id and live.kind = s.kind
            and live.status in {sql_list(LIVE)})"""
_TRIAL_END = "s.trial_ends_at"
_LATEST_FIRST, _SOONEST_FIRST = f"order by {_TRIAL_END} desc", f"order by {_TRIAL_END}"
# Kind, since when, condition, order. Stripe does not report since when a subscription
# is unpaid or past due.
_PARTS = (
    (ReasonKind.UNPAID, "null::timestamptz", f"s.status = '{_Status.UNPAID}'", ""),
    (ReasonKind.PAST_DUE, "null::timestamptz", f"s.status = '{_Status.PAST_DUE}'", ""),
    (
        ReasonKind.TRIAL_OVER,
        _TRIAL_END,
        f"s.status = '{_Status.TRIALING}' and s.trial_ends_at <= %(now)s",
        _LATEST_FIRST,
    ),
    (ReasonKind.PAUSED, "s.paused_at", f"s.status = '{_Status.PAUSED}'", ""),
    (
        ReasonKind.TRIAL_LOST,
        _TRIAL_END,
        _LOST.format(status=_Status.CANCELED),
        _LATEST_FIRST,
    ),
    (
        ReasonKind.TRIAL_LOST,
        _TRIAL_END,
        _LOST.format(status=_Status.INCOMPLETE),
        _LATEST_FIRST,
    ),
    (
        ReasonKind.TRIAL_ENDING,
        _TRIAL_END,
        f"""s.status = '{_Status.TRIALING}' and s.trial_ends_at > %(now)s
        and s.trial_ends_at <= %(ends_until)s""",
        _SOONEST_FIRST,
    ),
)
_SQL = " union all ".join(
    [
        _OVERDUE,
        _UNBILLED,
        _DISPUTED,
        *(
            _SUBSCRIBED.format(kind=kind, since=since, condition=condition, order=order)
            for kind, since, condition, order in _PARTS
        ),
    ]
)


def _fetch_rows(ids: Sequence[int], now: datetime) -> Iterable[_ReasonRow]:
    with connection.cursor() as cursor:
        cursor.execute(
            _SQL,
            {
                "white_labels": list(ids),
                "now": now,
                "ends_until": now + _TRIAL_ENDING_WITHIN,
                "lost_since": now - _TRIAL_LOST_WITHIN,
                "subscriptions": MAX_SHOWN + 1,
                "invoices": _MAX_INVOICES + 1,
            },
        )
        return [_ReasonRow(*row) for row in cursor.fetchall()]


def _is_capped(rows: Sequence[_ReasonRow]) -> bool:
    """Return whether a white label has more rows of a kind than its cap.

    The query reads one row more than that.
    """
    is_overdue = bool(rows) and rows[0].kind == ReasonKind.OVERDUE
    cap = _MAX_INVOICES if is_overdue else MAX_SHOWN
    counts = Counter(row.white_label_id for row in rows)
    return max(counts.values(), default=0) > cap


def _group(rows: Iterable[_ReasonRow]) -> list[OrganizationInNeed]:
    """Group rows by organization, in the order of each one's first row."""
    organizations: dict[int, OrganizationInNeed] = {}
    for row in rows:
        organization = OrganizationInNeed(*row[1:5])
        organizations.setdefault(row.organization_id, organization).add(row)
    return list(organizations.values())


def _oldest_first(row: _ReasonRow) -> tuple[bool, datetime | None, int]:
    return row.at is None, row.at, row.organization_id


def _sum_overdue(rows: Iterable[_ReasonRow]) -> Reason:
    reason = Reason(ReasonKind.OVERDUE)
    for row in rows:
        reason.add(row)
    return reason


def has_customers(white_labels: Sequence[WhiteLabel]) -> bool:
    """Return whether any organization exists besides the owners of the white labels."""
    active = Organization.objects.active().filter(white_label__in=white_labels)
    owners = [label.owner_id for label in white_labels]
    return active.exclude(pk__in=[id_ for id_ in owners if id_]).exists()
