"""Events of Stripe: kept once, handled by whoever claims them, each time the same.

An event is a hint. Its object is asked for anew under a lock of that object, so order,
duplicates and age do not matter; what was written is what Stripe said last.
"""

import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pghistory
from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone
from psycopg.types.json import Jsonb

from billing import gateway
from billing.commands import mirror
from billing.commands.mirror import Outcome
from billing.gateway import redacted
from billing.models import InboxEvent
from orgs.errors import DomainError

logger = logging.getLogger(__name__)
LEASE = timedelta(minutes=5)
MAX_ATTEMPTS = 12
NUDGED_WITHIN = timedelta(seconds=30)  # else a sweep takes it up
_PUT_OFF = timedelta(minutes=5)
KEPT = timedelta(days=30)
PULLED = timedelta(days=4)  # Stripe itself gives up after three
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=15), timedelta(hours=1)
_State = InboxEvent.State
_NEEDS_SOMEBODY = (_State.PARKED, _State.FAILED, _State.IGNORED)
_LONGEST_ERROR = 4_000


# --- taking them in ---------------------------------------------------------------


def receive(event: gateway.Event, *, source: str = "webhook") -> int | None:
    """Keep an event; answers its row's id for a nudge, nothing where it is known.

    Insert-or-nothing by Stripe's id: of parallel duplicates one is kept.
    """
    now = timezone.now()
    values: dict[str, Any] = {
        "event_id": event.id,
        "type": event.type,
        "api_version": event.api_version[:40],
        "object_id": event.object_id[:255],
        "source": source,
        "payload": Jsonb(_storable(event.payload)),
        "happened_at": event.created_at or now,
        "now": now,
        "due_at": now + NUDGED_WITHIN,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_INSERT, values)
        row = cursor.fetchone()
    return row[0] if row else None


_INSERT = """
insert into billing_inboxevent (event_id, type, api_version, object_id, source, payload,
    happened_at, received_at, state, reason, attempts, due_at, error)
values (%(event_id)s, %(type)s, %(api_version)s, %(object_id)s, %(source)s, %(payload)s,
    %(happened_at)s, %(now)s, 'pending', '', 0, %(due_at)s, '')
on conflict (event_id) do nothing returning id
"""


