"""The history of refused access: a row whenever the decision changes.

Whatever changes the decision calls `record_refusals` in its transaction: the evaluation
of limits, a change of a limit, balance, period or subscription, and the change of an
organization. A change that only time makes, such as the end of a trial, is recorded by
the next evaluation, with the time of the change itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import pghistory
from django.db import transaction
from django.db.models import Max

from billing.access.queries.explanations import reason_facts
from billing.access.queries.facts import AccessDetails, list_access_details
from billing.access.queries.refusals import DecisionChange, list_decision_changes
from billing.models import AccessRefusal, CreditEntry, RefusalReason
from billing.models.mirrors import SubscriptionStatus
from billing.signals import access_changed
from orgs.models import ApiKey

_Lifting = RefusalReason.Lifting
_MAX_NAME, _MAX_NOTE = 200, 2_000


class _Actor(NamedTuple):
    """Who made the change that lifted a reason, and why; empty if it is not known."""

    name: str = ""
    note: str = ""


def record_refusals(organization_ids: Iterable[int], *, now: datetime) -> None:
    """Record in the history where access began or ceased to be refused.

    Costs one statement if nothing changed. Of two workers that see the same change one
    writes it: open rows are locked before they are compared again, and there is one
    open row per organization and reason.
    """
    ids = [change.organization_id for change in _real_changes(organization_ids, now)]
    if ids:
        _record(ids, now)


@transaction.atomic
def _record(ids: Sequence[int], now: datetime) -> None:
    refusals = _lock_open(ids)
    details = list_access_details(ids, now=now)
    changes = _real_changes(ids, now, details)
    _close_reasons(changes, refusals, details, now)
    _open_reasons(changes, details, now)
    if changes:
        ids = [change.organization_id for change in changes]
        access_changed.send(AccessRefusal, organization_ids=ids, now=now)


def _lock_open(ids: Sequence[int]) -> dict[int, AccessRefusal]:
    """Return the open refusals by organization, locked in the order of these."""
    rows = AccessRefusal.objects.select_for_update().filter(
        organization_id__in=ids, ended_at=None
    )
    return {row.organization_id: row for row in rows.order_by("organization_id")}


def _real_changes(
    ids: Iterable[int],
    now: datetime,
    details: Mapping[int, AccessDetails] | None = None,
) -> list[DecisionChange]:
    """Return the changes that will not be reversed by the next evaluation.

    A changed limit that is still reached allows access for the moment until it is
    evaluated: that is no end of the refusal.
    """
    changes = list_decision_changes(ids, now=now)
    lifted = [c.organization_id for c in changes if "hard_limit" in c.lifted]
    details = details or (list_access_details(lifted, now=now) if lifted else {})
    real = (_without_pending(change, details) for change in changes)
    return [change for change in real if change.started or change.lifted]


def _without_pending(
    change: DecisionChange, details: Mapping[int, AccessDetails]
) -> DecisionChange:
    if "hard_limit" not in change.lifted:
        return change
    if not details[change.organization_id].case.spending.is_over_hard:
        return change
    lifted = [code for code in change.lifted if code != "hard_limit"]
    return change._replace(lifted=lifted)


# The end of reasons.


def _close_reasons(
    changes: Sequence[DecisionChange],
    refusals: Mapping[int, AccessRefusal],
    details: Mapping[int, AccessDetails],
    now: datetime,
) -> None:
    """End the reasons that were lifted, and the refusals without another reason."""
    lifted = {c.organization_id: c.lifted for c in changes if c.lifted}
    open_ids = [refusals[id_].pk for id_ in lifted if id_ in refusals]
    rows = RefusalReason.objects.filter(refusal_id__in=open_ids, ended_at=None)
    reasons = list(rows.select_related("refusal").order_by("refusal_id", "id"))
    actor, ended = _current_actor(), []
    for reason in reasons:
        id_ = reason.refusal.organization_id
        if reason.code in lifted[id_]:
            _end(reason, details[id_], actor, now)
            ended.append(reason)
    fields = ["ended_at", "lifting", "lifted_by", "note"]
    RefusalReason.objects.bulk_update(ended, fields)
    started = {c.organization_id for c in changes if c.started}
    remaining = {r.refusal_id for r in reasons if r.ended_at is None}
    over = [
        refusals[id_]
        for id_ in lifted
        if id_ in refusals and id_ not in started and refusals[id_].pk not in remaining
    ]
    for row in over:
        row.ended_at = max(now, row.started_at)
    AccessRefusal.objects.bulk_update(over, ["ended_at"])


def _end(
    reason: RefusalReason, details: AccessDetails, actor: _Actor, now: datetime
) -> None:
    reason.ended_at = max(now, reason.started_at)
    reason.lifting = find_lifting(reason, details)
    if not actor.name and reason.lifting == _Lifting.BALANCE_ADDED:
        actor = _giver_of_balance(details.organization_id)
    reason.lifted_by, reason.note = actor.name[:_MAX_NAME], actor.note[:_MAX_NOTE]


def find_lifting(reason: RefusalReason, details: AccessDetails) -> str:
    """Return what lifted a reason, by what differs from the facts when it began."""
    status = details.case.facts.status
    if reason.code == "hard_limit":
        return _limit_lifting(reason, details)
    if reason.code in _BY_CODE:
        return _BY_CODE[reason.code]
    if status is None:
        return _Lifting.SUBSCRIPTION_ENDED
    return _BY_STATUS[reason.code].get(status, _Lifting.SUBSCRIPTION_CHANGED)


_BY_CODE = {"deleted": _Lifting.RESTORED, "inactive": _Lifting.ACTIVATED}
_SERVED = (
    SubscriptionStatus.ACTIVE,
    SubscriptionStatus.TRIALING,
    SubscriptionStatus.PAST_DUE,
)
_BY_STATUS: dict[str, dict[str, str]] = {
    "paused": dict.fromkeys(_SERVED, _Lifting.RESUMED),
    "unpaid": dict.fromkeys(_SERVED, _Lifting.PAID),
    "trial_over": {
        SubscriptionStatus.TRIALING: _Lifting.TRIAL_EXTENDED,
        SubscriptionStatus.ACTIVE: _Lifting.SUBSCRIBED,
        SubscriptionStatus.PAST_DUE: _Lifting.SUBSCRIBED,
    },
}


def _limit_lifting(reason: RefusalReason, details: AccessDetails) -> str:
    facts, spending = reason.facts, details.case.spending
    if facts.get("period") != details.period:
        return _Lifting.PERIOD_RESET
    if spending.hard is None:
        return _Lifting.LIMIT_REMOVED
    if facts.get("limit_version") != details.hard_version:
        return _Lifting.LIMIT_RAISED
    if Decimal(facts.get("free_balance") or 0) < spending.free_balance:
        return _Lifting.BALANCE_ADDED
    return _Lifting.COST_REDUCED


def _current_actor() -> _Actor:
    """Return the person, API key or Stripe whose change is being written; and the note.

    Tasks and commands have no name here: what lifted the reason says enough.
    """
    with pghistory.context() as current:
        metadata = current.metadata
    name, note = metadata.get("username"), metadata.get("note")
    if key_id := metadata.get("api_key"):
        key = ApiKey.objects.filter(pk=key_id).first()
        name = f"API key {key}" if key else "API key"
    return _Actor(str(name or ""), str(note or ""))


def _giver_of_balance(organization_id: int) -> _Actor:
    """Return who added free balance last: a worker evaluates it after the request."""
    rows = CreditEntry.objects.filter(
        organization_id=organization_id,
        kind=CreditEntry.Kind.FREE_BALANCE,
        amount__gt=0,
    )
    entry = rows.order_by("-id").first()
    return _Actor(entry.by, entry.note) if entry else _Actor()


# The beginning of reasons.


def _open_reasons(
    changes: Sequence[DecisionChange],
    details: Mapping[int, AccessDetails],
    now: datetime,
) -> None:
    """Add the reasons that began, to the open refusal or to a new one."""
    started = {c.organization_id: _starts(c, now) for c in changes if c.started}
    last_ends = _last_ends(started)
    for id_, starts in started.items():
        last_end = last_ends.get(id_)
        for code, at in starts.items():
            starts[code] = max(at, last_end) if last_end else at
    refusals = _open_refusals(started)
    _extend_back(refusals, started)
    RefusalReason.objects.bulk_create(
        [
            RefusalReason(
                refusal=refusals[id_],
                code=code,
                started_at=at,
                facts=reason_facts(code, details[id_], now),
            )
            for id_, starts in started.items()
            for code, at in starts.items()
        ],
        ignore_conflicts=True,
    )


def _extend_back(
    refusals: Mapping[int, AccessRefusal],
    started: Mapping[int, Mapping[str, datetime]],
) -> None:
    """Let refusals begin with a reason that is seen late, as the end of a trial is."""
    earlier = []
    for id_, starts in started.items():
        first = min(starts.values())
        if first < refusals[id_].started_at:
            refusals[id_].started_at = first
            earlier.append(refusals[id_])
    AccessRefusal.objects.bulk_update(earlier, ["started_at"])


def _starts(change: DecisionChange, now: datetime) -> dict[str, datetime]:
    """Return when reasons began: not later than now, whatever a person entered."""
    return {code: min(at, now) for code, at in change.started.items()}


def _last_ends(ids: Iterable[int]) -> dict[int, datetime]:
    """Return when each organization was last refused: two refusals do not overlap."""
    rows = AccessRefusal.objects.filter(
        organization_id__in=list(ids), ended_at__isnull=False
    )
    ends = rows.values("organization_id").annotate(last=Max("ended_at"))
    return {row["organization_id"]: row["last"] for row in ends}


def _open_refusals(
    started: Mapping[int, Mapping[str, datetime]],
) -> dict[int, AccessRefusal]:
    """Return the open refusal of each organization; create those that are missing."""
    AccessRefusal.objects.bulk_create(
        [
            AccessRefusal(organization_id=id_, started_at=min(starts.values()))
            for id_, starts in sorted(started.items())
        ],
        ignore_conflicts=True,
    )
    return _lock_open(list(started))
