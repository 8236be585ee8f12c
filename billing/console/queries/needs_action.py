"""Which organizations need somebody, and why: unpaid, failing, paused, out of trial.

Every kind of reason is read by an index up to a cap, in one statement: a page costs the
same for a thousand organizations as for a million, and says "50+" where it stopped.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from django.db import connection

from billing.models.mirrors import LIVE, InvoiceStatus
from billing.models.mirrors import SubscriptionStatus as _Status
from orgs.models import Organization, WhiteLabel
from orgs.sql import sql_list

SHOWN = 50  # organizations; a list of more is not a list to work through
_INVOICES = 1_000  # added up exactly; beyond, the sum says that it is more
_TRIALS_END = timedelta(days=14)
_TRIALS_ENDED = timedelta(days=30)


class Kind(StrEnum):
    """Reasons, most urgent first."""

    OVERDUE = "overdue"
    UNPAID = "unpaid"
    PAST_DUE = "past_due"
    TRIAL_OVER = "trial_over"  # and Stripe still calls it a trial
    PAUSED = "paused"
    TRIAL_LOST = "trial_lost"  # ended, and nothing was subscribed to
    TRIAL_ENDING = "trial_ending"


ZERO = Decimal(0)


@dataclass(slots=True)
class Reason:
    """Why an organization needs somebody; its overdue invoices are one reason."""

    kind: Kind
    at: datetime | None = None  # since when, the longest; null where not known
    note: str = ""
    times: int = 0
    owed: dict[str, Decimal] = field(default_factory=dict)  # by currency

    def add(self, row: "_Row") -> None:
        self.times += 1
        self.at = min(filter(None, (self.at, row.at)), default=None)
        self.note = self.note or row.note
        if row.owed is not None:
            self.owed[row.currency] = self.owed.get(row.currency, ZERO) + row.owed


@dataclass(slots=True)
class Concern:
    """An organization with its reasons, most urgent first."""

    organization_id: int
    name: str
    external_id: str
    white_label_id: int
    reasons: list[Reason] = field(default_factory=list)

    def add(self, row: "_Row") -> None:
        """Rows come by kind, the most urgent first: so do the reasons."""
        kind = Kind(row.kind)
        if not self.reasons or self.reasons[-1].kind is not kind:
            self.reasons.append(Reason(kind))
        self.reasons[-1].add(row)

    @property
    def owed(self) -> dict[str, Decimal]:
        return next((reason.owed for reason in self.reasons if reason.owed), {})


@dataclass(frozen=True, slots=True)
class NeedsAction:
    """What was found; `is_capped` says that there is more than was counted."""

    concerns: Sequence[Concern]  # most urgent first, at most SHOWN
    found: int  # organizations; with `is_capped`, that many and more
    is_capped: bool
    trials: Sequence[Concern]  # ending soon, next first, at most SHOWN
    are_trials_capped: bool
    overdue: Reason  # of all organizations together; `at` is the oldest
    is_overdue_capped: bool


class _Row(NamedTuple):
    kind: str
    organization_id: int
    name: str
    external_id: str
    white_label_id: int
    at: datetime | None
    note: str
    owed: Decimal | None
    currency: str


def needs_action(white_label_ids: Sequence[int], *, now: datetime) -> NeedsAction:
    """One query, of eight parts that each end at their cap in each white label."""
    rows: dict[str, list[_Row]] = {kind: [] for kind in Kind}
    for row in _find(white_label_ids, now):
        rows[row.kind].append(row)
    for some in rows.values():
        some.sort(key=_longest_first)
    ending, overdue = rows.pop(Kind.TRIAL_ENDING), rows[Kind.OVERDUE]
    concerns = _concerns(row for some in rows.values() for row in some)
    return NeedsAction(
        concerns=concerns[:SHOWN],
        found=min(len(concerns), SHOWN),
        is_capped=len(concerns) > SHOWN or any(map(_is_cut, rows.values())),
        trials=_concerns(ending)[:SHOWN],
        are_trials_capped=len(ending) > SHOWN,
        overdue=_together(overdue),
        is_overdue_capped=_is_cut(overdue),
    )


# Each part of each white label by an index of its own, and no further than its cap.
_OVERDUE = f"""
select 'overdue', found.* from unnest(%(white_labels)s::bigint[]) as label (id)
cross join lateral (
    select o.id, o.name, o.external_id, o.white_label_id, i.due_at, '',
        i.amount_due - i.amount_paid, i.currency
    from billing_invoice i join orgs_organization o on o.id = i.organization_id
    where i.white_label_id = label.id and i.status = '{InvoiceStatus.OPEN}'
        and i.due_at < %(now)s and i.amount_due > i.amount_paid and o.deleted_at is null
    order by i.due_at limit %(invoices)s
) as found
"""  # noqa: S608  ours
_SUBSCRIBED = """
select '{kind}', found.* from unnest(%(white_labels)s::bigint[]) as label (id)
cross join lateral (
    select o.id, o.name, o.external_id, o.white_label_id, {since}, s.pause_reason,
        null::numeric, ''
    from billing_subscription s join orgs_organization o on o.id = s.organization_id
    where s.white_label_id = label.id and o.deleted_at is null and {which}
    {order} limit %(some)s
) as found
"""
# One status a part: an index gives the newest of one, of two it would have to sort all.
_LOST = f"""s.status = '{{status}}'
        and s.trial_ends_at > %(lost_since)s and s.trial_ends_at <= %(now)s
        and not exists (select from billing_subscription live
            where live.organization_id = s.organization_id and live.kind = s.kind
            and live.status in {sql_list(LIVE)})"""
_ENDS = "s.trial_ends_at"
_LAST, _NEXT = "order by s.trial_ends_at desc", "order by s.trial_ends_at"
# Since when Stripe calls it so is not known of a subscription that failed to pay.
_PARTS = (
    (Kind.UNPAID, "null::timestamptz", f"s.status = '{_Status.UNPAID}'", ""),
    (Kind.PAST_DUE, "null::timestamptz", f"s.status = '{_Status.PAST_DUE}'", ""),
    (
        Kind.TRIAL_OVER,
        _ENDS,
        f"s.status = '{_Status.TRIALING}' and s.trial_ends_at <= %(now)s",
        _LAST,
    ),
    (Kind.PAUSED, "s.paused_at", f"s.status = '{_Status.PAUSED}'", ""),
    (Kind.TRIAL_LOST, _ENDS, _LOST.format(status=_Status.CANCELED), _LAST),
    (Kind.TRIAL_LOST, _ENDS, _LOST.format(status=_Status.INCOMPLETE), _LAST),
    (
        Kind.TRIAL_ENDING,
        _ENDS,
        f"""s.status = '{_Status.TRIALING}' and s.trial_ends_at > %(now)s
        and s.trial_ends_at <= %(ends_until)s""",
        _NEXT,
    ),
)
_SQL = " union all ".join(
    [
        _OVERDUE,
        *(
            _SUBSCRIBED.format(kind=kind, since=since, which=which, order=order)
            for kind, since, which, order in _PARTS
        ),
    ]
)


def _find(ids: Sequence[int], now: datetime) -> Iterable[_Row]:
    with connection.cursor() as cursor:
        cursor.execute(
            _SQL,
            {
                "white_labels": list(ids),
                "now": now,
                "ends_until": now + _TRIALS_END,
                "lost_since": now - _TRIALS_ENDED,
                "some": SHOWN + 1,
                "invoices": _INVOICES + 1,
            },
        )
        return [_Row(*row) for row in cursor.fetchall()]


def _is_cut(rows: Sequence[_Row]) -> bool:
    """Some white label has more of a kind than were read; one row is read too many."""
    cap = _INVOICES if rows and rows[0].kind == Kind.OVERDUE else SHOWN
    times = Counter(row.white_label_id for row in rows)
    return max(times.values(), default=0) > cap


def _concerns(rows: Iterable[_Row]) -> list[Concern]:
    """By organization, in the order in which they first come."""
    found: dict[int, Concern] = {}
    for row in rows:
        found.setdefault(row.organization_id, Concern(*row[1:5])).add(row)
    return list(found.values())


def _longest_first(row: _Row) -> tuple[bool, datetime | None, int]:
    return row.at is None, row.at, row.organization_id


def _together(rows: Iterable[_Row]) -> Reason:
    reason = Reason(Kind.OVERDUE)
    for row in rows:
        reason.add(row)
    return reason


def has_customers(white_labels: Sequence[WhiteLabel]) -> bool:
    """Whether there is any organization beside those that own the white labels."""
    active = Organization.objects.active().filter(white_label__in=white_labels)
    owners = [label.owner_id for label in white_labels]
    return active.exclude(pk__in=[id_ for id_ in owners if id_]).exists()