def _storable(value: Any) -> Any:
    """PostgreSQL holds no NUL in a text."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, Mapping):
        return {_storable(name): _storable(one) for name, one in value.items()}
    return [_storable(one) for one in value] if isinstance(value, list) else value


def pull_undelivered() -> list[int]:
    """Keep what no endpoint has taken in the last days; answers rows for nudges."""
    since, after, ids = timezone.now() - PULLED, "", []
    while True:
        page = gateway.list_events(since=since, after=after, delivered=False)
        ids += [receive(event, source="pull") for event in page.items]
        if not (after := page.next_cursor):
            return [id_ for id_ in ids if id_ is not None]


# --- whose turn it is -------------------------------------------------------------


@transaction.atomic
def take_forgotten(limit: int) -> list[int]:
    """Rows that wait for nobody: not nudged, due again, or their worker died.

    They are put off a little, so that a sweep does not repeat the one before.
    """
    now = timezone.now()
    waiting = Q(state=_State.PENDING, due_at__lte=now)
    dead = Q(state=_State.PROCESSING, leased_until__lte=now)
    rows = InboxEvent.objects.filter(waiting | dead).order_by("due_at")
    ids = list(
        rows.select_for_update(skip_locked=True).values_list("id", flat=True)[:limit]
    )
    InboxEvent.objects.filter(id__in=ids).update(due_at=now + _PUT_OFF)
    return ids


def prune() -> int:
    """Forget what is done for a month; what needs somebody stays."""
    old = InboxEvent.objects.filter(
        received_at__lt=timezone.now() - KEPT, state__in=[_State.DONE, _State.IGNORED]
    )
    return old.delete()[0]


def resend(id_: int) -> bool:
    """Try a parked, failed or ignored one anew; whether it was one."""
    ended = InboxEvent.objects.filter(id=id_, state__in=_NEEDS_SOMEBODY)
    return bool(
        ended.update(
            state=_State.PENDING,
            reason="",
            error="",
            attempts=0,
            due_at=timezone.now() + NUDGED_WITHIN,
            leased_until=None,
            finished_at=None,
        )
    )


def ignore(id_: int, *, by: str) -> bool:
    """Nobody needs to look at it any more; whether anybody had to."""
    rows = InboxEvent.objects.filter(id=id_, state__in=[_State.PARKED, _State.FAILED])
    return bool(rows.update(state=_State.IGNORED, reason=f"by {by}"[:200]))


# --- handling ---------------------------------------------------------------------


def handle(id_: int) -> None:
    """Claim an event and do what it hints at; a claimed or finished one is nothing.

    1. claim it for the time of a lease
    2. under the lock of its object, ask Stripe what is so now
    3. write that, in transactions of the mirror's own
    4. mark it done, and the earlier hints at the same object with it
    A worker that dies anywhere leaves a row whose lease ends; all of it is done again,
    to the same effect.
    """
    event = _claim(id_)
    if event is None:
        return
    try:
        with pghistory.context(username="Stripe", event=event.event_id):
            _settle(event)
    except gateway.Malformed as error:
        _end(event, _State.PARKED, str(error))
    except gateway.Missing:
        _end_missing(event)
    except gateway.Refused as error:
        _end(event, _State.PARKED, f"Stripe refused: {error.code} {error.message}")
    except Exception as error:  # whatever else: tried again
        _fail(event, error)


def _claim(id_: int) -> InboxEvent | None:
    now = timezone.now()
    free = Q(state=_State.PENDING) | Q(state=_State.PROCESSING, leased_until__lte=now)
    claimed = InboxEvent.objects.filter(free, id=id_).update(
        state=_State.PROCESSING, attempts=F("attempts") + 1, leased_until=now + LEASE
    )
    return InboxEvent.objects.get(id=id_) if claimed else None


def _settle(event: InboxEvent) -> None:
    refetch = _refetch(event.type)
    if refetch is None:
        return _end(event, _State.DONE, "not needed")
    if not _is_supported(event):
        return _end(event, _State.PARKED, f"unsupported version {event.api_version}")
    if not event.object_id:
        return _end(event, _State.PARKED, "it names no object")
    with object_lock(event.object_id):
        asked_at = timezone.now()
        outcome = refetch(event.object_id, by=event.event_id)
    _end_met(event, outcome, asked_at)
    return None


def _refetch(type_: str) -> Callable[..., Outcome] | None:
    """What an event of this type makes us ask for."""
    if type_.startswith("customer.subscription."):
        return mirror.refetch_subscription
    family, _, what = type_.rpartition(".")
    if what == "upcoming":
        return None  # an invoice that is none yet, and has no id
    return _FAMILIES.get(family)


_FAMILIES: dict[str, Callable[..., Outcome]] = {
    "customer": mirror.refetch_customer,
    "invoice": mirror.refetch_invoice,
    "price": mirror.refetch_price,
    "product": mirror.refetch_product,
}


def _is_supported(event: InboxEvent) -> bool:
    payload = event.payload
    return gateway.Event(
        event.event_id, event.type, event.api_version, event.object_id, None, payload
    ).is_supported


@contextmanager
def object_lock(object_id: str) -> Iterator[None]:
    """One at a time for an object, over the network and several transactions.

    A lock of the session: it ends with the connection, and a pool that shares sessions
    between transactions would break it. Waits as long as any lock may (10 s).
    """
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(hashtextextended(%s, 0))", [object_id])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(
                "select pg_advisory_unlock(hashtextextended(%s, 0))", [object_id]
            )


# --- ends -------------------------------------------------------------------------


def _end(
    event: InboxEvent, state: str, reason: str = "", *, organization: int | None = None
) -> None:
    """Only what is still ours: after its lease another may have taken it up."""
    own = InboxEvent.objects.filter(
        id=event.id, attempts=event.attempts, state=_State.PROCESSING
    )
    own.update(
        state=state,
        reason=reason[:200],
        organization_id=organization,
        finished_at=timezone.now(),
        leased_until=None,
        error="",
    )


def _end_met(event: InboxEvent, outcome: Outcome, asked_at: datetime) -> None:
    if outcome.strangers and not outcome.met:
        return _end(event, _State.PARKED, "its customer belongs to no organization")
    organization = outcome.met.get(event.object_id)
    _end(event, _State.DONE, organization=organization)
    _end_covered(event, asked_at, organization)
    return None


def _end_covered(
    event: InboxEvent, asked_at: datetime, organization: int | None
) -> None:
    """What arrived before we asked had happened: the answer has it in it."""
    covered = InboxEvent.objects.filter(
        object_id=event.object_id, state=_State.PENDING, received_at__lt=asked_at
    )
    for row in covered:
        if _refetch(row.type) is _refetch(event.type) and _is_supported(row):
            InboxEvent.objects.filter(id=row.id, state=_State.PENDING).update(
                state=_State.DONE,
                reason=f"with {event.event_id}"[:200],
                organization_id=organization,
                finished_at=timezone.now(),
            )


def _end_missing(event: InboxEvent) -> None:
    if event.type.endswith(".deleted"):
        _end(event, _State.DONE, "deleted in Stripe, and never ours")
    else:
        _end(event, _State.PARKED, "no such object in Stripe")


def _fail(event: InboxEvent, error: Exception) -> None:
    """Later, each time later; after the last attempt somebody must look."""
    logger.warning("event_failed id=%s error=%s", event.event_id, type(error).__name__)
    is_last = event.attempts >= MAX_ATTEMPTS
    wait = min(_FIRST_WAIT * 2 ** (event.attempts - 1), _LONGEST_WAIT)
    own = InboxEvent.objects.filter(
        id=event.id, attempts=event.attempts, state=_State.PROCESSING
    )
    own.update(
        state=_State.FAILED if is_last else _State.PENDING,
        reason=_reason(error),
        error=redacted("".join(traceback.format_exception(error)))[-_LONGEST_ERROR:],
        due_at=timezone.now() + wait,
        leased_until=None,
        finished_at=timezone.now() if is_last else None,
    )


def _reason(error: Exception) -> str:
    text = error.message if isinstance(error, DomainError) else type(error).__name__
    return redacted(text)[:200]
