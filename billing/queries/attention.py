"""Which organizations need somebody, and why: unpaid, failing, paused, out of trial.

Every kind of reason is read by an index up to a cap, in one statement: a page costs the
same for a thousand organizations as for a million, and says "50+" where it stopped.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from django.db.models import (
    DateTimeField,
    DecimalField,
    Exists,
    F,
    OuterRef,
    QuerySet,
    Value,
)

from billing.models import Invoice, Subscription
from billing.models.mirrors import LIVE
from orgs.models import Organization, WhiteLabel

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
class Attention:
    """What was found; `is_capped` says that there is more than was counted."""

    concerns: Sequence[Concern]  # most urgent first, at most SHOWN
    found: int
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


def attention(white_label_ids: Sequence[int], *, now: datetime) -> Attention:
    """One query, of seven parts that each end at their cap.

    A part reads what is overdue or failing in every white label until enough of these
    is found: that grows with what is wrong, never with the organizations.
    """
    rows: dict[str, list[_Row]] = {kind: [] for kind in Kind}
    for row in map(_Row._make, _find(white_label_ids, now)):
        rows[row.kind].append(row)
    for some in rows.values():
        some.sort(key=_longest_first)
    ending, overdue = rows.pop(Kind.TRIAL_ENDING), rows[Kind.OVERDUE]
    concerns = _concerns(row for some in rows.values() for row in some)
    return Attention(
        concerns=concerns[:SHOWN],
        found=len(concerns),
        is_capped=len(concerns) > SHOWN,
        trials=_concerns(ending)[:SHOWN],
        are_trials_capped=len(ending) > SHOWN,
        overdue=_together(overdue),
        is_overdue_capped=len(overdue) > _INVOICES,
    )


def _find(ids: Sequence[int], now: datetime) -> Iterable[tuple[Any, ...]]:
    status = Subscription.Status
    return _overdue(ids, now).union(
        _subscribed(ids, Kind.UNPAID, "organization_id", status=status.UNPAID),
        _subscribed(ids, Kind.PAST_DUE, "organization_id", status=status.PAST_DUE),
        _subscribed(ids, Kind.PAUSED, "organization_id", status=status.PAUSED),
        _subscribed(
            ids,
            Kind.TRIAL_OVER,
            "-trial_ends_at",
            status=status.TRIALING,
            trial_ends_at__lte=now,
        ),
        _subscribed(
            ids,
            Kind.TRIAL_ENDING,
            "trial_ends_at",
            status=status.TRIALING,
            trial_ends_at__gt=now,
            trial_ends_at__lte=now + _TRIALS_END,
        ),
        _lost(ids, now),
        all=True,
    )


def _overdue(ids: Sequence[int], now: datetime) -> QuerySet[Any, Any]:
    """Oldest first; what is owed is what is due and not yet paid."""
    rows = Invoice.objects.filter(
        organization__white_label_id__in=ids,
        organization__deleted_at=None,
        status=Invoice.Status.OPEN,
        due_at__lt=now,
        amount_due__gt=F("amount_paid"),
    )
    return rows.order_by("due_at").values_list(
        Value(Kind.OVERDUE.value),
        *_WHO,
        "due_at",
        Value(""),
        F("amount_due") - F("amount_paid"),
        "currency",
    )[: _INVOICES + 1]


_WHO = (
    "organization_id",
    "organization__name",
    "organization__external_id",
    "organization__white_label_id",
)
# Since when Stripe calls it so is not known of a subscription that failed to pay.
_SINCE = {
    Kind.PAUSED: "paused_at",
    Kind.TRIAL_OVER: "trial_ends_at",
    Kind.TRIAL_LOST: "trial_ends_at",
    Kind.TRIAL_ENDING: "trial_ends_at",
}


def _subscribed(
    ids: Sequence[int], kind: Kind, order: str, **narrowed: Any
) -> QuerySet[Any, Any]:
    rows = Subscription.objects.filter(
        organization__white_label_id__in=ids,
        organization__deleted_at=None,
        **narrowed,
    )
    return _told(rows.order_by(order), kind)


def _lost(ids: Sequence[int], now: datetime) -> QuerySet[Any, Any]:
    """Trials of the last 30 days that left nothing behind; newest first."""
    live = Subscription.objects.filter(
        organization=OuterRef("organization"), kind=OuterRef("kind"), status__in=LIVE
    )
    rows = Subscription.objects.filter(
        ~Exists(live),
        organization__white_label_id__in=ids,
        organization__deleted_at=None,
        status__in=[Subscription.Status.CANCELED, Subscription.Status.INCOMPLETE],
        trial_ends_at__gt=now - _TRIALS_ENDED,
        trial_ends_at__lte=now,
    )
    return _told(rows.order_by("-trial_ends_at"), Kind.TRIAL_LOST)


def _told(rows: QuerySet[Subscription], kind: Kind) -> QuerySet[Any, Any]:
    at = _SINCE.get(kind, Value(None, DateTimeField()))
    return rows.values_list(
        Value(kind.value),
        *_WHO,
        at,
        "pause_reason",
        Value(None, DecimalField()),
        Value(""),
    )[: SHOWN + 1]


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
    present = Organization.objects.present().filter(white_label__in=white_labels)
    owners = [label.owner_id for label in white_labels]
    return present.exclude(pk__in=[id_ for id_ in owners if id_]).exists()
